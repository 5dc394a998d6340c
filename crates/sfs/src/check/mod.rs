//! Checking and mending.

use alloc::vec::Vec;

use super::{Result, Storage};

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// A power cut may leave it, and the file system may be used with it.
    Allowed,
    /// No power cut leaves it.
    Broken,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// A block is in use, but nothing refers to it.
    Leaked,
}

/// Something that is wrong in a file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub fault: Fault,
    /// The block or inode where it is.
    pub at: u32,
}

impl Problem {
    /// Returns how bad it is.
    pub fn severity(&self) -> Severity {
        Severity::Allowed
    }
}

/// What a check has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// All that is wrong.
    pub problems: Vec<Problem>,
    /// The regular files.
    pub files: u32,
    /// The directories, with the root.
    pub directories: u32,
    /// The symlinks.
    pub symlinks: u32,
}

impl Report {
    /// Returns `true` if nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// Returns `true` if something is wrong that no power cut leaves.
    pub fn is_broken(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity() == Severity::Broken)
    }
}

/// Looks at a whole file system, which nobody has mounted read-write, and changes nothing.
///
/// # Errors
///
/// Those of the storage; damage is in the report.
pub fn check<S: Storage>(storage: &S) -> Result<Report, S::Error> {
    let _ = storage;
    todo!()
}

/// Mends a file system that nobody has mounted, and makes that durable. Returns what [`check`] found before.
///
/// # Errors
///
/// Those of the storage.
pub fn repair<S: Storage>(storage: &S) -> Result<Report, S::Error> {
    let _ = storage;
    todo!()
}
