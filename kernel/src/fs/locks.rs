//! Locks for file systems: those of OSTD in which a task sleeps.

use ostd::sync::{RwMutex, RwMutexReadGuard, RwMutexWriteGuard};

/// OSTD's `RwMutex`, as a file system asks for it.
pub struct SleepingLocks;

impl sfs::Locks for SleepingLocks {
    type RwLock<T: Send + Sync + 'static> = SleepingLock<T>;
}

/// An OSTD `RwMutex`. The trait is another crate's, as the lock is, so that it needs a type of its own.
pub struct SleepingLock<T>(RwMutex<T>);

impl<T: Send + Sync> sfs::RwLock<T> for SleepingLock<T> {
    type Read<'a>
        = RwMutexReadGuard<'a, T>
    where
        Self: 'a;
    type Write<'a>
        = RwMutexWriteGuard<'a, T>
    where
        Self: 'a;

    fn new(value: T) -> Self {
        Self(RwMutex::new(value))
    }

    fn read(&self) -> Self::Read<'_> {
        self.0.read()
    }

    fn write(&self) -> Self::Write<'_> {
        self.0.write()
    }
}
