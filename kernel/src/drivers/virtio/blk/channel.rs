//! A request queue with all that it takes to use it, and the way of a request into it.
//!
//! The steps are those of the parent module's story; each is one function here.

use alloc::{boxed::Box, collections::VecDeque, sync::Arc, vec::Vec};
use core::sync::atomic::Ordering;

use ostd::{
    mm::dma::DmaCoherent,
    sync::{LocalIrqDisabled, SpinLock, WaitQueue},
};

use super::{
    super::{
        init::{Features, InitError},
        queue::{AddError, ChainError, Queue},
        transport::Transport,
    },
    MIN_SEGMENTS, VirtioBlk,
    request::{RangeToClear, RequestChain},
};
use crate::{
    block::{Completion, CompletionQueue, Error, IfFull, Operation, Rejected, Request},
    dma::DmaSliceAlloc,
};

/// A queue whose chains are block requests.
pub(super) type RequestQueue = Queue<Box<RequestChain>, Box<Request>>;

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

/// The queue, and the chains that are not in it.
pub(super) struct Lane {
    pub queue: RequestQueue,
    /// One for each chain that the queue can hold, so that requests allocate nothing.
    #[expect(clippy::vec_box, reason = "a chain moves into the queue and back, as one word")]
    pub spare: Vec<Box<RequestChain>>,
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
        let spare = match RequestChain::make(queue.size().into()) {
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

    /// Takes the queue away from the device again, and frees it.
    pub fn discard(self) {
        if let Some(mut lane) = self.lane.lock().take()
            && lane.queue.stop(|_, _| ()).is_ok()
        {
            lane.queue.free();
        }
    }

    /// The number of entries, and the most segments of a chain; nothing once it is out of use.
    pub fn limits(&self) -> (u16, usize) {
        let lane = self.lane.lock();
        lane.as_ref().map_or((0, 0), |lane| (lane.queue.size(), lane.queue.max_segments()))
    }

    /// Keeps a chain that was not sent for later.
    fn put_back(&self, chain: Box<RequestChain>) {
        if let Some(lane) = self.lane.lock().as_mut() {
            lane.put_back(chain);
        }
        self.waiting_for_room.wake_all();
    }

    /// Whether the device has broken a rule in this queue, and not been reset since.
    pub fn is_broken(&self) -> bool {
        self.lane.lock().as_ref().is_some_and(|lane| lane.queue.is_broken())
    }
}

impl Lane {
    /// Step 1: a chain with its slices for the request header and the response.
    fn slices(
        &mut self,
        operation: Operation,
        ranges: &DmaSliceAlloc<RangeToClear, DmaCoherent>,
    ) -> Option<Box<RequestChain>> {
        let mut chain = self.spare.pop()?;
        if chain.take_range(operation, ranges) {
            return Some(chain);
        }
        self.put_back(chain);
        None
    }

    /// Keeps a chain for later.
    #[inline]
    pub fn put_back(&mut self, mut chain: Box<RequestChain>) {
        chain.return_range();
        self.spare.push(chain);
    }

    /// Step 3, but for the notification.
    ///
    /// # Errors
    ///
    /// [`Error::WouldBlock`] if the chain does not fit now, with everything given back.
    pub fn add(
        &mut self,
        chain: Box<RequestChain>,
        request: Box<Request>,
    ) -> Result<(), (Error, Box<RequestChain>, Box<Request>)> {
        let error_of = |error| match error {
            // A broken or stopped queue is about to be restarted, or to be taken away.
            AddError::Full | AddError::Broken(_) | AddError::Stopped => Error::WouldBlock,
            AddError::Chain(ChainError::TooManySegments) => Error::TooManyBuffers,
            AddError::Chain(_) => Error::BufferRange,
        };
        self.queue
            .add(chain, request)
            .map(|_| ())
            .map_err(|(error, chain, request)| (error_of(error), chain, request))
    }
}

impl VirtioBlk {
    /// Step 1: a chain with its slices for the request header and the response. Waits for one.
    pub(super) fn slices(
        &self,
        channel: &Channel,
        operation: Operation,
    ) -> Result<Box<RequestChain>, Error> {
        loop {
            let mut guard = channel.lane.lock();
            let lane = guard.as_mut().ok_or(Error::Dead)?;
            if let Some(chain) = lane.slices(operation, &self.ranges) {
                return Ok(chain);
            }
            drop(guard);
            self.wait_for_room(channel, MIN_SEGMENTS, 1)?;
        }
    }

    /// Step 2: links header, data and response to a chain.
    pub(super) fn link(
        &self,
        channel: &Channel,
        mut chain: Box<RequestChain>,
        request: &mut Request,
        done: &Arc<CompletionQueue>,
    ) -> Result<Box<RequestChain>, Error> {
        match self.link_within(&mut chain, request, done, self.info.max_segments + 2) {
            Ok(()) => Ok(chain),
            Err(error) => {
                channel.put_back(chain);
                Err(error)
            }
        }
    }

