//! Requests on their way: from a request to a chain in the queue, and back to a completion.
//!
//! The steps are those of the parent module's story; each is one function here.

use alloc::sync::Arc;
use core::{fmt, hint};

use ostd::task::Task;

use super::{
    super::queue::{AddError, Queue, Violation},
    MIN_SEGMENTS, REQUEST_QUEUE, VirtioBlk,
    request::{Outcome, RequestChain, Slices, Ticket},
};
use crate::block::{
    BlockDevice, Completion, CompletionQueue, Error, IfFull, Operation, Rejected, Request,
};

impl VirtioBlk {
    /// Step 1: slices for the request header and the response.
    pub(super) fn slices(&self, operation: Operation, if_full: IfFull) -> Result<Slices, Error> {
        let clears = matches!(operation, Operation::Discard { .. } | Operation::WriteZeroes { .. });
        loop {
            if let (Some(header), Some(response)) = (self.headers.alloc(), self.responses.alloc()) {
                if !clears {
                    return Ok(Slices { header, range: None, response });
                }
                if let range @ Some(_) = self.ranges.alloc() {
                    return Ok(Slices { header, range, response });
                }
            }
            match if_full {
                IfFull::Fail => return Err(Error::WouldBlock),
                IfFull::Wait => self.wait_for_room(MIN_SEGMENTS)?,
            }
        }
    }

    /// Step 2: the chain of header, data and response.
    pub(super) fn chain(
        &self,
        slices: Slices,
        request: Request,
        done: &Arc<CompletionQueue>,
    ) -> Result<(RequestChain, Ticket), Rejected> {
        if let Err(error) = request.check(&self.limits()) {
            return Err(Rejected { error, request });
        }
        RequestChain::new(slices, request, done.clone(), &self.config, self.max_segments + 2)
            .map_err(|(error, request)| Rejected { error, request })
    }

    /// Step 3: puts the chain into the queue, and notifies the device if it asks for that.
    pub(super) fn send(
        &self,
        chain: RequestChain,
        ticket: Ticket,
        if_full: IfFull,
    ) -> Result<(), Rejected> {
        self.enqueue(chain, ticket, if_full)?;
        self.kick();
        Ok(())
    }

    /// The first half of step 3: the device does not know yet.
    fn enqueue(
        &self,
        mut chain: RequestChain,
        mut ticket: Ticket,
        if_full: IfFull,
    ) -> Result<(), Rejected> {
        let done = ticket.done().clone();
        if let Err(error) = done.reserve() {
            return Err(Rejected { error, request: chain.into_request(ticket) });
        }
        loop {
            let refused = match self.queue.lock().as_mut() {
                None => (Error::Broken, chain, ticket),
                Some(queue) => match queue.add(chain, ticket) {
                    Ok(_) => return Ok(()),
                    Err((AddError::Full, chain, ticket)) => (Error::WouldBlock, chain, ticket),
                    Err((AddError::Chain(_), chain, ticket)) => {
                        (Error::TooManyBuffers, chain, ticket)
                    }
                    Err((AddError::Broken(_), chain, ticket)) => (Error::Broken, chain, ticket),
                },
            };
            let mut error = refused.0;
            (chain, ticket) = (refused.1, refused.2);
            if error == Error::WouldBlock && if_full == IfFull::Wait {
                match self.wait_for_room(chain.segment_count()) {
                    Ok(()) => continue,
                    Err(broken) => error = broken,
                }
            }
            done.cancel();
            return Err(Rejected { error, request: chain.into_request(ticket) });
        }
    }

    /// Steps 1 to 3 for one request of a batch: the device does not know yet.
    pub(super) fn stage(
        &self,
        request: Request,
        done: &Arc<CompletionQueue>,
        if_full: IfFull,
    ) -> Result<(), Rejected> {
        if request.operation == Operation::Flush && !self.has_flush() {
            return complete_at_once(request, done);
        }
        let slices = match self.slices(request.operation, if_full) {
            Ok(slices) => slices,
            Err(error) => return Err(Rejected { error, request }),
        };
        let (chain, ticket) = self.chain(slices, request, done)?;
        self.enqueue(chain, ticket, if_full)
    }

    /// The second half of step 3: one notification for all that was enqueued, if the device wants
    /// one. The lock is released before it is sent.
    pub(super) fn kick(&self) {
        let notify = self.queue.lock().as_mut().is_some_and(Queue::should_notify);
        if notify {
            self.transport.notify(REQUEST_QUEUE);
        }
    }

