//! The reason for which a device's interrupt cannot be used.

use core::fmt;

/// The machine does not lead a device's interrupt to a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapError {
    /// The machine has no interrupt controller for it.
    NoController,
    /// OSTD does not map the interrupt, as a rule because another device has it.
    Refused {
        /// The interrupt's number.
        number: u32,
        /// OSTD's reason.
        error: ostd::Error,
    },
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoController => f.write_str("there is no interrupt controller for it"),
            Self::Refused { number, error } => {
                write!(f, "the interrupt {number} cannot be mapped ({error:?})")
            }
        }
    }
}

impl core::error::Error for MapError {}
