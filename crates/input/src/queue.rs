//! The queue between drivers and a reader: bounded, filled in interrupt context, emptied by a task.

use alloc::{collections::VecDeque, sync::Arc, vec::Vec};

use ostd::sync::{LocalIrqDisabled, SpinLock, WaitQueue};

use super::{Event, InputDevice};

/// An event, and the number of the device that it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// The number that the device was attached with.
    pub device: usize,
    /// The event.
    pub event: Event,
}

/// The events that a reader has not read yet, at most as many as were asked for.
pub struct EventQueue {
    state: SpinLock<State, LocalIrqDisabled>,
    arrived: WaitQueue,
}

struct State {
    events: VecDeque<Arrived>,
    capacity: usize,
    lines: Vec<Line>,
    /// The lines that events can still come from.
    working: usize,
    /// All events that were left out.
    missing: u64,
    closed: bool,
}

/// A device that is attached.
struct Line {
    device: usize,
    /// The events that were left out since the last one that was not, which the reader does not know yet.
    missing: u32,
}

impl Line {
    /// Tells of the events that are missing.
    fn told(&mut self) -> Arrived {
        let count = i32::try_from(self.missing).unwrap_or(i32::MAX);
        self.missing = 0;
        Arrived { device: self.device, event: Event::dropped(count) }
    }
}

impl State {
    fn push(&mut self, line: usize, event: Event) {
        let Self { events, capacity, lines, missing, .. } = self;
        let Some(line) = lines.get_mut(line) else { return };
        let needed = if line.missing > 0 { 2 } else { 1 };
        if events.len() + needed > *capacity {
            line.missing = line.missing.saturating_add(1);
            *missing += 1;
            return;
        }
        if line.missing > 0 {
            events.push_back(line.told());
        }
        events.push_back(Arrived { device: line.device, event });
    }

    /// Takes the next event; what is missing behind the last one is told as well.
    fn take(&mut self) -> Option<Arrived> {
        let told = |line: &&mut Line| line.missing > 0;
        self.events.pop_front().or_else(|| self.lines.iter_mut().find(told).map(Line::told))
    }

    fn close(&mut self) {
        self.closed = true;
        self.events.clear();
        self.lines.clear();
    }
}

impl EventQueue {
    fn new(capacity: usize) -> Self {
        // Room for an event and for the word that others are missing. All of it: there is nothing to allocate in an
        // interrupt.
        let capacity = capacity.max(2);
        let (events, lines) = (VecDeque::with_capacity(capacity), Vec::new());
        let state = State { events, capacity, lines, working: 0, missing: 0, closed: false };
        Self { state: SpinLock::new(state), arrived: WaitQueue::new() }
    }

    /// Attaches a device; gives the number of its line.
    pub(crate) fn add_line(&self, device: usize) -> usize {
        let mut state = self.state.lock();
        state.lines.push(Line { device, missing: 0 });
        state.working += 1;
        state.lines.len() - 1
    }

    /// Says that no more events come from a line.
    pub(crate) fn end_line(&self) {
        let mut state = self.state.lock();
        state.working = state.working.saturating_sub(1);
        drop(state);
        self.arrived.wake_all();
    }

    /// Adds an event if there is room for it, and wakes the reader. Callable in any context.
    pub(crate) fn push(&self, line: usize, event: Event) {
        self.state.lock().push(line, event);
        self.arrived.wake_all();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state.lock().closed
    }
}

/// The events of some devices, from the opening on: those of one device as it sent them, and those of several as
/// their drivers took them.
///
/// Several tasks may share it; each event goes to one of them.
pub struct Reader {
    pub(super) queue: Arc<EventQueue>,
}

impl Reader {
    /// Begins to listen to these devices, which are numbered in their order. At most `capacity` events wait to be
    /// read; what does not fit is missing, and that is told.
    pub fn open(devices: &[Arc<dyn InputDevice>], capacity: usize) -> Self {
        let queue = Arc::new(EventQueue::new(capacity));
        for (number, device) in devices.iter().enumerate() {
            device.attach(&queue, number);
        }
        Self { queue }
    }

    /// Sleeps until there is an event, and takes it. `None` if there will be no more: the reader was closed, or
    /// all of its devices are out of use.
    ///
    /// To be called in a task, not in interrupt context or while holding a spin lock.
    pub fn next(&self) -> Option<Arrived> {
        self.queue.arrived.wait_until(|| {
            let mut state = self.queue.state.lock();
            match state.take() {
                None if !state.closed && state.working > 0 => None,
                taken => Some(taken),
            }
        })
    }

    /// The same without sleeping: `None` if there is no event now.
    pub fn take(&self) -> Option<Arrived> {
        self.queue.state.lock().take()
    }

    /// The events that have been left out so far, as there was no room for them.
    pub fn missing(&self) -> u64 {
        self.queue.state.lock().missing
    }

    /// Returns `true` if there is no event now and there will be no more, as when [`Self::next`] returns `None`.
    pub fn has_ended(&self) -> bool {
        let state = self.queue.state.lock();
        let is_empty = state.events.is_empty() && state.lines.iter().all(|line| line.missing == 0);
        is_empty && (state.closed || state.working == 0)
    }

    /// Ends it: whoever sleeps in [`Self::next`] wakes, and what has not been read is forgotten. Callable in any
    /// context.
    pub fn close(&self) {
        self.queue.state.lock().close();
        self.queue.arrived.wake_all();
    }

    /// Returns `true` once it has been closed.
    pub fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.close();
    }
}
