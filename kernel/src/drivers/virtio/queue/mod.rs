//! The split virtqueue, VIRTIO 1.3 section 2.7.
//!
//! A queue carries descriptor chains to the device and back. Three parts of shared memory do
//! that (see [`layout`]), and who writes which decides what can be believed:
//!
//! | part | written by | read by | trusted |
//! |---|---|---|---|
//! | descriptor table, indirect tables | driver | device | never read back |
//! | available ring | driver | device | never read back |
//! | used ring | device | driver | every value is checked, and read once |
//!
//! Whatever the driver needs to know later it keeps in private records. A device that scribbles
//! over the shared memory confuses itself and nobody else.
//!
//! Two indices run round the rings. Both count up, wrap at 65,536, and never go back:
//! `next_available`, the number of chains ever made available, and `next_used`, the number ever
//! taken back. Their difference is the number of outstanding chains.
//!
//! **In-flight memory.** [`Queue::add`] takes the chain's memory over. It comes back from
//! [`Queue::pop`] when the device returns it, or from [`Queue::stop`], which resets the device
//! first. A queue that is dropped gives nothing back: its memory stays allocated for good, because
//! the device may still write to it. Only a stopped queue can be freed.

mod chain;
mod error;
mod layout;
mod rings;

#[cfg(ktest)]
mod tests;

use alloc::{sync::Arc, vec::Vec};
use core::mem::ManuallyDrop;

use self::rings::Rings;
pub use self::{
    chain::{Chain, ChainError, Segments},
    error::{AddError, SetupError, Violation},
    layout::{MAX_QUEUE_SIZE, QueueAddresses},
};
use super::{
    Features,
    reset::{ResetError, reset},
    transport::{Transport, Version},
};

/// The most segments of one chain: a block request of 32 buffers with its header and response.
pub const MAX_SEGMENTS: usize = 34;

/// A virtqueue whose chains consist of memory `M` and a tag `T` each.
///
/// The tag is the driver's own note about a chain. It comes back even where the memory cannot.
///
/// No method sleeps or allocates memory except [`Self::new`]. All others may be called from interrupt context; the caller's lock makes them one at a time.
#[derive(Debug)]
pub struct Queue<M: Chain, T> {
    transport: Arc<dyn Transport>,
    index: u16,
    rings: ManuallyDrop<Rings>,
    /// The outstanding chains, by the number of their first descriptor.
    outstanding: Vec<Option<Outstanding<M, T>>>,
    /// The number of entries of `outstanding` that are `Some`.
    outstanding_count: u16,
    /// Descriptors in no chain.
    free: Vec<u16>,
    /// For a descriptor in a chain, the next one of it.
    next_in_chain: Vec<u16>,
    next_available: u16,
    next_used: u16,
    /// The device's used index when it was last read; `next_used` is never ahead of it.
    seen_used: u16,
    /// `next_available` when the device was last considered for a notification.
    considered: u16,
    event_idx: bool,
    /// Legacy devices may count as written what they only read, or nothing (section 2.7.8.1).
    ignores_length: bool,
    run: Run,
}

#[derive(Debug)]
struct Outstanding<M, T> {
    memory: ManuallyDrop<M>,
    tag: T,
    /// How many descriptors of the ring it occupies.
    descriptors: u16,
    /// How many bytes the device may write to it.
    writable: u32,
}

/// Names an outstanding chain of one queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token(u16);

/// A chain that the device has returned.
#[derive(Debug)]
pub struct Used<M, T> {
    /// The token that [`Queue::add`] gave for it.
    pub token: Token,
    /// Its memory, which the device does not touch any more.
    pub memory: M,
    /// Its tag.
    pub tag: T,
    /// How many bytes the device says to have written, from the start of what it may write; never
    /// more than that. What a legacy device says is not reliable, so there it is all of them.
    pub written: u32,
}

impl<M: Chain, T> Queue<M, T> {
    /// Sets up queue `index` of the device with at most `wanted` entries.
    ///
    /// The size is the largest power of two that neither the device, nor `wanted`, nor
    /// [`MAX_QUEUE_SIZE`] is below. `features` are the negotiated ones.
    ///
    /// IRQs must be enabled, as DMA memory is allocated.
    ///
    /// # Errors
    ///
    /// [`SetupError`]; the device has not been given any memory then.
    pub fn new(
        transport: Arc<dyn Transport>,
        index: u16,
        features: Features,
        wanted: u16,
    ) -> Result<Self, SetupError> {
        if transport.queue_ready(index) {
            return Err(SetupError::InUse { index });
        }
        let largest = transport.queue_size_max(index).min(MAX_QUEUE_SIZE.min(wanted).into());
        // Cannot truncate: it is no larger than MAX_QUEUE_SIZE.
        let size = match largest.checked_ilog2() {
            Some(log2) => 1u16 << log2,
            None => return Err(SetupError::NoSuchQueue { index }),
        };
        let event_idx = features.contains(Features::RING_EVENT_IDX);
        let rings = Rings::alloc(size, features.contains(Features::RING_INDIRECT_DESC))
            .map_err(SetupError::Memory)?;
        transport.enable_queue(index, &rings.addresses()).map_err(SetupError::Transport)?;
        Ok(Self {
            index,
            rings: ManuallyDrop::new(rings),
            outstanding: (0..size).map(|_| None).collect(),
            outstanding_count: 0,
            free: (0..size).rev().collect(),
            next_in_chain: (0..size).collect(),
            next_available: 0,
            next_used: 0,
            seen_used: 0,
            considered: 0,
            event_idx,
            ignores_length: transport.version() == Version::Legacy,
            transport,
            run: Run::Running,
        })
    }

