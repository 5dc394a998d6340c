//! The way back: the device returns chains, and may interrupt to say so.

use core::mem::ManuallyDrop;

use super::{Chain, Queue, Run, Token, Used, Violation};

impl<M: Chain, T> Queue<M, T> {
    /// Takes back the chain that the device has returned next, if there is one.
    ///
    /// The used index is read again only when all that it announced before has been taken.
    ///
    /// # Errors
    ///
    /// A [`Violation`] breaks the queue for good: this and all later calls report it, and the
    /// outstanding chains stay with the queue until [`Self::stop`].
    pub fn pop(&mut self) -> Result<Option<Used<M, T>>, Violation> {
        match self.run {
            Run::Running => {}
            Run::Broken(violation) => return Err(violation),
            Run::Stopped | Run::Lost => return Ok(None),
        }
        self.try_pop().inspect_err(|violation| self.run = Run::Broken(*violation))
    }

    fn try_pop(&mut self) -> Result<Option<Used<M, T>>, Violation> {
        if self.next_used == self.seen_used && !self.look_for_used()? {
            return Ok(None);
        }
        let (id, mut written) = self.rings.used_entry(self.next_used);
        let record = usize::try_from(id).ok().and_then(|id| self.outstanding.get_mut(id));
        let record = record.ok_or(Violation::UnknownId { id })?;
        let chain = match record {
            None => return Err(Violation::NotOutstanding { id }),
            Some(chain) if self.ignores_length => {
                written = chain.writable;
                record.take()
            }
            Some(chain) if written > chain.writable => {
                return Err(Violation::LengthTooLong { written, writable: chain.writable });
            }
            Some(_) => record.take(),
        };
        let Some(chain) = chain else { return Ok(None) };
        // Cannot truncate: it is a number of a descriptor.
        let head = id as u16;
        self.free_descriptors(head, chain.descriptors);
        self.outstanding_count -= 1;
        self.next_used = self.next_used.wrapping_add(1);
        Ok(Some(Used {
            token: Token(head),
            memory: ManuallyDrop::into_inner(chain.memory),
            tag: chain.tag,
            written,
        }))
    }

    /// Reads the used index; says whether the device has returned anything.
    fn look_for_used(&mut self) -> Result<bool, Violation> {
        let used = self.rings.used_index();
        let returned = used.wrapping_sub(self.next_used);
        let known = self.seen_used.wrapping_sub(self.next_used);
        if returned < known || returned > self.outstanding_count {
            // Going back behind what was taken is going ahead almost all the way round.
            return Err(Violation::UsedIndexJumped {
                returned,
                outstanding: self.outstanding_count,
            });
        }
        self.seen_used = used;
        Ok(returned > 0)
    }

    fn free_descriptors(&mut self, head: u16, count: u16) {
        if count == 1 {
            return self.free.push(head);
        }
        // The first descriptor goes on top of the stack, for the next chain to start with.
        let start = self.free.len();
        let mut descriptor = head;
        for _ in 0..count {
            self.free.push(descriptor);
            descriptor =
                self.next_in_chain.get(usize::from(descriptor)).copied().unwrap_or(descriptor);
        }
        if let Some(chain) = self.free.get_mut(start..) {
            chain.reverse();
        }
    }

    /// Asks the device to interrupt when it returns the next chain.
    ///
    /// Returns whether [`Self::pop`] has something to tell: a chain that was returned meanwhile, for
    /// which the device may not interrupt, or a violation. Without EVENT_IDX interrupts stay
    /// enabled once this was called.
    pub fn enable_interrupts(&mut self) -> bool {
        match self.run {
            Run::Running => {}
            Run::Broken(_) => return true,
            Run::Stopped | Run::Lost => return false,
        }
        self.rings.request_interrupt(self.event_idx.then_some(self.next_used));
        self.look_for_used().unwrap_or_else(|violation| {
            self.run = Run::Broken(violation);
            true
        })
    }

    /// Asks the device not to interrupt. It may do so all the same; this is a wish.
    pub fn disable_interrupts(&mut self) {
        // With EVENT_IDX the device interrupts when the used index passes `used_event`. The
        // index just behind the present one is passed last of all 65,536.
        let behind = self.event_idx.then_some(self.next_used.wrapping_sub(1));
        self.rings.suppress_interrupt(behind);
    }
}
