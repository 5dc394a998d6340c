//! Bringing a disk up, and what it says about itself.

use ostd::mm::PAGE_SIZE;

use super::{super::request::RequestMemory, *};
use crate::{request_queue::RequestQueue, testing::fake::DeviceMemory};

#[ktest]
fn the_disk_is_known_by_its_configuration() {
    let disk = FakeDisk::new(Modern, all_disk_features(), 64);
    disk.transport.set_config(20, &4096u32.to_le_bytes());
    disk.transport.set_config(24, &[2]);
    disk.transport.set_config(32, &[1]);
    let info = disk.driver(&Options::default()).unwrap().info();
    let disk = info.geometry;
    assert_eq!((info.serial.as_str(), disk.capacity), ("fake disk", 64));
    assert_eq!((disk.block_size, info.physical_block_size), (4096, 16_384));
    assert!(info.writeback && disk.discard && disk.write_zeroes && !disk.read_only);
    assert_eq!(info.queue_size, 256);
    assert!(info.to_string().contains("64 sectors (0.0 MiB), block size 4096, read-write"));
}

#[ktest]
fn what_the_features_do_not_offer_is_not_read() {
    let info = |features, change: &dyn Fn(&FakeDisk)| {
        let disk = FakeDisk::new(Modern, features, 64);
        change(&disk);
        disk.driver(&Options { queue_size: 16, ..Options::default() }).unwrap().info()
    };
    let all = all_disk_features();
    let without = |feature: BlkFeatures| all & !feature.bits();
    let exponent = |exponent: u8| move |disk: &FakeDisk| disk.transport.set_config(24, &[exponent]);
    let seg_max =
        |most: u32| move |disk: &FakeDisk| disk.transport.set_config(12, &most.to_le_bytes());

    assert_eq!(info(without(BlkFeatures::BLK_TOPOLOGY), &exponent(3)).physical_block_size, 512);
    assert_eq!(info(all, &exponent(3)).physical_block_size, 4096);
    // Those are no sizes.
    for exponent in [23, 31, 32, 255].map(exponent) {
        assert_eq!(info(all, &exponent).physical_block_size, 512);
    }
    assert_eq!(info(without(BlkFeatures::BLK_SEG_MAX), &seg_max(5)).max_segments, 1);
    assert_eq!(info(all, &seg_max(5)).max_segments, 5);
    // A chain is no longer than the queue, header and response included.
    assert_eq!(info(all, &seg_max(126)).max_segments, 14);

    let cache = |on: u8| move |disk: &FakeDisk| disk.transport.set_config(32, &[on]);
    for (features, on, writeback) in [
        (all, 0, false),
        (all, 1, true),
        // With FLUSH alone it must be taken to be on.
        (without(BlkFeatures::BLK_CONFIG_WCE), 0, true),
        (without(BlkFeatures::BLK_FLUSH), 1, false),
    ] {
        assert_eq!(info(features, &cache(on)).writeback, writeback);
    }
}

#[ktest]
fn there_are_no_more_queues_than_cpus() {
    let disk = FakeDisk::new(Modern, all_disk_features(), 64);
    disk.transport.set_config(34, &64u16.to_le_bytes());
    assert_eq!(disk.driver(&Options::default()).unwrap().info().queues, ostd::cpu::num_cpus());
}

#[ktest]
fn features_are_named_and_only_known_ones_acknowledged() {
    let disk = FakeDisk::new(Modern, u64::MAX, 64);
    let driver = disk.driver(&Options::default());
    // Every feature offered means a size_max, which is 0 here.
    let error = driver.err().unwrap();
    assert_eq!(error, InitError::BadConfig { field: "size_max", value: 0 });
    disk.transport.set_config(8, &65_536u32.to_le_bytes());
    let driver = disk.driver(&Options::default()).unwrap();
    let acknowledged = disk.transport.state.lock().driver_features;
    assert_eq!(acknowledged, BlkFeatures::all().bits() | Features::all().bits());
    let names = format!("{}", driver.feature_names());
    assert!(names.starts_with("RING_INDIRECT_DESC RING_EVENT_IDX VERSION_1 BLK_SIZE_MAX"));

    let off = Options { event_idx: false, indirect_desc: false, ..Options::default() };
    disk.driver(&off).unwrap();
    let acknowledged = disk.transport.state.lock().driver_features;
    assert_eq!(acknowledged, BlkFeatures::all().bits() | Features::VERSION_1.bits());
}

#[ktest]
fn the_capacity_can_change() {
    let disk = FakeDisk::new(Modern, all_disk_features(), 64);
    let driver = disk.driver(&Options::default()).unwrap();
    disk.connect(&driver);
    disk.transport.set_config(0, &32u64.to_le_bytes());
    disk.transport.interrupt(InterruptStatus::CONFIGURATION_CHANGE);
    assert_eq!(driver.info().geometry.capacity, 32);
    let error = driver.read_block(32, &mut [0; 512]).unwrap_err();
    assert_eq!(error, Error::OutOfRange { sector: 32, sectors: 1, capacity: 32 });
    // What cannot be is not believed.
    disk.transport.set_config(0, &u64::MAX.to_le_bytes());
    disk.transport.interrupt(InterruptStatus::CONFIGURATION_CHANGE);
    assert_eq!(driver.info().geometry.capacity, 32);
}

