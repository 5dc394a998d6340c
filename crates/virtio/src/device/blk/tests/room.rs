//! Calls that sleep until there is a chain, or until there are descriptors in the queue.

use ostd::{sync::Waiter, task::Task};

use super::*;

/// A disk that does nothing before it is told to work, and its driver, which sleeps.
fn slow_disk(ring: Features, queue_size: u16) -> (Arc<FakeDisk>, Arc<VirtioBlk>) {
    let disk = FakeDisk::new(Modern, all_disk_features() | ring.bits(), 64);
    let driver = disk.driver(&Options { queue_size, ..Options::default() }).unwrap();
    disk.connect(&driver);
    disk.transport.on_notify(|| ());
    (disk, driver)
}

/// A way to read a sector, which waits where there is no room.
type Read = fn(&VirtioBlk) -> Result<(), Error>;

fn blocking(driver: &VirtioBlk) -> Result<(), Error> {
    driver.read_block(1, &mut [0; SECTOR_SIZE])
}

fn submitted(driver: &VirtioBlk) -> Result<(), Error> {
    let done = CompletionQueue::new(1);
    driver.submit(read_request(1), &done, IfFull::Wait).map_err(|rejected| rejected.error)?;
    next(&done, driver).result
}

/// Reads in a task of its own, which sleeps when this returns. Counts good reads.
fn read_in_a_task(read: Read, driver: &Arc<VirtioBlk>, good: &Arc<AtomicU64>) {
    let asleep = driver.waiting().asleep();
    let (reader, good) = (driver.clone(), good.clone());
    let task = move || {
        good.fetch_add(read(&reader).is_ok().into(), Ordering::Relaxed);
    };
    TaskOptions::new(task).spawn().unwrap();
    while driver.waiting().asleep() == asleep {
        Task::yield_now();
    }
}

/// Lets the device work until there have been so many good reads.
fn work_until(disk: &FakeDisk, good: &AtomicU64, count: u64) {
    while good.load(Ordering::Relaxed) < count {
        disk.work();
        Task::yield_now();
    }
}

#[ktest]
fn a_call_sleeps_until_there_is_room() {
    // Two chains and both in flight; four chains and descriptors for one.
    let all = Features::all() - Features::VERSION_1;
    let few = [(all, 2, 2), (Features::empty(), 4, 1)];
    for (read, (ring, queue_size, in_flight)) in
        [blocking as Read, submitted].into_iter().flat_map(|read| few.map(|few| (read, few)))
    {
        let (disk, driver) = slow_disk(ring, queue_size);
        let done = CompletionQueue::new(in_flight);
        for _ in 0..in_flight {
            driver.submit(read_request(0), &done, IfFull::Fail).unwrap();
        }
        let good = Arc::new(AtomicU64::new(0));
        read_in_a_task(read, &driver, &good);
        let looks = driver.statistics().looks;
        for _ in 0..10 {
            Task::yield_now();
        }
        assert_eq!(driver.statistics().looks, looks, "it does not sleep");
        // The device interrupts only if the driver has asked for that.
        work_until(&disk, &good, 1);
        for _ in 0..in_flight {
            assert_eq!(next(&done, &driver).result, Ok(()));
        }
        assert_idle(&disk, &driver);
    }
}

#[ktest]
fn a_call_sleeps_until_a_chain_is_given_back() {
    let (disk, driver) = slow_disk(Features::RING_INDIRECT_DESC, 2);
    let spare = [driver.device.take().unwrap(), driver.device.take().unwrap()];
    let good = Arc::new(AtomicU64::new(0));
    read_in_a_task(blocking, &driver, &good);
    drop(spare);
    work_until(&disk, &good, 1);
    assert_idle(&disk, &driver);
}

#[ktest]
fn a_call_sleeps_until_the_device_is_restarted() {
    let (disk, driver) = slow_disk(Features::RING_INDIRECT_DESC, 2);
    let done = CompletionQueue::new(2);
    for _ in 0..2 {
        driver.submit(read_request(0), &done, IfFull::Fail).unwrap();
    }
    let good = Arc::new(AtomicU64::new(0));
    read_in_a_task(blocking, &driver, &good);
    disk.transport.with_queue(|queue| queue.write_used_index(100));
    disk.transport.interrupt(InterruptStatus::USED_BUFFER);
    work_until(&disk, &good, 1);
    for _ in 0..2 {
        assert!(matches!(next(&done, &driver).result, Err(Error::Violation(_))));
    }
    assert_idle(&disk, &driver);
}

#[ktest]
fn a_call_sleeps_until_the_device_is_dead() {
    let (disk, driver) = slow_disk(Features::RING_INDIRECT_DESC, 2);
    let spare = [driver.device.take().unwrap(), driver.device.take().unwrap()];
    let refused = Arc::new(AtomicU64::new(0));
    let (reader, count) = (driver.clone(), refused.clone());
    let read = move || {
        let result = blocking(&reader);
        count.fetch_add((result == Err(Error::Dead)).into(), Ordering::Relaxed);
    };
    TaskOptions::new(read).spawn().unwrap();
    while driver.waiting().asleep() == 0 {
        Task::yield_now();
    }
    disk.transport.state.lock().refuses_features = true;
    disk.transport.state.lock().status.insert(DeviceStatus::DEVICE_NEEDS_RESET);
    disk.transport.interrupt(InterruptStatus::CONFIGURATION_CHANGE);
    while refused.load(Ordering::Relaxed) == 0 {
        Task::yield_now();
    }
    drop(spare);
    assert_eq!(driver.waiting().asleep(), 0);
}

