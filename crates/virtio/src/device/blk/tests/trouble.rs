//! Devices that fail, lie, or say nothing.

use super::*;
use crate::queue::Violation;

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

#[ktest]
fn submitted_requests_are_judged_by_what_was_written_too() {
    let disk = FakeDisk::new(Modern, all_disk_features(), 64);
    let driver = disk.driver(&Options::default()).unwrap();
    let done = CompletionQueue::new(1);
    let discard = || Request::new(Operation::Discard { sectors: 1 }, 0, vec![]);
    let write = || Request::new(Operation::Write, 0, vec![buffer(1, &[])]);
    for (request, expected) in [(read_request(0), 513), (write(), 1), (discard(), 1)] {
        let (operation, written) = (request.operation, expected - 1);
        disk.plan_faults([Some(Fault::Written(written))]);
        driver.submit(request, &done, IfFull::Fail).unwrap();
        let result = next(&done, &driver).result;
        assert_eq!(result, Err(Error::Short { written, expected }), "{operation:?}");
    }
}

#[ktest]
fn after_a_lie_everyone_is_answered_and_the_disk_works_again() {
    everywhere(|disk, driver| {
        let done = CompletionQueue::new(4);
        disk.plan_faults([Some(Fault::Lose), Some(Fault::Lose), Some(Fault::Id(9999))]);
        for tag in 0..3 {
            let mut request = read_request(tag);
            request.tag = tag;
            driver.submit(request, &done, IfFull::Fail).unwrap();
        }
        // All three have ended by that.
        assert_eq!(driver.poll(), 3);
        let mut tags: Vec<_> = core::iter::from_fn(|| done.try_next())
            .map(|completion| {
                assert_eq!(completion.result, Err(LIE));
                let request = completion.request.expect("the device was reset");
                assert_eq!((request.buffers.len(), request.tag), (1, completion.tag));
                completion.tag
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
    let request = read_request(0);
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
    assert_eq!(driver.info().geometry.capacity, 32);
}

#[ktest]
fn a_request_that_is_never_answered_times_out() {
    for interrupts in [false, true] {
        let disk = FakeDisk::new(Modern, all_disk_features(), 64);
        let options = Options { timeout_ms: 100, ..Options::default() };
        let driver = disk.driver(&options).unwrap();
        if interrupts {
            disk.connect(&driver);
            let device = Arc::downgrade(&driver.device());
            ostd::timer::register_callback_on_cpu(move || {
                if let Some(device) = device.upgrade() {
                    device.tick();
                }
            });
        }
        disk.plan_faults([Some(Fault::Lose)]);
        assert_eq!(driver.read_block(1, &mut [0; 512]), Err(Error::TimedOut));
        driver.read_block(1, &mut [0; 512]).unwrap();
        // A late answer is to a queue that is no more.
        disk.forget_lost();
        assert_idle(&disk, &driver);
    }
}

#[ktest]
fn what_a_device_keeps_for_itself_is_not_handed_out() {
    let disk = FakeDisk::new(Modern, all_disk_features(), 64);
    let driver = disk.driver(&Options::default()).unwrap();
    let done = CompletionQueue::new(2);
    disk.plan_faults([Some(Fault::Lose), Some(Fault::Written(u32::MAX))]);
    for tag in [7, 8] {
        let mut request = read_request(0);
        request.tag = tag;
        driver.submit(request, &done, IfFull::Fail).unwrap();
    }
    disk.transport.state.lock().ignores_reset = true;
    driver.poll();
    let mut tags = [done.try_next().unwrap(), done.try_next().unwrap()].map(|completion| {
        assert!(matches!(completion.result, Err(Error::Violation(_))));
        assert!(completion.request.is_none(), "the device may still write to its buffers");
        completion.tag
    });
    tags.sort_unstable();
    assert_eq!(tags, [7, 8], "each owner is told");
    // It wakes up and writes; its memory is still there for it.
    let lost = disk.transport.with_queue(|queue| queue.next_used);
    assert_eq!(lost, 2);
    disk.find_lost();
}

#[ktest]
fn a_device_that_needs_a_reset_is_not_waited_for() {
    let disk = FakeDisk::new(Modern, all_disk_features(), 64);
    let driver = disk.driver(&Options::default()).unwrap();
    disk.connect(&driver);
    let done = CompletionQueue::new(1);
    disk.plan_faults([Some(Fault::Lose)]);
    let request = read_request(0);
    driver.submit(request, &done, IfFull::Fail).unwrap();
    disk.transport.state.lock().status.insert(DeviceStatus::DEVICE_NEEDS_RESET);
    disk.transport.interrupt(InterruptStatus::CONFIGURATION_CHANGE);
    assert_eq!(next(&done, &driver).result, Err(Error::NeedsReset));
    driver.flush().unwrap();
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
fn a_disk_that_lies_at_once_is_left_failed() {
    let disk = FakeDisk::new(Modern, all_disk_features(), 64);
    disk.plan_faults([Some(Fault::Id(9999))]);
    assert_eq!(
        disk.driver(&Options::default()).err(),
        Some(InitError::FirstRequest(DeviceError::Violation(Violation::UnknownId { id: 9999 })))
    );
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

#[ktest]
fn answers_that_nobody_has_looked_at_are_not_overdue() {
    let disk = FakeDisk::new(Modern, all_disk_features() | Features::all().bits(), 64);
    let driver = disk.driver(&Options { timeout_ms: 1, ..Options::default() }).unwrap();
    disk.connect(&driver);
    let done = CompletionQueue::new(1);
    let request = Request::new(Operation::Flush, 0, vec![]);
    // The device answers at once, and nobody sleeps whom it would interrupt for that.
    driver.submit(request, &done, IfFull::Fail).unwrap();
    let later = ostd::arch::read_tsc() + ostd::arch::tsc_freq() / 5;
    while ostd::arch::read_tsc() < later {
        driver.device().tick();
    }
    assert_eq!(done.try_next().unwrap().result, Ok(()));
    let log = disk.transport.state.lock().status_log.clone();
    let starts = log.iter().filter(|status| status.contains(DeviceStatus::DRIVER_OK)).count();
    assert_eq!(starts, 1, "the device was reset for an answer that it had given");
}
