//! The two ways of a chain: to the device by the available ring, back by the used ring.

use alloc::boxed::Box;
use core::{
    mem::ManuallyDrop,
    sync::atomic::{Ordering, fence},
};

use dma::DmaMemory;
use ostd::arch::read_tsc;

use super::{
    AddError, Chain, ChainError, Descriptor, Outstanding, Queue, Refused, Run, Used, Violation,
    layout::ring,
};

// To the device.
impl<M, T> Queue<M, T> {
    /// Makes a chain available to the device, which may not notice before it is notified: see
    /// [`Self::should_notify`].
    ///
    /// A chain takes one descriptor of the ring where the device knows indirect descriptors, otherwise
    /// one for each segment.
    ///
    /// # Errors
    ///
    /// The chain comes back untouched, with the reason.
    #[inline(always)]
    pub fn add(&mut self, mut chain: Box<Chain<M>>, tag: T) -> Result<(), Refused<M, T>> {
        let head = match self.describe(&mut chain) {
            Ok(head) => head,
            Err(error) => return Err((error, chain, tag)),
        };
        chain.since = read_tsc();
        if let Some(record) = self.outstanding.get_mut(usize::from(head)) {
            *record = Some(Outstanding { chain: ManuallyDrop::new(chain), tag });
        }
        self.outstanding_count += 1;
        self.rings.publish(self.next_available, head);
        self.next_available = self.next_available.wrapping_add(1);
        Ok(())
    }

    // ANCHOR: exercise-7-to_device
    /// Writes the descriptors of a chain; gives the number of the first one in the ring.
    #[inline(always)]
    fn describe(&mut self, chain: &mut Chain<M>) -> Result<u16, AddError> {
        match self.run {
            Run::Running => {}
            Run::Broken(violation) => return Err(AddError::Broken(violation)),
            Run::Stopped | Run::Prepared | Run::Lost => return Err(AddError::Stopped),
        }
        if !chain.linked {
            return Err(AddError::Chain(ChainError::NotLinked));
        }
        if chain.table.is_some() != self.indirect {
            return Err(AddError::Chain(ChainError::WrongQueue));
        }
        let segments = usize::from(chain.segments);
        if segments > self.max_segments {
            return Err(AddError::Chain(ChainError::TooManySegments));
        }
        let head = match &chain.table {
            Some(table) => {
                let head = self.free_descriptors.pop().ok_or(AddError::Full)?;
                let address = table.extent().address as u64;
                let length = (segments * size_of::<Descriptor>()) as u32;
                let flags = Descriptor::INDIRECT;
                self.rings.write_descriptor(head, Descriptor { address, length, flags, next: 0 });
                chain.occupied = 1;
                head
            }
            None => {
                let descriptors = chain.list.get(..segments);
                let descriptors = descriptors.ok_or(ChainError::TooManySegments)?;
                let head = self.describe_in_ring(descriptors)?;
                chain.occupied = chain.segments;
                head
            }
        };
        chain.linked = false;
        Ok(head)
    }

    /// Writes the descriptors of a chain into the ring itself, where each takes a free place.
    #[cold]
    fn describe_in_ring(&mut self, descriptors: &[Descriptor]) -> Result<u16, AddError> {
        let start = self.free_descriptors.len().checked_sub(descriptors.len());
        let free = start.and_then(|start| self.free_descriptors.get(start..));
        let (Some(start), Some(&head), Some(numbers)) = (start, self.free_descriptors.last(), free)
        else {
            return Err(AddError::Full);
        };
        // The free list is a stack: the chain takes its descriptors from the top down.
        let mut numbers = numbers.iter().rev().copied().peekable();
        let mut descriptors = descriptors.iter();
        while let (Some(number), Some(descriptor)) = (numbers.next(), descriptors.next()) {
            let mut descriptor = *descriptor;
            if let (Some(next), Some(link)) =
                (numbers.peek(), self.next_in_chain.get_mut(usize::from(number)))
            {
                descriptor.next = *next;
                *link = *next;
            }
            self.rings.write_descriptor(number, descriptor);
        }
        self.free_descriptors.truncate(start);
        Ok(head)
    }

    /// Returns `true` if the device wants a notification for what was added since this was last asked.
    ///
    /// Add any number of chains, ask once, and if the answer is yes call
    /// [`super::Transport::notify`] with [`Self::index`], best without the lock of the queue. A yes that is
    /// not followed by a notification may leave the chains lying (section 2.7.13.4).
    #[inline(always)]
    pub fn should_notify(&mut self) -> bool {
        let (new, old) = (self.next_available, self.last_notify_check);
        if new == old {
            return false;
        }
        self.last_notify_check = new;
        if self.event_idx {
            event_passed(self.rings.avail_event(), new, old)
        } else {
            !self.rings.notifications_suppressed()
        }
    }
    // ANCHOR_END: exercise-7-to_device
}

