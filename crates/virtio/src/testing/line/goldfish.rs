//! The clock of QEMU's board `virt`: Goldfish, as the device tree tells.

use ostd::{
    arch::{
        boot::DEVICE_TREE,
        irq::{IRQ_CHIP, InterruptSourceInFdt, MappedIrqLine},
    },
    io::IoMem,
    irq::IrqLine,
    mm::VmIoOnce,
};

/// Register offsets in bytes.
mod register {
    pub const ALARM_LOW: usize = 0x8;
    pub const INTERRUPT_ENABLED: usize = 0x10;
    pub const CLEAR_INTERRUPT: usize = 0x1c;
}

pub struct Clock {
    registers: IoMem,
}

impl Clock {
    /// The clock, and how its interrupt is led to a line.
    pub fn find() -> (Self, impl FnOnce(IrqLine) -> MappedIrqLine) {
        let tree = DEVICE_TREE.get().unwrap();
        let node = device_tree::devices(tree, "google,goldfish-rtc").remove(0).unwrap();
        let interrupt = node.interrupt.unwrap();
        let source = InterruptSourceInFdt {
            interrupt_parent: interrupt.parent,
            interrupt: interrupt.number,
        };
        let map = move |line| IRQ_CHIP.get().unwrap().map_fdt_pin_to(source, line).unwrap();
        (Self { registers: IoMem::acquire(node.range).unwrap() }, map)
    }

    /// Interrupts once.
    pub fn ring(&self) {
        self.write(register::INTERRUPT_ENABLED, 1);
        // An alarm that is past.
        self.write(register::ALARM_LOW, 0);
    }

    /// Ends an interrupt.
    pub fn clear(&self) {
        self.write(register::CLEAR_INTERRUPT, 0);
    }

    fn write(&self, offset: usize, value: u32) {
        self.registers.write_once(offset, &value).unwrap();
    }
}
