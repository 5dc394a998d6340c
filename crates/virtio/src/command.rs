//! One command and the task that waits for its answer.
//!
//! [`Spare`], [`InFlight`] and [`Answer`] are the right to one chain, before it is sent, while the device
//! has it, and when it has come back. Dropping any of them gives the chain back; no error path has to.

use alloc::{boxed::Box, sync::Arc};
use core::mem;

use ostd::sync::Waker;
use wait::{Awaited, Patience, Sleeper, wait};

use super::{
    device::Device,
    driver::{DeviceError, Driver},
    queue::{AddError, Chain, ChainError},
    request_queue::{Afterwards, Caller, Inner, Owed, RequestQueue},
};

/// A chain that its holder fills in and sends.
pub struct Spare<'d, D: Driver> {
    device: &'d Device<D>,
    queue: &'d RequestQueue<D>,
    /// `None` once it is sent, and where the device keeps its memory for ever.
    chain: Option<Box<Chain<D::Memory>>>,
}

impl<D: Driver> Device<D> {
    /// Takes a spare chain, waiting for one.
    ///
    /// Not to be called in interrupt context or while holding a spin lock.
    ///
    /// # Errors
    ///
    /// [`DeviceError::Dead`].
    pub fn take(&self) -> Result<Spare<'_, D>, DeviceError> {
        let queue = self.queue()?;
        loop {
            let mut inner = queue.inner.lock();
            if inner.queue.is_none() {
                return Err(DeviceError::Dead);
            }
            if let Some(chain) = inner.spare.pop() {
                return Ok(Spare { device: self, queue, chain: Some(chain) });
            }
            drop(inner);
            self.wait_for_room(queue, |inner| !inner.spare.is_empty())?;
        }
    }
}

impl<'d, D: Driver> Spare<'d, D> {
    /// The chain, to fill in and then to link.
    ///
    /// # Errors
    ///
    /// None for a chain from [`Device::take`].
    pub fn chain(&mut self) -> Result<&mut Chain<D::Memory>, DeviceError> {
        self.chain.as_deref_mut().ok_or(DeviceError::Dead)
    }

    /// Puts the chain into the queue, waiting for room there, and notifies the device if it asks for that.
    ///
    /// # Errors
    ///
    /// [`DeviceError`]; the device has not got the chain then.
    pub fn send(mut self) -> Result<InFlight<'d, D>, DeviceError> {
        let Self { device, queue, .. } = self;
        let mut chain = self.chain.take().ok_or(DeviceError::Dead)?;
        let place = chain.place;
        loop {
            let mut guard = queue.inner.lock();
            let Inner { queue: Some(ring), callers, .. } = &mut *guard else {
                return Err(DeviceError::Dead);
            };
            let error = match callers.get_mut(usize::from(place)) {
                Some(caller @ Caller::Nobody) => match ring.add(chain, Owed::Caller(place)) {
                    Ok(()) => {
                        *caller = Caller::Waits(None);
                        let notify = ring.should_notify();
                        drop(guard);
                        if notify {
                            device.notify(queue.index);
                        }
                        return Ok(InFlight { device, queue, place });
                    }
                    Err((error, refused, _)) => {
                        chain = refused;
                        error
                    }
                },
                _ => AddError::Chain(ChainError::WrongQueue),
            };
            drop(guard);
            let segments = chain.segments();
            // A broken or stopped queue is about to be restarted, or to be taken away.
            let room = match error {
                AddError::Chain(error) => Err(error.into()),
                _ => device.wait_for_room(queue, |inner| inner.has_free_segments(segments)),
            };
            if let Err(error) = room {
                self.chain = Some(chain);
                return Err(error);
            }
        }
    }
}

impl<D: Driver> Drop for Spare<'_, D> {
    #[inline]
    fn drop(&mut self) {
        if let Some(chain) = self.chain.take() {
            let mut inner = self.queue.inner.lock();
            inner.spare.push(chain);
            if !inner.room.is_empty() {
                inner.wake_for_room();
            }
        }
    }
}

/// A chain that the device has, and the right to its answer. Who drops it gives up the answer; the
/// chain stays the queue's.
#[must_use]
pub struct InFlight<'d, D: Driver> {
    device: &'d Device<D>,
    queue: &'d RequestQueue<D>,
    place: u16,
}

impl<'d, D: Driver> InFlight<'d, D> {
    /// Waits until the device has returned the chain.
    ///
    /// Not to be called in interrupt context or while holding a spin lock.
    ///
    /// # Errors
    ///
    /// [`DeviceError`], where the device was reset instead.
    pub fn wait(self) -> Result<Answer<'d, D>, DeviceError> {
        let answer = wait(&self, &self.device.waiting, None, Patience::default());
        // It has been taken: there is nothing to give up.
        mem::forget(self);
        answer
    }
}