    /// Which queue of the device this is.
    pub fn index(&self) -> u16 {
        self.index
    }

    /// The number of entries.
    pub fn size(&self) -> u16 {
        self.rings.size()
    }

    /// The number of chains that the device has not returned.
    pub fn outstanding(&self) -> usize {
        self.outstanding_count.into()
    }

    /// Whether the device has broken a rule, and the queue has not been stopped since.
    pub fn is_broken(&self) -> bool {
        matches!(self.run, Run::Broken(_))
    }

    /// The tags of the chains that the device has not returned.
    pub fn outstanding_tags(&self) -> impl Iterator<Item = &T> {
        // Nothing to look through where nothing is outstanding.
        let records = if self.outstanding_count == 0 { &[] } else { self.outstanding.as_slice() };
        records.iter().flatten().map(|chain| &chain.tag)
    }

    /// How many segments a chain may have now without [`AddError::Full`]; never more than
    /// [`MAX_SEGMENTS`].
    pub fn room(&self) -> usize {
        match self.free.len() {
            _ if !matches!(self.run, Run::Running) => 0,
            0 => 0,
            _ if self.rings.has_indirect_tables() => self.max_segments(),
            free => free.min(MAX_SEGMENTS),
        }
    }

    /// How many segments a chain can have when the queue is empty.
    pub fn max_segments(&self) -> usize {
        // No chain may be longer than the queue, not even in an indirect table (section
        // 2.7.5.3.1). A queue of 2 is the exception: devices take 3 from an indirect table all
        // the same, and without that it would be of no use to anyone.
        let size = usize::from(self.size());
        match self.rings.has_indirect_tables() {
            true => MAX_SEGMENTS.min(size.max(3)),
            false => MAX_SEGMENTS.min(size),
        }
    }

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

    /// Resets the device and takes back everything that it had not returned, one chain after the
    /// other. The queue can be used again after [`Self::restart`].
    ///
    /// The memory of a chain is `None` when the device does not finish its reset: it is leaked on
    /// purpose then, since the device may still write to it.
    ///
    /// # Errors
    ///
    /// [`ResetError`]; the queue stays stopped for good.
    pub fn stop(&mut self, mut each: impl FnMut(Option<M>, T)) -> Result<(), ResetError> {
        let quiet = reset(&*self.transport);
        self.run = match &quiet {
            Ok(()) => Run::Stopped,
            Err(_) => Run::Lost,
        };
        for chain in self.outstanding.iter_mut().filter_map(Option::take) {
            let memory = quiet.is_ok().then(|| ManuallyDrop::into_inner(chain.memory));
            each(memory, chain.tag);
        }
        self.outstanding_count = 0;
        quiet
    }

    /// Gives the queue to the device again, empty and with the same memory, after
    /// [`Self::stop`] and a new handshake. Allocates nothing.
    ///
    /// # Errors
    ///
    /// [`SetupError`]; the queue stays stopped.
    pub fn restart(&mut self) -> Result<(), SetupError> {
        let index = self.index;
        if !matches!(self.run, Run::Stopped) {
            return Err(SetupError::InUse { index });
        }
        if self.transport.queue_ready(index) {
            return Err(SetupError::InUse { index });
        }
        if self.transport.queue_size_max(index) < self.size().into() {
            return Err(SetupError::NoSuchQueue { index });
        }
        self.rings.clear();
        self.free.clear();
        self.free.extend((0..self.rings.size()).rev());
        (self.next_available, self.next_used, self.seen_used, self.considered) = (0, 0, 0, 0);
        self.transport
            .enable_queue(index, &self.rings.addresses())
            .map_err(SetupError::Transport)?;
        self.run = Run::Running;
        Ok(())
    }

    /// Frees the queue's memory if the queue is stopped. Otherwise it is leaked, as when the queue
    /// is dropped: the device may still write to it.
    pub fn free(self) {
        if matches!(self.run, Run::Stopped) {
            drop(ManuallyDrop::into_inner(self.rings));
        }
    }
}

/// Whether a queue can be used.
#[derive(Clone, Copy, Debug)]
enum Run {
    /// The device has it.
    Running,
    /// The device has it and broke a rule.
    Broken(Violation),
    /// The device has been reset and does not know of it.
    Stopped,
    /// The device was to be reset and did not comply: it may still know of it.
    Lost,
}
