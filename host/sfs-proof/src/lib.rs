//! The states that a power cut may leave on a disk, a second opinion on what is there then, and what must still be
//! possible.
//!
//! The program `sfs-proof` tries the file system by these on a disk in memory; others judge by them what a kernel
//! has left on its disk.

pub mod aftermath;
pub mod counts;
pub mod disk;
pub mod fixtures;
pub mod judge;
pub mod model;
pub mod run;
pub mod session;
pub mod start;

pub use sfs_reader::{image, log, reader};
