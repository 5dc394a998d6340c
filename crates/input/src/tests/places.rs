//! Places on a screen.

use ostd::prelude::ktest;

use super::*;

const TABLET: Axis = Axis { min: 0, max: 0x7fff, fuzz: 0, flat: 0, resolution: 0 };

fn tablet() -> DeviceInfo {
    DeviceInfo { axes: [(ABS_X, TABLET), (ABS_Y, TABLET)].into(), ..DeviceInfo::default() }
}

/// Feeds one group to a pointer; returns true if something has changed.
fn group(pointer: &mut Pointer, events: &[(u16, u16, i32)]) -> bool {
    for (kind, code, value) in events {
        assert!(!pointer.event(Event::new(*kind, *code, *value), &tablet()));
    }
    pointer.event(REPORT, &tablet())
}

#[ktest]
fn a_place_is_the_one_that_the_host_meant() {
    for length in [1, 2, 479, 480, 640, 768, 800, 1024, 1280, 4096, 0x7fff] {
        for place in 0..length {
            // As QEMU scales a place in its window to the range of its tablet.
            let position = (u64::from(place) * 0x7fff / u64::from(length)) as i32;
            assert_eq!(TABLET.place(position, length), place, "of {length}");
        }
        assert_eq!(TABLET.place(0x7fff, length), length - 1);
    }
}

#[ktest]
fn ranges_and_positions_may_be_anything() {
    let ends = [i32::MIN, i32::MIN + 1, -1, 0, 1, i32::MAX - 1, i32::MAX];
    for (min, max) in ends.iter().flat_map(|min| ends.iter().map(|max| (*min, *max))) {
        for position in ends {
            for length in [0, 1, 2, 1000, u32::MAX] {
                let axis = Axis { min, max, ..Axis::default() };
                let place = axis.place(position, length);
                assert!(place <= length.saturating_sub(1));
                assert!(position > min || max < min || place == 0, "{axis:?} {position}");
                assert!(position < max || max <= min || place == length.saturating_sub(1));
            }
        }
    }
    let axis = Axis { min: -100, max: 100, ..Axis::default() };
    assert_eq!([-101, -100, 0, 50, 100].map(|at| axis.place(at, 200)), [0, 0, 100, 150, 199]);
}

#[ktest]
fn a_mouse_moves_the_pointer_and_never_off_the_screen() {
    let mut pointer = Pointer::new(640, 480);
    assert_eq!(pointer.place(), (320, 240));
    assert!(group(&mut pointer, &[(EV_REL, REL_X, 5), (EV_REL, REL_Y, -7)]));
    assert_eq!(pointer.place(), (325, 233));
    group(&mut pointer, &[(EV_REL, REL_X, i32::MIN), (EV_REL, REL_Y, i32::MAX)]);
    assert_eq!(pointer.place(), (0, 479));
    assert!(!group(&mut pointer, &[(EV_REL, REL_X, -1), (EV_REL, REL_WHEEL, 1)]));
    assert!(!group(&mut pointer, &[]));
}

#[ktest]
fn a_tablet_puts_the_pointer_to_a_place() {
    let mut pointer = Pointer::new(640, 480);
    assert!(group(&mut pointer, &[(EV_ABS, ABS_X, 0x7fff), (EV_ABS, ABS_Y, 0)]));
    assert_eq!(pointer.place(), (639, 0));
    assert!(!group(&mut pointer, &[(EV_ABS, ABS_X, 0x7fff), (EV_ABS, ABS_Z, 5)]));
    // An axis whose range nobody has told.
    let unknown = DeviceInfo::default();
    pointer.event(Event::new(EV_ABS, ABS_X, 1), &unknown);
    assert!(!pointer.event(REPORT, &unknown));
    assert_eq!(pointer.place(), (639, 0));
}

#[ktest]
fn a_change_is_told_at_the_end_of_its_group() {
    let mut pointer = Pointer::new(100, 100);
    assert!(group(&mut pointer, &[(EV_ABS, ABS_X, 0), (EV_KEY, BTN_LEFT, 1)]));
    assert!(pointer.is_pressed(BTN_LEFT) && !pointer.is_pressed(BTN_RIGHT));
    assert!(group(&mut pointer, &[(EV_KEY, BTN_TOUCH, 1)]));
    assert!(!group(&mut pointer, &[(EV_KEY, KEY_A, 1), (EV_KEY, BTN_LEFT, 1)]));
    assert!(pointer.is_pressed(BTN_TOUCH) && !pointer.is_pressed(KEY_A));
    assert!(group(&mut pointer, &[(EV_KEY, BTN_LEFT, 0)]));
    assert!(!pointer.is_pressed(BTN_LEFT));
}

#[ktest]
fn a_button_whose_release_is_missing_is_not_pressed() {
    let mut pointer = Pointer::new(100, 100);
    group(&mut pointer, &[(EV_KEY, BTN_LEFT, 1)]);
    // What follows belongs to a group of which the beginning is missing.
    let dropped = [(EV_SYN, SYN_DROPPED, 4), (EV_REL, REL_X, 9), (EV_KEY, BTN_RIGHT, 1)];
    assert!(group(&mut pointer, &dropped));
    assert!(!pointer.is_pressed(BTN_LEFT) && !pointer.is_pressed(BTN_RIGHT));
    assert_eq!(pointer.place(), (50, 50));
    assert!(group(&mut pointer, &[(EV_REL, REL_X, 9)]));
}

#[ktest]
fn a_screen_may_become_smaller_and_have_no_points() {
    let mut pointer = Pointer::new(1024, 768);
    group(&mut pointer, &[(EV_ABS, ABS_X, 0x7fff), (EV_ABS, ABS_Y, 0x7fff)]);
    pointer.resize(640, 1000);
    assert_eq!(pointer.place(), (639, 767));
    pointer.resize(0, 0);
    assert_eq!(pointer.place(), (0, 0));
    group(&mut pointer, &[(EV_ABS, ABS_X, 5), (EV_REL, REL_Y, 5)]);
    assert_eq!(pointer.place(), (0, 0));
}
