//! Devices that refuse, answer wrongly, or have to be reset.

use alloc::vec;

use display::{CursorImage, Error, Screen};
use ostd::{mm::PAGE_SIZE, prelude::ktest};

use super::*;
use crate::{
    testing::fake::{DeviceMemory, GpuFault},
    transport::{DeviceStatus, InterruptStatus},
};

/// The picture that is seen before anything goes wrong, and the one that is to be seen then.
fn pictures() -> (Picture, Picture) {
    (Picture::new(100, 60, 1), Picture::new(100, 60, 2))
}

/// Has the device ask for a reset, and tells the driver.
fn ask_for_reset(rig: &Rig) {
    rig.gpu.transport.connect(&rig.driver.device());
    rig.gpu.transport.state.lock().status.insert(DeviceStatus::DEVICE_NEEDS_RESET);
    rig.gpu.transport.interrupt(InterruptStatus::CONFIGURATION_CHANGE);
}

#[ktest]
fn a_wrong_answer_is_told_and_the_next_one_counts() {
    let (old, new) = pictures();
    let (transfer, flush) = ("TRANSFER_TO_HOST_2D", "RESOURCE_FLUSH");
    let refused = |command, reason| Error::Refused { command, reason };
    let bad = |command, found| Error::BadAnswer { command, found, expected: 0x1100 };
    for (faults, error) in [
        (vec![Some(GpuFault::Refuse(0x1200))], refused(transfer, "ERR_UNSPEC")),
        (vec![None, Some(GpuFault::Refuse(0x1203))], refused(flush, "ERR_INVALID_RESOURCE_ID")),
        (vec![Some(GpuFault::Type(0x1101))], bad(transfer, 0x1101)),
        (vec![Some(GpuFault::Type(0x1206))], bad(transfer, 0x1206)),
        (vec![None, Some(GpuFault::NoAnswer)], bad(flush, 0)),
        (
            vec![Some(GpuFault::Written(23))],
            Error::Short { command: transfer, written: 23, expected: 24 },
        ),
    ] {
        let rig = Rig::modern(100, 60);
        rig.show(&old);
        rig.gpu.plan_faults(faults);
        assert_eq!(rig.flush(&new, &[new.mode.area()]), Err(error));
        rig.show(&new);
        assert_eq!(rig.gpu.resources(), 1);
    }
}

#[ktest]
fn the_answer_to_another_command_is_none() {
    let (old, new) = pictures();
    let rig = Rig::modern(100, 60);
    rig.show(&old);
    for found in [None, Some(0), Some(u64::MAX)] {
        rig.gpu.plan_faults([None, Some(GpuFault::Fence(found))]);
        let error = rig.flush(&new, &[new.mode.area()]).unwrap_err();
        assert!(
            matches!(error, Error::WrongFence { command: "RESOURCE_FLUSH", found: f, .. } if f == found),
            "{error}"
        );
    }
    rig.show(&old);
}

#[ktest]
fn what_could_not_be_set_up_leaves_the_screen_as_it_was() {
    let (old, larger) = (pictures().0, Picture::new(200, 100, 3));
    // Create, attach, transfer; what follows them is not even tried.
    for failing in 0..3 {
        let rig = Rig::modern(100, 60);
        rig.show(&old);
        let mut faults = vec![None; failing];
        faults.push(Some(GpuFault::Refuse(0x1201)));
        rig.gpu.plan_faults(faults);
        let error = rig.flush(&larger, &[larger.mode.area()]).unwrap_err();
        assert!(matches!(error, Error::Refused { reason: "ERR_OUT_OF_MEMORY", .. }), "{error}");
        rig.assert_seen(&old);
        rig.show(&larger);
        assert_eq!(rig.gpu.resources(), 1);
    }
}

#[ktest]
fn a_device_that_gives_nothing_up_gets_no_more() {
    let rig = Rig::modern(100, 60);
    rig.show(&Picture::new(100, 60, 1));
    let mut shown = 0;
    let result = (1..10).try_for_each(|i| {
        // Introduction and showing, then what is to be given up.
        rig.gpu.plan_faults([None; 5]);
        rig.gpu.plan_faults([Some(GpuFault::Refuse(0x1200)); 2]);
        let picture = Picture::new(100 + i, 60, 1);
        rig.flush(&picture, &[picture.mode.area()]).inspect(|()| shown = i)
    });
    assert_eq!((result, shown), (Err(Error::NotReleased), 4));
    // A reset is another matter.
    rig.gpu.drop_faults();
    ask_for_reset(&rig);
    rig.show(&Picture::new(50, 50, 2));
}

