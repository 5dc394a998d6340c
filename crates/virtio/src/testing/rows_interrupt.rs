//! Rows 10, 11 and 13: interrupts that nobody expects, and too many of them.

use core::sync::atomic::{AtomicUsize, Ordering};

use block::{BlockDevice, SECTOR_SIZE};
use ostd::{
    log::{LevelFilter, Log, Record, inject_logger, max_level, set_max_level},
    prelude::ktest,
};

use super::{
    fake::{FakeDisk, all_disk_features},
    registers::{Slot, register},
    rig::{Mode, Rig, SECTORS, everywhere},
};
use crate::{
    options::Options,
    transport::{InterruptStatus, Version::Modern},
};

#[ktest]
fn row_10_interrupt_with_nothing_to_report() {
    everywhere(|rig| {
        let before = rig.starts();
        for cause in
            [InterruptStatus::empty(), InterruptStatus::USED_BUFFER, InterruptStatus::all()]
        {
            let (done, _) = rig.held(1);
            rig.disk.transport.state.lock().interrupt.insert(cause);
            rig.driver.device().handle_interrupt();
            assert_eq!(done.open(), 1, "nothing has been answered");
            rig.disk.finish_lost();
            assert_eq!(rig.answers(&done), [Ok(())]);
        }
        assert_eq!(rig.starts(), before);
        rig.assert_works();
    });
    // Causes without a name are no cause.
    let slot = Slot::modern();
    let driver = slot.driver().unwrap();
    slot.lie(register::INTERRUPT_STATUS, 0xffff_fffc);
    driver.device().handle_interrupt();
    driver.read_block(0, &mut [0; SECTOR_SIZE]).unwrap();
}

/// Counts what is logged.
struct Counter(AtomicUsize);

impl Log for Counter {
    fn log(&self, _record: &Record<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

static LOGGED: Counter = Counter(AtomicUsize::new(0));

/// The number of lines that `action` logs, of any level.
fn logged(action: impl FnOnce()) -> usize {
    inject_logger(&LOGGED);
    let level = max_level();
    set_max_level(LevelFilter::Debug);
    log::info!("one line, to see that they are counted");
    let before = LOGGED.0.load(Ordering::Relaxed);
    assert!(before > 0);
    action();
    set_max_level(level);
    LOGGED.0.load(Ordering::Relaxed) - before
}

#[ktest]
fn row_11_interrupt_storm() {
    const STORM: usize = 10_000;
    // An interrupt that says nothing of the configuration takes two accesses.
    for (cause, most) in [(InterruptStatus::USED_BUFFER, 2), (InterruptStatus::all(), 8)] {
        let slot = Slot::modern();
        let driver = slot.driver().unwrap();
        slot.disk.connect(&driver);
        let before = slot.accesses();
        let lines = logged(|| {
            for round in 0..STORM as u64 {
                // With a new capacity each time there is something to say each time.
                slot.disk.transport.set_config(0, &(SECTORS - round % 2).to_le_bytes());
                slot.disk.transport.interrupt(cause);
                if round % 1000 == 0 {
                    driver.read_block(0, &mut [0; SECTOR_SIZE]).unwrap();
                }
            }
        });
        let accesses = slot.accesses() - before;
        assert!(accesses <= most * STORM + 100, "{accesses} registers accessed");
        assert!(lines <= 32, "{lines} lines logged");
    }
}

#[ktest]
fn row_11_storm_while_somebody_sleeps() {
    let rig = Rig::modern(Mode::Interrupt);
    let (done, _) = rig.held(2);
    for _ in 0..1000 {
        rig.disk.transport.interrupt(InterruptStatus::USED_BUFFER);
    }
    assert_eq!(done.open(), 2);
    rig.disk.finish_lost();
    assert_eq!(rig.answers(&done), [Ok(()); 2]);
    rig.assert_idle();
}

#[ktest]
fn row_11_lies_without_end_are_not_all_logged() {
    let rig = Rig::modern(Mode::Polled);
    let lines = logged(|| {
        for _ in 0..500 {
            let (done, _) = rig.held(1);
            rig.tell(|queue| queue.write_used_index(1000));
            assert!(rig.answers(&done)[0].is_err());
            rig.disk.forget_lost();
            rig.assert_works();
        }
    });
    assert!(lines <= 64, "{lines} lines logged");
}

#[ktest]
fn row_13_interrupt_before_driver_ok() {
    let disk = FakeDisk::new(Modern, all_disk_features(), SECTORS);
    disk.transport.state.lock().interrupt = InterruptStatus::all();
    let driver = disk.driver(&Options::default()).unwrap();
    // What was raised before the line was connected arrives with the connection.
    disk.connect(&driver);
    disk.transport.interrupt(InterruptStatus::empty());
    assert!(disk.transport.state.lock().interrupt.is_empty());
    driver.read_block(0, &mut [0; SECTOR_SIZE]).unwrap();
    // So does one in the middle of a restart.
    let rig = Rig::modern(Mode::Interrupt);
    let before = rig.starts();
    let (done, _) = rig.held(1);
    rig.disk.transport.state.lock().interrupt = InterruptStatus::all();
    rig.tell(|queue| queue.write_used_index(1000));
    assert!(rig.answers(&done)[0].is_err());
    rig.disk.transport.interrupt(InterruptStatus::all());
    rig.assert_restarted(before);
    rig.assert_idle();
}
