//! One function of a device.

use alloc::{sync::Arc, vec::Vec};

use bitflags::bitflags;
use ostd::sync::{LocalIrqDisabled, SpinLock};

use super::{
    Address, Bar, BarFault, Capability, CapabilityFault, ConfigAccess, Msix, MsixFault, Width,
    capability, config::register, msix,
};

bitflags! {
    /// The command register (PCI 6.2.2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Command: u16 {
        /// The function answers to its I/O BARs.
        const IO = 1 << 0;
        /// It answers to its memory BARs.
        const MEMORY = 1 << 1;
        /// It reads and writes memory, and sends messages.
        const BUS_MASTER = 1 << 2;
        /// It does not raise its pin.
        const NO_PIN = 1 << 10;

        // The others are left as they are.
        const _ = !0;
    }
}

/// The number of BARs of a function that is no bridge.
pub(crate) const BARS: usize = 6;

/// A function that has been found. There is one value for each, and who has it has the function.
#[derive(Debug)]
pub struct Function {
    pub(crate) access: Arc<dyn ConfigAccess>,
    pub(crate) address: Address,
    pub(crate) identity: Identity,
    pub(crate) bars: [Result<Bar, BarFault>; BARS],
    pub(crate) pin: Option<Pin>,
    /// The content of the command register, which is never read back.
    pub(crate) command: SpinLock<Command, LocalIrqDisabled>,
}

/// The numbers by which drivers know their functions (PCI 6.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The maker of the chip.
    pub vendor: u16,
    /// The chip, as its maker counts.
    pub device: u16,
    /// Class, subclass and programming interface, 8 bits each.
    pub class: u32,
    /// The revision of the chip.
    pub revision: u8,
    /// The maker of the card.
    pub subsystem_vendor: u16,
    /// The card, as its maker counts.
    pub subsystem: u16,
}

/// The pin of an interrupt, as the host bridge sees it.
///
/// Each bridge turns the four pins of a device on (bridge specification 9.1): this is where they arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The function on the first bus: this one, or the bridge that it is behind.
    pub root: Address,
    /// 1 to 4, which are called INTA to INTD.
    pub number: u8,
}

impl Function {
    /// The function's address.
    pub fn address(&self) -> Address {
        self.address
    }

    /// The function's own account of what it is.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// The BAR of this number, 0 to 5. One of 64 bits has the number of its lower half.
    ///
    /// # Errors
    ///
    /// It is not there, or cannot be used.
    pub fn bar(&self, index: u8) -> Result<&Bar, BarFault> {
        self.bars.get(usize::from(index)).ok_or(BarFault::Absent)?.as_ref().map_err(|fault| *fault)
    }

    /// The pin that it raises for an interrupt, if it has one.
    pub fn pin(&self) -> Option<Pin> {
        self.pin
    }

    /// The capabilities, in the order of the list.
    ///
    /// # Errors
    ///
    /// The list is broken; none of it is to be believed then.
    pub fn capabilities(&self) -> Result<Vec<Capability>, CapabilityFault> {
        capability::list(&*self.access, self.address)
    }

    /// The function's capability of messages; `None` if it has none.
    ///
    /// # Errors
    ///
    /// The capability is not one that can be.
    pub fn msix(&self) -> Result<Option<Msix>, MsixFault> {
        msix::find(self)
    }

    /// Lets the function answer to its memory BARs, or does not. May be called from any context, as may the
    /// two below.
    pub fn set_memory(&self, on: bool) {
        self.set(Command::MEMORY, on);
    }

    /// Lets the function read and write memory and send messages, or does not. A driver resets its device
    /// first: it may still have addresses that it was given before this kernel came.
    pub fn set_bus_master(&self, on: bool) {
        self.set(Command::BUS_MASTER, on);
    }

    /// Lets the function raise its pin, or does not.
    pub fn set_pin(&self, on: bool) {
        self.set(Command::NO_PIN, !on);
    }

    fn set(&self, bits: Command, on: bool) {
        let mut command = self.command.lock();
        command.set(bits, on);
        self.write_u16(register::COMMAND, command.bits());
    }

    /// Reads a byte of configuration space.
    pub fn read_u8(&self, offset: u8) -> u8 {
        self.access.read(self.address, offset, Width::U8) as u8
    }

    /// Reads two bytes of configuration space; `offset` is even.
    pub fn read_u16(&self, offset: u8) -> u16 {
        self.access.read(self.address, offset, Width::U16) as u16
    }

    /// Reads four bytes of configuration space; `offset` is a multiple of four.
    pub fn read_u32(&self, offset: u8) -> u32 {
        self.access.read(self.address, offset, Width::U32)
    }

    pub(crate) fn write_u16(&self, offset: u8, value: u16) {
        self.access.write(self.address, offset, Width::U16, value.into());
    }
}