    /// Step 2 with at most `room` segments.
    fn link_within(
        &self,
        chain: &mut RequestChain,
        request: &mut Request,
        done: &Arc<CompletionQueue>,
        room: usize,
    ) -> Result<(), Error> {
        let total = request.check(&self.info, self.capacity.load(Ordering::Relaxed))?;
        chain.link(request, total, &self.config, room)?;
        done.reserve().inspect_err(|_| chain.unlink(request))?;
        request.flight.done = Some(done.clone());
        Ok(())
    }

    /// Step 3: puts the chain into the queue, and notifies the device if it asks for that. Waits
    /// for room.
    pub(super) fn send(
        &self,
        channel: &Channel,
        mut chain: Box<RequestChain>,
        mut request: Box<Request>,
    ) -> Result<(), Error> {
        loop {
            let result = match channel.lane.lock().as_mut() {
                Some(lane) => lane.add(chain, request),
                None => Err((Error::Dead, chain, request)),
            };
            let Err((error, refused, its_request)) = result else { break };
            (chain, request) = (refused, its_request);
            let room = match error {
                Error::WouldBlock => self.wait_for_room(channel, chain.segment_count(), 0),
                error => Err(error),
            };
            if let Err(error) = room {
                chain.unlink(&mut request);
                channel.put_back(chain);
                take_done(&mut request).inspect(|done| done.cancel());
                return Err(error);
            }
        }
        self.kick(channel);
        Ok(())
    }

    /// Steps 1 to 3 in one go, without waiting and without the notification.
    fn stage(
        &self,
        lane: &mut Lane,
        mut request: Box<Request>,
        done: &Arc<CompletionQueue>,
    ) -> Result<(), Rejected> {
        if request.operation == Operation::Flush && !self.has_flush() {
            return match done.reserve() {
                Ok(()) => {
                    done.push(Completion { request, result: Ok(()) });
                    Ok(())
                }
                Err(error) => Err(Rejected { error, request }),
            };
        }
        let room = lane.queue.room();
        let chain = match room >= MIN_SEGMENTS {
            true => lane.slices(request.operation, &self.ranges),
            false => None,
        };
        let Some(mut chain) = chain else {
            return Err(Rejected { error: Error::WouldBlock, request });
        };
        if let Err(error) = self.link_within(&mut chain, &mut request, done, room) {
            lane.put_back(chain);
            return Err(Rejected { error, request });
        }
        lane.add(chain, request).map_err(|(error, mut chain, mut request)| {
            chain.unlink(&mut request);
            lane.put_back(chain);
            take_done(&mut request).inspect(|done| done.cancel());
            Rejected { error, request }
        })
    }

    /// Puts a request in flight, without the notification; see [`super::BlockDevice::submit`].
    pub(super) fn enqueue(
        &self,
        channel: &Channel,
        mut request: Box<Request>,
        done: &Arc<CompletionQueue>,
        if_full: IfFull,
    ) -> Result<(), Rejected> {
        loop {
            let staged = match channel.lane.lock().as_mut() {
                Some(lane) => self.stage(lane, request, done),
                None => Err(Rejected { error: Error::Dead, request }),
            };
            match staged {
                Err(full)
                    if full.error == Error::WouldBlock
                        && if_full == IfFull::Wait
                        && done.has_room() =>
                {
                    request = full.request;
                    if let Err(error) = self.wait_for_room(channel, MIN_SEGMENTS, 1) {
                        return Err(Rejected { error, request });
                    }
                }
                result => return result,
            }
        }
    }

    /// Puts requests in flight while there is room, and notifies the device once; see
    /// [`super::BlockDevice::submit_batch`].
    pub(super) fn enqueue_batch(
        &self,
        channel: &Channel,
        requests: &mut VecDeque<Box<Request>>,
        done: &Arc<CompletionQueue>,
    ) -> Result<usize, Rejected> {
        let mut submitted = 0;
        let mut guard = channel.lane.lock();
        let result = loop {
            let Some(request) = requests.pop_front() else { break Ok(submitted) };
            let staged = match guard.as_mut() {
                Some(lane) => self.stage(lane, request, done),
                None => Err(Rejected { error: Error::Dead, request }),
            };
            match staged {
                Ok(()) => submitted += 1,
                Err(Rejected { error: Error::WouldBlock, request }) => {
                    requests.push_front(request);
                    break Ok(submitted);
                }
                Err(rejected) => break Err(rejected),
            }
        };
        let notify = guard.as_mut().is_some_and(|lane| lane.queue.should_notify());
        drop(guard);
        if notify {
            self.notify(channel);
        }
        result
    }

    /// Notifies the device of all that was enqueued, if it wants that. The lock is released before.
    pub(super) fn kick(&self, channel: &Channel) {
        let notify = channel.lane.lock().as_mut().is_some_and(|lane| lane.queue.should_notify());
        if notify {
            self.notify(channel);
        }
    }

    pub(super) fn notify(&self, channel: &Channel) {
        self.notifications.fetch_add(1, Ordering::Relaxed);
        self.transport.notify(channel.index);
    }
}

/// Where the answer to a request goes; `None` only before it was sent and after it was answered.
pub(super) fn take_done(request: &mut Request) -> Option<Arc<CompletionQueue>> {
    request.flight.done.take()
}
