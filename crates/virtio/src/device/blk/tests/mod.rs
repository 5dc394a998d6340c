//! Unit tests of the block device, against a fake disk behind a fake transport.

mod basics;
mod commands;
mod restarts;
mod roads;
mod room;
mod setup;
mod trouble;
mod waiting;

use alloc::{format, string::ToString, vec, vec::Vec};

use block::{Buffer, Completion, Operation, Patience, Reaper, SECTOR_SIZE};
use ostd::{prelude::ktest, task::TaskOptions};

use super::*;
use crate::{
    command::Spare,
    features::Features,
    options::Options,
    queue::{ChainError, SetupError},
    recovery,
    request_queue::Caller,
    testing::fake::{FakeDisk, Fault, all_disk_features, pattern},
    transport::{
        DeviceStatus, InterruptStatus,
        Version::{Legacy, Modern},
    },
};

/// Requests of a device that returns descriptor 9999.
const LIE: Error = Error::Violation("it returned a descriptor that does not exist");

/// Every combination of interface, ring features and way of completion.
fn everywhere(test: impl Fn(&Arc<FakeDisk>, &Arc<VirtioBlk>)) {
    for version in [Legacy, Modern] {
        for ring in [Features::empty(), Features::all() - Features::VERSION_1] {
            for interrupts in [false, true] {
                let disk = FakeDisk::new(version, all_disk_features() | ring.bits(), 64);
                let driver = disk.driver(&Options::default()).unwrap();
                if interrupts {
                    disk.connect(&driver);
                }
                disk.take_log();
                disk.take_segments();
                test(&disk, &driver);
                assert_idle(&disk, &driver);
            }
        }
    }
}

/// Nothing is outstanding, every chain and every range is to spare, and nobody waits or sleeps. The device
/// has been given the notifications that it was owed, and no others.
fn assert_idle(disk: &FakeDisk, driver: &VirtioBlk) {
    for queue in &driver.device.queues {
        let inner = queue.inner.lock();
        let Some(ring) = &inner.queue else { continue };
        assert_eq!((ring.outstanding(), ring.free_segments()), (0, ring.max_segments()));
        let mut places: Vec<_> = inner.spare.iter().map(|chain| chain.place).collect();
        places.sort_unstable();
        assert!(places.into_iter().eq(0..ring.size()));
        assert!(inner.callers.iter().all(|caller| matches!(caller, Caller::Nobody)));
        assert!(inner.room.is_empty());
    }
    assert_eq!(driver.device.waiting().asleep(), 0);
    disk.transport.assert_notified();
}

/// Takes completions, and sleeps where there are interrupts.
fn reaper<'a>(done: &'a CompletionQueue, driver: &'a VirtioBlk) -> Reaper<'a, VirtioBlk> {
    Reaper::new(done, driver).with_patience(Patience::Sleep)
}

/// Waits for the next completion.
fn next(done: &CompletionQueue, driver: &VirtioBlk) -> Completion {
    reaper(done, driver).next().expect("a completion is due")
}

/// A read of one sector.
fn read_request(sector: u64) -> Box<Request> {
    Request::new(Operation::Read, sector, vec![buffer(1, &[])])
}

fn buffer(sectors: usize, data: &[u8]) -> Buffer {
    let buffer = Buffer::alloc(sectors * SECTOR_SIZE).unwrap();
    buffer.write(0, data).unwrap();
    buffer
}

fn contents(buffers: &[Buffer]) -> Vec<u8> {
    let mut all = Vec::new();
    for buffer in buffers {
        let mut bytes = vec![0; buffer.len()];
        buffer.read(0, &mut bytes).unwrap();
        all.extend(bytes);
    }
    all
}