impl<'d, D: Driver> Awaited for InFlight<'d, D> {
    type Output = Result<Answer<'d, D>, DeviceError>;

    fn take(&self) -> Option<Self::Output> {
        let Self { device, queue, place } = *self;
        let mut inner = queue.inner.lock();
        let caller = inner.callers.get_mut(usize::from(place))?;
        let (chain, written) = match mem::replace(caller, Caller::Nobody) {
            Caller::Answered(chain, written) => (chain, written),
            not_yet => {
                *caller = not_yet;
                return None;
            }
        };
        drop(inner);
        let spare = Spare { device, queue, chain };
        Some(written.map(|written| Answer { spare, written }))
    }

    fn look(&self) {
        self.queue.look(self.device);
    }

    fn arm(&self, waker: Arc<Waker>) -> bool {
        let mut inner = self.queue.inner.lock();
        let Some(Caller::Waits(sleeper)) = inner.callers.get_mut(usize::from(self.place)) else {
            return false;
        };
        *sleeper = Some(Sleeper::new(waker, &self.device.waiting));
        drop(inner);
        self.queue.process(self.device, Afterwards::Arm);
        true
    }
}

impl<D: Driver> Drop for InFlight<'_, D> {
    fn drop(&mut self) {
        let Self { device, queue, place } = *self;
        let mut inner = queue.inner.lock();
        let Some(caller) = inner.callers.get_mut(usize::from(place)) else { return };
        if let Caller::Answered(chain, _) = mem::replace(caller, Caller::Left) {
            *caller = Caller::Nobody;
            drop(inner);
            drop(Spare { device, queue, chain });
        }
    }
}

/// A chain that the device has returned. Its memory is the caller's again.
pub struct Answer<'d, D: Driver> {
    spare: Spare<'d, D>,
    written: u32,
}

impl<D: Driver> Answer<'_, D> {
    /// Judges the answer by `check`, which is given the chain's memory and how many bytes the device says to
    /// have written, and takes the result out of it. The chain is to spare afterwards.
    ///
    /// A good answer earns the device its restarts again.
    ///
    /// # Errors
    ///
    /// Those of `check`.
    pub fn check<R, E: From<DeviceError>>(
        self,
        check: impl FnOnce(&D::Memory, u32) -> Result<R, E>,
    ) -> Result<R, E> {
        let chain = self.spare.chain.as_ref().ok_or(DeviceError::Dead)?;
        let result = check(chain.memory(), self.written)?;
        self.spare.device.good_answer();
        Ok(result)
    }
}

impl<D: Driver> Inner<D> {
    /// Returns `true` if a chain of so many segments fits now.
    pub(crate) fn has_free_segments(&self, segments: usize) -> bool {
        self.queue.as_ref().is_some_and(|queue| queue.free_segments() >= segments)
    }
}

impl<D: Driver> Device<D> {
    /// Waits until there is enough room in a queue. Not in interrupt context.
    pub(crate) fn wait_for_room(
        &self,
        queue: &RequestQueue<D>,
        enough: impl Fn(&Inner<D>) -> bool,
    ) -> Result<(), DeviceError> {
        wait(&Room { device: self, queue, enough }, &self.waiting, None, Patience::Sleep)
    }
}

/// Room for a command.
struct Room<'d, D: Driver, F> {
    device: &'d Device<D>,
    queue: &'d RequestQueue<D>,
    enough: F,
}

impl<D: Driver, F: Fn(&Inner<D>) -> bool> Room<'_, D, F> {
    fn is_there(&self, inner: &Inner<D>) -> Option<Result<(), DeviceError>> {
        if inner.queue.is_none() {
            return Some(Err(DeviceError::Dead));
        }
        (self.enough)(inner).then_some(Ok(()))
    }
}

impl<D: Driver, F: Fn(&Inner<D>) -> bool> Awaited for Room<'_, D, F> {
    type Output = Result<(), DeviceError>;

    fn take(&self) -> Option<Self::Output> {
        self.is_there(&self.queue.inner.lock())
    }

    fn look(&self) {
        self.queue.look(self.device);
    }

    fn arm(&self, waker: Arc<Waker>) -> bool {
        let mut inner = self.queue.inner.lock();
        if self.is_there(&inner).is_some() {
            return false;
        }
        inner.room.push(Sleeper::new(waker, &self.device.waiting));
        drop(inner);
        self.queue.process(self.device, Afterwards::Arm);
        true
    }
}
