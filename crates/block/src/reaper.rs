//! Taking the answers to requests.

use alloc::{boxed::Box, sync::Arc};

use ostd::{
    sync::{Waiter, Waker},
    task::Task,
};
use wait::{Awaited, Patience, wait};

use super::{BlockDevice, Error, Request};

/// The answer to one request.
#[derive(Debug)]
pub struct Completion {
    /// The submitter's mark, [`Request::tag`].
    pub tag: u64,
    /// The request. It is lost, with its buffers, if the device could not be made to let go of them.
    pub request: Option<Box<Request>>,
    /// The outcome. The content of a failed read's buffers means nothing.
    pub result: Result<(), Error>,
}

/// Collects the answers to requests that were submitted with it.
pub type CompletionQueue = wait::CompletionQueue<Completion>;

/// Takes completions from a [`CompletionQueue`], waiting for them.
///
/// It belongs to the task that made it. All requests submitted with the queue must be to one disk,
/// since that is the disk that is looked at while waiting for them.
pub struct Reaper<'a, D: BlockDevice + ?Sized> {
    queue: &'a CompletionQueue,
    disk: &'a D,
    patience: Patience,
    /// `None` before tasks exist.
    waiter: Option<Waiter>,
}

impl<'a, D: BlockDevice + ?Sized> Reaper<'a, D> {
    /// Takes the completions of `disk` from `queue`, waiting adaptively.
    pub fn new(queue: &'a CompletionQueue, disk: &'a D) -> Self {
        let waiter = Task::current().is_some().then(|| Waiter::new_pair().0);
        Self { queue, disk, patience: Patience::default(), waiter }
    }

    /// Waits in this way from now on.
    pub fn with_patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    /// Waits for the next completion, or returns `None` when none is due.
    ///
    /// Not to be called in interrupt context or while holding a spin lock.
    pub fn next(&self) -> Option<Completion> {
        let wait = || wait(self, self.disk.waiting(), self.waiter.as_ref(), self.patience);
        self.take().unwrap_or_else(wait)
    }
}

impl<D: BlockDevice + ?Sized> Awaited for Reaper<'_, D> {
    /// `None` when another task has taken the last completion that was due.
    type Output = Option<Completion>;

    fn take(&self) -> Option<Option<Completion>> {
        let taken = self.queue.try_next();
        (taken.is_some() || self.queue.open() == 0).then_some(taken)
    }

    fn look(&self) {
        self.disk.poll();
    }

    fn arm(&self, waker: Arc<Waker>) -> bool {
        // Of several requests in flight one may well be done, and a look costs less than to ask for an
        // interrupt. With one in flight, `before_sleep` finds what a look would.
        if self.queue.open() > 1 && self.disk.poll() > 0 {
            return false;
        }
        self.disk.before_sleep(self.queue, waker)
    }
}
