//! Readers and their queues.

use alloc::{sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicUsize, Ordering};

use ostd::{
    prelude::ktest,
    task::{Task, TaskOptions},
};

use super::*;

fn open(devices: &[&Arc<Made>], capacity: usize) -> Reader {
    let devices: Vec<_> =
        devices.iter().map(|device| (*device).clone() as Arc<dyn InputDevice>).collect();
    Reader::open(&devices, capacity)
}

/// All that can be read now.
fn read(reader: &Reader) -> Vec<(usize, Event)> {
    let mut read = Vec::new();
    while let Some(Arrived { device, event }) = reader.take() {
        read.push((device, event));
    }
    read
}

fn number(value: i32) -> Event {
    Event::new(EV_ABS, ABS_X, value)
}

#[ktest]
fn each_reader_gets_all_events_of_its_devices_in_order() {
    let (first, second) = (Made::new(), Made::new());
    first.key(KEY_A, 1);
    let (both, one) = (open(&[&first, &second], 10), open(&[&second], 10));
    first.key(KEY_B, 1);
    second.key(KEY_C, 1);
    first.key(KEY_B, 0);
    let key = |code, value| Event::new(EV_KEY, code, value);
    assert_eq!(
        read(&both),
        [
            (0, key(KEY_B, 1)),
            (0, REPORT),
            (1, key(KEY_C, 1)),
            (1, REPORT),
            (0, key(KEY_B, 0)),
            (0, REPORT)
        ]
    );
    assert_eq!(read(&one), [(0, key(KEY_C, 1)), (0, REPORT)]);
    assert_eq!((first.statistics().events, second.statistics().events), (6, 2));
}

#[ktest]
fn what_does_not_fit_is_missing_and_told_in_its_place() {
    let device = Made::new();
    let reader = open(&[&device], 4);
    (0..7).for_each(|value| device.0.deliver(number(value)));
    assert_eq!(reader.missing(), 3);
    // There is room for one event, but not for the word that others are missing as well.
    assert_eq!(reader.take().unwrap().event, number(0));
    device.0.deliver(number(7));
    assert_eq!(reader.take().unwrap().event, number(1));
    device.0.deliver(number(8));
    let expected = [number(2), number(3), Event::dropped(4), number(8)].map(|event| (0, event));
    assert_eq!(read(&reader), expected);
    assert_eq!(reader.missing(), 4);
    // Nothing is told twice.
    device.0.deliver(number(9));
    assert_eq!(read(&reader), [(0, number(9))]);
}

#[ktest]
fn what_is_missing_at_the_end_is_told_too() {
    let (device, other) = (Made::new(), Made::new());
    let reader = open(&[&other, &device], 2);
    (0..5).for_each(|value| device.0.deliver(number(value)));
    other.0.deliver(number(5));
    let expected = [(1, number(0)), (1, number(1)), (0, Event::dropped(1)), (1, Event::dropped(3))];
    assert_eq!(read(&reader), expected);
    assert_eq!(read(&reader), []);
}

#[ktest]
fn a_flood_takes_no_more_memory_than_was_asked_for() {
    let device = Made::new();
    let reader = open(&[&device], 100);
    for value in 0..100_000 {
        device.0.deliver(number(value));
    }
    let read = read(&reader);
    assert_eq!((read.len(), reader.missing()), (101, 99_900));
    assert_eq!(read.last(), Some(&(0, Event::dropped(99_900))));
    // Other readers are not concerned.
    let other = open(&[&device], 2);
    device.0.deliver(number(1));
    assert_eq!((other.take().unwrap().event, other.missing()), (number(1), 0));
}

#[ktest]
fn a_reader_sleeps_until_there_is_an_event() {
    static READ: AtomicUsize = AtomicUsize::new(0);

    let device = Made::new();
    let reader = open(&[&device], 10);
    let task = move || {
        while let Some(Arrived { event, .. }) = reader.next() {
            READ.fetch_add(if event == number(7) { 1 } else { 10 }, Ordering::Relaxed);
        }
        READ.fetch_add(100, Ordering::Relaxed);
    };
    let task = Arc::new(TaskOptions::new(task).build().unwrap());
    task.run();
    for expected in 1..=3 {
        (0..10).for_each(|_| Task::yield_now());
        assert_eq!(READ.load(Ordering::Relaxed), expected - 1);
        device.0.deliver(number(7));
        while READ.load(Ordering::Relaxed) < expected {
            Task::yield_now();
        }
    }
    // A device that is out of use has nothing more to say but that something may be missing.
    device.0.end();
    while READ.load(Ordering::Relaxed) < 113 {
        Task::yield_now();
    }
}

#[ktest]
fn reading_ends_when_all_devices_are_out_of_use() {
    let (first, second) = (Made::new(), Made::new());
    let reader = open(&[&first, &second], 10);
    first.0.deliver(number(1));
    first.0.end();
    first.0.end();
    second.0.deliver(number(2));
    second.0.end();
    assert!(!reader.has_ended());
    let rest: Vec<_> = core::iter::from_fn(|| reader.next()).map(|arrived| arrived.event).collect();
    assert_eq!(rest, [number(1), Event::dropped(0), number(2), Event::dropped(0)]);
    assert!(reader.has_ended());
    // So does that of a reader that comes too late, or has none.
    assert!(open(&[&first], 10).has_ended() && open(&[], 10).has_ended());
    assert!(open(&[&first], 10).next().is_none());
    assert!(open(&[], 10).next().is_none());
}

#[ktest]
fn a_reader_that_is_closed_gets_nothing_and_costs_nothing() {
    let device = Made::new();
    let reader = open(&[&device], 10);
    assert!(!reader.has_ended());
    device.0.deliver(number(1));
    reader.close();
    assert!(reader.has_ended());
    device.0.deliver(number(2));
    assert!(reader.is_closed() && reader.next().is_none() && reader.take().is_none());
    let queue = Arc::downgrade(&reader.queue);
    drop(reader);
    assert!(queue.upgrade().is_some());
    // The next one who comes puts it away.
    let reader = open(&[&device], 10);
    assert!(queue.upgrade().is_none());
    device.0.deliver(number(3));
    assert_eq!(read(&reader), [(0, number(3))]);
}

#[ktest]
fn what_is_no_event_is_counted_and_told() {
    let device = Made::new();
    let reader = open(&[&device], 10);
    assert_eq!((device.0.malformed(), device.0.malformed()), (1, 2));
    assert_eq!(device.statistics(), Statistics { events: 0, malformed: 2 });
    assert_eq!(read(&reader), [(0, Event::dropped(0)); 2]);
}
