//! Where the answers to requests arrive.

use alloc::{boxed::Box, collections::VecDeque, sync::Arc, vec::Vec};
use core::{
    fmt, hint, mem,
    sync::atomic::{AtomicUsize, Ordering},
};

use ostd::{
    sync::{LocalIrqDisabled, SpinLock, Waiter, Waker},
    task::Task,
};

use super::{BlockDevice, Error, Request};

/// The answer to one request.
#[derive(Debug)]
pub struct Completion {
    /// The request. Its buffers are back, unless the device could not be made to let go of them;
    /// then they are gone for good and the list is empty.
    pub request: Box<Request>,
    /// Whether it was done. The content of a failed read's buffers means nothing.
    pub result: Result<(), Error>,
}

/// Collects the answers to requests that were submitted with it.
///
/// Drivers push from any context, also from interrupt handlers; tasks take, each by a [`Reaper`]. The queue has room for every request that it let go in flight, so a completion is
/// never lost and pushing never allocates.
pub struct CompletionQueue {
    capacity: usize,
    /// Requests whose completion has not been taken.
    open: AtomicUsize,
    inner: SpinLock<Inner, LocalIrqDisabled>,
}

struct Inner {
    ready: VecDeque<Completion>,
    /// Tasks that sleep, or are about to, until something is ready.
    asleep: Vec<Sleeper>,
}

struct Sleeper {
    waker: Arc<Waker>,
    /// Where the disk counts those who sleep.
    count: Arc<AtomicUsize>,
}

impl CompletionQueue {
    /// Creates a queue for at most `capacity` requests whose completions have not been taken.
    pub fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self {
            capacity,
            open: AtomicUsize::new(0),
            inner: SpinLock::new(Inner {
                ready: VecDeque::with_capacity(capacity),
                // One task takes, as a rule.
                asleep: Vec::with_capacity(1),
            }),
        })
    }

    /// Reserves room for one completion. A driver calls this before it takes a request.
    ///
    /// # Errors
    ///
    /// [`Error::WouldBlock`] when `capacity` completions are due already.
    pub fn reserve(&self) -> Result<(), Error> {
        if self.open.fetch_add(1, Ordering::Relaxed) < self.capacity {
            return Ok(());
        }
        self.cancel();
        Err(Error::WouldBlock)
    }

    /// Whether a reservation would be given now.
    pub fn has_room(&self) -> bool {
        self.open() < self.capacity
    }

    /// Gives back a reservation whose request was not taken after all.
    pub fn cancel(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// Delivers the completion for which room was reserved, and wakes whoever sleeps.
    pub fn push(&self, completion: Completion) {
        let mut inner = self.inner.lock();
        inner.ready.push_back(completion);
        for sleeper in inner.asleep.drain(..) {
            sleeper.count.fetch_sub(1, Ordering::SeqCst);
            sleeper.waker.wake_up();
        }
    }

    /// Makes the next [`Self::push`] wake `waker`, unless there is something to take already;
    /// returns whether there is not. `count` is one higher until then.
    pub fn fall_asleep(&self, waker: Arc<Waker>, count: Arc<AtomicUsize>) -> bool {
        let mut inner = self.inner.lock();
        if !inner.ready.is_empty() {
            return false;
        }
        count.fetch_add(1, Ordering::SeqCst);
        inner.asleep.push(Sleeper { waker, count });
        true
    }

    /// The number of requests whose completion has not been taken.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Takes a completion if one has arrived. Does not look at the device.
    pub fn try_next(&self) -> Option<Completion> {
        let completion = self.inner.lock().ready.pop_front()?;
        self.open.fetch_sub(1, Ordering::Relaxed);
        Some(completion)
    }

    /// Takes all completions that have arrived, in exchange for `empty`.
    pub fn take_all(&self, empty: &mut VecDeque<Completion>) {
        // Not `mem::swap`, which this target compiles to a copy byte by byte.
        *empty = mem::replace(&mut self.inner.lock().ready, mem::take(empty));
        self.open.fetch_sub(empty.len(), Ordering::Relaxed);
    }

    /// Starts taking completions in the current task. All requests submitted with this queue must
    /// be to `disk`, since that is the disk that is looked at while waiting for them.
    pub fn reaper<'a>(&'a self, disk: &'a dyn BlockDevice) -> Reaper<'a> {
        let waiter = Task::current().is_some().then(|| Waiter::new_pair().0);
        Reaper { queue: self, disk, waiter, patience: Patience::Sleep }
    }
}

impl fmt::Debug for CompletionQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, capacity) = (self.open(), self.capacity);
        f.debug_struct("CompletionQueue").field("open", &open).field("capacity", &capacity).finish()
    }
}

/// How a [`Reaper`] waits for a completion that has not arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Looks at the device once, then sleeps until an interrupt.
    Sleep,
    /// Keeps looking at the device.
    Poll,
    /// Keeps looking for so many ticks of the machine's timer, then sleeps.
    PollFor(u64),
}

/// Takes completions from a [`CompletionQueue`], waiting for them.
///
/// It belongs to the task that made it. Before tasks exist it polls, and so it does where the disk
/// has no interrupt.
pub struct Reaper<'a> {
    queue: &'a CompletionQueue,
    disk: &'a dyn BlockDevice,
    waiter: Option<Waiter>,
    patience: Patience,
}

impl Reaper<'_> {
    /// Waits in this way from now on; [`Patience::Sleep`] is the default.
    pub fn with_patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    /// Waits for the next completion, or returns `None` when none is due.
    ///
    /// Not to be called in interrupt context or while holding a spin lock.
    pub fn next(&self) -> Option<Completion> {
        let mut since = None;
        loop {
            if let Some(completion) = self.queue.try_next() {
                return Some(completion);
            }
            if self.queue.open() == 0 {
                return None;
            }
            // With one request in flight, what a look finds is found by `before_sleep` as well.
            let polls =
                self.patience != Patience::Sleep || self.waiter.is_none() || self.disk.must_poll();
            if (polls || self.queue.open() > 1) && self.disk.poll() > 0 {
                continue;
            }
            match &self.waiter {
                Some(waiter) if !self.disk.must_poll() && self.gives_up_polling(&mut since) => {
                    if self.disk.before_sleep(self.queue, waiter.waker()) {
                        waiter.wait();
                    }
                }
                Some(_) if self.patience == Patience::Poll || self.disk.must_poll() => {
                    Task::yield_now();
                }
                _ => hint::spin_loop(),
            }
        }
    }

    /// Whether it is time to sleep; `since` is when polling for this completion began.
    fn gives_up_polling(&self, since: &mut Option<u64>) -> bool {
        match self.patience {
            Patience::Sleep => true,
            Patience::Poll => false,
            Patience::PollFor(ticks) => {
                let now = ostd::arch::read_tsc();
                now.wrapping_sub(*since.get_or_insert(now)) >= ticks
            }
        }
    }
}
