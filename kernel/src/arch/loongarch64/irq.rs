//! Interrupts of devices: none, as OSTD 0.18 keeps the interrupt controllers of this architecture to itself.

use core::ops::{Deref, DerefMut};

use device_tree::Interrupt;
use ostd::irq::IrqLine;

use crate::arch::MapError;

/// A line that an interrupt is led to. There is none.
#[derive(Debug)]
pub enum MappedIrqLine {}

impl Deref for MappedIrqLine {
    type Target = IrqLine;

    fn deref(&self) -> &IrqLine {
        match *self {}
    }
}

impl DerefMut for MappedIrqLine {
    fn deref_mut(&mut self) -> &mut IrqLine {
        match *self {}
    }
}

/// Refuses.
///
/// # Errors
///
/// [`MapError::NoController`].
pub fn map(_interrupt: &Interrupt, _line: IrqLine) -> Result<MappedIrqLine, MapError> {
    Err(MapError::NoController)
}

/// The message by which a device interrupts as `line`: none.
pub fn message(_line: &IrqLine) -> Option<pci::Message> {
    None
}
