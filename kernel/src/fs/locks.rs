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

#[cfg(ktest)]
mod tests {
    use alloc::{sync::Arc, vec::Vec};

    use ostd::{prelude::ktest, sync::SpinLock, task::Task};
    use sfs::RwLock as _;

    use super::*;
    use crate::task::Builder;

    #[ktest]
    fn a_writer_comes_before_readers_that_ask_after_it() {
        let lock = Arc::new(SleepingLock::new(()));
        let served: Arc<SpinLock<Vec<&str>>> = Arc::new(SpinLock::new(Vec::new()));
        let first = lock.read();
        let (its_lock, its_served) = (lock.clone(), served.clone());
        let write = move || {
            let _guard = its_lock.write();
            its_served.lock().push("writer");
        };
        let writer = Builder::new("writer").spawn(write).unwrap();
        (0..10).for_each(|_| Task::yield_now());
        let (its_lock, its_served) = (lock.clone(), served.clone());
        let read = move || {
            let _guard = its_lock.read();
            its_served.lock().push("reader");
        };
        let reader = Builder::new("reader").spawn(read).unwrap();
        (0..10).for_each(|_| Task::yield_now());
        // The writer waits for the first reader, and the second one for the writer.
        assert!(served.lock().is_empty());
        drop(first);
        writer.join();
        reader.join();
        assert_eq!(*served.lock(), ["writer", "reader"]);
    }

    #[ktest]
    fn readers_read_at_once() {
        let lock = SleepingLock::new(7);
        let (first, second) = (lock.read(), lock.read());
        assert_eq!((*first, *second), (7, 7));
    }
}
