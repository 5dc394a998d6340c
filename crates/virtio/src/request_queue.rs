//! A virtqueue with all that its users share: the lock, the spare chains, and who is owed an answer.
//!
//! **Interrupts only while somebody sleeps.** A task that waits looks at the used ring itself. Only
//! when it gives that up does it announce that it sleeps, by a [`Sleeper`], and then asks the device for an
//! interrupt ("arms" the queue), which includes a last look. The interrupt handler takes what there is;
//! it arms the queue again if there are sleepers left, and otherwise turns interrupts off. So a busy
//! device interrupts rarely, and an idle one not at all.
//!
//! Two orders keep this from losing a wake-up. A sleeper is counted before it arms. The handler reads
//! the count under the lock of the queue and turns interrupts off under the same lock: whoever armed
//! before has been counted, which is seen, and whoever arms later is not undone.

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::{
    mem,
    sync::atomic::{AtomicBool, Ordering},
};

use dma::{DmaError, DmaSliceAlloc};
use ostd::sync::{LocalIrqDisabled, SpinLock};
use wait::Sleeper;

use super::{
    device::Device,
    driver::{DeviceError, Driver, Next},
    features::Features,
    handshake::InitError,
    queue::{Chain, Queue, Table, Used},
    reset::ResetError,
    transport::Transport,
};

/// A queue of a device, with the chains that go round in it.
pub struct RequestQueue<D: Driver> {
    /// While this is locked, completion queues are locked and tasks are woken; never the other way round.
    pub(crate) inner: SpinLock<Inner<D>, LocalIrqDisabled>,
    /// The number of the queue.
    pub(crate) index: u16,
    /// Says that it holds posted buffers: [`Driver::posted`].
    pub(crate) posted: bool,
    /// Set when [`Self::process`] left chains in the used ring, for the next tick.
    deferred: AtomicBool,
}

pub(crate) struct Inner<D: Driver> {
    /// `None` once the device is out of use.
    pub queue: Option<Queue<D::Memory, Owed<D::Note>>>,
    /// The chains that are not in the queue. There are as many chains as the queue has entries, all of them
    /// made at set-up, so that no command allocates one.
    pub spare: Vec<Box<Chain<D::Memory>>>,
    /// The tasks that wait for a chain, by its place.
    pub callers: Vec<Caller<D::Memory>>,
    /// Tasks that wait for a spare chain or for free descriptors.
    pub room: Vec<Sleeper>,
}

/// The receiver of the answer to a chain.
pub(crate) enum Owed<N> {
    /// The task that waits for the chain of this place.
    Caller(u16),
    /// Whoever the driver noted.
    Note(N),
}

/// The task that waits for a chain.
pub(crate) enum Caller<M> {
    /// There is none.
    Nobody,
    /// It looks, or sleeps.
    Waits(Option<Sleeper>),
    /// It has gone, and left the chain in flight.
    Left,
    /// Its answer has come: the chain, unless that is lost, and how many bytes the device says to have
    /// written.
    Answered(Option<Box<Chain<M>>>, Result<u32, DeviceError>),
}

/// The state of interrupts after the used ring has been looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Afterwards {
    /// Leave them as they are.
    Keep,
    /// On, for somebody who is about to sleep.
    Arm,
    /// On if somebody sleeps or the queue holds posted buffers, otherwise off.
    ArmForSleepers,
}

impl<M> Caller<M> {
    /// Gives the caller its answer and wakes it. Gives the chain back if nobody waits for it.
    pub fn tell(
        &mut self,
        chain: Option<Box<Chain<M>>>,
        answer: Result<u32, DeviceError>,
    ) -> Option<Box<Chain<M>>> {
        match mem::replace(self, Self::Answered(chain, answer)) {
            // The sleeper is woken by being dropped.
            Self::Waits(_) => None,
            _ => match mem::replace(self, Self::Nobody) {
                Self::Answered(chain, _) => chain,
                _ => None,
            },
        }
    }
}

/// Has the driver deal with the answer to a submitted chain; gives the chain unless it is sent again.
#[inline(always)]
fn answer_note<D: Driver>(
    device: &Device<D>,
    queue: &mut Queue<D::Memory, Owed<D::Note>>,
    mut chain: Box<Chain<D::Memory>>,
    note: D::Note,
    written: u32,
) -> Option<Box<Chain<D::Memory>>> {
    match device.driver.answered(&mut chain, note, written, queue.free_segments()) {
        Next::Done => device.good_answer(),
        Next::Failed => {}
        Next::Again(note) => {
            device.good_answer();
            return send_again(device, queue, chain, note);
        }
    }
    Some(chain)
}

