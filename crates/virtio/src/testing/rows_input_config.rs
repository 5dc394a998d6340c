//! Input devices whose configuration breaks the rules.

use alloc::{format, vec, vec::Vec};

use input::{Axis, DeviceInfo, Ids, InputDevice, codes::*};
use ostd::prelude::ktest;

use super::fake::{FakeInput, select};
use crate::{
    features::Features,
    handshake::InitError,
    options::Options,
    queue::SetupError,
    transport::{
        DeviceStatus, TransportError,
        Version::{Legacy, Modern},
    },
};

fn fake() -> FakeInput {
    FakeInput::new(Modern, Features::empty())
}

/// The driver refuses the device for this reason, tells it so, and leaves it no memory.
fn refused(fake: &FakeInput, reason: InitError) {
    assert_eq!(fake.drive(&Options::default()).err(), Some(reason));
    let state = fake.transport.state.lock();
    assert!(
        state.status.contains(DeviceStatus::FAILED) && state.queues.iter().all(Option::is_none)
    );
}

fn bad(field: &'static str, value: u64) -> InitError {
    InitError::BadConfig { field, value }
}

/// An absolute axis.
fn range(min: i32, max: i32) -> Vec<u8> {
    [min, max, 1, 2, 3].map(i32::to_le_bytes).concat()
}

#[ktest]
fn what_a_device_says_about_itself_is_read() {
    for version in [Legacy, Modern] {
        let fake = FakeInput::new(version, Features::empty());
        fake.set_item(select::ABS_INFO, ABS_Y, &range(-5, 1023));
        let input = fake.drive(&Options::default()).unwrap();
        let info = input.info();
        assert_eq!((&*info.name, &*info.serial), ("a keyboard", "123"));
        assert_eq!(info.ids, Some(Ids { bus: 6, vendor: 0x627, product: 3, version: 1 }));
        let kinds = info.supported.iter().map(|(kind, codes)| (*kind, codes.iter().count()));
        assert_eq!(kinds.collect::<Vec<_>>(), [(EV_KEY, 256), (EV_ABS, 2), (EV_LED, 3)]);
        assert_eq!(info.axis(ABS_X), Some(Axis { max: 0x7fff, ..Axis::default() }));
        let axis = Axis { min: -5, max: 1023, fuzz: 1, flat: 2, resolution: 3 };
        assert_eq!((info.axis(ABS_Y), info.axis(ABS_Z)), (Some(axis), None));
    }
}

#[ktest]
fn a_device_may_say_nothing_about_itself() {
    let fake = fake();
    fake.items.lock().clear();
    let input = fake.drive(&Options::default()).unwrap();
    assert_eq!(*input.info(), DeviceInfo::default());
    assert!(fake.transport.state.lock().queues[1].is_none(), "it has no lights to switch");
}

#[ktest]
fn row_i1_item_larger_than_its_room() {
    for size in [129, 255] {
        let fake = fake();
        fake.transport.state.lock().config = vec![0; 8 + 255];
        fake.set_item(select::EV_BITS, EV_KEY, &vec![0xff; size]);
        refused(&fake, bad("size", size as u64));
    }
    // As many as there is room for are fine.
    let fake = fake();
    fake.set_item(select::EV_BITS, EV_KEY, &[0xff; 128]);
    let input = fake.drive(&Options::default()).unwrap();
    assert!(input.info().supports(EV_KEY, 1023) && !input.info().supports(EV_KEY, 1024));
}

#[ktest]
fn row_i2_answer_about_another_item() {
    for (place, value) in [(0, 0x7f), (1, 0x05)] {
        let fake = fake();
        let window = fake.items.clone();
        fake.transport.on_config(move |config, _| {
            // The other half of what was chosen may be a lie of before.
            let select = if config[0] == 0x7f { select::ID_SERIAL } else { config[0] };
            let item = window.lock().get(&(select, 0)).cloned().unwrap_or_default();
            config[2] = item.len() as u8;
            config[8..][..item.len()].copy_from_slice(&item);
            if select == select::ID_SERIAL {
                config[place] = value;
            }
        });
        let found = if place == 0 { [value, 0] } else { [select::ID_SERIAL, value] };
        refused(&fake, bad("select and subsel", u16::from_le_bytes(found).into()));
    }
}

