//! A mounted file system.

use alloc::sync::Arc;

use super::{Inode, Locks, Result, Storage, Time};

/// The choices of whoever mounts.
#[derive(Clone, Copy, Debug)]
pub struct MountOptions {
    /// Nothing will be changed.
    pub read_only: bool,
    /// Gives the time for new and changed inodes.
    pub now: fn() -> Time,
}

impl Default for MountOptions {
    fn default() -> Self {
        Self { read_only: false, now: Time::default }
    }
}

/// The space of a file system, in blocks of [`BLOCK_SIZE`](crate::BLOCK_SIZE) bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statfs {
    /// The blocks that it has.
    pub blocks: u32,
    /// The blocks that it says to have; more than it has if the storage ends before.
    pub claimed: u32,
    /// The blocks that a new file may get.
    pub unused: u32,
}

/// A mounted file system. Clones stand for the same one.
pub struct FileSystem<S: Storage, L: Locks> {
    shared: Arc<(S, core::marker::PhantomData<L>)>,
}

impl<S: Storage, L: Locks> Clone for FileSystem<S, L> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<S: Storage, L: Locks> FileSystem<S, L> {
    /// Mounts what lies on `storage`.
    ///
    /// # Errors
    ///
    /// [`Error::WrongMagic`](crate::Error::WrongMagic), [`Error::Corrupt`](crate::Error::Corrupt), and those of the storage.
    pub fn mount(storage: S, options: MountOptions) -> Result<Self, S::Error> {
        let _ = (storage, options);
        todo!()
    }

    /// Returns the root directory.
    pub fn root(&self) -> Inode<S, L> {
        todo!()
    }

    /// Returns the inode of a number that an entry of a directory has.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`](crate::Error::Corrupt) if no inode lies there, and those of the storage.
    pub fn open(&self, number: u32) -> Result<Inode<S, L>, S::Error> {
        let _ = number;
        todo!()
    }

    /// Makes everything durable that has been done before.
    ///
    /// # Errors
    ///
    /// Those of the storage; it may be tried again.
    pub fn sync(&self) -> Result<(), S::Error> {
        todo!()
    }

    /// Returns the space and its use.
    pub fn statfs(&self) -> Statfs {
        todo!()
    }

    /// Returns the storage.
    pub fn storage(&self) -> &S {
        &self.shared.0
    }
}
