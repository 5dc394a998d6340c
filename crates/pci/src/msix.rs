//! MSI-X (PCI 6.8.2): an interrupt is a write of the function to an address that the machine listens to.

use core::{fmt, ops::Range};

use ostd::mm::VmIoOnce;

use super::{BarFault, CapabilityFault, Function, Space, id};

/// Offsets in the capability.
mod register {
    pub const CONTROL: u8 = 2;
    pub const TABLE: u8 = 4;
    /// The bytes of the capability.
    pub const LENGTH: u8 = 12;
}

/// Bits of the control register.
mod control {
    /// One less than the number of entries.
    pub const SIZE: u16 = 0x7ff;
    /// No message is sent.
    pub const MASK_ALL: u16 = 1 << 14;
    /// Messages are sent, and the pin is not raised.
    pub const ENABLE: u16 = 1 << 15;
}

/// Offsets in an entry of the table.
mod entry {
    pub const ADDRESS_LOW: usize = 0;
    pub const ADDRESS_HIGH: usize = 4;
    pub const DATA: usize = 8;
    /// Bit 0: the message is not sent.
    pub const CONTROL: usize = 12;
    /// The bytes of an entry.
    pub const LENGTH: usize = 16;
}

/// An interrupt as a message: what the function writes, and where.
///
/// The machine makes them. On x86 the address is 0xfee00000 and the data the number of an `IrqLine`, where
/// interrupts are not remapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// The address, a multiple of four.
    pub address: u64,
    /// The number that is written.
    pub data: u32,
}

/// The capability of a function, checked against its BARs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Msix {
    /// The offset of the capability.
    offset: u8,
    /// The number of messages, 1 to 2048.
    pub entries: u16,
    /// The BAR that the table is in.
    pub bar: u8,
    /// The place of the table in that BAR.
    pub table: Range<u64>,
}

pub(crate) fn find(function: &Function) -> Result<Option<Msix>, MsixFault> {
    let list = function.capabilities().map_err(MsixFault::List)?;
    let Some(capability) = list.iter().find(|capability| capability.id == id::MSI_X) else {
        return Ok(None);
    };
    let offset = capability.offset;
    if offset.checked_add(register::LENGTH - 1).is_none() {
        return Err(MsixFault::TooShort { offset });
    }
    let entries = (function.read_u16(offset + register::CONTROL) & control::SIZE) + 1;
    let place = function.read_u32(offset + register::TABLE);
    let (bar, start) = ((place & 0b111) as u8, u64::from(place & !0b111));
    let found = function.bar(bar).map_err(|fault| MsixFault::Bar { bar, fault })?;
    let length = u64::from(entries) * entry::LENGTH as u64;
    if found.space != Space::Memory || found.range(start, length).is_none() {
        return Err(MsixFault::Outside { bar, start, length });
    }
    Ok(Some(Msix { offset, entries, bar, table: start..start + length }))
}

impl Msix {
    /// Lets the function send messages instead of raising its pin. Those of the table that have not been
    /// set are masked.
    pub fn enable(&self, function: &Function) {
        self.control(function, control::ENABLE, control::MASK_ALL);
    }

    /// The function raises its pin again.
    pub fn disable(&self, function: &Function) {
        self.control(function, control::MASK_ALL, control::ENABLE);
    }

    fn control(&self, function: &Function, set: u16, clear: u16) {
        let offset = self.offset + register::CONTROL;
        let value = function.read_u16(offset);
        function.write_u16(offset, value & !clear | set);
    }
}

/// The table of messages, in a window of memory that starts with it.
#[derive(Debug)]
pub struct MsixTable<R> {
    window: R,
    entries: u16,
}

impl<R: VmIoOnce> MsixTable<R> {
    /// The table in `window`; all its entries are masked.
    ///
    /// # Errors
    ///
    /// OSTD's: the window is shorter than the table, or not aligned.
    pub fn new(msix: &Msix, window: R) -> Result<Self, ostd::Error> {
        let table = Self { window, entries: msix.entries };
        for index in 0..table.entries {
            table.write(index, entry::CONTROL, 1)?;
        }
        Ok(table)
    }

    /// Sets a message and lets it be sent.
    ///
    /// # Errors
    ///
    /// OSTD's: there is no such entry.
    pub fn set(&self, index: u16, message: Message) -> Result<(), ostd::Error> {
        if index >= self.entries {
            return Err(ostd::Error::InvalidArgs);
        }
        self.write(index, entry::CONTROL, 1)?;
        self.write(index, entry::ADDRESS_LOW, message.address as u32)?;
        self.write(index, entry::ADDRESS_HIGH, (message.address >> 32) as u32)?;
        self.write(index, entry::DATA, message.data)?;
        self.write(index, entry::CONTROL, 0)
    }

    fn write(&self, index: u16, field: usize, value: u32) -> Result<(), ostd::Error> {
        self.window.write_once(usize::from(index) * entry::LENGTH + field, &value)
    }
}

/// The reason for which a function cannot send messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MsixFault {
    /// The list of capabilities is broken.
    List(CapabilityFault),
    /// The capability does not fit into configuration space.
    TooShort {
        /// Its offset.
        offset: u8,
    },
    /// Its table is in a BAR that cannot be used.
    Bar {
        /// The BAR's number.
        bar: u8,
        /// The BAR's fault.
        fault: BarFault,
    },
    /// Its table is not all in its BAR, or not in memory.
    Outside {
        /// The BAR's number.
        bar: u8,
        /// The table's first byte in the BAR.
        start: u64,
        /// The table's length.
        length: u64,
    },
}

impl fmt::Display for MsixFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List(fault) => fault.fmt(f),
            Self::TooShort { offset } => {
                write!(f, "the capability of messages at {offset:#x} ends beyond byte 256")
            }
            Self::Bar { bar, fault } => write!(f, "the table of messages is in BAR {bar}: {fault}"),
            Self::Outside { bar, start, length } => write!(
                f,
                "the table of messages, {length:#x} bytes at {start:#x}, is not in the memory of BAR {bar}"
            ),
        }
    }
}

impl core::error::Error for MsixFault {}
