//! The refusals of a walk over the buses.

use core::fmt;

use super::{Address, BarFault, MAX_FUNCTIONS};

/// Something on the bus that cannot be used.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// A bus could not be opened.
    Bus {
        /// The bus.
        bus: u8,
        /// OSTD's reason.
        error: ostd::Error,
    },
    /// A function's registers are laid out in a way that is not known here.
    Header {
        /// The function.
        at: Address,
        /// The type of its header: 0 is a function, 1 a bridge.
        kind: u8,
    },
    /// A bridge, behind which nothing is looked at.
    Bridge {
        /// The bridge.
        at: Address,
        /// The reason.
        fault: BridgeFault,
    },
    /// A BAR that is there cannot be used. The function is kept.
    Bar {
        /// The function.
        at: Address,
        /// The BAR's number.
        index: u8,
        /// The reason.
        fault: BarFault,
    },
    /// There are more functions than [`MAX_FUNCTIONS`]; the walk has ended.
    TooMany {
        /// The first that was left out.
        at: Address,
    },
}

/// The reason for which nothing behind a bridge is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BridgeFault {
    /// The firmware has given it no bus.
    NotNumbered,
    /// Its bus is one that has been walked, or one that the bridges above do not lead to.
    BadBus {
        /// The bus behind it.
        secondary: u8,
        /// The last bus that it says it leads to.
        subordinate: u8,
    },
    /// All buses of the host bridge have been given away.
    NoBusLeft,
    /// It did not keep the bus that it was given.
    NotKept {
        /// The bus.
        written: u8,
        /// The one that it has.
        found: u8,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bus { bus, error } => {
                write!(f, "PCI bus {bus:02x}: it cannot be reached ({error:?})")
            }
            Self::Header { at, kind } => {
                write!(f, "PCI {at}: its header is of type {kind} and neither 0 nor 1")
            }
            Self::Bridge { at, fault } => write!(f, "PCI bridge {at}: {fault}"),
            Self::Bar { at, index, fault } => write!(f, "PCI {at}, BAR {index}: {fault}"),
            Self::TooMany { at } => write!(
                f,
                "PCI {at}: there are more than {MAX_FUNCTIONS} functions, and this one and those after \
                 it are left out"
            ),
        }
    }
}

impl core::error::Error for Fault {}

impl fmt::Display for BridgeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotNumbered => f.write_str("the firmware has given it no bus"),
            Self::BadBus { secondary, subordinate } => write!(
                f,
                "the buses {secondary:02x} to {subordinate:02x} are not all its own to lead to"
            ),
            Self::NoBusLeft => f.write_str("there is no bus left for it"),
            Self::NotKept { written, found } => {
                write!(f, "it was given the bus {written:02x} and has {found:02x}")
            }
        }
    }
}

impl core::error::Error for BridgeFault {}
