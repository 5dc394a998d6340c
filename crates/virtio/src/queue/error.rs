//! The errors of a queue.

use core::fmt;

use dma::DmaError;

use super::{super::transport::TransportError, ChainError};

/// Something that no correct device does; the queue is broken from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Violation {
    /// The used index claims more returned chains than are outstanding.
    UsedIndexJumped {
        /// The number it claims.
        returned: u16,
        /// The number there is.
        outstanding: u16,
    },
    /// A used entry names a descriptor that the queue does not have.
    UnknownId {
        /// The number named.
        id: u32,
    },
    /// A used entry names a descriptor that heads no outstanding chain.
    NotOutstanding {
        /// The number named.
        id: u32,
    },
    /// A used entry claims more written bytes than were the device's to write.
    LengthTooLong {
        /// The number claimed.
        written: u32,
        /// The number that could be written.
        writable: u32,
    },
}

impl Violation {
    /// The rule that the device has broken, for those who do not know queues.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UsedIndexJumped { .. } => "its used index jumped",
            Self::UnknownId { .. } => "it returned a descriptor that does not exist",
            Self::NotOutstanding { .. } => "it returned what it did not have",
            Self::LengthTooLong { .. } => "it claims to have written more than there was room for",
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UsedIndexJumped { returned, outstanding } => write!(
                f,
                "the used index claims {returned} returned chains while {outstanding} are outstanding"
            ),
            Self::UnknownId { id } => {
                write!(f, "the used ring names descriptor {id}, which does not exist")
            }
            Self::NotOutstanding { id } => {
                write!(f, "the used ring names descriptor {id}, which heads no outstanding chain")
            }
            Self::LengthTooLong { written, writable } => write!(
                f,
                "the used ring claims {written} written bytes in a chain with room for {writable}"
            ),
        }
    }
}

/// The reason why a chain was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddError {
    /// Not enough free descriptors now; there will be when the device returns a chain.
    Full,
    /// The chain itself is wrong.
    Chain(ChainError),
    /// The device has broken the queue.
    Broken(Violation),
    /// The queue has been stopped.
    Stopped,
}

impl fmt::Display for AddError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the queue has not enough free descriptors now"),
            Self::Chain(error) => error.fmt(f),
            Self::Broken(violation) => write!(f, "the device broke the queue: {violation}"),
            Self::Stopped => f.write_str("the queue has been stopped"),
        }
    }
}

impl core::error::Error for Violation {}
impl core::error::Error for AddError {}
impl core::error::Error for SetupError {}

/// The reason why a queue could not be set up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SetupError {
    /// The device has no queue of this number.
    NoSuchQueue {
        /// The number.
        index: u16,
    },
    /// The queue is in use although the device has just been reset.
    InUse {
        /// The number.
        index: u16,
    },
    /// There is no memory for the rings.
    Memory(DmaError),
    /// The transport cannot describe the queue to the device.
    Transport(TransportError),
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchQueue { index } => write!(f, "the device has no queue {index}"),
            Self::InUse { index } => write!(f, "queue {index} is in use right after a reset"),
            Self::Memory(error) => write!(f, "no memory for a queue: {error}"),
            Self::Transport(error) => error.fmt(f),
        }
    }
}

impl From<ChainError> for AddError {
    fn from(error: ChainError) -> Self {
        Self::Chain(error)
    }
}
