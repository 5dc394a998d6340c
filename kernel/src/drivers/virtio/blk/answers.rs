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
    super::queue::Used,
    VirtioBlk,
    channel::{Channel, Lane, take_done},
    recovery::Reason,
    request::RequestChain,
};
use crate::block::{Completion, Error, Request};

/// What to do with interrupts after the used ring has been looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Afterwards {
    /// Leave them as they are.
    Keep,
    /// On, for somebody who is about to sleep.
    Arm,
    /// On if somebody sleeps, otherwise off.
    ArmForSleepers,
}

impl VirtioBlk {
    /// Takes back chains that the device has returned, and completes their requests. Returns how
    /// many it completed. May be called from any context.
    pub(super) fn drain(&self, channel: &Channel) -> usize {
        self.look(channel, Afterwards::Keep).completed
    }

    /// Takes back what the device has returned, until it will interrupt for what comes next.
    ///
    /// Each turn takes at least one chain, or deals with a violation.
    pub(super) fn drain_and_arm(&self, channel: &Channel) {
        while self.look(channel, Afterwards::Arm).more {}
    }

    /// The interrupt handler's part.
    pub(super) fn used_buffers(&self, channel: &Channel) {
        while self.look(channel, Afterwards::ArmForSleepers).more {}
    }

    /// Looks at the used ring once.
    ///
    /// It takes no more chains than are outstanding when it begins. What is left then, and what a
    /// split request adds, is for the next look.
    fn look(&self, channel: &Channel, afterwards: Afterwards) -> Looked {
        let mut looked = Looked { completed: 0, more: false };
        let mut guard = channel.lane.lock();
        let Some(lane) = guard.as_mut() else { return looked };
        let mut violation = None;
        // Once at least, as a device may return what it never had.
        for _ in 0..lane.queue.outstanding().max(1) {
            match lane.queue.pop() {
                Ok(Some(used)) => looked.completed += usize::from(self.settle(lane, used)),
                Ok(None) => break,
                Err(what) => {
                    violation = Some(what);
                    break;
                }
            }
        }
        let notify = lane.queue.should_notify();
        let sleepers = || self.sleepers.load(Ordering::SeqCst);
        match afterwards {
            Afterwards::Keep => {}
            Afterwards::ArmForSleepers if sleepers() == 0 => lane.queue.disable_interrupts(),
            // Arming includes a last look, which may find more, or a violation.
            _ => looked.more = lane.queue.enable_interrupts(),
        }
        drop(guard);
        if notify {
            self.notify(channel);
        }
        if let Some(violation) = violation {
            looked.completed += self.trouble(Reason::Violation(violation), || channel.is_broken());
        }
        if looked.completed > 0 {
            channel.waiting_for_room.wake_all();
        }
        looked
    }

    /// Deals with a chain that has come back: sends it again for the next step of its request, or
    /// completes the request, which it says by `true`.
    fn settle(&self, lane: &mut Lane, used: Used<Box<RequestChain>, Box<Request>>) -> bool {
        let (mut chain, mut request) = (used.memory, used.tag);
        let result = match chain.settle(&mut request, used.written) {
            Some(result) => result,
            None => {
                let room = lane.queue.room();
                // It fits: what it needs has just come back.
                let sent = match chain.next_step(&mut request, &self.config, room) {
                    Ok(()) => lane.add(chain, request),
                    Err(error) => Err((error, chain, request)),
                };
                let Err((error, refused, its_request)) = sent else { return false };
                (chain, request) = (refused, its_request);
                Err(error)
            }
        };
        chain.unlink(&mut request);
        lane.put_back(chain);
        if result.is_ok() {
            self.health.good_answer();
        }
        complete(request, result);
        true
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

/// What a look at the used ring came to.
struct Looked {
    /// Requests completed.
    completed: usize,
    /// Whether another look is needed.
    more: bool,
}

/// Delivers the answer to a request that was in flight.
#[inline]
pub(super) fn complete(mut request: Box<Request>, result: Result<(), Error>) {
    if let Some(done) = take_done(&mut request) {
        done.push(Completion { request, result });
    }
}
