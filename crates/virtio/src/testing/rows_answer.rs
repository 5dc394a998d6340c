//! Rows 8, 9, 12, 25, 26 and 30: answers that are none, wrong or never come, and devices that
//! cannot go on.

use alloc::{vec, vec::Vec};

use block::{BlockDevice, CompletionQueue, Error, IfFull, Operation, SECTOR_SIZE};
use ostd::prelude::ktest;

use super::{
    fake::{DeviceMemory, Fault, pattern},
    registers::{Slot, register},
    rig::{INDEX_JUMPED, Mode, Rig, everywhere, read_request},
};
use crate::{
    features::Features,
    handshake::InitError,
    reset::ResetError,
    transport::{
        DeviceStatus, InterruptStatus,
        Version::{Legacy, Modern},
    },
};

#[ktest]
fn row_08_status_byte_never_written() {
    everywhere(|rig| {
        let before = rig.starts();
        for fault in [Fault::NoStatus, Fault::Status(0xff)] {
            assert_eq!(rig.read_with(fault), Err(Error::NoAnswer));
            rig.disk.plan_faults([Some(fault); 2]);
            let write = rig.driver.write_block(3, &[0; SECTOR_SIZE]);
            assert_eq!(write, Err(Error::NoAnswer));
            assert_eq!(rig.driver.flush(), Err(Error::NoAnswer));
            // The answer to the first step is not taken for that to the second.
            rig.disk.plan_faults([None, Some(fault)]);
            assert_eq!(rig.driver.discard(2, 20), Err(Error::NoAnswer));
        }
        assert_eq!(rig.starts(), before);
        rig.assert_works();
    });
}

#[ktest]
fn row_09_status_byte_0x77() {
    everywhere(|rig| {
        let before = rig.starts();
        for status in [3, 0x77, 0x80, 0xfe] {
            assert_eq!(rig.read_with(Fault::Status(status)), Err(Error::BadStatus(status)));
            rig.assert_works();
        }
        // Another request at the same time does not suffer.
        rig.disk.plan_faults([Some(Fault::Status(0x77)), None]);
        assert_eq!(rig.answers(&rig.send(2)), [Err(Error::BadStatus(0x77)), Ok(())]);
        assert_eq!(rig.starts(), before);
    });
}

/// Rigs whose requests may take 100 ms.
fn impatient(test: impl Fn(&Rig)) {
    for version in [Legacy, Modern] {
        for mode in [Mode::Polled, Mode::Interrupt] {
            let rig = Rig::new(version, Features::RING_EVENT_IDX, mode, 100);
            test(&rig);
            rig.assert_idle();
        }
    }
}

#[ktest]
fn row_12_request_never_completed() {
    impatient(|rig| {
        let before = rig.starts();
        assert_eq!(rig.read_with(Fault::Lose), Err(Error::TimedOut));
        rig.assert_restarted(before);
        // All that the device has goes with the one that is late.
        let (done, _) = rig.held(3);
        assert_eq!(rig.answers(&done), [Err(Error::TimedOut); 3]);
        rig.assert_restarted(before + 1);
    });
}

#[ktest]
fn row_12_nothing_is_ever_completed() {
    let rig = Rig::new(Modern, Features::empty(), Mode::Polled, 60);
    rig.disk.plan_faults([Some(Fault::Lose); 4]);
    for _ in 0..4 {
        assert_eq!(rig.driver.flush(), Err(Error::TimedOut));
    }
    rig.assert_dead();
}

#[ktest]
fn row_25_reset_that_never_ends_at_the_start() {
    for (slot, status) in [(Slot::modern(), 4), (Slot::legacy(), 4), (Slot::modern(), 0x100)] {
        slot.lie(register::STATUS, status);
        let status = DeviceStatus::from_bits_retain(status);
        let error = InitError::Reset(ResetError { status });
        assert_eq!(slot.driver().err(), Some(error));
        assert_eq!(slot.written(register::STATUS), Some(DeviceStatus::FAILED.bits()));
        assert!(!slot.has_memory());
        // Should it come to its senses, it is as good as any other.
        slot.stop_lying();
        slot.driver().unwrap().flush().unwrap();
    }
}

