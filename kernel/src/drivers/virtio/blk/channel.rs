//! A request queue with all that it takes to use it, and the way of a request through it.
//!
//! The steps are those of the parent module's story; each is one function here.

use alloc::{sync::Arc, vec::Vec};
use core::sync::atomic::Ordering;

use ostd::{
    sync::{LocalIrqDisabled, SpinLock, WaitQueue},
    task::Task,
};

use super::{
    super::{
        init::{Features, InitError},
        queue::{AddError, Queue},
        transport::Transport,
    },
    MIN_SEGMENTS, VirtioBlk,
    recovery::Reason,
    request::{Outcome, RequestChain, Slices, Ticket},
};
use crate::block::{Completion, CompletionQueue, Error, IfFull, Operation, Rejected, Request};

/// A queue whose chains are block requests.
pub(super) type RequestQueue = Queue<RequestChain, Ticket>;

/// One request queue of a block device.
pub(super) struct Channel {
    /// The number of the queue.
    index: u16,
    /// `None` once the device is out of use.
    ///
    /// While this is locked, completion queues are locked and tasks are woken; never the other way
    /// round.
    pub lane: SpinLock<Option<Lane>, LocalIrqDisabled>,
    /// Tasks that wait for room.
    pub waiting_for_room: WaitQueue,
}

/// The queue, and the slices that no chain of it uses now.
pub(super) struct Lane {
    pub queue: RequestQueue,
    /// One pair for each chain that the queue can hold, so requests allocate nothing.
    pub spare: Vec<Slices>,
}

impl Channel {
    /// Sets up queue `index` of the device.
    pub fn new(
        transport: &Arc<dyn Transport>,
        index: u16,
        features: Features,
        wanted: u16,
    ) -> Result<Self, InitError> {
        let mut queue = RequestQueue::new(transport.clone(), index, features, wanted)
            .map_err(InitError::Queue)?;
        queue.disable_interrupts();
        let spare = match Slices::make(queue.size().into()) {
            Ok(spare) if queue.max_segments() >= MIN_SEGMENTS => spare,
            other => {
                let entries = queue.size().into();
                if queue.stop(|_, _| ()).is_ok() {
                    queue.free();
                }
                let too_small = InitError::QueueTooSmall { entries, needed: MIN_SEGMENTS };
                return Err(other.err().unwrap_or(too_small));
            }
        };
        let lane = SpinLock::new(Some(Lane { queue, spare }));
        Ok(Self { index, lane, waiting_for_room: WaitQueue::new() })
    }

    /// The number of entries, and the most segments of a chain; nothing once it is out of use.
    pub fn limits(&self) -> (u16, usize) {
        let lane = self.lane.lock();
        lane.as_ref().map_or((0, 0), |lane| (lane.queue.size(), lane.queue.max_segments()))
    }

    /// Asks the device for an interrupt at the next returned chain. Returns whether there is one
    /// returned already, for which it may not come.
    fn arm(&self) -> bool {
        self.lane.lock().as_mut().is_some_and(|lane| lane.queue.enable_interrupts())
    }

    fn disarm(&self) {
        if let Some(lane) = self.lane.lock().as_mut() {
            lane.queue.disable_interrupts();
        }
    }
}

impl VirtioBlk {
    /// Step 1: slices for the request header and the response.
    pub(super) fn slices(
        &self,
        channel: &Channel,
        operation: Operation,
        if_full: IfFull,
    ) -> Result<Slices, Error> {
        loop {
            let spare = channel.lane.lock().as_mut().ok_or(Error::Broken)?.spare.pop();
            match spare.map(|slices| slices.for_operation(operation, &self.ranges)) {
                Some(Ok(slices)) => return Ok(slices),
                Some(Err(slices)) => self.give_back(channel, slices),
                None => {}
            }
            match if_full {
                IfFull::Fail => return Err(Error::WouldBlock),
                IfFull::Wait => self.wait_for_room(channel, MIN_SEGMENTS)?,
            }
        }
    }

