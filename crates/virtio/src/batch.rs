//! Several commands at once: sent in their order with one notification, and the tasks that wait for all of them.

use alloc::sync::Arc;
use core::{
    iter::Peekable,
    sync::atomic::{AtomicUsize, Ordering},
};

use ostd::sync::{LocalIrqDisabled, SpinLock, Waker};
use wait::{Awaited, Patience, Sleeper, wait};

use super::{
    device::Device,
    driver::{DeviceError, Driver},
    queue::{Chain, ChainError},
    request_queue::{Afterwards, RequestQueue},
};

/// One command of several.
pub trait Step<D: Driver> {
    /// The segments of its chain.
    fn segments(&self) -> usize;

    /// Fills in a chain, and links it.
    ///
    /// # Errors
    ///
    /// The driver's own mistake.
    fn link(self, chain: &mut Chain<D::Memory>, driver: &D) -> Result<(), ChainError>;
}

impl<D: Driver> Device<D> {
    /// Sends as many of these commands to queue `index` as there is room for, and notifies the device once. Returns how
    /// many; the others stay in `steps`. May be called from any context.
    ///
    /// # Errors
    ///
    /// [`DeviceError::Dead`], or a step's own; those before it are sent.
    #[inline]
    pub fn send_some<S: Step<D>>(
        &self,
        index: u16,
        steps: &mut Peekable<impl Iterator<Item = S>>,
        mut note: impl FnMut() -> D::Note,
    ) -> Result<usize, DeviceError> {
        let mut result = Ok(());
        let sent = self.post(index, |chain, room| {
            let step = steps.next_if(|step| step.segments() <= room)?;
            result = step.link(chain, &self.driver);
            result.is_ok().then(&mut note)
        })?;
        result?;
        Ok(sent)
    }

    /// Sends all of these commands to queue `index`, and waits for room where there is none. Not to be called in
    /// interrupt context or while holding a spin lock.
    ///
    /// # Errors
    ///
    /// As [`Self::send_some`], and [`ChainError::TooManySegments`] for a command that does not fit an empty queue.
    #[inline]
    pub fn send_all<S: Step<D>>(
        &self,
        index: u16,
        steps: impl IntoIterator<Item = S>,
        mut note: impl FnMut() -> D::Note,
    ) -> Result<(), DeviceError> {
        let mut steps = steps.into_iter().peekable();
        while let Some(segments) = steps.peek().map(Step::segments) {
            if self.send_some(index, &mut steps, &mut note)? == 0 {
                let queue = self.queue_of(index)?;
                let most = queue.limits().1;
                if most > 0 && segments > most {
                    return Err(ChainError::TooManySegments.into());
                }
                self.wait_for_room(queue, |inner| {
                    inner.has_free_segments(segments) && !inner.spare.is_empty()
                })?;
            }
        }
        Ok(())
    }

    /// Sends all of these commands as [`Self::send_all`] does, and waits until each has been answered: whoever `note` says
    /// is owed an answer gives it to `batch`. One task at a time may wait for a batch.
    ///
    /// # Errors
    ///
    /// The first one; what follows it may have been done or not.
    #[inline]
    pub fn run<S: Step<D>, E: From<DeviceError>>(
        &self,
        index: u16,
        steps: impl IntoIterator<Item = S>,
        batch: &Batch<E>,
        note: impl Fn() -> D::Note,
    ) -> Result<(), E> {
        let sent = self.send_all(index, steps, || {
            batch.due.fetch_add(1, Ordering::Relaxed);
            note()
        });
        let delivery = Delivery { device: self, queue: self.queue_of(index)?, batch };
        let wait = || wait(&delivery, &self.waiting, None, Patience::default());
        delivery.take().unwrap_or_else(wait).and(sent.map_err(E::from))
    }

    fn queue_of(&self, index: u16) -> Result<&RequestQueue<D>, DeviceError> {
        self.queues.get(usize::from(index)).ok_or(DeviceError::Dead)
    }
}

/// The commands of one task that are in flight, which it waits for together.
pub struct Batch<E> {
    /// Their number.
    due: AtomicUsize,
    ends: SpinLock<Ends<E>, LocalIrqDisabled>,
}

struct Ends<E> {
    first_error: Option<E>,
    sleeper: Option<Sleeper>,
}

impl<E> Default for Batch<E> {
    /// None in flight.
    fn default() -> Self {
        let ends = Ends { first_error: None, sleeper: None };
        Self { due: AtomicUsize::new(0), ends: SpinLock::new(ends) }
    }
}

impl<E> Batch<E> {
    /// Takes the end of one of them, and wakes the task after the last. May be called from any context.
    #[inline]
    pub fn end(&self, result: Result<(), E>) {
        if let Err(error) = result {
            self.ends.lock().first_error.get_or_insert(error);
        }
        if self.due.fetch_sub(1, Ordering::AcqRel) == 1 {
            // Dropping a sleeper wakes it.
            self.ends.lock().sleeper = None;
        }
    }
}

/// The ends of all of them.
struct Delivery<'a, D: Driver, E> {
    device: &'a Device<D>,
    queue: &'a RequestQueue<D>,
    batch: &'a Batch<E>,
}

impl<D: Driver, E> Awaited for Delivery<'_, D, E> {
    type Output = Result<(), E>;

    #[inline]
    fn take(&self) -> Option<Result<(), E>> {
        let is_complete = self.batch.due.load(Ordering::Acquire) == 0;
        is_complete.then(|| self.batch.ends.lock().first_error.take().map_or(Ok(()), Err))
    }

    fn look(&self) {
        self.queue.look(self.device);
    }

    fn arm(&self, waker: Arc<Waker>) -> bool {
        let mut ends = self.batch.ends.lock();
        // Under the lock: the last to end finds the sleeper, or is found.
        if self.batch.due.load(Ordering::Acquire) == 0 {
            return false;
        }
        ends.sleeper = Some(Sleeper::new(waker, &self.device.waiting));
        drop(ends);
        self.queue.process(self.device, Afterwards::Arm);
        true
    }
}
