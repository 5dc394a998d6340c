//! What a file system answers to an operation, and what it must answer.

use std::collections::BTreeMap;

/// A reason to refuse an operation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Refusal {
    NotFound,
    Exists,
    NotDirectory,
    IsDirectory,
    NotFile,
    NotSymlink,
    NotEmpty,
    InvalidName,
    NoSpace,
    TooLarge,
    IntoItself,
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
    Nothing,
    /// An inode that is new, or that was opened, by number.
    Inode(u32),
    Count(usize),
    Bytes(Vec<u8>),
    Text(String),
    Names(BTreeMap<String, u32>),
    Stat {
        number: u32,
        size: u64,
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
