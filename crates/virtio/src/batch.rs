//! Several commands at once: sent in their order with one notification, and the tasks that wait for all of them.

use alloc::sync::Arc;
use core::iter::Peekable;

use ostd::sync::Waker;
use wait::{Awaited, CompletionQueue, Patience, wait};

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

    /// Sends all of these commands to queue `index`, and waits for room where there is none. Each of them fits an empty
    /// queue. Not to be called in interrupt context or while holding a spin lock.
    ///
    /// # Errors
    ///
    /// As [`Self::send_some`].
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
                self.wait_for_room(self.queue_of(index)?, |inner| {
                    inner.has_free_segments(segments) && !inner.spare.is_empty()
                })?;
            }
        }
        Ok(())
    }

    /// Waits for the next completion of commands that were sent to queue `index`; `None` when none is due. Not to be
    /// called in interrupt context or while holding a spin lock.
    #[inline]
    pub fn next_completion<C>(&self, index: u16, done: &CompletionQueue<C>) -> Option<C> {
        let queue = self.queue_of(index).ok()?;
        let delivery = Delivery { device: self, queue, done };
        let wait = || wait(&delivery, self.waiting(), None, Patience::default());
        delivery.take().unwrap_or_else(wait)
    }

    fn queue_of(&self, index: u16) -> Result<&RequestQueue<D>, DeviceError> {
        self.queues.get(usize::from(index)).ok_or(DeviceError::Dead)
    }
}

/// The next completion.
struct Delivery<'a, D: Driver, C> {
    device: &'a Device<D>,
    queue: &'a RequestQueue<D>,
    done: &'a CompletionQueue<C>,
}

impl<D: Driver, C> Awaited for Delivery<'_, D, C> {
    type Output = Option<C>;

    #[inline]
    fn take(&self) -> Option<Option<C>> {
        let taken = self.done.try_next();
        (taken.is_some() || self.done.open() == 0).then_some(taken)
    }

    fn look(&self) {
        self.queue.look(self.device);
    }

    fn arm(&self, waker: Arc<Waker>) -> bool {
        let sleeps = self.done.fall_asleep(waker, &self.device.waiting);
        if sleeps {
            self.queue.process(self.device, Afterwards::Arm);
        }
        sleeps
    }
}
