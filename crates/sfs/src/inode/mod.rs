//! Files, directories and symlinks.

use alloc::{string::String, sync::Arc, vec::Vec};
use core::{marker::PhantomData, ops::ControlFlow};

use super::{Kind, Locks, Result, Storage, Times};

/// What is known about an inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Its number, which is that of its block.
    pub number: u32,
    /// What it is.
    pub kind: Kind,
    /// The size of its content in bytes.
    pub size: u32,
    /// Its names; for a directory, 2 and its subdirectories.
    pub links: u16,
    /// The blocks of its content, without those that hold pointers.
    pub blocks: u32,
    /// Its times.
    pub times: Times,
}

/// One entry of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The name.
    pub name: &'a str,
    /// The number of the inode that it names.
    pub inode: u32,
}

/// A file, directory or symlink. Clones stand for the same one.
///
/// A file that has lost its last name lives until its last handle is gone; its space is free after the
/// next [`FileSystem::sync`](crate::FileSystem::sync) then.
pub struct Inode<S: Storage, L: Locks> {
    shared: Arc<(S, PhantomData<L>)>,
}

impl<S: Storage, L: Locks> Clone for Inode<S, L> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

#[allow(missing_docs, unused_variables)]
impl<S: Storage, L: Locks> Inode<S, L> {
    pub fn number(&self) -> u32 {
        todo!()
    }
    pub fn kind(&self) -> Kind {
        todo!()
    }
    pub fn stat(&self) -> Stat {
        todo!()
    }
    pub fn read_at(&self, offset: u64, data: &mut [u8]) -> Result<usize, S::Error> {
        todo!()
    }
    pub fn write_at(&self, offset: u64, data: &[u8]) -> Result<usize, S::Error> {
        todo!()
    }
    pub fn truncate(&self, size: u64) -> Result<(), S::Error> {
        todo!()
    }
    pub fn fsync(&self) -> Result<(), S::Error> {
        todo!()
    }
    pub fn lookup(&self, name: &str) -> Result<Self, S::Error> {
        todo!()
    }
    pub fn create(&self, name: &str) -> Result<Self, S::Error> {
        todo!()
    }
    pub fn mkdir(&self, name: &str) -> Result<Self, S::Error> {
        todo!()
    }
    pub fn symlink(&self, name: &str, target: &str) -> Result<Self, S::Error> {
        todo!()
    }
    pub fn link(&self, name: &str, target: &Self) -> Result<(), S::Error> {
        todo!()
    }
    pub fn unlink(&self, name: &str) -> Result<(), S::Error> {
        todo!()
    }
    pub fn rmdir(&self, name: &str) -> Result<(), S::Error> {
        todo!()
    }
    pub fn rename(&self, name: &str, new_directory: &Self, new_name: &str) -> Result<(), S::Error> {
        todo!()
    }
    pub fn read_link(&self) -> Result<String, S::Error> {
        todo!()
    }
    /// Shows the entries one after another, "." and ".." first, until `look` says to stop; it must not use the file system.
    pub fn visit(
        &self,
        look: &mut dyn FnMut(Entry<'_>) -> ControlFlow<()>,
    ) -> Result<(), S::Error> {
        todo!()
    }
    pub fn entries(&self) -> Result<Vec<(String, u32)>, S::Error> {
        todo!()
    }
}
