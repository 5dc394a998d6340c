//! What a power cut may leave on a disk, and a second opinion on what is there then.
//!
//! The program `sfs-proof` tries the file system by these, and the grader of the course judges by them.

pub mod image;
pub mod log;
pub mod reader;
