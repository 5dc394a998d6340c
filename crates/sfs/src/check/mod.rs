//! Checking and mending.
//!
//! The checker knows nothing of how the file system works. It reads the disk as it is, and judges by the format
//! alone.

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
/// It reads every inode, directory and pointer once, and no data. It needs memory for a bit for each block, and some for each
/// inode.
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
