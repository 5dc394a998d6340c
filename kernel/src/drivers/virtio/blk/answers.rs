//! The way back of a request: from the used ring to its completion, and how tasks sleep meanwhile.
//!
//! **Interrupts only while somebody sleeps.** A task that waits looks at the used ring itself. Only
//! when it finds nothing does it announce that it sleeps, by raising [`VirtioBlk::sleepers`], and
//! then asks the device for an interrupt ("arms" the queue), which includes a last look. The
//! interrupt handler takes what there is; it arms the queue again if there are sleepers left, and
//! otherwise turns interrupts off. So a busy disk interrupts rarely, and an idle one not at all.
//!
//! Two orders keep this from losing a wake-up. A sleeper raises the count before it arms. The
//! handler reads the count under the lock of the queue and turns interrupts off under the same
//! lock: whoever armed before has raised the count, which is seen, and whoever arms later is not
//! undone.

use alloc::boxed::Box;
use core::{hint, sync::atomic::Ordering};

use ostd::task::Task;

use super::{
    VirtioBlk,
    channel::{Channel, take_done},
    recovery::Reason,
};
use crate::block::{Completion, Error, Request};

impl VirtioBlk {
    /// Takes back chains that the device has returned, and completes their requests. Returns how
    /// many it completed. May be called from any context.
    ///
    /// It takes no more chains than are outstanding when it begins. What is left then, and what a
    /// split request adds, is for the next call.
    pub(super) fn drain(&self, channel: &Channel) -> usize {
        let mut completed = 0;
        let mut guard = channel.lane.lock();
        let Some(lane) = guard.as_mut() else { return 0 };
        let mut violation = None;
        for _ in 0..lane.queue.outstanding().max(1) {
            let used = match lane.queue.pop() {
                Ok(Some(used)) => used,
                Ok(None) => break,
                Err(what) => {
                    violation = Some(what);
                    break;
                }
            };
            let (mut chain, mut request) = (used.memory, used.tag);
            let room = lane.queue.room();
            let mut ended = chain.settle(&mut request, used.written, &self.config, room);
            if ended.is_none() {
                // There is more to do, and it fits: what it needs has just come back.
                match lane.add(chain, request) {
                    Ok(()) => continue,
                    Err((error, refused, its_request)) => {
                        (chain, request) = (refused, its_request);
                        ended = Some(Err(error));
                    }
                }
            }
            chain.unlink(&mut request);
            lane.put_back(chain);
            let result = ended.unwrap_or(Ok(()));
            if result.is_ok() {
                self.health.good_answer();
            }
            complete(request, result);
            completed += 1;
        }
        let notify = lane.queue.should_notify();
        drop(guard);
        if notify {
            self.notify(channel);
        }
        if let Some(violation) = violation {
            completed += self.trouble(Reason::Violation(violation), || channel.is_broken());
        }
        if completed > 0 {
            channel.waiting_for_room.wake_all();
        }
        completed
    }

    /// Takes back what the device has returned, until it will interrupt for what comes next.
    ///
    /// Each turn takes at least one chain, or deals with a violation.
    pub(super) fn drain_and_arm(&self, channel: &Channel) {
        let arm =
            || channel.lane.lock().as_mut().is_some_and(|lane| lane.queue.enable_interrupts());
        while arm() {
            self.drain(channel);
        }
    }

    /// The interrupt handler's part.
    pub(super) fn used_buffers(&self, channel: &Channel) {
        self.drain(channel);
        let mut guard = channel.lane.lock();
        match guard.as_mut() {
            Some(lane) if self.sleepers.load(Ordering::SeqCst) == 0 => {
                lane.queue.disable_interrupts();
            }
            _ => {
                drop(guard);
                self.drain_and_arm(channel);
            }
        }
    }

    /// Waits until a chain of so many segments fits and there are so many chains to spare. Not in
    /// interrupt context.
    pub(super) fn wait_for_room(
        &self,
        channel: &Channel,
        segments: usize,
        spare: usize,
    ) -> Result<(), Error> {
        let look = || match channel.lane.lock().as_ref() {
            None => Some(Err(Error::Dead)),
            Some(lane) => {
                let ranges = spare == 0 || self.ranges.available() > 0;
                (lane.queue.room() >= segments && lane.spare.len() >= spare && ranges)
                    .then_some(Ok(()))
            }
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
                self.check_deadlines();
                match Task::current() {
                    Some(_) => Task::yield_now(),
                    None => hint::spin_loop(),
                }
            }
        }
    }
}

/// Delivers the answer to a request that was in flight.
pub(super) fn complete(mut request: Box<Request>, result: Result<(), Error>) {
    if let Some(done) = take_done(&mut request) {
        done.push(Completion { request, result });
    }
}
