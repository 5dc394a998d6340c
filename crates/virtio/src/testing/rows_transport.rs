//! Rows 20 to 24, 27 and 28: registers that lie, through the real MMIO transport.

use block::{BlockDevice, SECTOR_SIZE};
use ostd::prelude::ktest;

use super::registers::{Slot, register};
use crate::{
    device::{
        blk::{self, BlkFeatures},
        rng,
    },
    features::Features,
    handshake::InitError,
    queue::{MAX_QUEUE_SIZE, SetupError},
    transport::{DeviceStatus, InterruptStatus, Transport, mmio::SlotError},
};

/// Data can be written and read.
fn assert_works(driver: &impl BlockDevice) {
    let mut data = [0; SECTOR_SIZE];
    driver.write_block(5, &[0x3c; SECTOR_SIZE]).unwrap();
    driver.read_block(5, &mut data).unwrap();
    assert_eq!(data, [0x3c; SECTOR_SIZE]);
}

/// The slot is refused, is told so, and knows of no memory.
fn assert_refused(slot: &Slot, error: InitError) {
    assert_eq!(slot.driver().err(), Some(error));
    let status = DeviceStatus::from_bits_retain(slot.written(register::STATUS).unwrap());
    assert!(status.contains(DeviceStatus::FAILED));
    assert!(!slot.has_memory());
}

#[ktest]
fn row_20_queue_sizes_that_cannot_be() {
    for slot in [Slot::modern(), Slot::legacy()] {
        slot.lie(register::QUEUE_SIZE_MAX, 0);
        assert_refused(&slot, InitError::Queue(SetupError::NoSuchQueue { index: 0 }));
        // Not a power of two, and larger than any queue can be.
        for (largest, size) in
            [(100, 64), (3, 2), (0x1_0001, MAX_QUEUE_SIZE), (u32::MAX, MAX_QUEUE_SIZE)]
        {
            slot.lie(register::QUEUE_SIZE_MAX, largest);
            let driver = slot.driver().unwrap();
            assert_eq!(slot.written(register::QUEUE_SIZE), Some(size.into()));
            assert_eq!(driver.info().queue_size, size);
            assert_works(&*driver);
        }
    }
}

#[ktest]
fn row_21_queue_that_is_ready_already() {
    for (slot, ready) in
        [(Slot::modern(), register::QUEUE_READY), (Slot::legacy(), register::QUEUE_PFN)]
    {
        // Left behind by whoever drove it before: it is reset first.
        slot.disk.transport.state.lock().ready = true;
        slot.disk.transport.state.lock().status = DeviceStatus::DRIVER_OK;
        assert_works(&*slot.driver().unwrap());
        // One that is in use even after a reset is not touched.
        slot.lie(ready, 1);
        let error = InitError::Queue(SetupError::InUse { index: 0 });
        assert_eq!(slot.driver().err(), Some(error));
        assert!(slot.disk.transport.state.lock().queues[0].is_none());
    }
}

#[ktest]
fn row_22_features_ok_is_cleared() {
    let slot = Slot::modern();
    slot.disk.transport.state.lock().refuses_features = true;
    let features = slot.disk.transport.device_features();
    let features = features & (BlkFeatures::all().bits() | Features::all().bits());
    assert_refused(&slot, InitError::FeaturesRefused { features });
    slot.disk.transport.state.lock().refuses_features = false;
    assert_works(&*slot.driver().unwrap());
}

#[ktest]
fn row_23_features_that_nobody_implements() {
    const RING_PACKED: u64 = 1 << 34;
    const IN_ORDER: u64 = 1 << 35;
    let known = BlkFeatures::all().bits() | Features::all().bits();
    for slot in [Slot::modern(), Slot::legacy()] {
        // Every feature offered includes BLK_RO and BLK_SIZE_MAX; the latter has a value to tell.
        slot.disk.transport.state.lock().offered = u64::MAX;
        slot.disk.transport.set_config(8, &4096u32.to_le_bytes());
        let driver = slot.driver().unwrap();
        let acknowledged = slot.disk.transport.state.lock().driver_features;
        assert_eq!(acknowledged & !known, 0, "{acknowledged:#x}");
        assert_eq!(acknowledged & (RING_PACKED | IN_ORDER), 0);
        driver.read_block(5, &mut [0; SECTOR_SIZE]).unwrap();
    }
}

#[ktest]
fn row_24_modern_device_without_version_1() {
    let slot = Slot::modern();
    slot.disk.transport.state.lock().offered &= !Features::VERSION_1.bits();
    assert_refused(&slot, InitError::NoVersion1);
}

#[ktest]
fn row_27_unknown_status_bits() {
    for slot in [Slot::modern(), Slot::legacy()] {
        slot.add_to_status(0xffff_ff30);
        let driver = slot.driver().unwrap();
        slot.disk.connect(&driver);
        slot.disk.transport.interrupt(InterruptStatus::CONFIGURATION_CHANGE);
        slot.disk.transport.interrupt(InterruptStatus::USED_BUFFER);
        assert_works(&*driver);
        let log = slot.disk.transport.state.lock().status_log.clone();
        let resets = log.iter().filter(|status| status.is_empty()).count();
        assert_eq!(resets, 1, "only that of the initialisation");
    }
}

#[ktest]
fn row_28_slots_that_are_no_disks() {
    let open = |register, value| {
        let slot = Slot::modern();
        slot.lie(register, value);
        slot.transport().map(|transport| transport.device_id())
    };
    for found in [0, 0x7472_6977, u32::MAX] {
        assert_eq!(open(register::MAGIC_VALUE, found), Err(SlotError::BadMagic { found }));
    }
    for found in [0, 3, u32::MAX] {
        assert_eq!(open(register::VERSION, found), Err(SlotError::BadVersion { found }));
    }
    assert_eq!(open(register::DEVICE_ID, 0), Err(SlotError::Empty));
    for id in [1, 3, 0x7fff, u32::MAX] {
        assert_eq!(open(register::DEVICE_ID, id), Ok(id));
        assert!(![blk::DEVICE_ID, rng::DEVICE_ID].contains(&id), "there is a driver for it");
    }
    // The others work.
    assert_eq!(Slot::modern().transport().unwrap().device_id(), blk::DEVICE_ID);
    let driver = Slot::modern().driver().unwrap();
    driver.device().handle_interrupt();
    assert_works(&*driver);
}
