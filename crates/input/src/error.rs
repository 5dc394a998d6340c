//! The errors of what an input device is told to do.

use core::fmt;

use super::codes::{self, EV_LED};

/// The reason for which an input device has not done what it was told to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// It has no light of this code.
    NoLed(u16),
    /// It broke a rule meanwhile, and was reset. The log says more.
    Violation,
    /// The driver itself broke a rule; the device has not been told anything.
    Driver(&'static str),
    /// It asked for a reset meanwhile.
    NeedsReset,
    /// It did not answer in time, and was reset.
    TimedOut,
    /// It is out of use for good; the log says why.
    Dead,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLed(led) => write!(f, "the device has no light {}", codes::name(EV_LED, *led)),
            Self::Violation => f.write_str("the device broke a rule and was reset"),
            Self::Driver(rule) => write!(f, "the driver broke a rule: {rule}"),
            Self::NeedsReset => f.write_str("the device had to be reset, as it asked for"),
            Self::TimedOut => f.write_str("the device did not answer in time and was reset"),
            Self::Dead => f.write_str("the device is dead"),
        }
    }
}

impl core::error::Error for Error {}
