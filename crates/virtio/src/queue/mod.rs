//! The split virtqueue, VIRTIO 1.3 section 2.7.
//!
//! A queue carries descriptor chains to the device and back. Three parts of shared memory do
//! that (see `layout.rs`), and who writes which decides what can be believed:
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
mod split;
mod stop;

#[cfg(ktest)]
mod tests;

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::mem::ManuallyDrop;

use self::rings::Rings;
pub use self::{
    chain::{Chain, ChainError, Descriptor, Segments, Table},
    error::{AddError, SetupError, Violation},
    layout::{MAX_QUEUE_SIZE, QueueAddresses},
};
use super::{
    features::Features,
    transport::{Transport, Version},
};

/// The most segments of one chain: a block request of 32 buffers with its header and response.
pub const MAX_SEGMENTS: usize = 34;

/// A virtqueue whose chains consist of memory `M`, with a tag `T` for each that is outstanding.
///
/// The tag is the driver's own note about a chain. It comes back even where the memory cannot.
///
/// No method sleeps or allocates memory except [`Self::new`]. All others may be called from interrupt
/// context; the caller's lock makes them one at a time.
#[derive(Debug)]
pub struct Queue<M, T> {
    transport: Arc<dyn Transport>,
    index: u16,
    rings: ManuallyDrop<Rings>,
    /// The outstanding chains, by the number of their first descriptor.
    outstanding: Vec<Option<Outstanding<M, T>>>,
    /// The number of entries of `outstanding` that are `Some`.
    outstanding_count: u16,
    /// The numbers of the descriptors in no chain.
    free_descriptors: Vec<u16>,
    /// For a descriptor in a chain, the next one of it.
    next_in_chain: Vec<u16>,
    next_available: u16,
    next_used: u16,
    /// The device's used index when it was last read; `next_used` is never ahead of it.
    seen_used: u16,
    /// `next_available` when it was last checked whether the device wants a notification.
    last_notify_check: u16,
    event_idx: bool,
    indirect: bool,
    max_segments: usize,
    /// Legacy devices may count as written what they only read, or nothing (section 2.7.8.1). So may others, in queues
    /// where they have nothing to write.
    ignores_length: bool,
    run: Run,
}

/// The memory is kept from being dropped: only the device's answer or its reset frees it.
#[derive(Debug)]
struct Outstanding<M, T> {
    chain: ManuallyDrop<Box<Chain<M>>>,
    tag: T,
}

/// A chain that was not taken, with the reason and its tag.
pub type Refused<M, T> = (AddError, Box<Chain<M>>, T);

/// A chain that the device has returned.
#[derive(Debug)]
pub struct Used<M, T> {
    /// The chain, whose memory the device does not touch any more.
    pub chain: Box<Chain<M>>,
    /// Its tag.
    pub tag: T,
    /// The bytes that the device says to have written, from the start of what it may write; never
    /// more than that. What a legacy device says is not reliable, so there it is all of them.
    pub written: u32,
}

impl<M, T> Queue<M, T> {
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
        let indirect = features.contains(Features::RING_INDIRECT_DESC);
        // No chain may be longer than the queue, not even in an indirect table (section
        // 2.7.5.3.1). A queue of 2 is the exception: devices take 3 from an indirect table all
        // the same, and without that it would be of no use to anyone.
        let max_segments = MAX_SEGMENTS.min(size.max(if indirect { 3 } else { 0 }).into());
        let rings = Rings::alloc(size).map_err(SetupError::Memory)?;
        transport.enable_queue(index, &rings.addresses()).map_err(SetupError::Transport)?;
        Ok(Self {
            index,
            rings: ManuallyDrop::new(rings),
            outstanding: (0..size).map(|_| None).collect(),
            outstanding_count: 0,
            free_descriptors: (0..size).rev().collect(),
            next_in_chain: (0..size).collect(),
            next_available: 0,
            next_used: 0,
            seen_used: 0,
            last_notify_check: 0,
            event_idx: features.contains(Features::RING_EVENT_IDX),
            indirect,
            max_segments,
            ignores_length: transport.version() == Version::Legacy,
            transport,
            run: Run::Running,
        })
    }

    /// Takes the device to have written all that it may write to each chain, whatever it says, as a legacy device is
    /// taken to. For queues where it has nothing to write.
    pub fn ignore_length(&mut self) {
        self.ignores_length = true;
    }

    /// The number of the queue among those of the device.
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

    /// The rule that the device has broken, if the queue has not been stopped since.
    pub fn violation(&self) -> Option<Violation> {
        match self.run {
            Run::Broken(violation) => Some(violation),
            _ => None,
        }
    }

    /// The times at which the outstanding chains were made available, in ticks.
    pub fn outstanding_since(&self) -> impl Iterator<Item = u64> {
        // Not further than to the last one that is outstanding.
        let outstanding = self.outstanding.iter().flatten();
        outstanding.take(self.outstanding_count.into()).map(|outstanding| outstanding.chain.since)
    }

    /// Says that a chain takes one descriptor of the ring, which points to a table.
    pub(crate) fn is_indirect(&self) -> bool {
        self.indirect
    }

    /// The segments that a chain may have now without [`AddError::Full`]; never more than
    /// [`MAX_SEGMENTS`].
    #[inline]
    pub fn free_segments(&self) -> usize {
        match self.free_descriptors.len() {
            _ if !matches!(self.run, Run::Running) => 0,
            0 => 0,
            _ if self.indirect => self.max_segments,
            free => free.min(MAX_SEGMENTS),
        }
    }

    /// The segments that a chain can have when the queue is empty.
    #[inline]
    pub fn max_segments(&self) -> usize {
        self.max_segments
    }
}

/// The state of a queue.
#[derive(Clone, Copy, Debug)]
enum Run {
    /// The device has it.
    Running,
    /// The device has it and broke a rule.
    Broken(Violation),
    /// The device has been reset and does not know of it.
    Stopped,
    /// The device has been given it again, and is not driven yet.
    Prepared,
    /// The device was to be reset and did not comply: it may still know of it.
    Lost,
}
