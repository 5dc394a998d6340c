//! The place where answers arrive that nobody waits for at that moment.

use alloc::{collections::VecDeque, sync::Arc, vec::Vec};
use core::{
    fmt, mem,
    sync::atomic::{AtomicUsize, Ordering},
};

use ostd::sync::{LocalIrqDisabled, SpinLock, Waker};

use super::{Sleeper, Waiting};

/// Collects completions `C` of what was submitted with it.
///
/// Drivers push from any context, also from interrupt handlers; tasks take. The queue has room for
/// everything that it let go in flight, so a completion is never lost and pushing never allocates.
pub struct CompletionQueue<C> {
    capacity: usize,
    /// The requests that were submitted and whose completion has not been taken.
    open: AtomicUsize,
    inner: SpinLock<Inner<C>, LocalIrqDisabled>,
}

struct Inner<C> {
    ready: VecDeque<C>,
    /// Tasks that sleep, or are about to, until something is ready.
    asleep: Vec<Sleeper>,
}

impl<C> Inner<C> {
    /// Wakes all that sleep. A busy queue seldom has any: kept off the way of those who push.
    #[cold]
    fn wake(&mut self) {
        // Dropping a sleeper wakes it.
        self.asleep.clear();
    }
}

impl<C> CompletionQueue<C> {
    /// Creates a queue for at most `capacity` completions that are due or have not been taken.
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
    /// [`Full`] when `capacity` completions are due already.
    pub fn reserve(&self) -> Result<(), Full> {
        if self.open.fetch_add(1, Ordering::Relaxed) < self.capacity {
            return Ok(());
        }
        self.cancel();
        Err(Full)
    }

    /// Returns `true` if a reservation would be given now.
    pub fn has_room(&self) -> bool {
        self.open() < self.capacity
    }

    /// Gives back a reservation whose request was not taken after all.
    pub fn cancel(&self) {
        if self.open.fetch_sub(1, Ordering::Relaxed) == 1 {
            // Nothing is due any more for those who sleep.
            self.inner.lock().wake();
        }
    }

    /// Delivers the completion for which room was reserved, and wakes whoever sleeps.
    #[inline(always)]
    pub fn push(&self, completion: C) {
        // ANCHOR: exercise-4-push
        let mut inner = self.inner.lock();
        inner.ready.push_back(completion);
        if !inner.asleep.is_empty() {
            inner.wake();
        }
        // ANCHOR_END: exercise-4-push
    }

    /// Makes the next [`Self::push`] wake `waker`, unless there is something to take already or nothing is
    /// due; returns `true` if it does. `waiting` counts it until then.
    pub fn fall_asleep(&self, waker: Arc<Waker>, waiting: &Arc<Waiting>) -> bool {
        let mut inner = self.inner.lock();
        if !inner.ready.is_empty() || self.open() == 0 {
            return false;
        }
        inner.asleep.push(Sleeper::new(waker, waiting));
        true
    }

    /// The number of completions that are due or have not been taken.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Takes a completion if one has arrived. Does not look at any device.
    #[inline]
    pub fn try_next(&self) -> Option<C> {
        // Under the lock, so that nobody falls asleep in between for what has been taken.
        let mut inner = self.inner.lock();
        let completion = inner.ready.pop_front()?;
        self.open.fetch_sub(1, Ordering::Relaxed);
        Some(completion)
    }

    /// Takes all completions that have arrived, in exchange for `empty`, which is emptied before.
    pub fn take_all(&self, empty: &mut VecDeque<C>) {
        // Pushing shall never have to allocate.
        empty.clear();
        empty.reserve(self.capacity);
        let mut inner = self.inner.lock();
        // Not `mem::swap`, which riscv64imac compiles to a copy byte by byte.
        *empty = mem::replace(&mut inner.ready, mem::take(empty));
        self.open.fetch_sub(empty.len(), Ordering::Relaxed);
    }
}

impl<C> fmt::Debug for CompletionQueue<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, capacity) = (self.open(), self.capacity);
        f.debug_struct("CompletionQueue").field("open", &open).field("capacity", &capacity).finish()
    }
}

/// A completion queue has no room for another completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("as many completions are due as the queue has room for")
    }
}

impl core::error::Error for Full {}