#[ktest]
fn row_i3_name_that_is_no_text() {
    for (bytes, name) in [
        (&b"\xff\xfea\x1b"[..], "\u{fffd}\u{fffd}a\u{1b}"),
        (b"before\0behind", "before"),
        (b"\0", ""),
        (&[0x80; 128], &"\u{fffd}".repeat(128)),
    ] {
        let fake = fake();
        fake.set_item(select::ID_NAME, 0, bytes);
        fake.set_item(select::ID_SERIAL, 0, bytes);
        let input = fake.drive(&Options::default()).unwrap();
        assert_eq!((&*input.info().name, &*input.info().serial), (name, name));
        // Nothing that a terminal would obey gets through to it.
        assert!(!format!("{}", input.info()).contains(char::is_control));
    }
}

#[ktest]
fn row_i4_numbers_that_are_too_short() {
    for size in [1, 7] {
        let fake = fake();
        fake.set_item(select::ID_DEVIDS, 0, &[1; 8][..size]);
        refused(&fake, bad("devids.size", size as u64));
    }
    for size in [0, 1, 19] {
        let fake = fake();
        fake.set_item(select::ABS_INFO, ABS_X, &range(0, 9)[..size]);
        refused(&fake, bad("absinfo.size", size as u64));
    }
}

#[ktest]
fn row_i5_range_that_ends_before_it_begins() {
    for (min, max) in [(1, 0), (0, -1), (i32::MAX, i32::MIN)] {
        let fake = fake();
        fake.set_item(select::ABS_INFO, ABS_Y, &range(min, max));
        refused(&fake, bad("absinfo.max", max.cast_unsigned().into()));
    }
    for (min, max) in [(0, 0), (i32::MIN, i32::MAX)] {
        let fake = fake();
        fake.set_item(select::ABS_INFO, ABS_Y, &range(min, max));
        let axis = fake.drive(&Options::default()).unwrap().info().axis(ABS_Y).unwrap();
        assert_eq!((axis.min, axis.max), (min, max));
        for position in [i32::MIN, 0, i32::MAX] {
            assert!(axis.place(position, 768) < 768);
        }
    }
}

#[ktest]
fn row_i6_every_axis_and_every_type_that_there_may_be() {
    let fake = fake();
    for kind in 0..=0xff {
        fake.set_item(select::EV_BITS, kind, &[0xff; 128]);
        fake.set_item(select::ABS_INFO, kind, &range(0, 9));
    }
    let input = fake.drive(&Options::default()).unwrap();
    assert_eq!((input.info().supported.len(), input.info().axes.len()), (0x20, 0x40));
}

#[ktest]
fn row_i7_configuration_changes_while_it_is_read() {
    let fake = fake();
    fake.transport.state.lock().unsteady = 3;
    assert_eq!(fake.drive(&Options::default()).unwrap().info().name, "a keyboard");
    fake.transport.state.lock().unsteady = usize::MAX;
    refused(&fake, InitError::ConfigUnstable);
}

#[ktest]
fn row_i8_configuration_space_that_is_too_short() {
    for (bytes, offset) in [(0, 0), (1, 1), (8, 8), (17, 17)] {
        let fake = fake();
        fake.transport.state.lock().config.truncate(bytes);
        // The name has ten bytes.
        refused(&fake, InitError::Config(TransportError::ConfigOutOfRange { offset }));
    }
}

#[ktest]
fn row_i9_queues_that_there_are_not() {
    let fake = fake();
    let missing = |index| InitError::Queue(SetupError::NoSuchQueue { index });
    // It has lights, and no queue to be told in.
    fake.transport.state.lock().queues.truncate(1);
    refused(&fake, missing(1));
    fake.items.lock().remove(&(select::EV_BITS, EV_LED as u8));
    assert!(fake.drive(&Options::default()).is_ok());
    fake.transport.state.lock().queues.clear();
    refused(&fake, missing(0));
}
