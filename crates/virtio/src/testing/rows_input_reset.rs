//! Input devices that must be reset, and lights that they are to switch.

use alloc::{sync::Arc, vec};
use core::sync::atomic::{AtomicUsize, Ordering};

use input::{Error, Event, InputDevice, codes::*};
use ostd::{
    prelude::ktest,
    task::{Task, TaskOptions},
};

use super::fake::{DeviceMemory, DeviceQueue, Driven, FakeInput, LOST, REPORT, STATUSQ, select};
use crate::{
    features::Features,
    options::Options,
    recovery::MAX_RESTARTS,
    transport::{DeviceStatus, InterruptStatus, Version::Modern},
};

#[ktest]
fn row_i22_reset_in_the_middle() {
    Driven::everywhere(|rig| {
        // Two events are in the ring, and not told yet.
        assert!(rig.event(Event::new(EV_KEY, KEY_A, 1)) && rig.event(REPORT));
        rig.fake.transport.state.lock().status.insert(DeviceStatus::DEVICE_NEEDS_RESET);
        rig.fake.transport.interrupt(InterruptStatus::CONFIGURATION_CHANGE);
        assert_eq!((rig.interrupt(), rig.starts()), (vec![LOST], 2));
        rig.assert_works();
        rig.fake.transport.assert_notified();
    });
}

#[ktest]
fn row_i23_other_ranges_after_a_reset() {
    let rig = Driven::modern();
    let narrow = [0, 99, 0, 0, 0].map(u32::to_le_bytes).concat();
    rig.fake.set_item(select::ABS_INFO, ABS_X, &narrow);
    rig.fake.transport.state.lock().status.insert(DeviceStatus::DEVICE_NEEDS_RESET);
    rig.fake.transport.interrupt(InterruptStatus::CONFIGURATION_CHANGE);
    assert_eq!(rig.fake.transport.state.lock().status, DeviceStatus::FAILED);
    assert_eq!(rig.reader.next().map(|told| told.event), Some(LOST));
    assert!(rig.reader.next().is_none(), "whoever waits for events waits for ever");
    assert_eq!(rig.input.set_led(LED_CAPSL, true), Err(Error::Dead));
}

#[ktest]
fn row_i24_device_that_only_lies() {
    let rig = Driven::modern();
    for _ in 0..=MAX_RESTARTS {
        rig.lie(|queue| queue.write_used_index(1000));
    }
    assert_eq!(rig.fake.transport.state.lock().status, DeviceStatus::FAILED);
    assert!(rig.reader.next().is_none());
}

#[ktest]
fn row_i25_reset_that_never_ends() {
    let rig = Driven::modern();
    let buffer = rig.fake.transport.with_queue(|queue| queue.take().unwrap().buffers[0]);
    rig.fake.transport.state.lock().ignores_reset = true;
    rig.lie(|queue| queue.write_used_index(1000));
    assert!(rig.reader.next().is_none());
    let Driven { fake, input, reader } = rig;
    drop((reader, input));
    // The device may still write to it.
    assert!(DeviceMemory::read(buffer.address, &mut [0]), "the buffers are free");
    drop(fake);
}

/// Has the device read what it is told, and answer by `answer`, which is given the head of the chain.
fn answer_status(
    rig: &Driven,
    answer: impl Fn(&mut DeviceQueue, u16) + Send + Sync + 'static,
) -> Arc<AtomicUsize> {
    let told = Arc::new(AtomicUsize::new(0));
    let (device, count) = (Arc::downgrade(&rig.fake.transport), told.clone());
    rig.fake.transport.on_notify(move || {
        let Some(device) = device.upgrade() else { return };
        device.try_with_queue_of(STATUSQ, |queue| {
            while let Some(chain) = queue.take() {
                assert_eq!((chain.readable_length(), chain.writable_length()), (8, 0));
                let bits = Event::new(EV_LED, LED_CAPSL, 1).to_bits();
                assert_eq!(chain.readable(), bits.to_le_bytes());
                count.fetch_add(1, Ordering::Relaxed);
                answer(queue, chain.head);
            }
        });
    });
    told
}

#[ktest]
fn a_light_is_switched_where_there_is_one() {
    Driven::everywhere(|rig| {
        let told = answer_status(&rig, |queue, head| queue.give_back(head, 0));
        for count in 1..200 {
            assert_eq!(rig.input.set_led(LED_CAPSL, true), Ok(()));
            assert_eq!(told.load(Ordering::Relaxed), count);
        }
        assert_eq!(rig.input.set_led(LED_KANA, true), Err(Error::NoLed(LED_KANA)));
        rig.assert_works();
    });
}

#[ktest]
fn row_i26_answer_about_a_light_that_is_a_lie() {
    let rig = Driven::modern();
    // There is nothing to write, and QEMU says 8.
    for written in [8, u32::MAX] {
        answer_status(&rig, move |queue, head| queue.give_back(head, written));
        assert_eq!(rig.input.set_led(LED_CAPSL, true), Ok(()));
    }
    assert_eq!(rig.starts(), 1);
    for id in [64, u32::MAX] {
        answer_status(&rig, move |queue, _| {
            queue.write_used(queue.next_used, id, 0);
            queue.write_used_index(queue.next_used + 1);
        });
        assert_eq!(rig.input.set_led(LED_CAPSL, true), Err(Error::Violation));
    }
    assert_eq!(rig.starts(), 3);
    answer_status(&rig, |queue, head| queue.give_back(head, 0));
    assert_eq!(rig.input.set_led(LED_CAPSL, true), Ok(()));
    rig.interrupt();
    rig.assert_works();
}

#[ktest]
fn row_i27_light_that_is_never_answered() {
    let fake = FakeInput::new(Modern, Features::empty());
    let rig = fake.start(&Options { timeout_ms: 60, ..Options::default() });
    let device = Arc::downgrade(&rig.input.device());
    let ticks = move || {
        while let Some(device) = device.upgrade() {
            device.tick();
            drop(device);
            Task::yield_now();
        }
    };
    TaskOptions::new(ticks).spawn().unwrap();
    answer_status(&rig, |_, _| ());
    assert_eq!(rig.input.set_led(LED_CAPSL, true), Err(Error::TimedOut));
    assert_eq!((rig.interrupt(), rig.starts()), (vec![LOST], 2));
    rig.assert_works();
}
