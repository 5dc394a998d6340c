//! The reasons for which a node cannot be used, in sentences that name it.

use alloc::{borrow::ToOwned, string::String};
use core::{fmt, ops::Range};

use super::MAX_DEPTH;

/// A node that cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeError {
    /// The node's name.
    pub name: String,
    /// The first thing that is wrong with it.
    pub fault: NodeFault,
}

impl NodeError {
    pub(super) fn new(name: &str, fault: NodeFault) -> Self {
        Self { name: name.to_owned(), fault }
    }
}

/// A defect of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeFault {
    /// It has no `reg`.
    NoReg,
    /// The `#address-cells` or `#size-cells` above it is neither 1 nor 2.
    BadCells,
    /// Its `reg` does not hold whole entries of address and size.
    ShortReg,
    /// Its range has no length.
    Empty,
    /// Its range is longer than is accepted.
    TooLarge {
        /// The range's length in bytes.
        size: usize,
        /// The most that is accepted.
        max: usize,
    },
    /// Its range ends beyond the 56 bits of a physical address.
    OutOfAddresses,
    /// Its range overlaps one that an earlier node has.
    Overlaps {
        /// The range of the earlier node.
        earlier: Range<usize>,
    },
    /// A bus above it maps addresses, which is not implemented.
    Mapped,
    /// A bus above it gives the processor no access to its children.
    Unreachable,
    /// It is at [`MAX_DEPTH`] and has children, which are not visited.
    TooDeep,
    /// A PCI host bridge whose `#address-cells` and `#size-cells` are not 3 and 2.
    NotPciCells,
    /// A PCI host bridge whose `bus-range` is not two numbers of buses, the first one first; or there is no
    /// room in its register range for the configuration space of the first bus.
    BadBusRange,
    /// A PCI host bridge whose `ranges` does not hold whole entries.
    ShortRanges,
    /// A PCI host bridge with an entry in `ranges` that is empty, or ends beyond the addresses that there are.
    BadWindow {
        /// The first address on the bus.
        bus: u64,
    },
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "device tree node {}: {}", self.name.escape_debug(), self.fault)
    }
}

impl fmt::Display for NodeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoReg => f.write_str("no reg property"),
            Self::BadCells => {
                f.write_str("its parent's #address-cells and #size-cells are not 1 or 2")
            }
            Self::ShortReg => {
                f.write_str("its reg property does not hold whole entries of address and size")
            }
            Self::Empty => f.write_str("its register range is empty"),
            Self::TooLarge { size, max } => {
                write!(f, "its register range of {size:#x} bytes is longer than {max:#x}")
            }
            Self::OutOfAddresses => {
                f.write_str("its register range ends beyond the physical address space")
            }
            Self::Overlaps { earlier } => write!(
                f,
                "its register range overlaps {:#x}..{:#x} of an earlier node",
                earlier.start, earlier.end
            ),
            Self::Mapped => f.write_str("a bus above it maps addresses, which is not supported"),
            Self::Unreachable => {
                f.write_str("a bus above it has no ranges property, so it cannot be reached")
            }
            Self::TooDeep => {
                write!(f, "nodes below it are deeper than {MAX_DEPTH} and are not looked at")
            }
            Self::NotPciCells => f.write_str("its #address-cells and #size-cells are not 3 and 2"),
            Self::BadBusRange => {
                f.write_str("its bus-range is no range of buses that its registers have room for")
            }
            Self::ShortRanges => f.write_str("its ranges property does not hold whole entries"),
            Self::BadWindow { bus } => {
                write!(f, "the entry of its ranges property at {bus:#x} is no range of addresses")
            }
        }
    }
}

impl core::error::Error for NodeError {}

impl core::error::Error for NodeFault {}
