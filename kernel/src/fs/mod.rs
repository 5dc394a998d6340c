//! Mounted file systems.
//!
//! [`mount`] brings the Simple File System of a disk up. What it stands on is given to the crate `sfs` here: a
//! disk as a [`sfs::Storage`], and OSTD's locks as [`sfs::Locks`].

mod locks;
mod storage;

use alloc::sync::Arc;

use block::BlockDevice;
use ostd::timer::TIMER_FREQ;
use sfs::{MountOptions, Time};

use self::{locks::SleepingLocks, storage::Store};
use crate::task;

/// A mounted file system. Clones stand for the same one.
pub type FileSystem = sfs::FileSystem<Store, SleepingLocks>;
/// A file, a directory or a symlink.
pub type Inode = sfs::Inode<Store, SleepingLocks>;
/// The reason for which something could not be done to one.
pub type Error = sfs::Error<<Store as sfs::Storage>::Error>;

/// Mounts the file system on a disk; read-only if the disk is.
///
/// # Errors
///
/// There is none on the disk, it is damaged, or the disk fails.
pub fn mount(disk: Arc<dyn BlockDevice>) -> Result<FileSystem, Error> {
    let read_only = disk.info().geometry.read_only;
    let store = Store::new(disk).map_err(Error::Storage)?;
    FileSystem::mount(store, MountOptions { read_only, now })
}

/// The time since the kernel has started: the kernel knows no clock that tells the date.
fn now() -> Time {
    let ticks = task::ticks();
    let nanoseconds = ticks % TIMER_FREQ * (1_000_000_000 / TIMER_FREQ);
    Time { seconds: (ticks / TIMER_FREQ) as i64, nanoseconds: nanoseconds as i32 }
}