#[ktest]
fn the_picture_comes_back_after_a_restart_by_itself() {
    everywhere(|rig| {
        let (old, new) = pictures();
        rig.show(&old);
        for _ in 0..3 {
            ask_for_reset(rig);
            if rig.gpu.seen(0).is_none() {
                // More commands than the queue can take at once: the next flush does it.
                rig.flush(&old, &[Rect::new(0, 0, 1, 1)]).unwrap();
            }
            rig.assert_seen(&old);
        }
        rig.show(&new);
    });
    let rig = Rig::modern(100, 60);
    rig.show(&pictures().0);
    ask_for_reset(&rig);
    rig.assert_seen(&pictures().0);
}

#[ktest]
fn a_picture_whose_device_is_reset_under_it_is_shown_again() {
    let (old, new) = pictures();
    for fault in [GpuFault::Id(7777), GpuFault::Written(1000)] {
        let rig = Rig::modern(100, 60);
        rig.show(&old);
        rig.gpu.plan_faults([None, Some(fault)]);
        let error = rig.flush(&new, &[Rect::new(0, 0, 100, 30)]).unwrap_err();
        assert!(matches!(error, Error::Violation(_)), "{error}");
        // The backing has what was to be shown.
        let mut expected = pictures().0;
        expected.take(Rect::new(0, 0, 100, 30), &new);
        rig.assert_seen(&expected);
        rig.show(&new);
    }
}

#[ktest]
fn a_command_that_is_never_answered_ends_by_a_reset() {
    let (old, new) = pictures();
    let options = Options { timeout_ms: 1, ..Options::default() };
    let rig = Rig::with(Modern, ring(), &options, &[(100, 60)]);
    rig.show(&old);
    rig.gpu.plan_faults([Some(GpuFault::Lose)]);
    assert_eq!(rig.flush(&new, &[new.mode.area()]), Err(Error::TimedOut));
    rig.assert_seen(&new);
    rig.show(&old);
}

#[ktest]
fn a_restart_that_does_not_bring_the_picture_back_is_made_good() {
    let (old, new) = pictures();
    for failing in 0..5 {
        let rig = Rig::modern(100, 60);
        rig.show(&old);
        let mut faults = vec![None; failing];
        faults.push(Some(GpuFault::Refuse(0x1200)));
        rig.gpu.plan_faults(faults);
        ask_for_reset(&rig);
        rig.flush(&new, &[Rect::new(5, 5, 1, 1)]).unwrap();
        rig.flush(&new, &[new.mode.area()]).unwrap();
        rig.assert_seen(&new);
    }
}

#[ktest]
fn the_cursor_comes_back_with_the_next_change() {
    let rig = Rig::modern(100, 60);
    rig.show(&pictures().0);
    rig.screen.set_cursor(&CursorImage::new(1, 2), 30, 40).unwrap();
    let before = rig.gpu.cursor(0);
    ask_for_reset(&rig);
    assert_eq!(rig.gpu.cursor(0), None);
    rig.flush(&pictures().0, &[Rect::new(0, 0, 1, 1)]).unwrap();
    assert_eq!(rig.gpu.cursor(0), before);
    ask_for_reset(&rig);
    rig.screen.move_cursor(31, 41).unwrap();
    assert_eq!(rig.gpu.cursor(0).map(|cursor| cursor.1), Some((31, 41)));
    assert!(rig.gpu.pixels(rig.gpu.cursor(0).unwrap().2).is_some());
}

#[ktest]
fn a_dead_device_says_so() {
    let rig = Rig::modern(100, 60);
    rig.show(&pictures().0);
    rig.gpu.transport.state.lock().offered = 0;
    ask_for_reset(&rig);
    let picture = pictures().1;
    assert_eq!(rig.flush(&picture, &[picture.mode.area()]), Err(Error::Dead));
    assert_eq!(rig.screen.set_cursor(&CursorImage::new(0, 0), 0, 0), Err(Error::Dead));
    rig.gpu.transport.set_config(0, &1u32.to_le_bytes());
    assert_eq!(rig.screen.mode(), Err(Error::Dead));
}

/// The address at which the device has the picture, as it was told.
fn backing(rig: &Rig) -> u64 {
    rig.gpu.backing(1).expect("a backing")
}

#[ktest]
fn memory_that_a_device_keeps_is_never_freed() {
    let rig = Rig::modern(100, 60);
    rig.show(&pictures().0);
    let place = backing(&rig);
    rig.gpu.transport.state.lock().ignores_reset = true;
    let Rig { gpu, driver, screen } = rig;
    drop((driver, screen));
    assert!(DeviceMemory::read(place, &mut [0; PAGE_SIZE]), "the backing is free");
    drop(gpu);
}

#[ktest]
fn memory_is_freed_with_a_device_that_lets_go_of_it() {
    let rig = Rig::modern(100, 60);
    rig.show(&pictures().0);
    let place = backing(&rig);
    let Rig { gpu, driver, screen } = rig;
    drop((driver, screen));
    assert!(!DeviceMemory::read(place, &mut [0; PAGE_SIZE]), "the backing is not free");
    drop(gpu);
}