#[ktest]
fn row_25_reset_that_never_ends_at_run_time() {
    for mode in [Mode::Polled, Mode::Interrupt] {
        let rig = Rig::modern(mode);
        let (done, _) = rig.held(2);
        let chains = rig.disk.lost();
        let rings = rig.disk.transport.with_queue(|queue| queue.device_area);
        rig.disk.transport.state.lock().ignores_reset = true;
        let before = rig.disk.transport.resets();
        rig.tell(|queue| queue.write_used_index(1000));
        assert_eq!(rig.disk.transport.resets(), before + 1, "it takes long, and is in vain");
        let reaper = rig.reaper(&done);
        let mut tags: Vec<_> = core::iter::from_fn(|| reaper.next())
            .map(|answer| {
                assert_eq!(answer.result, Err(INDEX_JUMPED));
                assert!(answer.request.is_none(), "the device may still write to its buffers");
                answer.tag
            })
            .collect();
        tags.sort_unstable();
        assert_eq!(tags, [0, 1], "each owner is told");
        rig.assert_dead();
        // All that the device knows of stays, even when the driver goes.
        let Rig { disk, driver, .. } = rig;
        drop(driver);
        for chain in chains {
            assert!(chain.is_in_memory());
            let (table, _) = chain.table.expect("the device knows indirect tables");
            assert!(DeviceMemory::read(table, &mut [0; 16]));
        }
        assert!(DeviceMemory::read(rings, &mut [0]));
        disk.find_lost();
    }
}

#[ktest]
fn row_26_device_needs_a_reset() {
    for version in [Legacy, Modern] {
        let rig = Rig::new(version, Features::RING_EVENT_IDX, Mode::Interrupt, 30_000);
        let needs_reset = || {
            rig.disk.transport.state.lock().status.insert(DeviceStatus::DEVICE_NEEDS_RESET);
            rig.disk.transport.interrupt(InterruptStatus::CONFIGURATION_CHANGE);
        };
        for in_flight in [0, 1, 4] {
            let before = rig.starts();
            let (done, _) = rig.held(in_flight);
            needs_reset();
            let answers = rig.answers(&done);
            assert_eq!(answers, vec![Err(Error::NeedsReset); in_flight as usize]);
            rig.assert_restarted(before);
        }
        rig.assert_idle();
        // One that needs it again and again, and does nothing else, is given up.
        for _ in 0..4 {
            needs_reset();
        }
        rig.assert_dead();
        // Nothing brings it back, and nothing is done about it any more.
        let before = rig.disk.transport.state.lock().status_log.len();
        for _ in 0..10 {
            needs_reset();
        }
        rig.disk.transport.state.lock().status = DeviceStatus::FAILED;
        assert_eq!(rig.disk.transport.state.lock().status_log.len(), before);
        rig.assert_dead();
    }
}

#[ktest]
fn row_26_device_needs_a_reset_and_nobody_listens() {
    // Without an interrupt there is no sign of it but that nothing is answered.
    let rig = Rig::new(Modern, Features::empty(), Mode::Polled, 60);
    let before = rig.starts();
    rig.disk.transport.state.lock().status.insert(DeviceStatus::DEVICE_NEEDS_RESET);
    assert_eq!(rig.read_with(Fault::Lose), Err(Error::TimedOut));
    rig.assert_restarted(before);
    rig.assert_idle();
}

#[ktest]
fn row_30_buffers_come_back_changed() {
    everywhere(|rig| {
        // The device reads, writes all of it, and then says that it has failed: no data.
        for fault in [Fault::Status(1), Fault::NoStatus, Fault::Status(0x77)] {
            assert!(rig.read_with(fault).is_err());
        }
        // It writes over what it was only to read: header and data of a write.
        let done = CompletionQueue::new(1);
        rig.disk.plan_faults([Some(Fault::Lose)]);
        let mut write = read_request(5);
        write.operation = Operation::Write;
        write.buffers[0].write(0, &pattern(1, 1)).unwrap();
        rig.driver.submit(write, &done, IfFull::Fail).unwrap();
        rig.disk.work();
        let chain = rig.disk.lost().remove(0);
        for buffer in &chain.buffers {
            let junk = vec![0xa5; buffer.length as usize];
            assert!(DeviceMemory::write(buffer.address, &junk));
        }
        let (before, sector) = (rig.starts(), rig.disk.sectors(5, 1));
        rig.tell(|queue| queue.give_back(chain.head, 1));
        assert_eq!(rig.answers(&done), [Err(Error::BadStatus(0xa5))]);
        rig.disk.forget_lost();
        // Nothing of that is left in the slices that the next request uses.
        rig.assert_works();
        assert_eq!((rig.starts(), rig.disk.sectors(5, 1)), (before, sector));
    });
}
