//! The states that a power cut may leave on a disk, and a second opinion on what is there then.
//!
//! Nothing here uses the crate `sfs`: the program `sfs-proof` tries that crate by this one, and the course grades what
//! students make of it.

pub mod image;
pub mod log;
pub mod reader;
