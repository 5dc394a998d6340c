//! Unit tests of the block device, against a fake disk behind a fake transport.

mod basics;
mod setup;
mod trouble;
mod waiting;

use alloc::{format, string::ToString};

use ostd::{prelude::ktest, task::TaskOptions};

use super::{
    super::{
        fake::{FakeDisk, Fault, all_disk_features, pattern},
        init::InitError,
        options::Options,
        queue::SetupError,
        transport::Version::{Legacy, Modern},
    },
    *,
};

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
                assert_idle(&driver);
            }
        }
    }
}

/// Nothing is outstanding, and every slice is back in its pool.
fn assert_idle(driver: &VirtioBlk) {
    for channel in &driver.channels {
        if let Some(lane) = channel.lane.lock().as_ref() {
            let queue = &lane.queue;
            assert_eq!((queue.outstanding(), queue.room()), (0, queue.max_segments()));
            assert_eq!(lane.spare.len(), usize::from(queue.size()));
        }
    }
    assert!(driver.ranges.available() >= RANGES);
    assert_eq!(driver.sectors.available(), SECTOR_PAGES * 8);
    assert_eq!(driver.sleepers.load(Ordering::Relaxed), 0);
}

fn buffer(sectors: usize, data: &[u8]) -> Buffer {
    let buffer = Buffer::alloc(sectors).unwrap();
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
