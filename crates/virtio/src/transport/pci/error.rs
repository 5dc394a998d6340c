//! The reasons for which a function is no device that can be driven.

use core::fmt;

use pci::{BarFault, CapabilityFault, Identity, MsixFault};

/// A group of registers (VIRTIO 1.3 section 4.1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Structure {
    /// Features, status and queues.
    Common,
    /// Notifications.
    Notify,
    /// The causes of an interrupt.
    Isr,
    /// The configuration of this kind of device.
    Device,
}

/// The reason for which a PCI function cannot be used.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum FunctionError {
    /// It does not say that it is a virtio device.
    NotVirtio {
        /// Its own account.
        identity: Identity,
    },
    /// The list of its capabilities is broken.
    List(CapabilityFault),
    /// A capability is shorter than its kind, or ends beyond configuration space.
    ShortCapability {
        /// Its offset.
        offset: u8,
        /// Its length, as it says.
        length: u8,
        /// The least length.
        needed: u8,
    },
    /// A structure is not there. A device without any has the legacy interface only.
    NoStructure {
        /// The structure.
        structure: Structure,
    },
    /// A structure is in a BAR that cannot be used.
    Bar {
        /// The structure.
        structure: Structure,
        /// The BAR's number.
        bar: u8,
        /// The BAR's fault.
        fault: BarFault,
    },
    /// A structure is not all in its BAR.
    Outside {
        /// The structure.
        structure: Structure,
        /// The BAR's number.
        bar: u8,
        /// The structure's first byte.
        start: u64,
        /// Its length.
        length: u64,
        /// The BAR's size.
        size: u64,
    },
    /// A structure is not aligned.
    Unaligned {
        /// The structure.
        structure: Structure,
        /// Its first byte in the BAR.
        start: u64,
        /// The number that this must be a multiple of.
        alignment: u64,
    },
    /// A structure has not all of its registers.
    TooShort {
        /// The structure.
        structure: Structure,
        /// Its length.
        length: u64,
        /// The least length.
        needed: u64,
    },
    /// The registers in one BAR are so far apart that they are not mapped.
    TooFarApart {
        /// The BAR's number.
        bar: u8,
    },
    /// The registers cannot be accessed.
    Access(ostd::Error),
}

/// The reason for which a device does not interrupt by messages.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum NoMessages {
    /// The machine has none.
    NotOffered,
    /// The device cannot.
    None,
    /// Its capability for them cannot be used.
    Fault(MsixFault),
    /// It has fewer of them than two.
    TooFew {
        /// The number.
        entries: u16,
    },
    /// Their table cannot be accessed.
    Access(ostd::Error),
}

impl fmt::Display for Structure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Common => "common configuration",
            Self::Notify => "notification",
            Self::Isr => "ISR",
            Self::Device => "device configuration",
        })
    }
}

impl fmt::Display for FunctionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotVirtio { identity } => write!(
                f,
                "{:04x}:{:04x} is not the number of a virtio device",
                identity.vendor, identity.device
            ),
            Self::List(fault) => fault.fmt(f),
            Self::ShortCapability { offset, length, needed } => write!(
                f,
                "the capability at {offset:#x} has {length} bytes, not the {needed} of its kind, or ends \
                 beyond byte 256"
            ),
            Self::NoStructure { structure: Structure::Common } => f.write_str(
                "it has no common configuration structure, so the legacy interface at most, which \
                 is not supported on PCI",
            ),
            Self::NoStructure { structure } => write!(f, "it has no {structure} structure"),
            Self::Bar { structure, bar, fault } => {
                write!(f, "the {structure} structure is in BAR {bar}: {fault}")
            }
            Self::Outside { structure, bar, start, length, size } => write!(
                f,
                "the {structure} structure, {length:#x} bytes at {start:#x}, is not in the {size:#x} \
                 bytes of BAR {bar}"
            ),
            Self::Unaligned { structure, start, alignment } => write!(
                f,
                "the {structure} structure at {start:#x} is not at a multiple of {alignment}"
            ),
            Self::TooShort { structure, length, needed } => {
                write!(f, "the {structure} structure has {length} bytes and not {needed}")
            }
            Self::TooFarApart { bar } => {
                write!(f, "the registers in BAR {bar} are too far apart")
            }
            Self::Access(error) => write!(f, "the registers cannot be accessed ({error:?})"),
        }
    }
}

impl core::error::Error for FunctionError {}

impl fmt::Display for NoMessages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOffered => f.write_str("the machine has no interrupts by message"),
            Self::None => f.write_str("it cannot interrupt by message"),
            Self::Fault(fault) => fault.fmt(f),
            Self::TooFew { entries } => {
                write!(f, "it has {entries} of the two messages that are needed")
            }
            Self::Access(error) => {
                write!(f, "the table of messages cannot be accessed ({error:?})")
            }
        }
    }
}

impl core::error::Error for NoMessages {}
