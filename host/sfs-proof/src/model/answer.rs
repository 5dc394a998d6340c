//! The answers of a file system to operations, and those that it must give.

use std::collections::BTreeMap;

/// A reason to refuse an operation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// There is no such name.
    NotFound,
    /// There is such a name.
    Exists,
    /// It is no directory.
    NotDirectory,
    /// It is a directory.
    IsDirectory,
    /// It is no regular file.
    NotFile,
    /// It is no symlink.
    NotSymlink,
    /// The directory has entries.
    NotEmpty,
    /// No entry may have the name.
    InvalidName,
    /// The disk is full.
    NoSpace,
    /// A file or target would be longer than the format allows.
    TooLarge,
    /// A directory would be below itself.
    IntoItself,
    /// It has no name any more.
    Removed,
    /// The slot is empty, or the path has no name: a mistake of the proof.
    Closed,
    /// The disk failed.
    Disk,
    /// The file system refuses to change anything after the disk failed.
    Failed,
    /// Anything else.
    Other(String),
}

/// The result of an operation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Done {
    /// Nothing to tell.
    Nothing,
    /// An inode that is new, or that was opened, by number.
    Inode(u32),
    /// So many bytes were written.
    Count(usize),
    /// The bytes that were read.
    Bytes(Vec<u8>),
    /// A symlink's target.
    Text(String),
    /// A directory's names, with the numbers of their inodes.
    Names(BTreeMap<String, u32>),
    /// An inode as it is now.
    Stat {
        /// Its number.
        number: u32,
        /// Its size in bytes.
        size: u64,
        /// Its count of links.
        links: u32,
    },
}

/// The file system's answer.
pub type Answer = Result<Done, Refusal>;

/// The answer that it must give: this, or one of these refusals.
pub type Expected = Result<Done, Vec<Refusal>>;

impl From<Refusal> for Vec<Refusal> {
    fn from(refusal: Refusal) -> Self {
        vec![refusal]
    }
}
