//! Counting what a guest does, from outside: QEMU counts, and the guest knows nothing of it.
//!
//! A guest is counted from power on to power off. The cost of one request is the difference of two runs that make
//! different numbers of them, by the difference of the numbers: start and end are the same in both.

mod accesses;
mod instructions;
mod plugin;
mod stacks;
mod watch;

use std::io;

pub use self::{
    accesses::{Accesses, accesses},
    instructions::instructions,
    stacks::{Look, stacks},
    watch::{Seen, Watch},
};
use crate::{outcome::Unexpected, process::ProcessError};

/// QEMU's argument of `-icount` under which an instruction takes a nanosecond of the guest's time, and what
/// comes from outside comes at the same instruction in every run. The record goes nowhere.
///
/// A disk that is not slow by design answers at the notification, before the guest's next instruction.
pub const RECORD: &str = "shift=0,rr=record,rrfile=/dev/null";

/// A guest could not be counted.
#[derive(Debug, thiserror::Error)]
pub enum CountError {
    /// A program cannot be started, or the plugin not be compiled.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The guest, or QEMU, ended otherwise than it should.
    #[error(transparent)]
    Unexpected(#[from] Unexpected),
    /// There is no place for what QEMU writes.
    #[error("cannot make or fill a temporary folder")]
    NoFolder(#[source] io::Error),
    /// There is no trace, or it cannot be read.
    #[error("QEMU wrote no trace; it must be built with the trace backend `log`")]
    NoTrace(#[source] io::Error),
    /// The plugin has not written a number.
    #[error("QEMU's plugin wrote no number of instructions")]
    NoNumber(#[source] io::Error),
    /// The plugin has written no stacks.
    #[error("QEMU's plugin wrote no stacks")]
    NoStacks(#[source] io::Error),
    /// The plugin has written something else.
    #[error("QEMU's plugin wrote {0:?}, which is no stack")]
    BadStack(String),
}
