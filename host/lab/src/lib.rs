//! The common part of the programs of the host: they build the kernel, boot it in QEMU, read what it
//! prints, and look at its disks.
//!
//! ```text
//!   arch       the architectures of the kernel, and their machines
//!   board      an architecture with its devices on one bus, chosen on a command line
//!   workspace  the repository, cargo, the kernel built and put aside
//!   place      the surroundings of one case: kernel, log, a folder of its own
//!   process    a program with a time limit, its output in a log
//!   qemu       machines and their disks; a running machine and its monitor
//!   console    the forms of the lines that the kernel prints
//!   outcome    how a machine ended, and what can be asked about it
//!   image      disk images before and after
//!   picture    pictures of screens, compared
//!   vnc        a client of QEMU's VNC server
//!   language   English or Chinese
//!   replay     what job=verify must have done and left on the disk
//! ```
//!
//! Errors are typed here; the programs add what they were about.

#![forbid(unsafe_code)]

pub mod arch;
pub mod board;
pub mod console;
pub mod image;
pub mod language;
pub mod outcome;
pub mod picture;
pub mod place;
pub mod process;
pub mod qemu;
pub mod replay;
pub mod text;
pub mod vnc;
pub mod workspace;