    /// Step 2: the chain of header, data and response.
    pub(super) fn chain(
        &self,
        channel: &Channel,
        slices: Slices,
        request: Request,
        done: &Arc<CompletionQueue>,
    ) -> Result<(RequestChain, Ticket), Rejected> {
        let capacity = self.capacity.load(Ordering::Relaxed);
        let result = match request.check(&self.info, capacity) {
            Ok(()) => {
                let room = self.info.max_segments + 2;
                RequestChain::new(slices, request, done.clone(), &self.config, room)
            }
            Err(error) => Err((slices, Rejected { error, request })),
        };
        result.map_err(|(slices, rejected)| {
            self.give_back(channel, slices);
            rejected
        })
    }

    /// Step 3: puts the chain into the queue, and notifies the device if it asks for that.
    pub(super) fn send(
        &self,
        channel: &Channel,
        chain: RequestChain,
        ticket: Ticket,
        if_full: IfFull,
    ) -> Result<(), Rejected> {
        self.enqueue(channel, chain, ticket, if_full)?;
        self.kick(channel);
        Ok(())
    }

    /// The first half of step 3: the device does not know yet.
    fn enqueue(
        &self,
        channel: &Channel,
        mut chain: RequestChain,
        mut ticket: Ticket,
        if_full: IfFull,
    ) -> Result<(), Rejected> {
        let done = ticket.done().clone();
        let mut result = done.reserve();
        let reserved = result.is_ok();
        while result.is_ok() {
            let refused = match channel.lane.lock().as_mut() {
                None => (Error::Broken, chain, ticket),
                Some(lane) => match lane.queue.add(chain, ticket) {
                    Ok(_) => return Ok(()),
                    Err((error, chain, ticket)) => (error_of(error), chain, ticket),
                },
            };
            (chain, ticket) = (refused.1, refused.2);
            result = match refused.0 {
                Error::WouldBlock if if_full == IfFull::Wait => {
                    self.wait_for_room(channel, chain.segment_count())
                }
                error => Err(error),
            };
        }
        if reserved {
            done.cancel();
        }
        let error = result.err().unwrap_or(Error::WouldBlock);
        let (slices, request) = chain.into_request(ticket);
        self.give_back(channel, slices);
        Err(Rejected { error, request })
    }

    /// The second half of step 3: one notification for all that was enqueued, if the device wants
    /// one. The lock is released before it is sent.
    pub(super) fn kick(&self, channel: &Channel) {
        let notify = channel.lane.lock().as_mut().is_some_and(|lane| lane.queue.should_notify());
        if notify {
            self.notify(channel);
        }
    }

    fn notify(&self, channel: &Channel) {
        self.notifications.fetch_add(1, Ordering::Relaxed);
        self.transport.notify(channel.index);
    }

    /// Steps 1 to 3 for one request, without the notification.
    pub(super) fn stage(
        &self,
        channel: &Channel,
        request: Request,
        done: &Arc<CompletionQueue>,
        if_full: IfFull,
    ) -> Result<(), Rejected> {
        if request.operation == Operation::Flush && !self.has_flush() {
            return self.complete_at_once(request, done);
        }
        let slices = match self.slices(channel, request.operation, if_full) {
            Ok(slices) => slices,
            Err(error) => return Err(Rejected { error, request }),
        };
        let (chain, ticket) = self.chain(channel, slices, request, done)?;
        self.enqueue(channel, chain, ticket, if_full)
    }

    /// Returns slices that were not used.
    fn give_back(&self, channel: &Channel, slices: Slices) {
        if let Some(lane) = channel.lane.lock().as_mut() {
            lane.spare.push(slices.without_range());
        }
        channel.waiting_for_room.wake_all();
    }

