//! GPUs that must be reset, do not come back as they were, or do not give memory back.

use alloc::{vec, vec::Vec};

use display::{CursorImage, Error, Rect, Screen};
use ostd::{mm::PAGE_SIZE, prelude::ktest};

use super::fake::{DeviceMemory, GpuFault};
use crate::{
    device::gpu::tests::{Picture, Rig, everywhere, ring},
    recovery::MAX_RESTARTS,
    transport::{DeviceStatus, Version::Modern},
};

/// The picture that is seen before anything goes wrong, and the one that is to be seen then.
fn pictures() -> (Picture, Picture) {
    (Picture::new(100, 60, 1), Picture::new(100, 60, 2))
}

/// So many sound answers, and then this one.
fn after(sound: usize, fault: GpuFault) -> Vec<Option<GpuFault>> {
    let mut faults = vec![None; sound];
    faults.push(Some(fault));
    faults
}

#[ktest]
fn row_g29_reset_that_is_asked_for() {
    everywhere(|rig| {
        let (old, new) = pictures();
        rig.show(&old);
        for _ in 0..3 {
            rig.ask_for_reset();
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
    rig.ask_for_reset();
    rig.assert_seen(&pictures().0);
}

#[ktest]
fn row_g30_reset_during_a_flush() {
    let (old, new) = pictures();
    let other = Picture::new(50, 80, 3);
    // A change is two commands; another size is five, and then two for the old picture.
    for (next, commands) in [(&new, 2), (&other, 7)] {
        for at in 0..commands {
            let rig = Rig::modern(100, 60);
            rig.gpu.transport.connect(&rig.driver.device());
            rig.show(&old);
            rig.gpu.plan_faults(after(at, GpuFault::Reset));
            match rig.flush(next, &[next.mode.area()]) {
                Err(Error::NeedsReset) if at < 5 => {}
                // The old picture is in use no more, and was given up by the reset.
                Ok(()) if at >= 5 => rig.assert_seen(next),
                other => panic!("{at} of {commands}: {other:?}"),
            }
            assert_eq!(rig.gpu.transport.starts(), 2);
            assert!(rig.gpu.seen(0).is_some(), "{at} of {commands}: the screen is black");
            rig.show(next);
            rig.show(&old);
            assert_eq!(rig.gpu.resources(), 1);
        }
    }
}

#[ktest]
fn row_g31_reset_while_the_picture_is_brought_back() {
    let rig = Rig::hasty();
    rig.show(&pictures().0);
    // What brings it back is never answered.
    rig.gpu.plan_faults([Some(GpuFault::Lose); 5]);
    rig.ask_for_reset();
    assert_eq!(rig.gpu.seen(0), None);
    rig.ask_for_reset();
    rig.assert_seen(&pictures().0);
    // Nothing is awaited any more: a picture that is not shown any more is given up, however often.
    for i in 1..10 {
        rig.show(&Picture::new(100 + i, 60, 1));
        assert_eq!(rig.gpu.resources(), 1);
    }
}

#[ktest]
fn row_g32_picture_that_is_not_taken_back() {
    let (old, new) = pictures();
    for at in 0..5 {
        for fault in
            [GpuFault::Refuse(0x1200), GpuFault::NoAnswer, GpuFault::FenceOf(1), GpuFault::Lose]
        {
            let rig = Rig::modern(100, 60);
            rig.show(&old);
            rig.gpu.plan_faults(after(at, fault));
            rig.ask_for_reset();
            // It is all or nothing: of a part alone nobody would know where it belongs.
            rig.flush(&new, &[Rect::new(5, 5, 1, 1)]).unwrap();
            let (_, _, seen) = rig.gpu.seen(0).expect("the screen is black");
            assert!(seen[seen.len() - 4..] != [0; 4], "{at}: {fault:?}: the rest is black");
            rig.flush(&new, &[new.mode.area()]).unwrap();
            rig.assert_seen(&new);
        }
    }
}

#[ktest]
fn row_g33_cursor_that_is_not_taken_back() {
    let (old, new) = pictures();
    for at in 0..3 {
        for fault in [GpuFault::Refuse(0x1201), GpuFault::NoAnswer] {
            let rig = Rig::modern(100, 60);
            rig.show(&old);
            rig.screen.set_cursor(&CursorImage::new(1, 2), 30, 40).unwrap();
            let before = rig.gpu.cursor(0).map(|cursor| (cursor.1, cursor.3));
            rig.ask_for_reset();
            // The change of the picture comes first.
            rig.gpu.plan_faults(after(2 + at, fault));
            assert!(rig.flush(&new, &[new.mode.area()]).is_err(), "{at}: {fault:?}");
            rig.assert_seen(&new);
            // One wrong answer, and no more than that.
            rig.show(&old);
            assert_eq!(rig.gpu.cursor(0).map(|cursor| (cursor.1, cursor.3)), before);
            assert!(rig.gpu.pixels(rig.gpu.cursor(0).unwrap().2).is_some());
        }
    }
}

#[ktest]
fn row_g34_another_number_of_outputs_after_a_reset() {
    for outputs in [0u32, 1, 3, u32::MAX] {
        let rig = Rig::new(Modern, ring(), 64, &[(100, 60); 2]);
        rig.show(&pictures().0);
        rig.gpu.transport.set_config(8, &outputs.to_le_bytes());
        rig.ask_for_reset();
        assert_eq!(rig.gpu.transport.state.lock().status, DeviceStatus::FAILED);
        let picture = pictures().1;
        assert_eq!(rig.flush(&picture, &[picture.mode.area()]), Err(Error::Dead));
    }
}

#[ktest]
fn row_g35_device_that_only_lies() {
    let rig = Rig::modern(100, 60);
    rig.show(&pictures().0);
    rig.gpu.plan_faults([Some(GpuFault::Id(0xffff)); 1000]);
    let picture = pictures().1;
    let area = [picture.mode.area()];
    let results: Vec<_> = (0..10).map(|_| rig.flush(&picture, &area)).collect();
    assert!(matches!(results[0], Err(Error::Violation(_))), "{:?}", results[0]);
    assert_eq!(results.last(), Some(&Err(Error::Dead)));
    assert_eq!(rig.gpu.transport.starts(), 1 + MAX_RESTARTS as usize);
    // It says so at once, whatever it is asked.
    assert_eq!(rig.screen.set_cursor(&CursorImage::new(0, 0), 0, 0), Err(Error::Dead));
    rig.gpu.transport.set_config(0, &1u32.to_le_bytes());
    assert_eq!(rig.screen.mode(), Err(Error::Dead));
}

#[ktest]
fn row_g36_reset_that_never_ends() {
    let rig = Rig::modern(100, 60);
    rig.show(&pictures().0);
    rig.screen.set_cursor(&CursorImage::new(1, 2), 30, 40).unwrap();
    // It has given up none of the two that are not shown any more.
    rig.gpu.plan_faults([None; 5]);
    rig.gpu.plan_faults([Some(GpuFault::Refuse(0x1200)); 2]);
    rig.show(&Picture::new(90, 60, 1));
    let places: Vec<_> = (1..=3).flat_map(|resource| rig.gpu.backing(resource)).collect();
    assert!(places.len() >= 3);
    rig.gpu.transport.state.lock().ignores_reset = true;
    rig.ask_for_reset();
    let picture = pictures().1;
    assert_eq!(rig.flush(&picture, &[picture.mode.area()]), Err(Error::Dead));
    let Rig { gpu, driver, screen } = rig;
    drop((driver, screen));
    // The device may still read all of them.
    for (address, _) in places {
        assert!(DeviceMemory::read(address, &mut [0; PAGE_SIZE]), "a backing is free");
    }
    drop(gpu);
}

#[ktest]
fn row_g37_device_that_gives_nothing_up() {
    let rig = Rig::modern(100, 60);
    rig.show(&Picture::new(100, 60, 1));
    let mut shown = 0;
    let result = (1..10).try_for_each(|i| {
        // Introduction and showing, then what is to be given up.
        rig.gpu.plan_faults([None; 5]);
        rig.gpu.plan_faults([Some(GpuFault::Refuse(0x1200)); 2]);
        let picture = Picture::new(100 + i, 60, 1);
        // It may read all of them at any time.
        rig.flush(&picture, &[picture.mode.area()]).inspect(|()| shown = i)?;
        rig.gpu.assert_backings();
        Ok(())
    });
    assert_eq!((result, shown, rig.gpu.resources()), (Err(Error::NotReleased), 4, 5));
    // A reset is another matter.
    rig.gpu.drop_faults();
    rig.ask_for_reset();
    rig.show(&Picture::new(50, 50, 2));
}

#[ktest]
fn row_g38_device_that_takes_no_other_picture() {
    let (old, larger) = (pictures().0, Picture::new(200, 100, 3));
    // Create, attach, transfer; what follows them is not even tried.
    for at in 0..3 {
        let rig = Rig::modern(100, 60);
        rig.show(&old);
        // As often as it likes: what it has not taken it need not give up.
        for _ in 0..10 {
            rig.gpu.drop_faults();
            rig.gpu.plan_faults(after(at, GpuFault::Refuse(0x1201)));
            let error = rig.flush(&larger, &[larger.mode.area()]).unwrap_err();
            assert!(matches!(error, Error::Refused { reason: "ERR_OUT_OF_MEMORY", .. }), "{error}");
            rig.assert_seen(&old);
        }
        rig.show(&larger);
        assert_eq!(rig.gpu.resources(), 1);
    }
}

#[ktest]
fn memory_is_freed_with_a_device_that_lets_go_of_it() {
    let rig = Rig::modern(100, 60);
    rig.show(&pictures().0);
    let (place, _) = rig.gpu.backing(1)[0];
    let Rig { gpu, driver, screen } = rig;
    drop((driver, screen));
    assert!(!DeviceMemory::read(place, &mut [0; PAGE_SIZE]), "the backing is not free");
    drop(gpu);
}
