//! Unit tests of the block device, against a fake disk behind a fake transport.

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

#[ktest]
fn blocks_are_written_and_read() {
    everywhere(|disk, driver| {
        let before = disk.sectors(4, 1);
        driver.write_block(3, &pattern(1, 1)).unwrap();
        assert_eq!(disk.sectors(3, 1), pattern(1, 1));
        assert_eq!(disk.sectors(4, 1), before);
        driver.write_block(10, &pattern(5, 2)).unwrap();
        let mut data = vec![0; 5 * SECTOR_SIZE];
        driver.read_block(10, &mut data).unwrap();
        assert_eq!(data, pattern(5, 2));
        driver.flush().unwrap();
        assert_eq!(disk.take_log(), [(1, 3), (1, 10), (0, 10), (4, 0)]);
    });
}

#[ktest]
fn the_disk_is_known_by_its_configuration() {
    let disk = FakeDisk::new(Modern, all_disk_features(), 64);
    disk.transport.set_config(20, &4096u32.to_le_bytes());
    disk.transport.set_config(24, &[2]);
    disk.transport.set_config(32, &[1]);
    let info = disk.driver(&Options::default()).unwrap().info();
    assert_eq!((info.serial.as_str(), info.capacity), ("fake disk", 64));
    assert_eq!((info.block_size, info.physical_block_size), (4096, 16_384));
    assert!(info.writeback && info.discard && info.write_zeroes && !info.read_only);
    assert_eq!(info.queue_size, 256);
    assert!(info.to_string().contains("64 sectors (0.0 MiB), block size 4096, read-write"));
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
fn what_cannot_be_is_refused_before_the_device_hears_of_it() {
    everywhere(|disk, driver| {
        let mut one = [0; SECTOR_SIZE];
        let past = |sector, sectors| Error::OutOfRange { sector, sectors, capacity: 64 };
        assert_eq!(driver.read_block(64, &mut one), Err(past(64, 1)));
        assert_eq!(driver.write_block(63, &[0; 1024]), Err(past(63, 2)));
        assert_eq!(driver.read_block(u64::MAX, &mut one), Err(past(u64::MAX, 1)));
        let misaligned = Err(Error::Misaligned { block_size: 512 });
        assert_eq!(driver.read_block(0, &mut one[..511]), misaligned);
        assert_eq!(driver.write_block(0, &[]), misaligned);
        assert_eq!(driver.discard(0, 0), Err(Error::Empty));
        assert_eq!(driver.write_zeroes(60, 5), Err(past(60, 5)));
        assert_eq!(disk.take_log(), []);
        driver.read_block(63, &mut one).unwrap();
    });
}

#[ktest]
fn a_read_only_disk_is_not_written() {
    let disk = FakeDisk::new(Modern, all_disk_features() | BlkFeatures::BLK_RO.bits(), 64);
    let driver = disk.driver(&Options::default()).unwrap();
    disk.take_log();
    assert!(driver.info().read_only);
    assert_eq!(driver.write_block(0, &[0; 512]), Err(Error::ReadOnly));
    assert_eq!(driver.discard(0, 1), Err(Error::ReadOnly));
    assert_eq!(driver.write_zeroes(0, 1), Err(Error::ReadOnly));
    assert_eq!(disk.take_log(), []);
    driver.read_block(0, &mut [0; 512]).unwrap();
}

#[ktest]
fn larger_blocks_are_respected() {
    let disk = FakeDisk::new(Modern, all_disk_features(), 64);
    disk.transport.set_config(20, &2048u32.to_le_bytes());
    let driver = disk.driver(&Options::default()).unwrap();
    let misaligned = Err(Error::Misaligned { block_size: 2048 });
    assert_eq!(driver.read_block(0, &mut [0; 512]), misaligned);
    assert_eq!(driver.read_block(2, &mut [0; 2048]), misaligned);
    driver.read_block(4, &mut [0; 2048]).unwrap();
    // A buffer of half a block cannot be split off.
    let request =
        Request::new(Operation::Read, 0, vec![buffer(2, &[]), buffer(2, &[]), buffer(4, &[])]);
    let rejected = driver.submit(request, &CompletionQueue::new(1), IfFull::Fail).unwrap_err();
    assert_eq!(rejected.error, Error::Misaligned { block_size: 2048 });
    assert_eq!(rejected.request.buffers.len(), 3);
}

#[ktest]
fn discard_and_write_zeroes_are_split_at_the_limit() {
    everywhere(|disk, driver| {
        driver.write_zeroes(2, 20).unwrap();
        assert!(disk.sectors(2, 20).iter().all(|byte| *byte == 0));
        assert!(disk.sectors(1, 1).iter().any(|byte| *byte != 0));
        assert!(disk.sectors(22, 1).iter().any(|byte| *byte != 0));
        driver.discard(40, 9).unwrap();
        let types: Vec<_> = disk.take_log().into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(types, [13, 13, 13, 11, 11]);
    });
    let plain = FakeDisk::new(Modern, 0, 64).driver(&Options::default()).unwrap();
    assert_eq!(plain.discard(0, 1), Err(Error::Unsupported));
    assert_eq!(plain.write_zeroes(0, 1), Err(Error::Unsupported));
}

#[ktest]
fn without_flush_there_is_nothing_to_flush() {
    let disk = FakeDisk::new(Modern, 0, 64);
    let driver = disk.driver(&Options::default()).unwrap();
    disk.take_log();
    assert!(!driver.info().writeback);
    driver.flush().unwrap();
    let done = CompletionQueue::new(1);
    driver.submit(Request::new(Operation::Flush, 0, vec![]), &done, IfFull::Fail).unwrap();
    assert_eq!(done.try_next().unwrap().result, Ok(()));
    assert_eq!(disk.take_log(), []);
}

#[ktest]
fn requests_are_split_where_the_device_demands_it() {
    // (seg_max, size_max, data buffers of each request to the device)
    let cases: [(u32, u32, &[usize]); 4] = [
        (126, 65_536, &[4]),
        (1, 65_536, &[1, 1, 1, 1]),
        (2, 1024, &[2, 2, 2, 1]),
        (3, 700, &[3, 3, 3, 3, 1]),
    ];
    for (seg_max, size_max, expected) in cases {
        let features = all_disk_features() | BlkFeatures::BLK_SIZE_MAX.bits();
        let disk = FakeDisk::new(Modern, features, 64);
        disk.transport.set_config(8, &size_max.to_le_bytes());
        disk.transport.set_config(12, &seg_max.to_le_bytes());
        let driver = disk.driver(&Options::default()).unwrap();
        disk.connect(&driver);
        disk.take_segments();
        let data = pattern(13, 9);
        let mut buffers = Vec::new();
        for (start, sectors) in [(0, 1), (1, 3), (4, 2), (6, 7)] {
            let bytes = &data[start * SECTOR_SIZE..(start + sectors) * SECTOR_SIZE];
            buffers.push(buffer(sectors, bytes));
        }
        let done = CompletionQueue::new(1);
        driver.submit(Request::new(Operation::Write, 5, buffers), &done, IfFull::Wait).unwrap();
        let written = done.reaper(&*driver).next().unwrap();
        assert_eq!(written.result, Ok(()));
        assert_eq!(disk.sectors(5, 13), data);
        if seg_max != 2 && seg_max != 3 {
            assert_eq!(disk.take_segments(), expected);
        } else {
            // With size_max the buffers are cut as well: count the sectors' pieces.
            let total: usize = disk.take_segments().iter().sum();
            let pieces =
                [1, 3, 2, 7usize].map(|n| n.div_ceil(size_max as usize / 512)).iter().sum();
            assert_eq!(total, pieces);
        }
        let request = Request::new(Operation::Read, 5, vec![buffer(6, &[]), buffer(7, &[])]);
        driver.submit(request, &done, IfFull::Wait).unwrap();
        let read = done.reaper(&*driver).next().unwrap();
        assert_eq!(read.result, Ok(()));
        assert_eq!(contents(&read.request.buffers), data);
        assert_idle(&driver);
    }
}

#[ktest]
fn a_split_request_stops_at_the_first_error() {
    let disk = FakeDisk::new(Modern, all_disk_features(), 64);
    disk.transport.set_config(12, &1u32.to_le_bytes());
    let driver = disk.driver(&Options::default()).unwrap();
    disk.take_log();
    disk.plan_faults([None, Some(Fault::Status(1))]);
    let done = CompletionQueue::new(1);
    let buffers = (0..4).map(|_| buffer(1, &[])).collect();
    driver.submit(Request::new(Operation::Read, 0, buffers), &done, IfFull::Wait).unwrap();
    let completion = done.reaper(&*driver).next().unwrap();
    assert_eq!(completion.result, Err(Error::Io));
    assert_eq!(completion.request.buffers.len(), 4);
    assert_eq!(disk.take_log().len(), 2);
}

#[ktest]
fn every_answer_is_told_apart() {
    everywhere(|disk, driver| {
        let cases = [
            (Fault::Status(1), Error::Io),
            (Fault::Status(2), Error::Unsupported),
            (Fault::Status(0x77), Error::BadStatus(0x77)),
            (Fault::Status(0xff), Error::NoAnswer),
            (Fault::NoStatus, Error::NoAnswer),
            (Fault::Written(0), Error::Short { written: 0, expected: 513 }),
            (Fault::Written(512), Error::Short { written: 512, expected: 513 }),
        ];
        let legacy = disk.transport.version() == Legacy;
        for (fault, error) in cases {
            if legacy && matches!(fault, Fault::Written(_)) {
                continue;
            }
            disk.plan_faults([Some(fault)]);
            let mut data = [0x5a; SECTOR_SIZE];
            assert_eq!(driver.read_block(1, &mut data), Err(error), "{fault:?}");
            assert_eq!(data, [0x5a; SECTOR_SIZE], "data of a failed read");
            driver.read_block(1, &mut data).unwrap();
            assert_eq!(data[..], disk.sectors(1, 1));
        }
    });
}

const LIE: Error = Error::Violation("it returned a descriptor that does not exist");

#[ktest]
fn after_a_lie_everyone_is_answered_and_the_disk_works_again() {
    everywhere(|disk, driver| {
        let done = CompletionQueue::new(4);
        disk.plan_faults([Some(Fault::Lose), Some(Fault::Lose), Some(Fault::Id(9999))]);
        for tag in 0..3 {
            let mut request = Request::new(Operation::Read, tag, vec![buffer(1, &[])]);
            request.tag = tag;
            driver.submit(request, &done, IfFull::Fail).unwrap();
        }
        driver.poll();
        let mut tags: Vec<_> = core::iter::from_fn(|| done.try_next())
            .map(|completion| {
                assert_eq!(completion.result, Err(LIE));
                assert_eq!(completion.request.buffers.len(), 1, "the device was reset");
                completion.request.tag
            })
            .collect();
        tags.sort_unstable();
        assert_eq!(tags, [0, 1, 2]);
        assert!(disk.transport.state.lock().status.contains(DeviceStatus::DRIVER_OK));
        driver.write_block(0, &pattern(1, 3)).unwrap();
        assert_eq!(disk.sectors(0, 1), pattern(1, 3));
        driver.flush().unwrap();
    });
}

#[ktest]
fn a_device_that_keeps_lying_is_declared_dead_and_one_that_works_between_is_not() {
    let read = |driver: &VirtioBlk| driver.read_block(0, &mut [0; 512]);
    let disk = FakeDisk::new(Modern, all_disk_features(), 64);
    let driver = disk.driver(&Options::default()).unwrap();
    for _ in 0..10 {
        disk.plan_faults([Some(Fault::Id(9999))]);
        assert_eq!(read(&driver), Err(LIE));
        assert_eq!(read(&driver), Ok(()));
    }
    disk.plan_faults([Some(Fault::Id(9999)); 100]);
    for _ in 0..=recovery::MAX_RESTARTS {
        assert_eq!(read(&driver), Err(LIE));
    }
    assert_eq!(read(&driver), Err(Error::Dead));
    assert_eq!(driver.flush(), Err(Error::Dead));
    let done = CompletionQueue::new(1);
    let request = Request::new(Operation::Read, 0, vec![buffer(1, &[])]);
    let rejected = driver.submit(request, &done, IfFull::Wait).unwrap_err();
    assert_eq!((rejected.error, rejected.request.buffers.len()), (Error::Dead, 1));
    assert_eq!(done.open(), 0);
    assert_eq!(disk.transport.state.lock().status, DeviceStatus::FAILED);
}

#[ktest]
fn a_device_that_comes_back_different_is_dead() {
    let change: [&dyn Fn(&FakeDisk); 5] = [
        &|disk| disk.transport.state.lock().offered &= !BlkFeatures::BLK_FLUSH.bits(),
        &|disk| disk.transport.set_config(20, &4096u32.to_le_bytes()),
        &|disk| disk.transport.set_config(20, &3u32.to_le_bytes()),
        &|disk| disk.transport.state.lock().queue_size_max = 8,
        &|disk| disk.transport.state.lock().refuses_features = true,
    ];
    for change in change {
        let disk = FakeDisk::new(Modern, all_disk_features(), 64);
        let driver = disk.driver(&Options::default()).unwrap();
        change(&disk);
        disk.plan_faults([Some(Fault::Id(9999))]);
        assert_eq!(driver.read_block(0, &mut [0; 512]), Err(LIE));
        assert_eq!(driver.read_block(0, &mut [0; 512]), Err(Error::Dead));
    }
    // The capacity may change.
    let disk = FakeDisk::new(Modern, all_disk_features(), 64);
    let driver = disk.driver(&Options::default()).unwrap();
    disk.transport.set_config(0, &32u64.to_le_bytes());
    disk.plan_faults([Some(Fault::Id(9999))]);
    assert_eq!(driver.read_block(0, &mut [0; 512]), Err(LIE));
    assert_eq!(driver.read_block(0, &mut [0; 512]), Ok(()));
    assert_eq!(driver.info().capacity, 32);
}

#[ktest]
fn a_request_that_is_never_answered_times_out() {
    for interrupts in [false, true] {
        let disk = FakeDisk::new(Modern, all_disk_features(), 64);
        let options = Options { timeout_ms: 100, ..Options::default() };
        let driver = disk.driver(&options).unwrap();
        if interrupts {
            disk.connect(&driver);
            let driver = Arc::downgrade(&driver);
            ostd::timer::register_callback_on_cpu(move || {
                if let Some(driver) = driver.upgrade() {
                    driver.tick();
                }
            });
        }
        disk.plan_faults([Some(Fault::Lose)]);
        assert_eq!(driver.read_block(1, &mut [0; 512]), Err(Error::TimedOut));
        driver.read_block(1, &mut [0; 512]).unwrap();
        // A late answer is to a queue that is no more.
        disk.forget_lost();
        assert_idle(&driver);
    }
}

#[ktest]
fn what_a_device_keeps_for_itself_is_not_handed_out() {
    let disk = FakeDisk::new(Modern, all_disk_features(), 64);
    let driver = disk.driver(&Options::default()).unwrap();
    let done = CompletionQueue::new(2);
    disk.plan_faults([Some(Fault::Lose), Some(Fault::Written(u32::MAX))]);
    for _ in 0..2 {
        let request = Request::new(Operation::Read, 0, vec![buffer(1, &[])]);
        driver.submit(request, &done, IfFull::Fail).unwrap();
    }
    disk.transport.state.lock().ignores_reset = true;
    driver.poll();
    for _ in 0..2 {
        let completion = done.try_next().unwrap();
        assert!(matches!(completion.result, Err(Error::Violation(_))));
        assert!(completion.request.buffers.is_empty());
    }
    // It wakes up and writes; its memory is still there for it.
    let lost = disk.transport.with_queue(|queue| queue.next_used);
    assert_eq!(lost, 2);
    disk.find_lost();
}

#[ktest]
fn a_full_queue_blocks_or_says_so() {
    for interrupts in [false, true] {
        let features = all_disk_features() | Features::RING_INDIRECT_DESC.bits();
        let disk = FakeDisk::new(Modern, features, 64);
        let options = Options { queue_size: 2, ..Options::default() };
        let driver = disk.driver(&options).unwrap();
        if interrupts {
            disk.connect(&driver);
        }
        let done = CompletionQueue::new(8);
        let read = || Request::new(Operation::Read, 0, vec![buffer(1, &[])]);
        disk.plan_faults([Some(Fault::Lose), Some(Fault::Lose)]);
        driver.submit(read(), &done, IfFull::Fail).unwrap();
        driver.submit(read(), &done, IfFull::Fail).unwrap();
        let rejected = driver.submit(read(), &done, IfFull::Fail).unwrap_err();
        assert_eq!((rejected.error, done.open()), (Error::WouldBlock, 2));

        // Another task makes room while this one waits for it.
        let slow = disk.clone();
        TaskOptions::new(move || slow.find_lost()).spawn().unwrap();
        driver.submit(read(), &done, IfFull::Wait).unwrap();
        let reaper = done.reaper(&*driver);
        for _ in 0..3 {
            assert_eq!(reaper.next().unwrap().result, Ok(()));
        }
        assert!(reaper.next().is_none());
        drop(reaper);
        assert_idle(&driver);
    }
}

#[ktest]
fn a_completion_queue_never_overflows() {
    let disk = FakeDisk::new(Modern, all_disk_features(), 64);
    let driver = disk.driver(&Options::default()).unwrap();
    let done = CompletionQueue::new(1);
    let read = || Request::new(Operation::Read, 0, vec![buffer(1, &[])]);
    driver.submit(read(), &done, IfFull::Fail).unwrap();
    let rejected = driver.submit(read(), &done, IfFull::Wait).unwrap_err();
    assert_eq!(rejected.error, Error::WouldBlock);
    done.reaper(&*driver).next().unwrap();
    driver.submit(read(), &done, IfFull::Fail).unwrap();
    done.reaper(&*driver).next().unwrap();
    assert_idle(&driver);
}

#[ktest]
fn a_batch_costs_one_notification() {
    let features = all_disk_features() | Features::all().bits();
    let disk = FakeDisk::new(Modern, features, 64);
    let driver = disk.driver(&Options { queue_size: 16, ..Options::default() }).unwrap();
    disk.connect(&driver);
    let done = CompletionQueue::new(64);
    let mut requests: VecDeque<_> =
        (0..20).map(|sector| Request::new(Operation::Read, sector, vec![buffer(1, &[])])).collect();
    let before = (disk.transport.notification_count(), disk.interrupts());
    assert_eq!(driver.submit_batch(&mut requests, &done).unwrap(), 16);
    let after = (disk.transport.notification_count(), disk.interrupts());
    // Nobody sleeps, so nobody needs an interrupt.
    assert_eq!((after.0 - before.0, after.1 - before.1), (1, 0));
    assert_eq!(driver.poll(), 16);
    assert_eq!(driver.submit_batch(&mut requests, &done).unwrap(), 4);
    let reaper = done.reaper(&*driver);
    let results: Vec<_> = core::iter::from_fn(|| reaper.next()).map(|c| c.result).collect();
    assert_eq!(results, [Ok(()); 20]);

    // The first request that is wrong ends the batch; those before it are done.
    requests.push_back(Request::new(Operation::Read, 1, vec![buffer(1, &[])]));
    requests.push_back(Request::new(Operation::Read, 99, vec![buffer(1, &[])]));
    let rejected = driver.submit_batch(&mut requests, &done).unwrap_err();
    assert_eq!(rejected.request.sector, 99);
    assert_eq!(reaper.next().unwrap().result, Ok(()));
}

#[ktest]
fn many_requests_leave_nothing_behind() {
    let features = all_disk_features() | Features::all().bits();
    let disk = FakeDisk::new(Modern, features, 64);
    let driver = disk.driver(&Options::default()).unwrap();
    disk.connect(&driver);
    let done = CompletionQueue::new(1);
    let reaper = done.reaper(&*driver);
    let mut request = Some(Request::new(Operation::Read, 0, vec![buffer(1, &[])]));
    let mut run = |count: u64| {
        for round in 0..count {
            let mut again = request.take().unwrap();
            again.sector = round % 64;
            driver.submit(again, &done, IfFull::Fail).unwrap();
            let completion = reaper.next().unwrap();
            assert_eq!(completion.result, Ok(()));
            request = Some(completion.request);
            disk.take_log();
            disk.take_segments();
        }
    };
    // What the heap keeps for later is taken by the first few.
    run(1000);
    let free = osdk_frame_allocator::load_total_free_size();
    run(110_000);
    assert_eq!(osdk_frame_allocator::load_total_free_size(), free);
    assert_idle(&driver);
}

#[ktest]
fn several_tasks_share_a_disk() {
    let features = all_disk_features() | Features::all().bits();
    let disk = FakeDisk::new(Modern, features, 64);
    let driver = disk.driver(&Options { queue_size: 2, ..Options::default() }).unwrap();
    disk.connect(&driver);
    let finished = Arc::new(AtomicU64::new(0));
    let good = Arc::new(AtomicU64::new(0));
    for task in 0..8u64 {
        let (driver, finished, good) = (driver.clone(), finished.clone(), good.clone());
        let work = move || {
            let mut data = vec![0; SECTOR_SIZE];
            for round in 0..50 {
                let content = pattern(1, (task * 50 + round) as u8);
                let written = driver.write_block(task * 8, &content);
                ostd::task::Task::yield_now();
                let read = driver.read_block(task * 8, &mut data);
                // A panic here would end the kernel and not this test.
                if written == Ok(()) && read == Ok(()) && data == content {
                    good.fetch_add(1, Ordering::Relaxed);
                }
            }
            finished.fetch_add(1, Ordering::Relaxed);
        };
        TaskOptions::new(work).spawn().unwrap();
    }
    while finished.load(Ordering::Relaxed) < 8 {
        ostd::task::Task::yield_now();
    }
    assert_eq!(good.load(Ordering::Relaxed), 8 * 50);
    assert_idle(&driver);
}

#[ktest]
fn the_capacity_can_change() {
    let disk = FakeDisk::new(Modern, all_disk_features(), 64);
    let driver = disk.driver(&Options::default()).unwrap();
    disk.connect(&driver);
    disk.transport.set_config(0, &32u64.to_le_bytes());
    disk.interrupt(InterruptStatus::CONFIGURATION_CHANGE);
    assert_eq!(driver.info().capacity, 32);
    let error = driver.read_block(32, &mut [0; 512]).unwrap_err();
    assert_eq!(error, Error::OutOfRange { sector: 32, sectors: 1, capacity: 32 });
    // What cannot be is not believed.
    disk.transport.set_config(0, &u64::MAX.to_le_bytes());
    disk.interrupt(InterruptStatus::CONFIGURATION_CHANGE);
    assert_eq!(driver.info().capacity, 32);
}

#[ktest]
fn a_device_that_needs_a_reset_is_not_waited_for() {
    let disk = FakeDisk::new(Modern, all_disk_features(), 64);
    let driver = disk.driver(&Options::default()).unwrap();
    disk.connect(&driver);
    let done = CompletionQueue::new(1);
    disk.plan_faults([Some(Fault::Lose)]);
    let request = Request::new(Operation::Read, 0, vec![buffer(1, &[])]);
    driver.submit(request, &done, IfFull::Fail).unwrap();
    disk.transport.state.lock().status.insert(DeviceStatus::DEVICE_NEEDS_RESET);
    disk.interrupt(InterruptStatus::CONFIGURATION_CHANGE);
    assert_eq!(done.reaper(&*driver).next().unwrap().result, Err(Error::NeedsReset));
    driver.flush().unwrap();
}

#[ktest]
fn an_interrupt_for_nothing_does_nothing() {
    let disk = FakeDisk::new(Modern, all_disk_features(), 64);
    let driver = disk.driver(&Options::default()).unwrap();
    disk.connect(&driver);
    for cause in [InterruptStatus::empty(), InterruptStatus::all()] {
        disk.interrupt(cause);
    }
    driver.read_block(0, &mut [0; 512]).unwrap();
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
    let request = Request::new(Operation::Read, 0, vec![buffer(1, &[])]);
    driver.submit(request, &done, IfFull::Fail).unwrap();
    drop(driver);
    assert!(disk.transport.state.lock().status.is_empty());
    assert_eq!(done.try_next().unwrap().result, Err(Error::Dead));
}

fn read_request() -> Box<Request> {
    Request::new(Operation::Read, 0, vec![buffer(1, &[])])
}

#[ktest]
fn a_refused_request_leaves_nothing_behind() {
    let disk = FakeDisk::new(Modern, all_disk_features(), 64);
    let driver = disk.driver(&Options::default()).unwrap();
    let (channel, full) = (driver.channel().unwrap(), CompletionQueue::new(0));
    let chain = driver.slices(channel, Operation::Read).unwrap();
    let mut request = read_request();
    let refused = driver.link(channel, chain, &mut request, &full);
    assert_eq!(refused.map(|_| ()), Err(Error::WouldBlock));
    assert_eq!((request.buffers.len(), full.open()), (1, 0));
    let chain = driver.slices(channel, Operation::Discard { sectors: 1 }).unwrap();
    let mut request = Request::new(Operation::Discard { sectors: 1 }, 64, vec![]);
    assert!(driver.link(channel, chain, &mut request, &CompletionQueue::new(1)).is_err());
    assert_idle(&driver);
}

#[ktest]
fn a_reaper_sleeps_until_the_device_finds_it_right_to_interrupt() {
    for ring in [Features::empty(), Features::all() - Features::VERSION_1] {
        let disk = FakeDisk::new(Modern, all_disk_features() | ring.bits(), 64);
        let driver = disk.driver(&Options::default()).unwrap();
        disk.connect(&driver);
        let done = CompletionQueue::new(1);
        disk.plan_faults([Some(Fault::Lose)]);
        driver.submit(read_request(), &done, IfFull::Fail).unwrap();
        let slow = disk.clone();
        TaskOptions::new(move || slow.finish_lost()).spawn().unwrap();
        assert_eq!(done.reaper(&*driver).next().unwrap().result, Ok(()));
        assert_eq!(disk.interrupts(), 1, "{ring:?}");
        assert_idle(&driver);
    }
}

#[ktest]
fn two_tasks_may_take_from_one_queue() {
    let disk = FakeDisk::new(Modern, all_disk_features() | Features::all().bits(), 64);
    let driver = disk.driver(&Options::default()).unwrap();
    disk.connect(&driver);
    let done = CompletionQueue::new(2);
    disk.plan_faults([Some(Fault::Lose), Some(Fault::Lose)]);
    driver.submit(read_request(), &done, IfFull::Fail).unwrap();
    driver.submit(read_request(), &done, IfFull::Fail).unwrap();
    let taken = Arc::new(AtomicU64::new(0));
    for _ in 0..2 {
        let (driver, done, taken) = (driver.clone(), done.clone(), taken.clone());
        let take = move || {
            done.reaper(&*driver).next().unwrap();
            taken.fetch_add(1, Ordering::Relaxed);
        };
        TaskOptions::new(take).spawn().unwrap();
    }
    for _ in 0..10 {
        ostd::task::Task::yield_now();
    }
    disk.find_lost();
    while taken.load(Ordering::Relaxed) < 2 {
        ostd::task::Task::yield_now();
    }
    assert_idle(&driver);
}

#[ktest]
fn a_split_request_does_not_keep_the_handler_for_ever() {
    let disk = FakeDisk::new(Modern, all_disk_features(), 1024);
    disk.transport.set_config(36, &1u32.to_le_bytes());
    let driver = disk.driver(&Options::default()).unwrap();
    disk.take_log();
    let done = CompletionQueue::new(1);
    let request = Request::new(Operation::Discard { sectors: 1000 }, 0, vec![]);
    driver.submit(request, &done, IfFull::Fail).unwrap();
    // One step for each look, as one chain is outstanding.
    for step in 1..10 {
        assert_eq!(disk.take_log().len(), 1, "step {step}");
        assert_eq!(driver.poll(), 0);
    }
    assert_eq!(done.reaper(&*driver).next().unwrap().result, Ok(()));
}

#[ktest]
fn a_legacy_device_may_say_any_length() {
    let disk = FakeDisk::new(Legacy, all_disk_features(), 64);
    disk.plan_faults([1, 0, 16 + 512 + 1].map(|written| Some(Fault::Written(written))));
    let driver = disk.driver(&Options::default()).unwrap();
    assert_eq!(driver.info().serial, "fake disk");
    for _ in 0..2 {
        driver.read_block(1, &mut [0; 512]).unwrap();
    }
    // Without a status there is no success, whatever the length.
    disk.plan_faults([Some(Fault::NoStatus)]);
    assert_eq!(driver.read_block(1, &mut [0; 512]), Err(Error::NoAnswer));
}

#[ktest]
fn a_disk_that_does_not_tell_its_name_is_a_disk() {
    for fault in [Fault::Status(1), Fault::Status(2), Fault::Status(0x77), Fault::Written(1)] {
        let disk = FakeDisk::new(Modern, all_disk_features(), 64);
        disk.plan_faults([Some(fault)]);
        let driver = disk.driver(&Options::default()).unwrap();
        assert_eq!(driver.info().serial, "");
        driver.read_block(0, &mut [0; 512]).unwrap();
    }
}

#[ktest]
fn a_disk_that_lies_at_once_is_left_failed() {
    let disk = FakeDisk::new(Modern, all_disk_features(), 64);
    disk.plan_faults([Some(Fault::Id(9999))]);
    assert_eq!(disk.driver(&Options::default()).err(), Some(InitError::FirstRequest(LIE)));
    assert_eq!(disk.transport.state.lock().status, DeviceStatus::FAILED);
}

#[ktest]
fn a_dead_disk_does_not_flush() {
    let disk = FakeDisk::new(Modern, 0, 64);
    let driver = disk.driver(&Options::default()).unwrap();
    disk.transport.state.lock().refuses_features = true;
    disk.plan_faults([Some(Fault::Id(9999))]);
    assert_eq!(driver.read_block(0, &mut [0; 512]), Err(LIE));
    assert_eq!(driver.flush(), Err(Error::Dead));
}
