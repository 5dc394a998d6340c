//! Configuration space, however a machine reaches it.

use core::fmt::Debug;

use super::Address;

/// A machine's way to configuration space.
///
/// The first 256 bytes of each function are reached, which every machine can; PCI Express has 4096, and
/// nothing here needs the others.
///
/// As on the bus itself, an access never fails: what nobody answers reads as all ones, and a write to it
/// has no effect. So must an access be that the machine cannot make.
pub trait ConfigAccess: Debug + Send + Sync {
    /// Makes the functions of a bus reachable, before the first access to one of them. May be slow, as
    /// memory may have to be mapped; called once for each bus, in a task or in the bootstrap context, with
    /// IRQs enabled.
    ///
    /// # Errors
    ///
    /// OSTD's; the bus is left out then.
    fn open_bus(&self, bus: u8) -> Result<(), ostd::Error> {
        let _ = bus;
        Ok(())
    }

    /// Reads a register; `offset` is a multiple of its width. May be called from any context.
    fn read(&self, at: Address, offset: u8, width: Width) -> u32;

    /// Writes a register, of which the lower bytes of `value` are taken; otherwise as [`Self::read`].
    fn write(&self, at: Address, offset: u8, width: Width, value: u32);
}

/// The width of an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// One byte.
    U8,
    /// Two bytes.
    U16,
    /// Four bytes.
    U32,
}

impl Width {
    /// The value that nobody's answer has.
    pub const fn all_ones(self) -> u32 {
        match self {
            Self::U8 => 0xff,
            Self::U16 => 0xffff,
            Self::U32 => 0xffff_ffff,
        }
    }
}

/// Register offsets in bytes: PCI 6.1 for all functions, bridge specification 3.2 for bridges.
pub(crate) mod register {
    pub const VENDOR_ID: u8 = 0x00;
    pub const DEVICE_ID: u8 = 0x02;
    pub const COMMAND: u8 = 0x04;
    pub const STATUS: u8 = 0x06;
    /// The revision, and the class in the upper three bytes.
    pub const REVISION: u8 = 0x08;
    pub const HEADER_TYPE: u8 = 0x0e;
    /// The first of up to six, of four bytes each.
    pub const BAR: u8 = 0x10;
    /// Bridges: primary, secondary and subordinate bus, and a timer.
    pub const BUSES: u8 = 0x18;
    /// Bridges: base and limit of the I/O window.
    pub const IO_WINDOW: u8 = 0x1c;
    /// Bridges: base and limit of the window of memory that is not prefetchable.
    pub const MEMORY_WINDOW: u8 = 0x20;
    /// Bridges: base and limit of the window of prefetchable memory.
    pub const PREFETCHABLE_WINDOW: u8 = 0x24;
    /// Bridges: the upper half of that base.
    pub const PREFETCHABLE_BASE_HIGH: u8 = 0x28;
    /// Bridges: the upper half of that limit.
    pub const PREFETCHABLE_LIMIT_HIGH: u8 = 0x2c;
    /// Bridges: the upper halves of base and limit of the I/O window.
    pub const IO_WINDOW_HIGH: u8 = 0x30;
    pub const SUBSYSTEM_VENDOR_ID: u8 = 0x2c;
    pub const SUBSYSTEM_ID: u8 = 0x2e;
    pub const CAPABILITIES: u8 = 0x34;
    pub const INTERRUPT_PIN: u8 = 0x3d;
}
