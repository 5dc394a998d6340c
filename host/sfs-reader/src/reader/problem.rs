//! The problems that an image can have.

use std::fmt;

/// Something wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Problem {
    /// A block is marked as in use and is not.
    Leaked(u32),
    /// An inode's count of links is higher than the number of its names.
    HighCount {
        /// The inode.
        inode: u32,
        /// Its count.
        count: u32,
        /// The number of its names.
        names: u32,
    },
    /// The superblock's number of free blocks is not that of the map.
    StaleUnused {
        /// The number in the superblock.
        said: u32,
        /// That of the map.
        free: u32,
    },
    /// A directory that was being moved has both its old and its new name.
    SeenTwice {
        /// The directory.
        directory: u32,
        /// Those that name it.
        parents: Vec<u32>,
    },
    /// Anything that a power cut must not leave.
    Broken(String),
}

impl Problem {
    /// True for what a power cut must not leave.
    pub fn is_broken(&self) -> bool {
        matches!(self, Self::Broken(_))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leaked(block) => write!(f, "block {block} is marked as in use and is not"),
            Self::HighCount { inode, count, names } => {
                write!(f, "inode {inode} counts {count} links and has {names}")
            }
            Self::StaleUnused { said, free } => {
                write!(f, "the superblock counts {said} free blocks, the map has {free}")
            }
            Self::SeenTwice { directory, parents } => {
                write!(f, "directory {directory} is in the directories {parents:?}")
            }
            Self::Broken(what) => write!(f, "broken: {what}"),
        }
    }
}
