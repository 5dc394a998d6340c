//! The driver's end: a device with those who read its events.

use alloc::{sync::Arc, vec::Vec};
use core::{
    mem,
    sync::atomic::{AtomicU64, Ordering},
};

use ostd::sync::{LocalIrqDisabled, SpinLock};

use super::{DeviceInfo, Event, EventQueue};

/// Counts since the driver started; each is only ever added to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Events received.
    pub events: u64,
    /// Times that the device gave something that is no event, which was thrown away.
    pub malformed: u64,
}

/// An input device as its driver keeps it.
pub struct Source {
    info: DeviceInfo,
    readers: SpinLock<Readers, LocalIrqDisabled>,
    events: AtomicU64,
    malformed: AtomicU64,
}

struct Readers {
    /// Each queue, with the number of this device's line in it.
    queues: Vec<(Arc<EventQueue>, usize)>,
    /// No event comes any more.
    ended: bool,
}

impl Source {
    /// A device that says this about itself, and has no readers yet.
    pub fn new(info: DeviceInfo) -> Self {
        let readers = SpinLock::new(Readers { queues: Vec::new(), ended: false });
        Self { info, readers, events: AtomicU64::new(0), malformed: AtomicU64::new(0) }
    }

    /// The device's own account of itself.
    pub fn info(&self) -> &DeviceInfo {
        &self.info
    }

    /// The counts.
    pub fn statistics(&self) -> Statistics {
        Statistics {
            events: self.events.load(Ordering::Relaxed),
            malformed: self.malformed.load(Ordering::Relaxed),
        }
    }

    /// For [`InputDevice::attach`](super::InputDevice::attach). Queues that were closed meanwhile are freed here,
    /// as that is not done in an interrupt.
    pub fn attach(&self, queue: &Arc<EventQueue>, number: usize) {
        let mut readers = self.readers.lock();
        readers.queues.retain(|(queue, _)| !queue.is_closed());
        let line = queue.add_line(number);
        match readers.ended {
            true => queue.end_line(),
            false => readers.queues.push((queue.clone(), line)),
        }
    }

    /// Gives an event to all readers. Callable in any context; it neither sleeps nor allocates.
    pub fn deliver(&self, event: Event) {
        self.events.fetch_add(1, Ordering::Relaxed);
        self.tell(event);
    }

    /// Counts something that is no event, and tells the readers that something is missing. Returns the
    /// count so far. Callable like [`Self::deliver`].
    pub fn malformed(&self) -> u64 {
        self.lost();
        self.malformed.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Tells the readers that events may be missing here, such as those on their way when the device was reset.
    /// Callable like [`Self::deliver`].
    pub fn lost(&self) {
        self.tell(Event::dropped(0));
    }

    /// Tells the readers that no events come any more, and that some may be missing. Callable like
    /// [`Self::deliver`].
    pub fn end(&self) {
        let mut readers = self.readers.lock();
        if mem::replace(&mut readers.ended, true) {
            return;
        }
        for (queue, line) in &readers.queues {
            queue.push(*line, Event::dropped(0));
            queue.end_line();
        }
    }

    fn tell(&self, event: Event) {
        for (queue, line) in &self.readers.lock().queues {
            queue.push(*line, event);
        }
    }
}
