//! Interrupts of devices: messages to a processor's local APIC, and the pins of an I/O APIC.

use device_tree::Interrupt;
pub use ostd::arch::irq::MappedIrqLine;
use ostd::{arch::irq::IRQ_CHIP, irq::IrqLine};
use pci::Message;

use crate::arch::MapError;

/// Refuses: an interrupt that a device tree describes belongs to a controller that no PC has.
///
/// # Errors
///
/// [`MapError::NoController`].
pub fn map(_interrupt: &Interrupt, _line: IrqLine) -> Result<MappedIrqLine, MapError> {
    Err(MapError::NoController)
}

/// Leads an interrupt of the old bus of the PC (ISA) to `line`, whose callbacks run from now on until what is
/// returned is dropped. To be called with the callbacks in place, and not from one of them.
///
/// # Errors
///
/// There is no interrupt controller, or it does not take the interrupt: [`MapError`].
pub(super) fn map_isa(number: u8, line: IrqLine) -> Result<MappedIrqLine, MapError> {
    let chip = IRQ_CHIP.get().ok_or(MapError::NoController)?;
    chip.map_isa_pin_to(line, number)
        .map_err(|error| MapError::Refused { number: number.into(), error })
}

/// The first address of the local APICs. It stands for processor 0, and for an edge that goes to that one
/// alone (Intel's manual, volume 3, section 11.11).
const APIC: u64 = 0xfee0_0000;

/// The message by which a device interrupts as `line`.
pub fn message(line: &IrqLine) -> Option<Message> {
    Some(match line.remapping_index() {
        None => Message { address: APIC, data: u32::from(line.num()) },
        Some(index) => remapped(index),
    })
}

/// The message in the remappable format, which names an entry of the remapping table in place of processor and
/// vector: bit 4 of the address chooses the format, bits 19 to 5 and bit 2 hold the entry's number (Intel's
/// manual of VT-d, section 5.1.2.2).
const fn remapped(index: u16) -> Message {
    let (low, high) = (index as u64 & 0x7fff, index as u64 >> 15);
    Message { address: APIC | low << 5 | 1 << 4 | high << 2, data: 0 }
}

#[cfg(ktest)]
mod tests {
    use ostd::prelude::ktest;

    use super::*;

    #[ktest]
    fn an_interrupt_is_mapped_once_at_a_time() {
        let line = || IrqLine::alloc().unwrap();
        // The second serial port's, which nobody uses.
        let mapped = map_isa(3, line()).unwrap();
        let again = map_isa(3, line()).unwrap_err();
        assert!(matches!(again, MapError::Refused { number: 3, .. }), "{again}");
        drop(mapped);
        assert!(map_isa(3, line()).is_ok());
    }

    #[ktest]
    fn an_interrupt_that_no_controller_has_is_refused() {
        let refused = map_isa(200, IrqLine::alloc().unwrap()).unwrap_err();
        assert!(matches!(refused, MapError::Refused { number: 200, .. }), "{refused}");
    }

    #[ktest]
    fn a_message_names_the_line() {
        let line = IrqLine::alloc().unwrap();
        let message = message(&line).unwrap();
        if line.remapping_index().is_none() {
            assert_eq!(message, Message { address: 0xfee0_0000, data: line.num().into() });
        }
        assert_eq!(remapped(0x8003), Message { address: 0xfee0_0074, data: 0 });
    }
}
