//! Input devices whose events, or the buffers that they return, break the rules.

use alloc::{sync::Arc, vec, vec::Vec};
use core::{
    iter,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use input::{Event, InputDevice, codes::*};
use ostd::prelude::ktest;

use super::fake::{Driven, FakeInput, LOST, REPORT};
use crate::{
    device::VirtioDevice,
    features::Features,
    options::Options,
    request_queue::MAX_LOOKS,
    transport::{DeviceStatus, InterruptStatus, Version::Modern},
};

#[ktest]
fn events_come_as_the_device_sends_them() {
    Driven::everywhere(|rig| {
        assert_eq!(rig.posted(), 64);
        for value in 0..1000 {
            let event = Event::new(EV_ABS, ABS_X, -value);
            assert!(rig.event(event) && rig.event(REPORT));
            assert_eq!(rig.interrupt(), [event, REPORT]);
        }
        rig.assert_works();
        rig.fake.transport.assert_notified();
        let statistics = rig.input.statistics();
        assert_eq!((statistics.events, statistics.malformed), (2002, 0));
    });
}

#[ktest]
fn few_buffers_do_as_well() {
    for entries in [1, 2, 64, 256] {
        let fake = FakeInput::new(Modern, Features::empty());
        fake.transport.state.lock().queue_size_max = entries;
        let rig = fake.start(&Options::default());
        assert_eq!(rig.posted(), entries.min(64) as usize);
        for value in 0..200 {
            let event = Event::new(EV_REL, REL_X, value);
            assert!(rig.event(event));
            assert_eq!(rig.interrupt(), [event]);
        }
    }
}

#[ktest]
fn a_device_without_interrupts_is_looked_after_by_the_timer() {
    let fake = FakeInput::new(Modern, Features::empty());
    let rig = fake.start(&Options::default());
    // Another driver, whose interrupt nobody has led to it.
    let polled = FakeInput::new(Modern, Features::empty());
    let input = polled.drive(&Options::default()).unwrap();
    let device: Arc<dyn VirtioDevice> = input.device();
    polled.transport.with_queue(|queue| {
        let chain = queue.take().unwrap();
        chain.write(0, &Event::new(EV_KEY, KEY_B, 1).to_bits().to_le_bytes());
        queue.give_back(chain.head, 8);
    });
    device.tick();
    assert_eq!(input.statistics().events, 1);
    assert_eq!(polled.transport.with_queue(|queue| queue.waiting().count()), 64);
    rig.assert_works();
}

#[ktest]
fn row_i10_event_of_no_bytes_or_too_few() {
    let rig = Driven::modern();
    for (count, written) in (1..).zip([0, 1, 4, 7]) {
        assert!(rig.fill(&[1, 0, 30, 0, 1, 0, 0, 0], written));
        assert_eq!(rig.interrupt(), [LOST], "{written} bytes");
        assert_eq!(rig.input.statistics().malformed, count);
    }
    assert_eq!(rig.starts(), 1, "the device was reset for what it may do");
    rig.assert_works();
}

#[ktest]
fn row_i11_event_longer_than_its_buffer() {
    for written in [9, 64, u32::MAX] {
        let rig = Driven::modern();
        assert!(rig.fill(&[0; 8], written));
        assert_eq!(rig.interrupt(), [LOST]);
        assert_eq!((rig.starts(), rig.input.statistics().events), (2, 0));
        rig.assert_works();
    }
}

#[ktest]
fn row_i12_buffer_that_was_not_written() {
    Driven::everywhere(|rig| {
        assert!(rig.event(Event::new(EV_KEY, KEY_A, 1)));
        assert_eq!(rig.interrupt().len(), 1);
        // All buffers in turn, so that each has held an event: none is told a second time.
        for _ in 0..130 {
            assert!(rig.fill(&[], 8));
            assert_eq!(rig.interrupt(), [LOST]);
        }
        assert_eq!(rig.input.statistics().malformed, 130);
        rig.assert_works();
    });
}

#[ktest]
fn row_i13_events_before_there_are_buffers() {
    let fake = FakeInput::new(Modern, Features::empty());
    let once = AtomicBool::new(true);
    fake.transport.on_status(move |state| {
        if state.status.contains(DeviceStatus::DRIVER_OK) && once.swap(false, Ordering::Relaxed) {
            let queue = state.queues[0].as_mut().unwrap();
            (0..3).for_each(|id| queue.give_back(id, 8));
            state.interrupt = InterruptStatus::all();
        }
    });
    let rig = fake.start(&Options::default());
    // They are taken for buffers that were posted meanwhile, in which nothing stands.
    let statistics = rig.input.statistics();
    assert_eq!((statistics.events, statistics.malformed, rig.starts()), (0, 3, 1));
    assert_eq!(rig.interrupt(), []);
    rig.fake.transport.with_queue(|queue| (0..3).for_each(|_| queue.skip()));
    rig.assert_works();
}

#[ktest]
fn row_i14_buffer_that_was_never_posted() {
    for id in [64, 0xffff, u32::MAX] {
        let rig = Driven::modern();
        let told = rig.lie(|queue| {
            queue.write_used(queue.next_used, id, 8);
            queue.write_used_index(queue.next_used + 1);
        });
        assert_eq!((told, rig.starts()), (vec![LOST], 2));
        rig.assert_works();
    }
}

#[ktest]
fn row_i15_buffer_returned_twice() {
    let rig = Driven::modern();
    let event = Event::new(EV_KEY, KEY_A, 1);
    assert!(rig.event(event));
    // In one interrupt: there is one event, and the other entry is a lie or a buffer that has just been posted.
    let told = rig.lie(|queue| {
        let (id, written) = queue.used_entry(queue.next_used.wrapping_sub(1));
        queue.give_back(id as u16, written);
    });
    assert_eq!(told.first(), Some(&event));
    assert!(told.get(1..).unwrap().iter().all(|event| *event == LOST), "{told:?}");
    assert_eq!(rig.input.statistics().events, 1);
}

#[ktest]
fn row_i16_used_index_jumps_ahead_and_back() {
    let rig = Driven::modern();
    for index in [65, 1000, 0x8000, 0xffff] {
        let before = rig.starts();
        assert_eq!(rig.lie(|queue| queue.write_used_index(index)), [LOST], "{index}");
        assert_eq!(rig.starts(), before + 1);
        rig.assert_works();
    }
    let told = rig.lie(|queue| queue.write_used_index(queue.next_used - 1));
    assert_eq!(told, [LOST]);
    rig.assert_works();
}

#[ktest]
fn row_i17_descriptors_and_available_ring_overwritten() {
    let rig = Driven::modern();
    let chain = rig.fake.transport.with_queue(|queue| queue.take().unwrap());
    let event = Event::new(EV_KEY, KEY_Z, 0);
    let told = rig.lie(|queue| {
        queue.scribble();
        chain.write(0, &event.to_bits().to_le_bytes());
        queue.give_back(chain.head, 8);
    });
    assert_eq!((told, rig.starts()), (vec![event], 1));
}

#[ktest]
fn row_i18_events_that_do_not_exist_or_were_never_announced() {
    let rig = Driven::modern();
    let numbers = [0, 1, 2, 3, 0x11, 0x1f, 0x20, 0x2ff, 0x300, 0x7fff, 0xfffe, 0xffff];
    let kinds = numbers.iter().flat_map(|kind| numbers.iter().map(|code| (*kind, *code)));
    for (kind, code) in kinds {
        for value in [i32::MIN, -1, 0, 1, i32::MAX] {
            let event = Event::new(kind, code, value);
            if event.to_bits() == u64::MAX {
                continue;
            }
            assert!(rig.event(event));
            assert_eq!(rig.interrupt(), [event]);
        }
    }
    rig.assert_works();
}

#[ktest]
fn row_i19_flood_that_nobody_reads() {
    let rig = Driven::modern();
    for round in 0..1000 {
        for value in 0..64 {
            assert!(rig.event(Event::new(EV_REL, REL_X, value)), "round {round}");
        }
        assert!(!rig.event(REPORT));
        rig.fake.transport.interrupt(InterruptStatus::USED_BUFFER);
        assert_eq!(rig.posted(), 64);
    }
    assert_eq!((rig.input.statistics().events, rig.reader.missing()), (64_000, 63_000));
    let read: Vec<_> = iter::from_fn(|| rig.reader.take()).collect();
    assert_eq!(read.len(), 1001);
    assert_eq!(read.last().map(|last| last.event), Some(Event::dropped(63_000)));
    rig.assert_works();
}

#[ktest]
fn row_i20_buffers_that_are_full_as_soon_as_they_are_posted() {
    let rig = Driven::modern();
    let device = Arc::downgrade(&rig.fake.transport);
    let filled = Arc::new(AtomicUsize::new(0));
    let count = filled.clone();
    let fill = move || {
        let Some(device) = device.upgrade() else { return };
        device.try_with_queue(|queue| {
            while let Some(chain) = queue.take() {
                chain.write(0, &[1; 8]);
                queue.give_back(chain.head, 8);
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
    };
    fill();
    rig.fake.transport.on_notify(fill);
    let before = filled.load(Ordering::Relaxed);
    rig.fake.transport.interrupt(InterruptStatus::USED_BUFFER);
    let taken = rig.input.statistics().events as usize;
    assert!((64..=64 * MAX_LOOKS).contains(&taken), "{taken} events in one interrupt");
    assert!(filled.load(Ordering::Relaxed) > before);
}

#[ktest]
fn row_i21_interrupts_with_nothing_to_report() {
    let rig = Driven::modern();
    for _ in 0..1000 {
        assert_eq!(rig.interrupt(), []);
        rig.fake.transport.interrupt(InterruptStatus::CONFIGURATION_CHANGE);
    }
    assert_eq!((rig.starts(), rig.posted()), (1, 64));
    rig.assert_works();
}