    /// Waits until a chain of so many segments fits. Not in interrupt context.
    fn wait_for_room(&self, channel: &Channel, segments: usize) -> Result<(), Error> {
        let look = || match channel.lane.lock().as_ref() {
            None => Some(Err(Error::Broken)),
            Some(lane) => (lane.queue.room() >= segments
                && !lane.spare.is_empty()
                && self.ranges.available() > 0)
                .then_some(Ok(())),
        };
        if Task::current().is_some() && !self.polls() {
            self.sleepers.fetch_add(1, Ordering::SeqCst);
            self.drain_and_arm(channel);
            let result = channel.waiting_for_room.wait_until(look);
            self.sleepers.fetch_sub(1, Ordering::SeqCst);
            return result;
        }
        loop {
            if let Some(result) = look() {
                return result;
            }
            if self.drain(channel) == 0 {
                match Task::current() {
                    Some(_) => Task::yield_now(),
                    None => core::hint::spin_loop(),
                }
            }
        }
    }

    /// Takes back all chains that the device has returned, and completes their requests. Returns
    /// how many it completed. May be called from any context.
    ///
    /// The work is bounded by the number of outstanding chains, which the device cannot raise.
    pub(super) fn drain(&self, channel: &Channel) -> usize {
        let mut completed = 0;
        let mut guard = channel.lane.lock();
        let Some(lane) = guard.as_mut() else { return 0 };
        let violation = loop {
            match lane.queue.pop() {
                Ok(Some(used)) => {
                    let room = lane.queue.room();
                    match used.tag.settle(used.memory, used.written, &self.config, room) {
                        Outcome::Continue(chain, ticket) => {
                            // It fits: what it needs has just come back.
                            if let Err((_, chain, ticket)) = lane.queue.add(chain, ticket) {
                                self.complete(lane, ticket.end(chain, Err(Error::WouldBlock)));
                                completed += 1;
                            }
                        }
                        Outcome::Ended(ended) => {
                            self.complete(lane, ended);
                            completed += 1;
                        }
                    }
                }
                Ok(None) => break None,
                Err(violation) => break Some(violation),
            }
        };
        let notify = lane.queue.should_notify();
        drop(guard);
        if notify {
            self.notify(channel);
        }
        if let Some(violation) = violation {
            completed += self.give_up(&Reason::Violation(violation));
        }
        if completed > 0 {
            channel.waiting_for_room.wake_all();
        }
        completed
    }

    /// Takes back what the device has returned, until it will interrupt for what comes next.
    pub(super) fn drain_and_arm(&self, channel: &Channel) {
        while channel.arm() {
            self.drain(channel);
        }
    }

    /// The interrupt handler's part: interrupts stay on only while somebody sleeps, since all
    /// others look at the device themselves before they go to sleep.
    pub(super) fn used_buffers(&self, channel: &Channel) {
        self.drain(channel);
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            self.drain_and_arm(channel);
        } else {
            channel.disarm();
        }
    }

    /// Delivers an answer.
    fn complete(&self, lane: &mut Lane, ended: Ended) {
        lane.spare.push(ended.slices.without_range());
        self.deliver(ended.done, ended.request, ended.result);
    }

    /// Completes a request for which the device has nothing to do.
    fn complete_at_once(
        &self,
        request: Request,
        done: &Arc<CompletionQueue>,
    ) -> Result<(), Rejected> {
        match done.reserve() {
            Ok(()) => {
                self.deliver(done.clone(), request, Ok(()));
                Ok(())
            }
            Err(error) => Err(Rejected { error, request }),
        }
    }

    /// Delivers an answer whose slices are gone or not worth keeping.
    pub(super) fn deliver(
        &self,
        done: Arc<CompletionQueue>,
        request: Request,
        result: Result<(), Error>,
    ) {
        if done.push(Completion { request, result }) {
            self.sleepers.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// A request that has ended, with everything that goes back to where it came from.
#[derive(Debug)]
pub(super) struct Ended {
    pub slices: Slices,
    pub done: Arc<CompletionQueue>,
    pub request: Request,
    pub result: Result<(), Error>,
}

fn error_of(refusal: AddError) -> Error {
    match refusal {
        AddError::Full => Error::WouldBlock,
        AddError::Chain(_) => Error::TooManyBuffers,
        AddError::Broken(_) | AddError::Stopped => Error::Broken,
    }
}