    /// Waits until a chain of so many segments fits. Not in interrupt context.
    fn wait_for_room(&self, segments: usize) -> Result<(), Error> {
        let look = || match self.queue.lock().as_ref() {
            None => Some(Err(Error::Broken)),
            Some(queue) => (queue.room() >= segments
                && self.headers.available() > 0
                && self.responses.available() > 0
                && self.ranges.available() > 0)
                .then_some(Ok(())),
        };
        if Task::current().is_some() && !self.must_poll() {
            return self.waiting_for_room.wait_until(look);
        }
        loop {
            if let Some(result) = look() {
                return result;
            }
            self.poll_or_yield();
        }
    }

    /// One round of waiting by polling.
    fn poll_or_yield(&self) {
        if self.drain() == 0 {
            match Task::current() {
                Some(_) => Task::yield_now(),
                None => hint::spin_loop(),
            }
        }
    }

    /// Submits a request and waits for its end.
    pub(super) fn wait_for(&self, request: Request) -> Result<Request, Error> {
        let done = CompletionQueue::new(1);
        self.submit(request, &done, IfFull::Wait).map_err(|rejected| rejected.error)?;
        // The queue holds a place for the one completion, and every request gets one.
        let completion = done.reaper(self).next().ok_or(Error::Broken)?;
        completion.result.map(|()| completion.request)
    }

    /// Takes back all chains that the device has returned, and completes their requests. Returns
    /// how many it completed. May be called from any context.
    ///
    /// The work is bounded by the number of outstanding chains, which the device cannot raise.
    pub(super) fn drain(&self) -> usize {
        let mut completed = 0;
        let mut notify = false;
        let violation = loop {
            let mut guard = self.queue.lock();
            let Some(queue) = guard.as_mut() else { return completed };
            match queue.pop() {
                Ok(Some(used)) => {
                    let room = queue.room();
                    match used.tag.settle(used.memory, used.written, &self.config, room) {
                        Outcome::Continue(chain, ticket) => {
                            if let Err((_, chain, ticket)) = queue.add(chain, ticket) {
                                drop(guard);
                                complete(ticket.end(chain, Err(Error::WouldBlock)));
                                completed += 1;
                            }
                        }
                        ended => {
                            drop(guard);
                            complete(ended);
                            completed += 1;
                        }
                    }
                }
                Ok(None) => {
                    notify |= queue.should_notify();
                    // Interrupts are asked for again before the last look at the used ring.
                    if self.must_poll() || !queue.enable_interrupts() {
                        break None;
                    }
                }
                Err(violation) => break Some(violation),
            }
        };
        if let Some(violation) = violation {
            completed += self.give_up(&Reason::Violation(violation));
        }
        if notify {
            self.transport.notify(REQUEST_QUEUE);
        }
        if completed > 0 {
            self.waiting_for_room.wake_all();
        }
        completed
    }

    /// Takes the device out of use: resets it, and ends all outstanding requests with
    /// [`Error::Broken`]. Returns how many there were.
    pub(super) fn give_up(&self, reason: &Reason) -> usize {
        let Some(queue) = self.queue.lock().take() else { return 0 };
        log::error!("block device \"{}\" is out of use: {reason}", self.serial);
        let ended = match queue.reclaim() {
            Ok(chains) => {
                let end = |(chain, ticket): (RequestChain, Ticket)| {
                    complete(ticket.end(chain, Err(Error::Broken)));
                };
                chains.into_iter().map(end).count()
            }
            Err((error, tickets)) => {
                log::error!("{error}; the memory of {} requests is lost", tickets.len());
                let end = |ticket: Ticket| {
                    complete(ticket.end_without_memory(Err(Error::Broken)));
                };
                tickets.into_iter().map(end).count()
            }
        };
        self.waiting_for_room.wake_all();
        ended
    }
}

/// Why a device is taken out of use.
pub(super) enum Reason {
    Violation(Violation),
    NeedsReset,
    Dropped,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Violation(violation) => violation.fmt(f),
            Self::NeedsReset => f.write_str("it asks to be reset"),
            Self::Dropped => f.write_str("its driver has gone"),
        }
    }
}

/// Completes a request for which the device has nothing to do.
fn complete_at_once(request: Request, done: &CompletionQueue) -> Result<(), Rejected> {
    match done.reserve() {
        Ok(()) => {
            done.push(Completion { request, result: Ok(()) });
            Ok(())
        }
        Err(error) => Err(Rejected { error, request }),
    }
}

fn complete(outcome: Outcome) {
    if let Outcome::Ended(request, done, result) = outcome {
        done.push(Completion { request, result });
    }
}
