//! The list of capabilities (PCI 6.7): chained structures in the upper part of configuration space.

use alloc::vec::Vec;
use core::fmt;

use super::{Address, ConfigAccess, Width, config::register};

/// Numbers of capabilities (PCI appendix H).
pub mod id {
    /// The vendor's own; virtio's structures are of this kind.
    pub const VENDOR_SPECIFIC: u8 = 0x09;
    /// Interrupts by message, with a table.
    pub const MSI_X: u8 = 0x11;
}

/// One capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capability {
    /// The number of its kind, see [`id`].
    pub id: u8,
    /// The offset of its first byte, a multiple of four from 0x40 to 0xfc. The number, and the offset of the
    /// next capability, are its first two bytes.
    pub offset: u8,
}

/// The first byte that a capability can be at; before it are the registers that all functions have.
const FIRST: u8 = 0x40;

/// The status register's bit that says that there is a list.
const STATUS_CAPABILITIES: u32 = 1 << 4;

/// Reads the list: each offset is visited once at most, so there are no more than 48 capabilities.
pub(crate) fn list(
    access: &dyn ConfigAccess,
    at: Address,
) -> Result<Vec<Capability>, CapabilityFault> {
    let read = |offset| access.read(at, offset, Width::U8) as u8;
    let mut found = Vec::new();
    if access.read(at, register::STATUS, Width::U16) & STATUS_CAPABILITIES == 0 {
        return Ok(found);
    }
    let mut visited = 0u64;
    let mut offset = read(register::CAPABILITIES);
    while offset != 0 {
        if offset < FIRST {
            return Err(CapabilityFault::InHeader { offset });
        }
        if !offset.is_multiple_of(4) {
            return Err(CapabilityFault::Unaligned { offset });
        }
        let mark = 1 << (offset / 4);
        if visited & mark != 0 {
            return Err(CapabilityFault::Loop { offset });
        }
        visited |= mark;
        found.push(Capability { id: read(offset), offset });
        offset = read(offset + 1);
    }
    Ok(found)
}

/// The reason for which a list of capabilities cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CapabilityFault {
    /// A capability is said to be where the registers of every function are.
    InHeader {
        /// The offset.
        offset: u8,
    },
    /// An offset is no multiple of four.
    Unaligned {
        /// The offset.
        offset: u8,
    },
    /// The list comes back to a capability that it has passed.
    Loop {
        /// The offset.
        offset: u8,
    },
}

impl fmt::Display for CapabilityFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InHeader { offset } => {
                write!(f, "a capability at {offset:#x}, which is below {FIRST:#x}")
            }
            Self::Unaligned { offset } => {
                write!(f, "a capability at {offset:#x}, which is no multiple of 4")
            }
            Self::Loop { offset } => {
                write!(f, "the list of capabilities runs in a circle at {offset:#x}")
            }
        }
    }
}

impl core::error::Error for CapabilityFault {}
