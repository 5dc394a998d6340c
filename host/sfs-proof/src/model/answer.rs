//! What a file system answers to an operation, and what it must answer.

use std::collections::BTreeMap;

/// A reason to refuse an operation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// Nothing has the name.
    NotFound,
    /// Something has the name already.
    Exists,
    /// It is no directory.
    NotDirectory,
    /// It is a directory.
    IsDirectory,
    /// It is no file.
    NotFile,
    /// It is no symlink.
    NotSymlink,
    /// The directory has entries.
    NotEmpty,
    /// Nothing may have the name.
    InvalidName,
    /// The disk is full.
    NoSpace,
    /// No file may be as large.
    TooLarge,
    /// A directory would move below itself.
    IntoItself,
    /// The directory is removed.
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

/// What an operation gives.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Done {
    /// Nothing but that it is done.
    Nothing,
    /// An inode that is new, or that was opened, by number.
    Inode(u32),
    /// The bytes that were written.
    Count(usize),
    /// What was read from a file.
    Bytes(Vec<u8>),
    /// The target of a symlink.
    Text(String),
    /// The names in a directory, with the numbers of what they name.
    Names(BTreeMap<String, u32>),
    /// What is told of an inode.
    Stat {
        /// Its number.
        number: u32,
        /// Its size in bytes.
        size: u64,
        /// Its count of links.
        links: u32,
    },
}

/// What the file system answered.
pub type Answer = Result<Done, Refusal>;

/// What it must answer: this, or one of these refusals.
pub type Expected = Result<Done, Vec<Refusal>>;

impl From<Refusal> for Vec<Refusal> {
    fn from(refusal: Refusal) -> Self {
        vec![refusal]
    }
}
