//! The Simple File System.
//!
//! One crate for the kernel, which mounts a disk, and for the host, which packs images, takes them apart and
//! checks them. It needs neither OSTD nor `std`: what it stands on are two traits, [`Storage`] (blocks of
//! 4096 bytes that are durable after a flush) and [`Locks`].
//!
//! [`FileSystem::mount`] gives a file system, [`FileSystem::root`] its first [`Inode`]; an inode is a file, a
//! directory or a symlink, and its interface is positional ([`Inode::read_at`], [`Inode::write_at`]).
//! [`File`] is a cursor over one; [`FileSystem::resolve`] follows a path.
//!
//! ```
//! use std::{convert::Infallible, sync::Mutex};
//!
//! use sfs::{BLOCK_SIZE, FileSystem, MountOptions, StdLocks, Storage};
//!
//! const BLOCKS: u32 = 64;
//!
//! /// A disk in memory, which implements `Storage`. (Hidden here; the source shows it.)
//! struct Memory(Mutex<Vec<[u8; BLOCK_SIZE]>>);
//! # impl Storage for Memory {
//! #     type Error = Infallible;
//! #     fn capacity(&self) -> u64 {
//! #         u64::from(BLOCKS) * BLOCK_SIZE as u64
//! #     }
//! #     fn read(&self, block: u32, offset: usize, data: &mut [u8]) -> Result<(), Infallible> {
//! #         data.copy_from_slice(&self.0.lock().unwrap()[block as usize][offset..][..data.len()]);
//! #         Ok(())
//! #     }
//! #     fn write(&self, block: u32, offset: usize, data: &[u8]) -> Result<(), Infallible> {
//! #         self.0.lock().unwrap()[block as usize][offset..][..data.len()].copy_from_slice(data);
//! #         Ok(())
//! #     }
//! #     fn view(&self, block: u32, look: &mut dyn FnMut(&[u8])) -> Result<(), Infallible> {
//! #         look(&self.0.lock().unwrap()[block as usize]);
//! #         Ok(())
//! #     }
//! #     fn flush(&self) -> Result<(), Infallible> {
//! #         Ok(())
//! #     }
//! # }
//!
//! # fn main() -> Result<(), sfs::Error<Infallible>> {
//! let memory = Memory(Mutex::new(vec![[0; BLOCK_SIZE]; BLOCKS as usize]));
//! sfs::format(&memory, BLOCKS)?;
//!
//! // No argument has the type of the locks, so it is written here.
//! let files = FileSystem::<_, StdLocks>::mount(&memory, MountOptions::default())?;
//! let note = files.root().create("note")?;
//! note.write_at(0, b"hello")?;
//! files.sync()?;
//!
//! let mut text = [0; 5];
//! files.resolve(&files.root(), "/note")?.read_at(0, &mut text)?;
//! assert_eq!(&text, b"hello");
//! # Ok(())
//! # }
//! ```
//!
//! A power cut may happen at any time. What [`FileSystem::sync`] or [`Inode::fsync`] has made durable is never
//! lost, and an operation within one directory happens as a whole or not at all. [`check`] lists what a cut may
//! leave (each such state may be mounted and written without repair), and [`repair`] mends it.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

mod blocks;
mod check;
mod commit;
mod data;
mod directory;
mod disk;
mod entries;
mod error;
mod file;
mod format;
mod group;
mod inode;
mod layout;
mod listing;
mod locks;
mod map;
mod mount;
mod names;
mod path;
mod pointers;
mod rename;
mod second_name;
mod storage;
mod unlink;

#[cfg(any(test, feature = "std"))]
pub use self::locks::StdLocks;
pub use self::{
    check::{Fault, Problem, Report, Severity, check, repair},
    directory::Entry,
    error::{Error, NameError, Result},
    file::File,
    format::format,
    inode::{Inode, Stat},
    layout::{Kind, MAGIC, Time, Times},
    locks::{Locks, RwLock},
    mount::{FileSystem, MountOptions, Statfs},
    storage::Storage,
};

/// The unit in which space is given to files, in bytes.
pub const BLOCK_SIZE: usize = 4096;
/// The unit that a power cut leaves whole, in bytes.
pub const SECTOR_SIZE: usize = 512;
/// The longest name of a directory entry, in bytes.
pub const NAME_MAX: usize = 255;
/// The largest size of a file, in bytes.
pub const FILE_MAX: u32 = u32::MAX;
