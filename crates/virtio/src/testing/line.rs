//! The line that leads interrupts to a driver, with the test machine's clock in place of a virtio device.

#[cfg(target_arch = "riscv64")]
#[path = "line/goldfish.rs"]
mod clock;
#[cfg(target_arch = "x86_64")]
#[path = "line/cmos.rs"]
mod clock;

use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};

use ostd::{irq::IrqLine, prelude::ktest, task::Task};

use crate::device::{VirtioDevice, attach};

/// Counts its interrupts, which last until they are cleared.
struct Clock {
    clock: clock::Clock,
    interrupts: AtomicUsize,
}

impl VirtioDevice for Clock {
    fn handle_interrupt(&self) {
        self.interrupts.fetch_add(1, Ordering::Relaxed);
        self.clock.clear();
    }

    fn use_interrupts(&self) {}

    fn tick(&self) {}
}

#[ktest]
fn a_line_calls_its_device_and_does_not_keep_it() {
    let (clock, map) = clock::Clock::find();
    let clock = Arc::new(Clock { clock, interrupts: AtomicUsize::new(0) });

    let mut line = IrqLine::alloc().unwrap();
    let device: Arc<dyn VirtioDevice> = clock.clone();
    attach(&mut line, &device);
    drop(device);
    assert_eq!(Arc::strong_count(&clock), 1);

    let mapped = map(line);
    for count in 1..=3 {
        clock.clock.ring();
        while clock.interrupts.load(Ordering::Relaxed) < count {
            Task::yield_now();
        }
    }
    drop(mapped);
    assert_eq!(clock.interrupts.load(Ordering::Relaxed), 3);
}
