//! Unit tests, with devices that the tests play.

mod keys;
mod places;
mod readers;

use alloc::{string::ToString, sync::Arc};

use ostd::prelude::ktest;

use super::{codes::*, *};

/// An input device whose events a test makes up.
struct Made(Source);

impl Made {
    fn new() -> Arc<Self> {
        Arc::new(Self(Source::new(DeviceInfo::default())))
    }

    /// A key goes down or up, and the group ends.
    fn key(&self, code: u16, value: i32) {
        self.0.deliver(Event::new(EV_KEY, code, value));
        self.0.deliver(REPORT);
    }
}

impl InputDevice for Made {
    fn info(&self) -> &DeviceInfo {
        self.0.info()
    }

    fn attach(&self, queue: &Arc<EventQueue>, number: usize) {
        self.0.attach(queue, number);
    }

    fn statistics(&self) -> Statistics {
        self.0.statistics()
    }
}

/// The end of a group.
const REPORT: Event = Event::new(EV_SYN, SYN_REPORT, 0);

#[ktest]
fn events_are_told_by_their_names() {
    for (event, text) in [
        (Event::new(EV_KEY, KEY_A, 1), "EV_KEY KEY_A 1"),
        (Event::new(EV_KEY, BTN_LEFT, 0), "EV_KEY BTN_LEFT 0"),
        (Event::new(EV_KEY, KEY_F24, 2), "EV_KEY KEY_F24 2"),
        (Event::new(EV_REL, REL_X, -5), "EV_REL REL_X -5"),
        (Event::new(EV_ABS, ABS_MT_TOOL_Y, i32::MAX), "EV_ABS ABS_MT_TOOL_Y 2147483647"),
        (REPORT, "EV_SYN SYN_REPORT 0"),
        (Event::dropped(3), "EV_SYN SYN_DROPPED 3"),
        (Event::new(EV_LED, LED_CAPSL, 1), "EV_LED LED_CAPSL 1"),
        // What nobody has given a name.
        (Event::new(EV_KEY, 0x2ff, 1), "EV_KEY 767 1"),
        (Event::new(EV_SW, 3, 1), "EV_SW 3 1"),
        (Event::new(0xffff, 0xffff, i32::MIN), "65535 65535 -2147483648"),
    ] {
        assert_eq!(event.to_string(), text);
    }
}

#[ktest]
fn an_event_has_its_place_in_64_bits() {
    let event = Event::new(EV_REL, REL_WHEEL, -2);
    assert_eq!(event.to_bits(), 0xffff_fffe_0008_0002);
    for bits in [0, u64::MAX, event.to_bits(), 0x8000_0000_ffff_0000] {
        assert_eq!(Event::from_bits(bits).to_bits(), bits);
    }
    assert_eq!(Event::from_bits(event.to_bits()), event);
}

#[ktest]
fn a_device_is_told_in_one_line() {
    let axis = Axis { min: -1, max: 32767, ..Axis::default() };
    let info = DeviceInfo {
        name: "a \u{1b}[2J \"name\"".into(),
        serial: "7".into(),
        ids: Some(Ids { bus: 6, vendor: 0x627, product: 3, version: 1 }),
        supported: [(EV_KEY, Codes::new(&[0xff, 0, 1])), (EV_ABS, Codes::new(&[1]))].into(),
        axes: [(ABS_X, axis)].into(),
    };
    assert_eq!(
        info.to_string(),
        "\"a \\u{1b}[2J \\\"name\\\"\", serial \"7\", bus 6, vendor 0x627, product 0x3, version 1, \
         EV_KEY 9, EV_ABS 1, ABS_X -1 to 32767"
    );
    assert_eq!(DeviceInfo::default().to_string(), "\"\", serial \"\"");
    assert!(info.supports(EV_KEY, 16) && !info.supports(EV_KEY, 17) && !info.supports(EV_REL, 0));
    assert!(!info.supports(EV_KEY, u16::MAX));
    assert_eq!(info.axis(ABS_X), Some(axis));
    assert_eq!(info.axis(ABS_Y), None);
}

#[ktest]
fn devices_are_registered_in_order() {
    let before = all().len();
    assert_eq!(register(Made::new()), before);
    assert_eq!(register(Made::new()), before + 1);
    assert_eq!(all().len(), before + 2);
    let error = Made::new().set_led(LED_CAPSL, true).unwrap_err();
    assert_eq!(error.to_string(), "the device has no light LED_CAPSL");
}