/// Sends a submitted chain again; gives it back if the queue does not take it. Most chains are not sent
/// again, and the code of [`Queue::add`] is kept off their way.
#[cold]
fn send_again<D: Driver>(
    device: &Device<D>,
    queue: &mut Queue<D::Memory, Owed<D::Note>>,
    chain: Box<Chain<D::Memory>>,
    note: D::Note,
) -> Option<Box<Chain<D::Memory>>> {
    let (error, mut chain, tag) = queue.add(chain, Owed::Note(note)).err()?;
    if let Owed::Note(note) = tag {
        device.driver.ended(Some(&mut chain), note, error.into());
    }
    Some(chain)
}

impl<D: Driver> Inner<D> {
    /// Wakes those who wait for room. Few do: kept off the way of those who do not.
    #[cold]
    pub fn wake_for_room(&mut self) {
        // Dropping a sleeper wakes it.
        self.room.clear();
    }

    /// Stops the device and ends everything that is in flight for this reason; gives how many commands
    /// that were.
    ///
    /// # Errors
    ///
    /// The device is not quiet: the memory of its queue and of what was in flight is lost.
    pub fn end_all(&mut self, driver: &D, why: DeviceError) -> (usize, Result<(), ResetError>) {
        let Self { queue: Some(queue), spare, callers, .. } = self else { return (0, Ok(())) };
        let mut ended = 0;
        let result = queue.stop(|mut chain, tag| {
            ended += 1;
            match tag {
                Owed::Caller(place) => {
                    if let Some(caller) = callers.get_mut(usize::from(place)) {
                        spare.extend(caller.tell(chain, Err(why)));
                    }
                }
                Owed::Note(note) => {
                    driver.ended(chain.as_deref_mut(), note, why);
                    spare.extend(chain);
                }
            }
        });
        (ended, result)
    }

    /// Takes the queue out of use. It has been stopped.
    pub fn retire(&mut self) {
        if let Some(queue) = self.queue.take() {
            queue.release();
        }
        self.wake_for_room();
    }
}

impl<D: Driver> RequestQueue<D> {
    /// Sets up queue `index` of the device with at most `wanted` entries, and as many chains, whose memory
    /// `memory` makes. IRQs must be enabled.
    ///
    /// # Errors
    ///
    /// Of the queue, of `memory`, and [`InitError::QueueTooSmall`] where a chain cannot have `segments`
    /// segments. The device keeps no memory then.
    pub fn new(
        transport: &Arc<dyn Transport>,
        index: u16,
        features: Features,
        wanted: u16,
        segments: usize,
        memory: impl FnOnce(usize) -> Result<Vec<D::Memory>, InitError>,
    ) -> Result<Self, InitError> {
        let mut queue = Queue::new(transport.clone(), index, features, wanted)?;
        queue.disable_interrupts();
        let entries = usize::from(queue.size());
        let spare = match Self::chains(&queue, memory) {
            Ok(spare) if queue.max_segments() >= segments => spare,
            other => {
                if queue.stop(|_, _| ()).is_ok() {
                    queue.release();
                }
                let too_small = InitError::QueueTooSmall { entries, needed: segments };
                return Err(other.err().unwrap_or(too_small));
            }
        };
        let callers = spare.iter().map(|_| Caller::Nobody).collect();
        let inner = Inner { queue: Some(queue), spare, callers, room: Vec::new() };
        let deferred = AtomicBool::new(false);
        Ok(Self { inner: SpinLock::new(inner), index, posted: false, deferred })
    }

    fn chains(
        queue: &Queue<D::Memory, Owed<D::Note>>,
        memory: impl FnOnce(usize) -> Result<Vec<D::Memory>, InitError>,
    ) -> Result<Vec<Box<Chain<D::Memory>>>, InitError> {
        let memory = memory(queue.size().into())?;
        let tables = match queue.is_indirect() {
            true => Some(DmaSliceAlloc::<Table, _>::coherent(memory.len())?),
            false => None,
        };
        let table = || match &tables {
            None => Ok(None),
            Some(tables) => tables.alloc().map(Some).ok_or(DmaError::NoMemory),
        };
        (0..)
            .zip(memory)
            .map(|(place, memory)| Ok(Box::new(Chain::new(memory, place, table()?))))
            .collect()
    }

    /// Takes the queue away from the device again, for a set-up that fails.
    pub fn discard(self) {
        let mut inner = self.inner.lock();
        if let Some(mut queue) = inner.queue.take()
            && queue.stop(|_, _| ()).is_ok()
        {
            queue.release();
        }
    }

