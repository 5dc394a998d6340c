//! Restarts: of the devices that need one, at the right time, and with a word on the console.

use super::*;
use crate::recovery::{CHECKS_A_SECOND, Recovery};

#[ktest]
fn good_answers_to_submitted_requests_earn_restarts_and_bad_ones_do_not() {
    let disk = FakeDisk::new(Modern, all_disk_features(), 64);
    let driver = disk.driver(&Options::default()).unwrap();
    let done = CompletionQueue::new(1);
    let lie_and_then = |fault| {
        disk.plan_faults([Some(Fault::Id(9999)), fault]);
        let submit = |()| driver.submit(read_request(0), &done, IfFull::Fail);
        let result = |()| next(&done, &driver).result;
        [(); 2].map(|()| submit(()).map_err(|rejected| rejected.error).and_then(|()| result(())))
    };
    for _ in 0..10 {
        assert_eq!(lie_and_then(None), [Err(LIE), Ok(())]);
    }
    for _ in 0..recovery::MAX_RESTARTS {
        assert_eq!(lie_and_then(Some(Fault::Status(1))), [Err(LIE), Err(Error::Io)]);
    }
    assert_eq!(lie_and_then(None), [Err(LIE), Err(Error::Dead)]);
}

#[ktest]
fn after_a_restart_interrupts_are_off_while_nobody_sleeps() {
    for ring in [Features::empty(), Features::all() - Features::VERSION_1] {
        let disk = FakeDisk::new(Modern, all_disk_features() | ring.bits(), 64);
        let driver = disk.driver(&Options::default()).unwrap();
        disk.connect(&driver);
        let done = CompletionQueue::new(2);
        disk.plan_faults([Some(Fault::Id(9999))]);
        driver.submit(read_request(0), &done, IfFull::Fail).unwrap();
        assert_eq!(driver.poll(), 1);
        let before = disk.interrupts();
        driver.submit(read_request(0), &done, IfFull::Fail).unwrap();
        assert_eq!((driver.poll(), disk.interrupts()), (1, before));
        assert_eq!([(); 2].map(|()| done.try_next().unwrap().result), [Err(LIE), Ok(())]);
        assert_idle(&disk, &driver);
    }
}

#[ktest]
fn a_device_that_does_wrong_for_ever_is_logged_ever_more_rarely() {
    let disk = FakeDisk::new(Modern, all_disk_features(), 64);
    let driver = disk.driver(&Options::default()).unwrap();
    let logged: Vec<u32> = (1..=70).filter(|_| driver.device.log_again()).collect();
    assert_eq!(logged, [1, 2, 3, 4, 5, 6, 7, 8, 16, 32, 64]);
}

#[ktest]
fn who_polls_looks_at_deadlines() {
    let disk = FakeDisk::new(Modern, all_disk_features(), 64);
    let driver = disk.driver(&Options { timeout_ms: 1, ..Options::default() }).unwrap();
    let done = CompletionQueue::new(1);
    disk.plan_faults([Some(Fault::Lose)]);
    driver.submit(read_request(0), &done, IfFull::Fail).unwrap();
    while done.open() > 0 {
        driver.poll();
        if let Some(completion) = done.try_next() {
            assert_eq!(completion.result, Err(Error::TimedOut));
        }
    }
}

#[ktest]
fn a_device_may_take_its_time() {
    let disk = FakeDisk::new(Modern, all_disk_features(), 64);
    let driver = disk.driver(&Options::default()).unwrap();
    let done = CompletionQueue::new(1);
    disk.plan_faults([Some(Fault::Lose)]);
    driver.submit(read_request(0), &done, IfFull::Fail).unwrap();
    // Long enough for deadlines to be looked at.
    let later = ostd::arch::read_tsc() + ostd::arch::tsc_freq() / 5;
    while ostd::arch::read_tsc() < later {
        driver.device().tick();
    }
    disk.find_lost();
    assert_eq!(next(&done, &driver).result, Ok(()));
}

#[ktest]
fn a_device_that_was_restarted_meanwhile_is_not_restarted_again() {
    let disk = FakeDisk::new(Modern, all_disk_features(), 64);
    let driver = disk.driver(&Options::default()).unwrap();
    let done = CompletionQueue::new(1);
    disk.plan_faults([Some(Fault::Lose)]);
    driver.submit(read_request(0), &done, IfFull::Fail).unwrap();
    let queue = driver.device.queue().unwrap();
    let recover = || driver.device.recover(DeviceError::NeedsReset, || queue.is_broken());
    assert_eq!((recover(), done.open(), done.try_next().is_none()), (0, 1, true));
    disk.transport.with_queue(|queue| queue.write_used_index(1000));
    queue.inner.lock().queue.as_mut().unwrap().look().unwrap_err();
    assert_eq!((recover(), recover()), (1, 0));
    assert_eq!(done.try_next().unwrap().result, Err(Error::NeedsReset));
}

#[ktest]
fn a_command_is_overdue_after_its_time_and_not_before() {
    let (recovery, second) = (Recovery::new(2000), ostd::arch::tsc_freq());
    let overdue = |now| recovery.is_overdue(10 * second, now);
    assert_eq!([12 * second, 12 * second + 1].map(overdue), [false, true]);
    // The clock of the CPU that sent it is ahead.
    assert!(!overdue(9 * second));
}

#[ktest]
fn deadlines_are_not_checked_more_often_than_they_should_be() {
    let (recovery, pause) = (Recovery::new(1), ostd::arch::tsc_freq() / CHECKS_A_SECOND);
    let times = [5, 5, 4 + pause, 5 + pause, 6 + pause, 4 + 3 * pause, 3 + 4 * pause];
    let due = times.map(|now| recovery.is_check_due(now));
    assert_eq!(due, [true, false, false, true, false, true, false]);
    // Who polls in between does not find out what is overdue.
    let disk = FakeDisk::new(Modern, all_disk_features(), 64);
    let driver = disk.driver(&Options { timeout_ms: 0, ..Options::default() }).unwrap();
    driver.device.recovery.is_check_due(u64::MAX);
    let done = CompletionQueue::new(1);
    disk.plan_faults([Some(Fault::Lose)]);
    driver.submit(read_request(0), &done, IfFull::Fail).unwrap();
    driver.poll();
    assert!(done.try_next().is_none());
}