#[ktest]
fn a_queue_too_small_for_a_request_is_refused() {
    let disk = FakeDisk::new(Modern, all_disk_features(), 64);
    let small = Options { queue_size: 2, ..Options::default() };
    let error = disk.driver(&small).err().unwrap();
    assert_eq!(error, InitError::QueueTooSmall { entries: 2, needed: 3 });
    assert!(disk.transport.state.lock().status.contains(DeviceStatus::FAILED));
    disk.transport.state.lock().queue_size_max = 0;
    let error = disk.driver(&Options::default()).err().unwrap();
    assert_eq!(error, InitError::Queue(SetupError::NoSuchQueue { index: 0 }));
}

#[ktest]
fn bad_configurations_are_refused_by_field() {
    let refused = |features: u64, offset, value: &[u8]| {
        let disk = FakeDisk::new(Modern, all_disk_features() | features, 64);
        disk.transport.set_config(8, &65_536u32.to_le_bytes());
        disk.transport.set_config(offset, value);
        match disk.driver(&Options::default()) {
            Err(InitError::BadConfig { field, .. }) => field,
            other => panic!("{:?}", other.map(|_| ())),
        }
    };
    let size_max = BlkFeatures::BLK_SIZE_MAX.bits();
    for bad in [0u32, 3, 256, 513, 1 << 17, 1 << 31] {
        assert_eq!(refused(0, 20, &bad.to_le_bytes()), "blk_size");
    }
    assert_eq!(refused(0, 0, &u64::MAX.to_le_bytes()), "capacity");
    assert_eq!(refused(size_max, 8, &511u32.to_le_bytes()), "size_max");
    assert_eq!(refused(0, 34, &0u16.to_le_bytes()), "num_queues");
    assert_eq!(refused(0, 36, &0u32.to_le_bytes()), "max_discard_sectors");
    assert_eq!(refused(0, 48, &0u32.to_le_bytes()), "max_write_zeroes_sectors");
}

#[ktest]
fn an_empty_disk_is_a_disk() {
    let disk = FakeDisk::new(Modern, all_disk_features(), 0);
    let driver = disk.driver(&Options::default()).unwrap();
    let error = driver.read_block(0, &mut [0; 512]).unwrap_err();
    assert_eq!(error, Error::OutOfRange { sector: 0, sectors: 1, capacity: 0 });
}

#[ktest]
fn a_dropped_driver_resets_its_device() {
    let disk = FakeDisk::new(Modern, all_disk_features(), 64);
    let driver = disk.driver(&Options::default()).unwrap();
    let done = CompletionQueue::new(1);
    disk.plan_faults([Some(Fault::Lose)]);
    let request = read_request(0);
    driver.submit(request, &done, IfFull::Fail).unwrap();
    let rings = disk.transport.with_queue(|queue| queue.descriptors);
    assert!(DeviceMemory::read(rings, &mut [0]));
    drop(driver);
    assert!(disk.transport.state.lock().status.is_empty());
    assert!(!DeviceMemory::read(rings, &mut [0]), "the rings are leaked");
    assert_eq!(done.try_next().unwrap().result, Err(Error::Dead));
}

#[ktest]
fn a_queue_that_is_discarded_is_reset_and_freed() {
    let disk = FakeDisk::new(Modern, 0, 64);
    let transport: Arc<dyn Transport> = disk.transport.clone();
    disk.transport.state.lock().status = DeviceStatus::DRIVER;
    let memory = RequestMemory::make;
    let queue = RequestQueue::<Blk>::new(&transport, 0, Features::empty(), 8, 3, memory).unwrap();
    let rings = disk.transport.with_queue(|queue| queue.descriptors);
    queue.discard();
    assert!(disk.transport.state.lock().status.is_empty());
    assert!(!DeviceMemory::read(rings, &mut [0]), "the rings are leaked");
}

#[ktest]
fn a_set_up_that_fails_keeps_no_memory() {
    let disk = FakeDisk::new(Modern, all_disk_features(), 64);
    let fail = || {
        let small = Options { queue_size: 2, ..Options::default() };
        assert!(matches!(disk.driver(&small), Err(InitError::QueueTooSmall { .. })));
    };
    // What the heap keeps for later is taken by the first few.
    (0..10).for_each(|_| fail());
    let free = osdk_frame_allocator::load_total_free_size();
    (0..100).for_each(|_| fail());
    let lost = free as isize - osdk_frame_allocator::load_total_free_size() as isize;
    // A queue has two pages.
    assert!(lost < 100 * PAGE_SIZE as isize, "{lost} bytes");
}

#[ktest]
fn a_disk_that_does_not_tell_its_name_is_a_disk() {
    let short = [Fault::Written(1), Fault::Written(20)];
    for fault in [Fault::Status(1), Fault::Status(2), Fault::Status(0x77)].into_iter().chain(short)
    {
        let disk = FakeDisk::new(Modern, all_disk_features(), 64);
        disk.plan_faults([Some(fault)]);
        let driver = disk.driver(&Options::default()).unwrap();
        assert_eq!(driver.info().serial, "");
        driver.read_block(0, &mut [0; 512]).unwrap();
    }
}
