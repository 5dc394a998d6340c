//! Locks that may be held while storage is waited for.

use core::ops::{Deref, DerefMut};

/// A family of locks: those of a kernel that sleep, or those of the host's operating system.
pub trait Locks: Send + Sync + 'static {
    /// The lock around a value.
    type RwLock<T: Send + Sync + 'static>: RwLock<T>;
}

/// A lock that many readers share or one writer has alone.
///
/// It may be held for as long as a device takes, so whoever waits for it must sleep, not spin.
///
/// A writer that waits must be let in after the readers that are inside, before those that come later. Readers of a file
/// who overlap would keep a commit waiting otherwise, and with it everybody who wants to change something, for as
/// long as they like. No thread of this crate asks for a lock that it already holds, not even to read twice, so a reader
/// may wait behind such a writer.
pub trait RwLock<T>: Send + Sync {
    /// Held by a reader.
    type Read<'a>: Deref<Target = T>
    where
        Self: 'a;
    /// Held by the writer.
    type Write<'a>: DerefMut<Target = T>
    where
        Self: 'a;

    /// Makes a lock that nobody holds.
    fn new(value: T) -> Self;

    /// Waits until nobody writes, and nobody who came before waits to write.
    fn read(&self) -> Self::Read<'_>;

    /// Waits until nobody else reads or writes; of readers, only for those who came before.
    fn write(&self) -> Self::Write<'_>;
}

/// The locks of the standard library, which let a waiting writer go before later readers on Linux, macOS and Windows. A
/// panic of one holder does not poison them for others.
#[cfg(any(test, feature = "std"))]
#[derive(Clone, Copy, Debug)]
pub struct StdLocks;

#[cfg(any(test, feature = "std"))]
impl Locks for StdLocks {
    type RwLock<T: Send + Sync + 'static> = std::sync::RwLock<T>;
}

#[cfg(any(test, feature = "std"))]
impl<T: Send + Sync> RwLock<T> for std::sync::RwLock<T> {
    type Read<'a>
        = std::sync::RwLockReadGuard<'a, T>
    where
        Self: 'a;
    type Write<'a>
        = std::sync::RwLockWriteGuard<'a, T>
    where
        Self: 'a;

    fn new(value: T) -> Self {
        Self::new(value)
    }

    fn read(&self) -> Self::Read<'_> {
        self.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn write(&self) -> Self::Write<'_> {
        self.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
