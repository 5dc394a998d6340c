//! Counting what a guest does, from outside: QEMU counts, and the guest knows nothing of it.
//!
//! A guest is counted from power on to power off. What one request costs is the difference of two runs that make
//! different numbers of them, by the difference of the numbers: start and end are the same in both.

mod accesses;
mod instructions;

pub use self::{
    accesses::{Accesses, accesses},
    instructions::instructions,
};

/// QEMU's argument of `-icount` under which an instruction takes a nanosecond of the guest's time, and what
/// comes from outside comes at the same instruction in every run. The record goes nowhere.
///
/// A disk that is not slow by design answers at the notification, before the guest's next instruction.
pub const RECORD: &str = "shift=0,rr=record,rrfile=/dev/null";
