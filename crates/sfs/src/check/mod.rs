//! Checking and mending.
//!
//! The checker judges by what lies on the disk: it looks at every inode, and then at the map and the counts. It knows nothing
//! of commits, of the order of writes, or of inodes in memory. What it shares with the file system is how the format is
//! read: a file's blocks ([`Disk::run`], [`Disk::surplus`]), the entries of a directory ([`Disk::scan`]), what a sound inode
//! is ([`read_inode`](crate::inode::read_inode)), and what a sound name is. A mistake there would mislead both in the same
//! way; a reader of the format that shares nothing with this crate is among the tools of the host.

mod circles;
mod compare;
mod names;
mod repair;
mod report;
mod walk;

use self::walk::Walk;
pub use self::{
    repair::repair,
    report::{Fault, Problem, Report, Severity},
};
use super::{Error, Result, Storage, disk::Disk};

/// Looks at a whole file system, which nobody has mounted for writing, and changes nothing.
///
/// It reads every inode, directory and pointer, and the start of each block that is in use for nothing; no data. It needs
/// memory for a bit for each block, and some for each inode and each entry, whatever the entries name: it does not look into
/// a directory with blocks that are not its own.
///
/// # Errors
///
/// [`Error::Storage`]. Damage is in the report.
pub fn check<S: Storage>(storage: &S) -> Result<Report, S::Error> {
    match Disk::open(storage) {
        Ok(disk) => Ok(Walk::new(&disk).run()?.into_report()),
        Err(Error::Storage(error)) => Err(Error::Storage(error)),
        Err(_) => Ok(Report::of_no_file_system()),
    }
}
