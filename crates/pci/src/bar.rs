//! Base address registers (BARs): the memory of a function (PCI 6.2.5.1).

use core::{fmt, ops::Range};

/// A range of addresses to which a function answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bar {
    /// The space that the range is in.
    pub space: Space,
    /// The register has 64 bits, and takes the place of two.
    pub wide: bool,
    /// Reading has no effects, and writes may be joined.
    pub prefetchable: bool,
    /// The first address on the bus, a multiple of the size.
    pub address: u64,
    /// The first address as the processor sees it.
    pub cpu: u64,
    /// The length in bytes, a power of two.
    pub size: u64,
}

/// A space of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// Memory.
    Memory,
    /// Ports. On machines that have none, a host bridge shows them as memory.
    Io,
}

impl Bar {
    /// The physical addresses of `length` bytes from `offset` on. `None` if they are not all in the BAR, or
    /// beyond what the processor can name.
    pub fn range(&self, offset: u64, length: u64) -> Option<Range<usize>> {
        let end = offset.checked_add(length).filter(|end| *end <= self.size)?;
        let address = |offset| usize::try_from(self.cpu.checked_add(offset)?).ok();
        Some(address(offset)?..address(end)?)
    }
}

/// The reason for which a BAR cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BarFault {
    /// The function has no such register.
    Absent,
    /// It is the upper half of the one before it.
    UpperHalf,
    /// Its type is one of those that are reserved.
    ReservedType {
        /// Bits 2 and 1 of the register.
        found: u8,
    },
    /// It claims 64 bits, and no register follows it.
    NoUpperHalf,
    /// It is there, and no address bit of it can be written.
    NoSize,
    /// The address bits that can be written are not all bits from one upwards.
    NotAPowerOfTwo {
        /// The bits that can be written.
        writable: u64,
    },
    /// There is no room for it in the windows of the bridges above.
    NoRoom {
        /// Its size.
        size: u64,
    },
    /// It did not keep the address that it was given.
    NotKept {
        /// The address.
        written: u64,
        /// The one that it has.
        found: u64,
    },
    /// The firmware has given it no address.
    NotAssigned,
    /// Its address is not a multiple of its size, or it ends beyond the address space.
    BadAddress {
        /// The address.
        address: u64,
        /// Its size.
        size: u64,
    },
    /// It overlaps another BAR.
    Overlaps {
        /// The address at which the other one starts.
        other: u64,
    },
}

impl fmt::Display for BarFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("there is no such BAR"),
            Self::UpperHalf => f.write_str("it is the upper half of another BAR"),
            Self::ReservedType { found } => {
                write!(f, "its type is {found:#b} and neither 0b0 nor 0b10")
            }
            Self::NoUpperHalf => f.write_str("it has 64 bits and is the last register"),
            Self::NoSize => f.write_str("it has no address bits, so no size"),
            Self::NotAPowerOfTwo { writable } => {
                write!(f, "its address bits are {writable:#x}, so its size is no power of two")
            }
            Self::NoRoom { size } => {
                write!(f, "the windows above it have no room for its {size:#x} bytes")
            }
            Self::NotKept { written, found } => {
                write!(f, "it was given the address {written:#x} and has {found:#x}")
            }
            Self::NotAssigned => f.write_str("the firmware has given it no address"),
            Self::BadAddress { address, size } => {
                write!(f, "its {size:#x} bytes cannot be at {address:#x}")
            }
            Self::Overlaps { other } => write!(f, "it overlaps the BAR at {other:#x}"),
        }
    }
}

impl core::error::Error for BarFault {}
