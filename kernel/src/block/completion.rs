//! Where the answers to requests arrive.

use alloc::{collections::VecDeque, sync::Arc};
use core::hint;

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
    pub request: Request,
    /// Whether it was done. The content of a failed read's buffers means nothing.
    pub result: Result<(), Error>,
}

/// Collects the answers to requests that were submitted with it.
///
/// Drivers push from any context, also from interrupt handlers; one task takes, by a
/// [`Reaper`]. The queue has room for every request that it let go in flight, so a completion is
/// never lost and pushing never allocates.
#[derive(Debug)]
pub struct CompletionQueue {
    inner: SpinLock<Inner, LocalIrqDisabled>,
}

#[derive(Debug)]
struct Inner {
    ready: VecDeque<Completion>,
    /// Requests whose completion has not been taken.
    open: usize,
    capacity: usize,
    /// Wakes the task that takes.
    waker: Option<Wake>,
}

/// A waker that can be shown in debug output.
struct Wake(Arc<Waker>);

impl core::fmt::Debug for Wake {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Waker")
    }
}

impl CompletionQueue {
    /// Creates a queue for at most `capacity` requests whose completions have not been taken.
    pub fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self {
            inner: SpinLock::new(Inner {
                ready: VecDeque::with_capacity(capacity),
                open: 0,
                capacity,
                waker: None,
            }),
        })
    }

    /// Reserves room for one completion. A driver calls this before it takes a request.
    ///
    /// # Errors
    ///
    /// [`Error::WouldBlock`] when `capacity` completions are due already.
    pub fn reserve(&self) -> Result<(), Error> {
        let mut inner = self.inner.lock();
        if inner.open == inner.capacity {
            return Err(Error::WouldBlock);
        }
        inner.open += 1;
        Ok(())
    }

    /// Gives back a reservation whose request was not taken after all.
    pub fn cancel(&self) {
        let mut inner = self.inner.lock();
        inner.open = inner.open.saturating_sub(1);
    }

    /// Delivers the completion for which room was reserved, and wakes whoever waits.
    pub fn push(&self, completion: Completion) {
        let mut inner = self.inner.lock();
        inner.ready.push_back(completion);
        if let Some(Wake(waker)) = &inner.waker {
            waker.wake_up();
        }
    }

    /// The number of requests whose completion has not been taken.
    pub fn open(&self) -> usize {
        self.inner.lock().open
    }

    /// Takes a completion if one has arrived. Does not look at the device.
    pub fn try_next(&self) -> Option<Completion> {
        let mut inner = self.inner.lock();
        let completion = inner.ready.pop_front()?;
        inner.open -= 1;
        Some(completion)
    }

    /// Starts taking completions of requests to `disk` in the current task.
    ///
    /// Before tasks exist the reaper polls the disk, otherwise it sleeps. A later reaper takes
    /// over from an earlier one.
    pub fn reaper<'a>(&'a self, disk: &'a dyn BlockDevice) -> Reaper<'a> {
        let waiter = Task::current().is_some().then(|| Waiter::new_pair().0);
        self.inner.lock().waker = waiter.as_ref().map(|waiter| Wake(waiter.waker()));
        Reaper { queue: self, disk, waiter }
    }
}

/// Takes completions from a [`CompletionQueue`], waiting for them.
///
/// It belongs to the task that made it.
pub struct Reaper<'a> {
    queue: &'a CompletionQueue,
    disk: &'a dyn BlockDevice,
    waiter: Option<Waiter>,
}

impl Reaper<'_> {
    /// Waits for the next completion, or returns `None` when none is due.
    ///
    /// Not to be called in interrupt context or while holding a spin lock.
    pub fn next(&self) -> Option<Completion> {
        loop {
            if let Some(completion) = self.queue.try_next() {
                return Some(completion);
            }
            if self.queue.open() == 0 {
                return None;
            }
            match &self.waiter {
                // A completion pushed since `try_next` has set the waker, so this returns at once.
                Some(waiter) if !self.disk.must_poll() => waiter.wait(),
                Some(_) => {
                    if self.disk.poll() == 0 {
                        Task::yield_now();
                    }
                }
                None => {
                    if self.disk.poll() == 0 {
                        hint::spin_loop();
                    }
                }
            }
        }
    }
}
