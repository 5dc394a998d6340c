//! Many requests, many tasks, full queues, and sleeping.

use super::*;

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
        disk.plan_faults([Some(Fault::Lose), Some(Fault::Lose)]);
        driver.submit(read_request(0), &done, IfFull::Fail).unwrap();
        driver.submit(read_request(0), &done, IfFull::Fail).unwrap();
        let rejected = driver.submit(read_request(0), &done, IfFull::Fail).unwrap_err();
        assert_eq!((rejected.error, done.open()), (Error::WouldBlock, 2));

        // Another task makes room while this one waits for it.
        let slow = disk.clone();
        TaskOptions::new(move || slow.find_lost()).spawn().unwrap();
        driver.submit(read_request(0), &done, IfFull::Wait).unwrap();
        let reaper = reaper(&done, &driver);
        for _ in 0..3 {
            assert_eq!(reaper.next().unwrap().result, Ok(()));
        }
        assert!(reaper.next().is_none());
        assert_idle(&disk, &driver);
    }
}

#[ktest]
fn a_completion_queue_never_overflows() {
    let disk = FakeDisk::new(Modern, all_disk_features(), 64);
    let driver = disk.driver(&Options::default()).unwrap();
    let done = CompletionQueue::new(1);
    driver.submit(read_request(0), &done, IfFull::Fail).unwrap();
    let rejected = driver.submit(read_request(0), &done, IfFull::Wait).unwrap_err();
    assert_eq!(rejected.error, Error::WouldBlock);
    next(&done, &driver);
    driver.submit(read_request(0), &done, IfFull::Fail).unwrap();
    next(&done, &driver);
    assert_idle(&disk, &driver);
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
    let reaper = reaper(&done, &driver);
    let results: Vec<_> = core::iter::from_fn(|| reaper.next()).map(|c| c.result).collect();
    assert_eq!(results, [Ok(()); 20]);

    // The first request that is wrong ends the batch; those before it are done.
    requests.push_back(Request::new(Operation::Read, 1, vec![buffer(1, &[])]));
    requests.push_back(Request::new(Operation::Read, 99, vec![buffer(1, &[])]));
    requests.push_back(Request::new(Operation::Read, 2, vec![buffer(1, &[])]));
    let rejected = driver.submit_batch(&mut requests, &done).unwrap_err();
    assert_eq!((rejected.request.sector, requests.len()), (99, 1));
    assert_eq!(reaper.next().unwrap().result, Ok(()));
}

#[ktest]
fn many_requests_leave_nothing_behind() {
    let features = all_disk_features() | Features::all().bits();
    let disk = FakeDisk::new(Modern, features, 64);
    let driver = disk.driver(&Options::default()).unwrap();
    disk.connect(&driver);
    let done = CompletionQueue::new(1);
    let reaper = reaper(&done, &driver);
    let mut request = Some(read_request(0));
    let mut run = |count: u64| {
        for round in 0..count {
            let mut again = request.take().unwrap();
            again.sector = round % 64;
            driver.submit(again, &done, IfFull::Fail).unwrap();
            let completion = reaper.next().unwrap();
            assert_eq!(completion.result, Ok(()));
            request = completion.request;
            disk.take_requests();
        }
    };
    // What the heap keeps for later is taken by the first few.
    run(1000);
    let free = osdk_frame_allocator::load_total_free_size();
    run(110_000);
    assert_eq!(osdk_frame_allocator::load_total_free_size(), free);
    assert_idle(&disk, &driver);
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
    assert_idle(&disk, &driver);
}

#[ktest]
fn an_interrupt_for_nothing_does_nothing() {
    let disk = FakeDisk::new(Modern, all_disk_features(), 64);
    let driver = disk.driver(&Options::default()).unwrap();
    disk.connect(&driver);
    for cause in [InterruptStatus::empty(), InterruptStatus::all()] {
        disk.transport.interrupt(cause);
    }
    driver.read_block(0, &mut [0; 512]).unwrap();
}

#[ktest]
fn a_refused_request_leaves_nothing_behind() {
    let disk = FakeDisk::new(Modern, all_disk_features(), 64);
    let driver = disk.driver(&Options { queue_size: 16, ..Options::default() }).unwrap();
    let refuse = |request: Box<Request>, done: &Arc<CompletionQueue>, error| {
        let (open, buffers) = (done.open(), request.buffers.len());
        let rejected = driver.submit(request, done, IfFull::Fail).unwrap_err();
        assert_eq!((rejected.error, rejected.request.buffers.len()), (error, buffers));
        assert_eq!(done.open(), open, "a completion would be due");
    };
    let discard = |sector| Request::new(Operation::Discard { sectors: 1 }, sector, vec![]);
    let (none, done) = (CompletionQueue::new(0), CompletionQueue::new(64));
    refuse(read_request(0), &none, Error::WouldBlock);
    refuse(discard(0), &none, Error::WouldBlock);
    let past = Error::OutOfRange { sector: 64, sectors: 1, capacity: 64 };
    refuse(discard(64), &done, past);
    refuse(read_request(64), &done, past);
    assert_idle(&disk, &driver);
    // So do those that came too late for the last descriptors.
    disk.plan_faults([Some(Fault::Lose); 5]);
    for _ in 0..5 {
        driver.submit(discard(0), &done, IfFull::Fail).unwrap();
    }
    refuse(read_request(0), &done, Error::WouldBlock);
    refuse(discard(0), &done, Error::WouldBlock);
    disk.find_lost();
    for _ in 0..5 {
        assert_eq!(next(&done, &driver).result, Ok(()));
    }
    assert_idle(&disk, &driver);
}

#[ktest]
fn a_reaper_sleeps_until_the_device_finds_it_right_to_interrupt() {
    for ring in [Features::empty(), Features::all() - Features::VERSION_1] {
        let disk = FakeDisk::new(Modern, all_disk_features() | ring.bits(), 64);
        let driver = disk.driver(&Options::default()).unwrap();
        disk.connect(&driver);
        let done = CompletionQueue::new(1);
        disk.plan_faults([Some(Fault::Lose)]);
        driver.submit(read_request(0), &done, IfFull::Fail).unwrap();
        let slow = disk.clone();
        TaskOptions::new(move || slow.finish_lost()).spawn().unwrap();
        assert_eq!(next(&done, &driver).result, Ok(()));
        assert_eq!(disk.interrupts(), 1, "{ring:?}");
        assert_idle(&disk, &driver);
    }
}

#[ktest]
fn two_tasks_may_take_from_one_queue() {
    let disk = FakeDisk::new(Modern, all_disk_features() | Features::all().bits(), 64);
    let driver = disk.driver(&Options::default()).unwrap();
    disk.connect(&driver);
    let done = CompletionQueue::new(2);
    disk.plan_faults([Some(Fault::Lose), Some(Fault::Lose)]);
    driver.submit(read_request(0), &done, IfFull::Fail).unwrap();
    driver.submit(read_request(0), &done, IfFull::Fail).unwrap();
    let taken = Arc::new(AtomicU64::new(0));
    for _ in 0..2 {
        let (driver, done, taken) = (driver.clone(), done.clone(), taken.clone());
        let take = move || {
            next(&done, &driver);
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
    assert_idle(&disk, &driver);
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
    assert_eq!(next(&done, &driver).result, Ok(()));
}
