//! The findings of a check.

use alloc::{string::String, vec::Vec};
use core::fmt;

/// The most problems in the list of a report: a crafted image has as many as it has room for entries.
const PROBLEMS_MAX: usize = 4096;

/// The weight of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// A power cut may leave it. The file system may be used with it.
    Allowed,
    /// No power cut leaves it. Using the file system may make it worse.
    Broken,
}

/// The defect.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Fault {
    /// Blocks are in use, but nothing refers to them. Allowed.
    Leaked {
        /// Their number; they lie in a row.
        blocks: u32,
    },
    /// The count of links is higher than what there is. Allowed.
    HighLinks {
        /// The count.
        count: u16,
        /// The number that there is.
        found: u32,
    },
    /// The superblock's count of unused blocks is wrong. Allowed.
    StaleUnused {
        /// The count.
        count: u32,
        /// The number that there is.
        found: u32,
    },
    /// A directory that was being moved has several names. Allowed, as its count of links says so as well.
    SeveralNames {
        /// The directories that name it.
        parents: Vec<u32>,
    },
    /// ".." of a directory names one that has no name for it.
    WrongParent {
        /// The inode that ".." names.
        found: u32,
        /// The directory that names it.
        parent: u32,
    },
    /// The superblock is none, or contradicts itself.
    Superblock,
    /// A pointer of an inode is damaged, or the root is.
    Inode {
        /// The damage.
        what: &'static str,
    },
    /// An entry names a block in which an inode lies that cannot be read, or what is left of one.
    Damaged {
        /// Its place in the directory, counted from 0.
        slot: u32,
        /// The number that it has.
        inode: u32,
        /// The damage.
        what: &'static str,
    },
    /// A block belongs to an inode, but the map has it as free.
    UsedIsFree {
        /// The inode.
        inode: u32,
    },
    /// A block belongs twice to inodes.
    TwoOwners {
        /// The inode where that was found.
        inode: u32,
    },
    /// The count of links is lower than what there is.
    LowLinks {
        /// The count.
        count: u16,
        /// The number that there is.
        found: u32,
    },
    /// An entry has no sound name, or one that another entry has as well.
    Name {
        /// Its place in the directory, counted from 0.
        slot: u32,
        /// The number that it has.
        inode: u32,
        /// The name as far as it is one.
        name: String,
    },
    /// An entry names no inode.
    Dangling {
        /// Its place in the directory, counted from 0.
        slot: u32,
        /// The number that it has.
        inode: u32,
    },
    /// The first entry of a directory is not "." with its own number, or the second one is not "..".
    Dots,
    /// A directory has several names, and its count of links does not say so.
    TwoParents {
        /// The directories that name it.
        parents: Vec<u32>,
    },
    /// A directory lies below itself.
    Circle {
        /// The root leads to it.
        reached: bool,
    },
    /// The map lists a block as free that is the system's, or that does not exist.
    Map,
}

/// Something that is wrong in a file system.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The block or inode where it is.
    pub at: u32,
    /// The defect.
    pub fault: Fault,
}

impl Problem {
    /// Returns how bad it is.
    pub fn severity(&self) -> Severity {
        match self.fault {
            Fault::Leaked { .. }
            | Fault::HighLinks { .. }
            | Fault::StaleUnused { .. }
            | Fault::SeveralNames { .. } => Severity::Allowed,
            _ => Severity::Broken,
        }
    }
}

impl Fault {
    /// Returns `true` if blocks that nobody seems to have may belong to something that cannot be seen.
    pub(super) fn hides_blocks(&self) -> bool {
        matches!(
            self,
            Self::Inode { .. }
                | Self::Damaged { .. }
                | Self::Dangling { .. }
                | Self::TwoOwners { .. }
                | Self::Dots
                | Self::Circle { reached: false }
        )
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at;
        match &self.fault {
            Fault::Leaked { blocks: 1 } => {
                write!(f, "block {at} is in use, but nothing refers to it")
            }
            Fault::Leaked { blocks } => {
                write!(f, "{blocks} blocks from {at} on are in use, but nothing refers to them")
            }
            Fault::HighLinks { count, found } => {
                write!(f, "inode {at} counts {count} links, which is too many: there are {found}")
            }
            Fault::StaleUnused { count, found } => {
                write!(f, "the superblock counts {count} unused blocks, there are {found}")
            }
            Fault::SeveralNames { parents } => {
                write!(
                    f,
                    "directory {at} was being moved and is in each of the directories {parents:?}"
                )
            }
            Fault::WrongParent { found, parent } => {
                write!(f, "directory {at} is in directory {parent}, but its \"..\" names {found}")
            }
            Fault::Superblock => f.write_str("there is no sound superblock"),
            Fault::Inode { what } => write!(f, "inode {at}: {what}"),
            Fault::UsedIsFree { inode } => {
                write!(f, "block {at} belongs to inode {inode}, but the map has it as free")
            }
            Fault::TwoOwners { inode } => {
                write!(f, "block {at} belongs to inode {inode}, and also to another or twice")
            }
            Fault::LowLinks { count, found } => {
                write!(f, "inode {at} counts {count} links, but there are {found}")
            }
            Fault::Damaged { slot, inode, what } => {
                write!(f, "entry {slot} of directory {at} names {inode}, which is damaged: {what}")
            }
            Fault::Name { slot, inode, name } => write!(
                f,
                "entry {slot} of directory {at}, which names {inode}, has a wrong or repeated name: \
                 {name:?}"
            ),
            Fault::Dangling { slot, inode } => {
                write!(f, "entry {slot} of directory {at} names {inode}, where no inode is")
            }
            Fault::Dots => write!(f, "directory {at} does not start with \".\" and \"..\""),
            Fault::TwoParents { parents } => {
                write!(f, "directory {at} is in each of the directories {parents:?}")
            }
            Fault::Circle { reached: true } => write!(f, "directory {at} lies below itself"),
            Fault::Circle { reached: false } => {
                write!(f, "directory {at} lies below itself, and the root does not lead to it")
            }
            Fault::Map => write!(f, "the map has block {at} as free, which no file may have"),
        }
    }
}

/// The findings of one check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The problems. Behind damage that hides what lies below it there may be more.
    pub problems: Vec<Problem>,
    /// The number of further problems, for which there was no place in the list.
    pub unlisted: u32,
    /// One of all these is broken.
    pub(super) broken: bool,
    /// The regular files.
    pub files: u32,
    /// The directories, with the root.
    pub directories: u32,
    /// The symlinks, and the devices.
    pub others: u32,
    /// The blocks that belong to inodes, with those of the inodes themselves.
    pub used: u32,
    /// The blocks that are free, as far as the storage has them.
    pub unused: u32,
}

impl Report {
    pub(crate) fn of_no_file_system() -> Self {
        let mut report = Self::default();
        report.add(Problem { at: 0, fault: Fault::Superblock });
        report
    }

    /// Takes a problem into the list, or counts it.
    pub(super) fn add(&mut self, problem: Problem) {
        self.broken |= problem.severity() == Severity::Broken;
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        } else {
            self.unlisted = self.unlisted.saturating_add(1);
        }
    }

    /// Returns the number of problems, with those that are not in the list.
    pub fn count(&self) -> usize {
        self.problems.len().saturating_add(self.unlisted as usize)
    }

    /// Returns `true` if nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// Returns `true` if something is wrong that no power cut leaves.
    pub fn is_broken(&self) -> bool {
        self.broken
    }
}