#[ktest]
fn room_that_is_there_is_not_waited_for() {
    let (disk, driver) = slow_disk(Features::empty(), 16);
    let queue = driver.device.queue().unwrap();
    assert_eq!(driver.device.wait_for_room(queue, |_| true), Ok(()));
    assert_eq!(driver.statistics().sleeps, 0);
    assert_idle(&disk, &driver);
}

#[ktest]
fn who_waits_for_room_looks_at_deadlines() {
    let disk = FakeDisk::new(Modern, all_disk_features() | Features::RING_INDIRECT_DESC.bits(), 64);
    let driver =
        disk.driver(&Options { queue_size: 2, timeout_ms: 1, ..Options::default() }).unwrap();
    let done = CompletionQueue::new(2);
    disk.plan_faults([Some(Fault::Lose), Some(Fault::Lose)]);
    for _ in 0..2 {
        driver.submit(read_request(0), &done, IfFull::Fail).unwrap();
    }
    // No timer ticks here, and no interrupt comes.
    driver
        .device
        .wait_for_room(driver.device.queue().unwrap(), |inner| !inner.spare.is_empty())
        .unwrap();
    for _ in 0..2 {
        assert_eq!(done.try_next().unwrap().result, Err(Error::TimedOut));
    }
    disk.forget_lost();
    assert_idle(&disk, &driver);
}

#[ktest]
fn the_second_of_two_calls_does_not_notify_again() {
    let (disk, driver) = slow_disk(Features::RING_EVENT_IDX, 16);
    let before = disk.transport.notification_count();
    let good = Arc::new(AtomicU64::new(0));
    read_in_a_task(blocking, &driver, &good);
    read_in_a_task(blocking, &driver, &good);
    assert_eq!(disk.transport.notification_count(), before + 1);
    work_until(&disk, &good, 2);
    assert_idle(&disk, &driver);
}

#[ktest]
fn a_dead_device_has_no_chain_and_no_room() {
    for interrupts in [false, true] {
        let disk = FakeDisk::new(Modern, 0, 64);
        let driver = disk.driver(&Options::default()).unwrap();
        if interrupts {
            disk.connect(&driver);
        }
        driver.device.shut_down();
        assert_eq!(driver.device.take().err(), Some(DeviceError::Dead));
        let queue = driver.device.queue().unwrap();
        assert_eq!(driver.device.wait_for_room(queue, |_| false), Err(DeviceError::Dead));
    }
}

/// A page or less is copied through the memory of the chain, everything longer goes in a request.
#[ktest]
fn only_what_fits_the_chain_s_own_memory_goes_there() {
    let features = all_disk_features() | BlkFeatures::BLK_SIZE_MAX.bits();
    for (size_max, longest) in [(1u32 << 20, 4096), (1024, 1024)] {
        let disk = FakeDisk::new(Modern, features, 64);
        disk.transport.set_config(8, &size_max.to_le_bytes());
        let driver = disk.driver(&Options::default()).unwrap();
        let used = || {
            let inner = driver.device.queues[0].inner.lock();
            inner.spare.iter().map(|chain| chain.memory().data.len()).max().unwrap()
        };
        let mut data = vec![0; 2 * longest];
        for bytes in [longest, 2 * longest] {
            driver.read_block(0, &mut [0; SECTOR_SIZE]).unwrap();
            driver.read_block(0, &mut data[..bytes]).unwrap();
            assert_eq!(used(), if bytes == longest { bytes } else { SECTOR_SIZE });
            driver.read_block(0, &mut [0; SECTOR_SIZE]).unwrap();
            driver.write_block(0, &data[..bytes]).unwrap();
            assert_eq!(used(), if bytes == longest { bytes } else { SECTOR_SIZE });
        }
        assert_eq!(data, disk.sectors(0, 2 * longest / SECTOR_SIZE));
    }
}

#[ktest]
fn who_does_not_sleep_after_all_turns_no_interrupts_on() {
    let disk = FakeDisk::new(Modern, all_disk_features(), 64);
    let driver = disk.driver(&Options::default()).unwrap();
    disk.connect(&driver);
    let done = CompletionQueue::new(2);
    driver.submit(read_request(0), &done, IfFull::Fail).unwrap();
    driver.poll();
    // Something can be taken.
    assert!(!driver.before_sleep(&done, Waiter::new_pair().1));
    let before = disk.interrupts();
    driver.submit(read_request(0), &done, IfFull::Fail).unwrap();
    assert_eq!(disk.interrupts(), before);
    for _ in 0..2 {
        next(&done, &driver);
    }
    assert_idle(&disk, &driver);
}
