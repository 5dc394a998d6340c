//! The errors of a request.

use alloc::boxed::Box;
use core::fmt;

use dma::DmaError;
use wait::Full;

use super::Request;

/// The reason for which a request failed.
///
/// The tag fills a word, as every completion carries a result: behind a tag of one byte the rest is not
/// aligned, and each hand-over is then a copy byte by byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Error {
    /// The request reaches beyond the end of the disk.
    OutOfRange {
        /// Its first sector.
        sector: u64,
        /// The number of sectors it covers.
        sectors: u64,
        /// The number that the disk has.
        capacity: u64,
    },
    /// The disk cannot be written.
    ReadOnly,
    /// Position or length is no multiple of the disk's block size.
    Misaligned {
        /// The block size in bytes.
        block_size: u32,
    },
    /// The request moves no data.
    Empty,
    /// An access reaches beyond the end of a buffer.
    BufferRange,
    /// There is no memory for the request.
    NoMemory,
    /// The disk, or the completion queue, cannot take another request now.
    WouldBlock,
    /// The request has more buffers than can be described to the device.
    TooManyBuffers,
    /// The device reports an I/O error.
    Io,
    /// The disk does not know the operation.
    Unsupported,
    /// The device answered with a status that does not exist.
    BadStatus(u8),
    /// The device returned the request without an answer.
    NoAnswer,
    /// The device has written fewer bytes to memory than a complete answer has.
    Short {
        /// The bytes it says to have written.
        written: u32,
        /// The bytes of a complete answer.
        expected: u32,
    },
    /// The device broke a rule while it had the request, and was reset. The log says more.
    Violation(&'static str),
    /// The driver itself broke a rule; the device has not got the request.
    Driver(&'static str),
    /// The device asked for a reset while it had the request.
    NeedsReset,
    /// The device did not answer in time, to this request or to another one, and was reset.
    TimedOut,
    /// The device is out of use for good; the log says why.
    Dead,
}

impl Error {
    /// A short name for counting errors by kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::OutOfRange { .. } => "out_of_range",
            Self::ReadOnly => "read_only",
            Self::Misaligned { .. } => "misaligned",
            Self::Empty => "empty",
            Self::BufferRange => "buffer_range",
            Self::NoMemory => "no_memory",
            Self::WouldBlock => "would_block",
            Self::TooManyBuffers => "too_many_buffers",
            Self::Io => "io_error",
            Self::Unsupported => "unsupported",
            Self::BadStatus(_) => "bad_status",
            Self::NoAnswer => "no_answer",
            Self::Short { .. } => "short",
            Self::Violation(_) => "violation",
            Self::Driver(_) => "driver",
            Self::NeedsReset => "needs_reset",
            Self::TimedOut => "timed_out",
            Self::Dead => "dead",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange { sector, sectors, capacity } => write!(
                f,
                "sectors {sector}+{sectors} lie beyond the end of the disk, which has {capacity} sector{}",
                if *capacity == 1 { "" } else { "s" }
            ),
            Self::ReadOnly => f.write_str("the disk is read-only"),
            Self::Misaligned { block_size } => write!(
                f,
                "position and length must be multiples of the disk's blocks of {block_size} bytes"
            ),
            Self::Empty => f.write_str("the request has no data"),
            Self::BufferRange => f.write_str("the access reaches beyond the end of the buffer"),
            Self::NoMemory => f.write_str("there is no memory for the request"),
            Self::WouldBlock => f.write_str("there is no room for another request now"),
            Self::TooManyBuffers => f.write_str("the request has too many buffers"),
            Self::Io => f.write_str("the device reports an I/O error"),
            Self::Unsupported => f.write_str("the disk does not support the operation"),
            Self::BadStatus(status) => {
                write!(f, "the device answered with the unknown status {status:#04x}")
            }
            Self::NoAnswer => f.write_str("the device returned the request without an answer"),
            Self::Short { written, expected } => {
                write!(
                    f,
                    "the device has written {written} of {expected} bytes, its response included"
                )
            }
            Self::Violation(what) => write!(f, "the device broke a rule: {what}"),
            Self::Driver(rule) => write!(f, "the driver broke a rule: {rule}"),
            Self::NeedsReset => f.write_str("the device had to be reset, as it asked for"),
            Self::TimedOut => f.write_str("the device did not answer in time and was reset"),
            Self::Dead => f.write_str("the device is dead"),
        }
    }
}

impl core::error::Error for Error {}

impl From<DmaError> for Error {
    fn from(error: DmaError) -> Self {
        match error {
            DmaError::NoMemory => Self::NoMemory,
            DmaError::Empty => Self::Empty,
            DmaError::OutOfRange | DmaError::WrongDirection => Self::BufferRange,
        }
    }
}

impl From<Full> for Error {
    fn from(_: Full) -> Self {
        Self::WouldBlock
    }
}

/// A request that was not put in flight, with the reason.
#[derive(Debug)]
pub struct Rejected {
    /// The reason.
    pub error: Error,
    /// The request, as it was handed in.
    pub request: Box<Request>,
}

impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        rejected.error
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the request was not taken: {}", self.error)
    }
}

impl core::error::Error for Rejected {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(&self.error)
    }
}
