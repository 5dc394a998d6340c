//! Interrupts of devices, by way of a platform-level interrupt controller (PLIC).

use device_tree::Interrupt;
pub use ostd::arch::irq::MappedIrqLine;
use ostd::{
    arch::irq::{IRQ_CHIP, InterruptSourceInFdt},
    irq::IrqLine,
};

use crate::arch::MapError;

/// Leads a device's interrupt to `line`, whose callbacks run from now on until what is returned is
/// dropped.
///
/// `interrupt` must come from [`device_tree()`](super::device_tree): OSTD panics at one of another tree.
/// To be called with the callbacks in place, and not from one of them.
///
/// # Errors
///
/// There is no interrupt controller, or it does not take the interrupt: [`MapError`].
pub fn map(interrupt: &Interrupt, line: IrqLine) -> Result<MappedIrqLine, MapError> {
    let chip = IRQ_CHIP.get().ok_or(MapError::NoController)?;
    let source =
        InterruptSourceInFdt { interrupt_parent: interrupt.parent, interrupt: interrupt.number };
    chip.map_fdt_pin_to(source, line)
        .map_err(|error| MapError::Refused { number: interrupt.number, error })
}

/// The message by which a device interrupts as `line`: none, as a PLIC has pins only.
pub fn message(_line: &IrqLine) -> Option<pci::Message> {
    None
}

#[cfg(ktest)]
mod tests {
    use ostd::prelude::ktest;

    use super::*;

    /// The interrupt of some device of this machine; its tests have none, but its slots are there.
    fn interrupt() -> Interrupt {
        let nodes = device_tree::devices(super::super::device_tree().unwrap(), "virtio,mmio");
        nodes.into_iter().find_map(|node| node.ok()?.interrupt.ok()).unwrap()
    }

    #[ktest]
    fn an_interrupt_is_mapped_once_at_a_time() {
        let interrupt = interrupt();
        let line = || IrqLine::alloc().unwrap();
        let mapped = map(&interrupt, line()).unwrap();
        let again = map(&interrupt, line()).unwrap_err();
        assert!(matches!(again, MapError::Refused { number, .. } if number == interrupt.number));
        drop(mapped);
        assert!(map(&interrupt, line()).is_ok());
    }
}
