//! GPUs that answer commands wrongly, or return them as no device may.

use alloc::vec;

use display::{CursorImage, Error, Rect, Screen};
use ostd::prelude::ktest;

use super::fake::GpuFault;
use crate::{
    device::gpu::tests::{Picture, Rig, everywhere},
    queue::Violation,
    transport::{Transport, Version},
};

/// The rules that are broken, as the errors of the commands in flight name them.
const JUMPED: &str = Violation::UsedIndexJumped { returned: 0, outstanding: 0 }.as_str();
const UNKNOWN_ID: &str = Violation::UnknownId { id: 0 }.as_str();
const NOT_OUTSTANDING: &str = Violation::NotOutstanding { id: 0 }.as_str();
const TOO_LONG: &str = Violation::LengthTooLong { written: 0, writable: 0 }.as_str();

const TRANSFER: &str = "TRANSFER_TO_HOST_2D";
const FLUSH: &str = "RESOURCE_FLUSH";

/// The picture that is seen before anything goes wrong, and the one that is to be seen then.
fn pictures() -> (Picture, Picture) {
    (Picture::new(100, 60, 1), Picture::new(100, 60, 2))
}

/// The device deals so with the two commands of a flush. Returns how the flush ended: the device was not reset, and the
/// next one is seen.
fn fails_alone(faults: [Option<GpuFault>; 2]) -> Error {
    let (old, new) = pictures();
    let rig = Rig::modern(100, 60);
    rig.show(&old);
    rig.gpu.plan_faults(faults);
    let error = rig.flush(&new, &[new.mode.area()]).unwrap_err();
    rig.show(&new);
    assert_eq!((rig.gpu.transport.starts(), rig.gpu.resources()), (1, 1));
    error
}

/// The device breaks a rule so, with every interface: it is reset, and shows at once what it has shown before, and the
/// part that was to be seen.
fn is_reset(fault: GpuFault, violation: &'static str) {
    everywhere(|rig| {
        let is_legacy = rig.gpu.transport.version() == Version::Legacy;
        if is_legacy && matches!(fault, GpuFault::Written(_)) {
            // What it says of lengths means nothing there.
            return;
        }
        let (old, new) = pictures();
        let part = Rect::new(0, 0, 100, 30);
        rig.show(&old);
        rig.gpu.plan_faults([None, Some(fault)]);
        assert_eq!(rig.flush(&new, &[part]), Err(Error::Violation(violation)));
        assert_eq!(rig.gpu.transport.starts(), 2);
        if rig.gpu.seen(0).is_some() {
            let mut expected = pictures().0;
            expected.take(part, &new);
            rig.assert_seen(&expected);
        }
        rig.show(&new);
    });
}

#[ktest]
fn row_g16_answers_of_the_wrong_type() {
    let bad = |command, found| Error::BadAnswer { command, found, expected: 0x1100 };
    for kind in [0, 1, 0x10ff, 0x1101, 0x1104, 0x1206, u32::MAX] {
        let fault = Some(GpuFault::Type(kind));
        assert_eq!(fails_alone([fault, None]), bad(TRANSFER, kind));
        assert_eq!(fails_alone([None, fault]), bad(FLUSH, kind));
    }
    assert_eq!(fails_alone([Some(GpuFault::Garbage(0x11)), None]), bad(TRANSFER, 0x1111_1111));
}

#[ktest]
fn row_g17_refusals_of_what_was_fine_before() {
    for (kind, reason) in (0x1200..).zip([
        "ERR_UNSPEC",
        "ERR_OUT_OF_MEMORY",
        "ERR_INVALID_SCANOUT_ID",
        "ERR_INVALID_RESOURCE_ID",
        "ERR_INVALID_CONTEXT_ID",
        "ERR_INVALID_PARAMETER",
    ]) {
        let fault = Some(GpuFault::Refuse(kind));
        assert_eq!(fails_alone([fault, None]), Error::Refused { command: TRANSFER, reason });
        assert_eq!(fails_alone([None, fault]), Error::Refused { command: FLUSH, reason });
    }
}

#[ktest]
fn row_g18_answers_that_are_too_short() {
    for written in [0, 1, 23] {
        let error = fails_alone([Some(GpuFault::Written(written)), None]);
        assert_eq!(error, Error::Short { command: TRANSFER, written, expected: 24 });
    }
}

#[ktest]
fn row_g19_answers_longer_than_their_room() {
    for written in [25, 48, u32::MAX] {
        is_reset(GpuFault::Written(written), TOO_LONG);
    }
}

#[ktest]
fn row_g20_answers_that_are_not_written() {
    let rig = Rig::modern(100, 60);
    let (old, new) = pictures();
    // All memory of answers in turn, so that each has held a good one: none is taken a second time.
    for _ in 0..100 {
        rig.show(&old);
        rig.gpu.plan_faults([None, Some(GpuFault::NoAnswer)]);
        let error = Error::BadAnswer { command: FLUSH, found: 0, expected: 0x1100 };
        assert_eq!(rig.flush(&new, &[new.mode.area()]), Err(error));
    }
    assert_eq!(rig.gpu.transport.starts(), 1);
    rig.show(&new);
}

