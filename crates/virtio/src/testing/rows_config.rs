//! Rows 16 to 19 and 29: a configuration space that lies or moves.

use alloc::sync::Arc;

use block::{BlockDevice, Error, SECTOR_SIZE};
use ostd::prelude::ktest;

use super::{
    fake::{FakeDisk, Fault, all_disk_features},
    rig::{Mode, SECTORS, everywhere},
};
use crate::{
    device::blk::VirtioBlk,
    handshake::InitError,
    options::Options,
    transport::{
        DeviceStatus, InterruptStatus,
        Version::{Legacy, Modern},
    },
};

/// Offsets in the configuration space, in bytes.
const CAPACITY: usize = 0;
const BLK_SIZE: usize = 20;

fn disk() -> Arc<FakeDisk> {
    FakeDisk::new(Modern, all_disk_features(), SECTORS)
}

fn start(disk: &FakeDisk) -> Result<Arc<VirtioBlk>, InitError> {
    disk.driver(&Options::default())
}

/// The device was refused: it was told so, and has not been given a queue.
fn assert_refused(disk: &FakeDisk, error: InitError) {
    assert_eq!(start(disk).err(), Some(error));
    let state = disk.transport.state.lock();
    assert!(state.status.contains(DeviceStatus::FAILED));
    assert!(state.queues[0].is_none());
}

#[ktest]
fn row_16_configuration_changes_while_it_is_read() {
    let disk = disk();
    disk.transport.state.lock().unsteady = 10;
    let driver = start(&disk).unwrap();
    assert_eq!(
        (driver.info().geometry.capacity, disk.transport.state.lock().unsteady),
        (SECTORS, 0)
    );

    // At run time, where it never ends: what was known stays, and the interrupt handler does not.
    disk.connect(&driver);
    disk.transport.set_config(CAPACITY, &7u64.to_le_bytes());
    disk.transport.state.lock().unsteady = 1000;
    disk.transport.interrupt(InterruptStatus::CONFIGURATION_CHANGE);
    assert_eq!(driver.info().geometry.capacity, SECTORS);
    assert!(disk.transport.state.lock().unsteady > 900);
    disk.transport.state.lock().unsteady = 3;
    disk.transport.interrupt(InterruptStatus::CONFIGURATION_CHANGE);
    assert_eq!(driver.info().geometry.capacity, 7);
    driver.read_block(6, &mut [0; SECTOR_SIZE]).unwrap();
}

#[ktest]
fn row_16_configuration_never_holds_still() {
    let disk = disk();
    disk.transport.state.lock().unsteady = 1000;
    assert_refused(&disk, InitError::ConfigUnstable);
    assert!(disk.transport.state.lock().unsteady > 900, "bounded");
    // Nor is a device that does so after a reset taken back.
    disk.transport.state.lock().unsteady = 0;
    let driver = start(&disk).unwrap();
    disk.transport.state.lock().unsteady = usize::MAX;
    disk.plan_faults([Some(Fault::Id(9999))]);
    assert!(driver.flush().is_err());
    assert_eq!(driver.flush(), Err(Error::Dead));
}

#[ktest]
fn row_17_capacity_0() {
    for version in [Legacy, Modern] {
        let disk = FakeDisk::new(version, all_disk_features(), 0);
        let driver = start(&disk).unwrap();
        disk.take_log();
        let past = |sectors| Err(Error::OutOfRange { sector: 0, sectors, capacity: 0 });
        assert_eq!(driver.read_block(0, &mut [0; SECTOR_SIZE]), past(1));
        assert_eq!(driver.write_block(0, &[0; 2 * SECTOR_SIZE]), past(2));
        assert_eq!(driver.discard(0, 1), past(1));
        assert_eq!(disk.take_log(), []);
        driver.flush().unwrap();
    }
}

#[ktest]
fn row_18_capacity_2_to_the_64() {
    let most = u64::MAX / SECTOR_SIZE as u64;
    for capacity in [u64::MAX, most + 1] {
        let disk = disk();
        disk.transport.set_config(CAPACITY, &capacity.to_le_bytes());
        let field = "capacity";
        assert_refused(&disk, InitError::BadConfig { field, value: capacity });
    }
    // The largest that is not refused does not overflow either.
    let disk = disk();
    disk.transport.set_config(CAPACITY, &most.to_le_bytes());
    let driver = start(&disk).unwrap();
    for sector in [most, u64::MAX, u64::MAX - 1] {
        let past = Err(Error::OutOfRange { sector, sectors: 2, capacity: most });
        assert_eq!(driver.read_block(sector, &mut [0; 2 * SECTOR_SIZE]), past);
    }
    let past = Err(Error::OutOfRange { sector: most, sectors: 0xffff_ffff, capacity: most });
    assert_eq!(driver.discard(most, 0xffff_ffff), past);
    driver.read_block(0, &mut [0; SECTOR_SIZE]).unwrap();
}

#[ktest]
fn row_19_block_size_that_cannot_be() {
    for size in [0u32, 1, 3, 511, 513, 768, 1 << 17, 1 << 31, u32::MAX] {
        for version in [Legacy, Modern] {
            let disk = FakeDisk::new(version, all_disk_features(), SECTORS);
            disk.transport.set_config(BLK_SIZE, &size.to_le_bytes());
            assert_refused(&disk, InitError::BadConfig { field: "blk_size", value: size.into() });
        }
    }
    let disk = disk();
    disk.transport.set_config(BLK_SIZE, &4096u32.to_le_bytes());
    assert_eq!(start(&disk).unwrap().info().geometry.block_size, 4096);
}

#[ktest]
fn row_29_capacity_shrinks_while_running() {
    everywhere(|rig| {
        let before = rig.starts();
        let shrink = |capacity: u64| {
            rig.disk.transport.set_config(CAPACITY, &capacity.to_le_bytes());
            if rig.mode == Mode::Interrupt {
                rig.disk.transport.interrupt(InterruptStatus::CONFIGURATION_CHANGE);
            }
        };
        shrink(32);
        let read = rig.driver.read_block(32, &mut [0; SECTOR_SIZE]);
        match rig.mode {
            Mode::Interrupt => {
                let past = Error::OutOfRange { sector: 32, sectors: 1, capacity: 32 };
                assert_eq!(read, Err(past));
            }
            // Without an interrupt nobody has told the driver; the device says no for itself.
            Mode::Polled => {
                assert_eq!(read, Ok(()));
                assert_eq!(rig.read_with(Fault::Status(1)), Err(Error::Io));
            }
        }
        // What is in flight beyond the new end is the device's to refuse.
        let (done, _) = rig.held(1);
        shrink(0);
        rig.disk.finish_lost();
        rig.look();
        assert_eq!(rig.answers(&done), [Ok(())]);
        shrink(SECTORS);
        assert_eq!(rig.starts(), before);
        rig.assert_works();
    });
}
