//! Locks for file systems: those of OSTD in which a task sleeps.

use ostd::sync::{Mutex, RwMutex, RwMutexReadGuard, RwMutexWriteGuard};

/// OSTD's `RwMutex`, as a file system asks for it: fair.
pub struct SleepingLocks;

impl sfs::Locks for SleepingLocks {
    type RwLock<T: Send + Sync + 'static> = SleepingLock<T>;
}

/// An OSTD `RwMutex`, for which one queues. Alone it lets readers in as long as others read, and a writer would wait for
/// a moment without any, which need not come.
pub struct SleepingLock<T> {
    /// Held by the one who is next.
    turn: Mutex<()>,
    lock: RwMutex<T>,
}

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
        Self { turn: Mutex::new(()), lock: RwMutex::new(value) }
    }

    fn read(&self) -> Self::Read<'_> {
        let _turn = self.turn.lock();
        self.lock.read()
    }

    fn write(&self) -> Self::Write<'_> {
        let _turn = self.turn.lock();
        self.lock.write()
    }
}