#[ktest]
fn row_g21_answers_for_another_command() {
    let is_wrong = |error: Error, named: &str| matches!(error, Error::WrongFence { command, .. } if command == named);
    for fault in [
        GpuFault::Fence(None),
        GpuFault::Fence(Some(0)),
        GpuFault::Fence(Some(u64::MAX)),
        GpuFault::FenceOf(-1),
        GpuFault::FenceOf(1),
        GpuFault::FenceOf(1 << 32),
    ] {
        assert!(is_wrong(fails_alone([Some(fault), None]), TRANSFER), "{fault:?}");
        assert!(is_wrong(fails_alone([None, Some(fault)]), FLUSH), "{fault:?}");
    }
    // Each of two gets the other's.
    let swapped = [1, -1].map(|later| Some(GpuFault::FenceOf(later)));
    assert!(is_wrong(fails_alone(swapped), TRANSFER));
}

#[ktest]
fn row_g22_requests_and_rings_overwritten() {
    everywhere(|rig| {
        let (old, new) = pictures();
        rig.show(&old);
        rig.gpu.plan_faults([Some(GpuFault::Scribble), Some(GpuFault::Scribble)]);
        rig.flush(&new, &[new.mode.area()]).unwrap();
        rig.assert_seen(&new);
        assert_eq!(rig.gpu.transport.starts(), 1);
        rig.show(&old);
    });
}

#[ktest]
fn row_g23_commands_that_it_never_had() {
    is_reset(GpuFault::Id(0xffff), UNKNOWN_ID);
    is_reset(GpuFault::Id(u32::MAX), UNKNOWN_ID);
    let rig = Rig::modern(100, 60);
    rig.show(&pictures().0);
    rig.gpu.plan_faults([None, Some(GpuFault::Id(0))]);
    // It exists, and heads nothing.
    let result = rig.flush(&pictures().1, &[Rect::new(0, 0, 1, 1)]);
    assert_eq!(result, Err(Error::Violation(NOT_OUTSTANDING)));
}

#[ktest]
fn row_g24_commands_returned_twice() {
    is_reset(GpuFault::Twice, JUMPED);
}

#[ktest]
fn row_g25_used_index_that_jumps() {
    for ahead in [1, 7, 64, 0x8000, 0xfffd] {
        is_reset(GpuFault::Ahead(ahead), JUMPED);
    }
}

#[ktest]
fn row_g26_commands_that_are_never_answered() {
    let (old, new) = pictures();
    for lost in 0..2 {
        let rig = Rig::hasty();
        rig.show(&old);
        let mut faults = vec![None; lost];
        faults.push(Some(GpuFault::Lose));
        rig.gpu.plan_faults(faults);
        assert_eq!(rig.flush(&new, &[new.mode.area()]), Err(Error::TimedOut));
        rig.assert_seen(&new);
        rig.show(&old);
    }
}

#[ktest]
fn row_g27_cursors_that_are_answered_wrongly() {
    // There is nothing to write, nobody waits, and no other command is in the queue.
    for fault in [
        GpuFault::Written(1),
        GpuFault::Written(u32::MAX),
        GpuFault::Id(77_777),
        GpuFault::Twice,
        GpuFault::Ahead(5),
        GpuFault::Scribble,
    ] {
        let rig = Rig::modern(100, 60);
        rig.show(&pictures().0);
        rig.screen.set_cursor(&CursorImage::new(1, 2), 30, 40).unwrap();
        rig.gpu.plan_cursor_faults([Some(fault)]);
        rig.screen.move_cursor(31, 41).unwrap();
        rig.poll();
        let starts = if fault == GpuFault::Scribble { 1 } else { 2 };
        assert_eq!(rig.gpu.transport.starts(), starts, "{fault:?}");
        rig.show(&pictures().1);
        assert_eq!(rig.gpu.cursor(0).map(|cursor| cursor.1), Some((31, 41)));
        assert!(rig.gpu.pixels(rig.gpu.cursor(0).unwrap().2).is_some());
    }
}

#[ktest]
fn row_g28_cursors_that_are_never_answered() {
    let rig = Rig::hasty();
    rig.show(&pictures().0);
    rig.screen.set_cursor(&CursorImage::new(1, 2), 30, 40).unwrap();
    rig.gpu.plan_cursor_faults([Some(GpuFault::Lose); 300]);
    // More than there is room for: whoever finds none waits until the device is reset.
    for x in 0..300 {
        rig.screen.move_cursor(x, 1).unwrap();
    }
    assert!(rig.gpu.transport.starts() > 1);
    rig.show(&pictures().1);
    rig.gpu.drop_faults();
    rig.screen.move_cursor(5, 6).unwrap();
    rig.screen.move_cursor(6, 7).unwrap();
    assert_eq!(rig.gpu.cursor(0).map(|cursor| cursor.1), Some((6, 7)));
}
