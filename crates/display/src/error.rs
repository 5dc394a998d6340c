//! The errors of a screen.

use core::fmt;

use super::{Mode, Rect};

/// The reason for which something could not be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Error {
    /// No screen can have this size.
    BadMode {
        /// In pixels.
        width: u32,
        /// In pixels.
        height: u32,
    },
    /// There are not as many bytes of pixels as the size asks for.
    WrongLength {
        /// Their number.
        found: usize,
        /// The number that is needed.
        expected: usize,
    },
    /// An area leaves the frame.
    OutsideFrame {
        /// The area.
        area: Rect,
        /// The size of the frame.
        mode: Mode,
    },
    /// There is no memory for the pixels.
    NoMemory,
    /// The frame needs more segments than can be described to the device.
    TooLarge,
    /// The device keeps the memory of several earlier frames, and is not given another.
    NotReleased,
    /// The screen has no cursor, or none has been set.
    NoCursor,
    /// The device refuses a command.
    Refused {
        /// The command, by its name in the device's specification.
        command: &'static str,
        /// The device's reason, by its name there.
        reason: &'static str,
    },
    /// The device answered a command with something that is no answer to it.
    BadAnswer {
        /// The command.
        command: &'static str,
        /// The answer's type.
        found: u32,
        /// The type that it must have.
        expected: u32,
    },
    /// The device answered for another command than the one that it returned.
    WrongFence {
        /// The command.
        command: &'static str,
        /// The fence of the answer, or `None` if it has none.
        found: Option<u64>,
        /// The fence of the command.
        expected: u64,
    },
    /// The device has written fewer bytes to memory than a complete answer has.
    Short {
        /// The command.
        command: &'static str,
        /// The bytes it says to have written.
        written: u32,
        /// The bytes of a complete answer.
        expected: u32,
    },
    /// The device broke a rule while it had the command, and was reset. The log says more.
    Violation(&'static str),
    /// The driver itself broke a rule; the device has not got the command.
    Driver(&'static str),
    /// The device asked for a reset while it had the command.
    NeedsReset,
    /// The device did not answer in time, to this command or to another one, and was reset.
    TimedOut,
    /// The device is out of use for good; the log says why.
    Dead,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadMode { width, height } => {
                write!(f, "no screen can have {width}x{height} pixels")
            }
            Self::WrongLength { found, expected } => {
                write!(f, "a frame of {expected} bytes was given {found}")
            }
            Self::OutsideFrame { area, mode } => {
                write!(f, "the area {area} leaves the frame of {mode}")
            }
            Self::NoMemory => f.write_str("there is no memory for the pixels"),
            Self::TooLarge => f.write_str("the frame has more parts than one command can name"),
            Self::NotReleased => f.write_str("the device does not let go of earlier frames"),
            Self::NoCursor => f.write_str("the screen has no cursor"),
            Self::Refused { command, reason } => {
                write!(f, "the device refuses {command}: {reason}")
            }
            Self::BadAnswer { command, found, expected } => write!(
                f,
                "the device answered {command} with {found:#06x}, and not with {expected:#06x}"
            ),
            Self::WrongFence { command, found: Some(found), expected } => {
                write!(f, "the device answered {command} for fence {found}, and not for {expected}")
            }
            Self::WrongFence { command, found: None, expected } => {
                write!(f, "the device answered {command} without its fence {expected}")
            }
            Self::Short { command, written, expected } => write!(
                f,
                "the device has written {written} of the {expected} bytes of its answer to {command}"
            ),
            Self::Violation(what) => write!(f, "the device broke a rule: {what}"),
            Self::Driver(rule) => write!(f, "the driver broke a rule: {rule}"),
            Self::NeedsReset => f.write_str("the device had to be reset, as it asked for"),
            Self::TimedOut => f.write_str("the device did not answer in time and was reset"),
            Self::Dead => f.write_str("the device is dead"),
        }
    }
}

impl core::error::Error for Error {}
