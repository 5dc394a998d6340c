//! The line that leads interrupts to a driver, with the test machine's clock in place of a virtio device.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};

use ostd::{
    arch::{
        boot::DEVICE_TREE,
        irq::{IRQ_CHIP, InterruptSourceInFdt},
    },
    io::IoMem,
    irq::IrqLine,
    mm::VmIoOnce,
    prelude::ktest,
    task::Task,
};

use crate::device::{VirtioDevice, attach};

/// Register offsets of QEMU's Goldfish clock, in bytes.
mod register {
    pub const ALARM_LOW: usize = 0x8;
    pub const INTERRUPT_ENABLED: usize = 0x10;
    pub const CLEAR_INTERRUPT: usize = 0x1c;
}

/// Counts its interrupts, which last until they are cleared.
struct Clock {
    registers: IoMem,
    interrupts: AtomicUsize,
}

impl Clock {
    fn write(&self, offset: usize, value: u32) {
        self.registers.write_once(offset, &value).unwrap();
    }
}

impl VirtioDevice for Clock {
    fn handle_interrupt(&self) {
        self.interrupts.fetch_add(1, Ordering::Relaxed);
        self.write(register::CLEAR_INTERRUPT, 0);
    }

    fn use_interrupts(&self) {}

    fn tick(&self) {}
}

#[ktest]
fn a_line_calls_its_device_and_does_not_keep_it() {
    let tree = DEVICE_TREE.get().unwrap();
    let node = device_tree::devices(tree, "google,goldfish-rtc").remove(0).unwrap();
    let interrupt = node.interrupt.unwrap();
    let registers = IoMem::acquire(node.range).unwrap();
    let clock = Arc::new(Clock { registers, interrupts: AtomicUsize::new(0) });

    let mut line = IrqLine::alloc().unwrap();
    let device: Arc<dyn VirtioDevice> = clock.clone();
    attach(&mut line, &device);
    drop(device);
    assert_eq!(Arc::strong_count(&clock), 1);

    let source =
        InterruptSourceInFdt { interrupt_parent: interrupt.parent, interrupt: interrupt.number };
    let mapped = IRQ_CHIP.get().unwrap().map_fdt_pin_to(source, line).unwrap();
    clock.write(register::INTERRUPT_ENABLED, 1);
    for count in 1..=3 {
        // An alarm that is past.
        clock.write(register::ALARM_LOW, 0);
        while clock.interrupts.load(Ordering::Relaxed) < count {
            Task::yield_now();
        }
    }
    clock.write(register::INTERRUPT_ENABLED, 0);
    drop(mapped);
    assert_eq!(clock.interrupts.load(Ordering::Relaxed), 3);
}