    /// The number of entries, and the most segments of a chain; nothing once it is out of use.
    pub fn limits(&self) -> (u16, usize) {
        let inner = self.inner.lock();
        inner.queue.as_ref().map_or((0, 0), |queue| (queue.size(), queue.max_segments()))
    }

    /// Gives a chain that has come back to whoever is owed its answer, and keeps it if it is to spare. Returns
    /// `false` if it has been sent again.
    #[inline(always)]
    fn hand_over(
        device: &Device<D>,
        queue: &mut Queue<D::Memory, Owed<D::Note>>,
        spare: &mut Vec<Box<Chain<D::Memory>>>,
        callers: &mut [Caller<D::Memory>],
        used: Used<D::Memory, Owed<D::Note>>,
    ) -> bool {
        let Used { chain, tag, written } = used;
        match tag {
            Owed::Caller(place) => {
                let caller = callers.get_mut(usize::from(place));
                spare.extend(caller.and_then(|caller| caller.tell(Some(chain), Ok(written))));
                true
            }
            Owed::Note(note) => {
                let chain = answer_note(device, queue, chain, note, written);
                chain.map(|chain| spare.push(chain)).is_some()
            }
        }
    }

    /// Takes back what the device has returned, tells those who are owed it, and leaves interrupts as
    /// `afterwards` says. Returns the number of commands that were answered.
    ///
    /// Looks again while arming finds more, [`MAX_LOOKS`] times at most; the next tick takes what is left
    /// then. Otherwise a device that returns at once what it is given again would keep its caller for ever.
    ///
    /// May be called from any context, with no queue locked.
    pub(crate) fn process(&self, device: &Device<D>, afterwards: Afterwards) -> usize {
        let mut answered = 0;
        for _ in 0..MAX_LOOKS {
            let mut guard = self.inner.lock();
            let Inner { queue: Some(queue), spare, callers, .. } = &mut *guard else {
                return answered;
            };
            // Arming includes a look.
            if afterwards == Afterwards::Arm && !queue.enable_interrupts() {
                return answered;
            }
            let (mut taken, mut again) = (0, false);
            let returned = queue.look();
            let mut violated = returned.is_err();
            for _ in 0..returned.unwrap_or(0) {
                let Ok(Some(used)) = queue.pop() else {
                    violated = true;
                    break;
                };
                match Self::hand_over(device, queue, spare, callers, used) {
                    true => taken += 1,
                    false => again = true,
                }
            }
            // What others added they notify of themselves.
            let notify = again && queue.should_notify();
            // ANCHOR: exercise-4-afterwards
            let more = match afterwards {
                Afterwards::Keep => false,
                Afterwards::ArmForSleepers if !self.posted && device.waiting.asleep() == 0 => {
                    queue.disable_interrupts();
                    false
                }
                // Arming includes a last look, which may find more, or a violation.
                _ => queue.enable_interrupts(),
            };
            // ANCHOR_END: exercise-4-afterwards
            if taken > 0 && !guard.room.is_empty() {
                guard.wake_for_room();
            }
            // What follows must not be done with the queue locked.
            drop(guard);
            answered += taken;
            if notify {
                device.notify(self.index);
            }
            if violated {
                answered += device.recover_from_violation(self);
            }
            if !more {
                return answered;
            }
        }
        self.deferred.store(true, Ordering::Relaxed);
        answered
    }

    /// Looks at the used ring for somebody who waits, and at the deadlines if it holds nothing.
    pub(crate) fn look(&self, device: &Device<D>) {
        if self.process(device, Afterwards::Keep) == 0 {
            device.check_deadlines();
        }
    }

    /// Goes on with what [`Self::process`] left, and looks after posted buffers where no interrupt comes. Runs
    /// for each tick of the boot CPU's timer.
    pub(crate) fn tick(&self, device: &Device<D>) {
        let is_polled = device.waiting.must_poll() && self.posted;
        if self.deferred.swap(false, Ordering::Relaxed) || is_polled {
            self.process(device, Afterwards::ArmForSleepers);
        }
    }

    /// Returns `true` if the device has broken a rule in this queue, and not been reset since.
    pub(crate) fn is_broken(&self) -> bool {
        self.inner.lock().queue.as_ref().is_some_and(|ring| ring.violation().is_some())
    }
}

/// The looks at the used ring within one call of [`RequestQueue::process`]. Each takes no more than the
/// chains that are outstanding.
pub(crate) const MAX_LOOKS: usize = 16;
