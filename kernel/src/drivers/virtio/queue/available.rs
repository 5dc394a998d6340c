//! The way to the device: chains become available.

use core::mem::ManuallyDrop;

use super::{AddError, Chain, ChainError, Outstanding, Queue, Run, Segments, Token, layout};

impl<M: Chain, T> Queue<M, T> {
    /// Makes a chain available to the device, which may not notice before it is notified: see
    /// [`Self::should_notify`].
    ///
    /// A chain of several segments takes one descriptor where the device knows indirect
    /// descriptors, otherwise one each.
    ///
    /// # Errors
    ///
    /// The chain comes back untouched, with the reason.
    pub fn add(&mut self, memory: M, tag: T) -> Result<Token, (AddError, M, T)> {
        match self.prepare(&memory) {
            Ok((head, descriptors, writable)) => {
                let memory = ManuallyDrop::new(memory);
                let chain = Outstanding { memory, tag, descriptors, writable };
                if let Some(record) = self.outstanding.get_mut(usize::from(head)) {
                    *record = Some(chain);
                }
                self.outstanding_count += 1;
                self.rings.publish(self.next_available, head);
                self.next_available = self.next_available.wrapping_add(1);
                Ok(Token(head))
            }
            Err(error) => Err((error, memory, tag)),
        }
    }

    /// Writes the descriptors of a chain and gives its head, the number of descriptors of the ring
    /// it takes, and how much of it the device may write.
    fn prepare(&mut self, memory: &M) -> Result<(u16, u16, u32), AddError> {
        match self.run {
            Run::Running => {}
            Run::Broken(violation) => return Err(AddError::Broken(violation)),
            Run::Stopped | Run::Lost => return Err(AddError::Stopped),
        }
        let mut segments = Segments::default();
        segments.fill(memory).map_err(AddError::Chain)?;
        let list = segments.list.as_slice();
        if list.len() > self.max_segments() {
            return Err(AddError::Chain(ChainError::TooManySegments));
        }
        if list.len() > self.room() {
            return Err(AddError::Full);
        }
        let indirect = list.len() > 1 && self.rings.has_indirect_tables();
        let needed = if indirect { 1 } else { list.len() };
        // `room` has made sure that there are enough.
        let start = self.free.len() - needed;
        let (Some(&head), Some(chain)) = (self.free.last(), self.free.get(start..)) else {
            return Err(AddError::Full);
        };
        if indirect {
            self.rings.write_indirect(head, list);
        } else {
            // The free list is a stack: the chain takes its descriptors from the top down.
            let mut descriptors = chain.iter().rev().copied().peekable();
            let mut segments = list.iter();
            while let (Some(number), Some(segment)) = (descriptors.next(), segments.next()) {
                let next = descriptors.peek().copied();
                self.rings.write_descriptor(number, segment, next);
                if let (Some(next), Some(link)) =
                    (next, self.next_in_chain.get_mut(usize::from(number)))
                {
                    *link = next;
                }
            }
        }
        self.free.truncate(start);
        Ok((head, needed as u16, segments.writable))
    }

    /// Whether the device wants a notification for what was added since this was last asked.
    ///
    /// Add any number of chains, ask once, and if the answer is yes call
    /// [`Transport::notify`] with [`Self::index`], best without the lock of the queue. A yes that is
    /// not followed by a notification may leave the chains lying (section 2.7.13.4).
    pub fn should_notify(&mut self) -> bool {
        let (new, old) = (self.next_available, self.considered);
        if new == old {
            return false;
        }
        self.considered = new;
        if self.event_idx {
            layout::event_passed(self.rings.avail_event(), new, old)
        } else {
            !self.rings.notifications_suppressed()
        }
    }
}