// Back from the device.
impl<M, T> Queue<M, T> {
    /// Takes back the chain that the device has returned next, of those that [`Self::look`] has found.
    ///
    /// # Errors
    ///
    /// A [`Violation`] breaks the queue for good: this and all later calls report it, and the
    /// outstanding chains stay with the queue until [`Self::stop`].
    #[inline]
    pub fn pop(&mut self) -> Result<Option<Used<M, T>>, Violation> {
        match self.run {
            Run::Running if self.seen_used != self.next_used => {}
            Run::Broken(violation) => return Err(violation),
            _ => return Ok(None),
        }
        // ANCHOR: exercise-6-pop
        let (id, mut written) = self.rings.used_entry(self.next_used);
        let record = usize::try_from(id).ok().and_then(|id| self.outstanding.get_mut(id));
        let violation = match record {
            None => Violation::UnknownId { id },
            Some(None) => Violation::NotOutstanding { id },
            Some(record @ Some(_)) => {
                let writable = record.as_ref().map_or(0, |record| record.chain.writable);
                if self.ignores_length {
                    written = writable;
                }
                if written <= writable
                    && let Some(Outstanding { chain, tag }) = record.take()
                {
                    let chain = ManuallyDrop::into_inner(chain);
                    // Cannot truncate: it is a number of a descriptor.
                    match chain.occupied {
                        1 => self.free_descriptors.push(id as u16),
                        several => self.free(id as u16, several),
                    }
                    self.outstanding_count -= 1;
                    self.next_used = self.next_used.wrapping_add(1);
                    return Ok(Some(Used { chain, tag, written }));
                }
                Violation::LengthTooLong { written, writable }
            }
        };
        self.run = Run::Broken(violation);
        Err(violation)
        // ANCHOR_END: exercise-6-pop
    }

    /// Looks at the used index; returns the number of chains that [`Self::pop`] has not taken.
    ///
    /// # Errors
    ///
    /// As [`Self::pop`].
    #[inline]
    pub fn look(&mut self) -> Result<u16, Violation> {
        match self.run {
            Run::Running => {}
            Run::Broken(violation) => return Err(violation),
            Run::Stopped | Run::Prepared | Run::Lost => return Ok(0),
        }
        let used = self.rings.used_index();
        let returned = used.wrapping_sub(self.next_used);
        // ANCHOR: exercise-6-look
        let known = self.seen_used.wrapping_sub(self.next_used);
        if returned < known || returned > self.outstanding_count {
            // Going back behind what was taken is going ahead almost all the way round.
            let outstanding = self.outstanding_count;
            let violation = Violation::UsedIndexJumped { returned, outstanding };
            self.run = Run::Broken(violation);
            return Err(violation);
        }
        // ANCHOR_END: exercise-6-look
        self.seen_used = used;
        Ok(returned)
    }

    // ANCHOR: exercise-7-free
    /// Frees the descriptors of a chain that lies in the ring itself.
    fn free(&mut self, head: u16, count: u16) {
        // The first descriptor goes on top of the stack, for the next chain to start with.
        let start = self.free_descriptors.len();
        let mut descriptor = head;
        for _ in 0..count {
            self.free_descriptors.push(descriptor);
            descriptor =
                self.next_in_chain.get(usize::from(descriptor)).copied().unwrap_or(descriptor);
        }
        if let Some(chain) = self.free_descriptors.get_mut(start..) {
            chain.reverse();
        }
    }
    // ANCHOR_END: exercise-7-free

    /// Asks the device to interrupt when it returns the next chain.
    ///
    /// Returns `true` if [`Self::pop`] has something to tell: a chain that was returned meanwhile, for
    /// which the device may not interrupt, or a violation. Without EVENT_IDX interrupts stay
    /// enabled once this was called.
    pub fn enable_interrupts(&mut self) -> bool {
        // ANCHOR: exercise-4-enable_interrupts
        self.rings.wish_interrupt(self.event_idx.then_some(self.next_used), 0);
        // Ask: our wish before the device's used index, which is read next.
        fence(Ordering::SeqCst);
        self.look() != Ok(0)
        // ANCHOR_END: exercise-4-enable_interrupts
    }

    /// Asks the device not to interrupt. It may do so all the same; this is a wish.
    pub fn disable_interrupts(&mut self) {
        // With EVENT_IDX the device interrupts when the used index passes `used_event`. The
        // index just behind the present one is passed last of all 65,536.
        let behind = self.event_idx.then_some(self.next_used.wrapping_sub(1));
        self.rings.wish_interrupt(behind, ring::AVAILABLE_F_NO_INTERRUPT);
    }
}

/// Returns `true` if the index that the other side asked to be told about, `event`, was passed when the
/// index moved from `old` to `new`; indices wrap at 65,536 (sections 2.7.7.2 and 2.7.10).
pub(super) const fn event_passed(event: u16, new: u16, old: u16) -> bool {
    new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
}
