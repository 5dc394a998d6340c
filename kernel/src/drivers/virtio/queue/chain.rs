//! What is put into a queue: memory that belongs to the queue until the device returns it.

use alloc::boxed::Box;
use core::{fmt, marker::PhantomData, ops::Range};

use arrayvec::ArrayVec;

use super::MAX_SEGMENTS;
use crate::dma::{DmaExtent, DmaMemory};

/// The memory of one descriptor chain.
///
/// The queue takes a chain over and keeps it until the device has returned it or has been reset.
/// The lifetime in [`Self::segments`] makes sure that what is listed is memory which the chain
/// itself keeps alive: a reference to anything else does not live for `'a`.
pub trait Chain: Send + 'static {
    /// Lists the memory in the order of the chain: first what the device reads, then what it
    /// writes (VIRTIO 1.3 section 2.7.4.2).
    fn segments<'a>(&'a self, list: &mut Segments<'a>);
}

impl<C: Chain> Chain for Box<C> {
    fn segments<'a>(&'a self, list: &mut Segments<'a>) {
        (**self).segments(list);
    }
}

/// A list of memory that a [`Chain`] fills in.
///
/// A list that breaks a rule stays broken and the chain is refused; [`ChainError`] names the rule.
#[derive(Debug, Default)]
pub struct Segments<'a> {
    pub(super) list: ArrayVec<Segment, MAX_SEGMENTS>,
    /// The sum of what the device may write, in bytes.
    pub(super) writable: u32,
    error: Option<ChainError>,
    memory: PhantomData<&'a ()>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub address: u64,
    pub length: u32,
    pub device_writes: bool,
}

impl<'a> Segments<'a> {
    /// Adds all of `memory` for the device to read.
    pub fn device_reads(&mut self, memory: &'a dyn DmaMemory) {
        let extent = memory.extent();
        self.push(extent, 0..extent.len, false);
    }

    /// Adds all of `memory` for the device to write.
    pub fn device_writes(&mut self, memory: &'a dyn DmaMemory) {
        let extent = memory.extent();
        self.push(extent, 0..extent.len, true);
    }

    /// Adds the bytes `range` of `memory` for the device to read.
    pub fn device_reads_part(&mut self, memory: &'a dyn DmaMemory, range: Range<usize>) {
        self.push(memory.extent(), range, false);
    }

    /// Adds the bytes `range` of `memory` for the device to write.
    pub fn device_writes_part(&mut self, memory: &'a dyn DmaMemory, range: Range<usize>) {
        self.push(memory.extent(), range, true);
    }

    fn push(&mut self, memory: DmaExtent, range: Range<usize>, device_writes: bool) {
        if let Err(error) = self.try_push(memory, range, device_writes) {
            self.error.get_or_insert(error);
        }
    }

    fn try_push(
        &mut self,
        memory: DmaExtent,
        range: Range<usize>,
        device_writes: bool,
    ) -> Result<(), ChainError> {
        if range.start >= range.end || range.end > memory.len {
            return Err(ChainError::BadRange);
        }
        let allowed = if device_writes { memory.device_writes } else { memory.device_reads };
        if !allowed {
            return Err(ChainError::WrongDirection);
        }
        if !device_writes && self.writable > 0 {
            return Err(ChainError::ReadAfterWrite);
        }
        let length = u32::try_from(range.len()).map_err(|_| ChainError::TooLong)?;
        if device_writes {
            self.writable = self.writable.checked_add(length).ok_or(ChainError::TooLong)?;
        }
        let address = (memory.address + range.start) as u64;
        self.list
            .try_push(Segment { address, length, device_writes })
            .map_err(|_| ChainError::TooManySegments)
    }

    /// Fills the empty list from `chain`, and checks that it follows the rules.
    ///
    /// In place, as moving a list costs more than making it.
    pub(super) fn fill<C: Chain>(&mut self, chain: &'a C) -> Result<(), ChainError> {
        chain.segments(self);
        match self.error {
            Some(error) => Err(error),
            None if self.list.is_empty() => Err(ChainError::Empty),
            None => Ok(()),
        }
    }
}

/// A chain that no device may be given; a mistake of the driver, not of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainError {
    /// There is no memory in it.
    Empty,
    /// A part is empty or reaches beyond its memory.
    BadRange,
    /// The device would read a stream that flows from it, or write one that flows to it.
    WrongDirection,
    /// Memory to read stands behind memory to write.
    ReadAfterWrite,
    /// More segments than [`MAX_SEGMENTS`], or than the queue has entries.
    TooManySegments,
    /// More bytes than 32 bits can count.
    TooLong,
}

impl fmt::Display for ChainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the chain is empty",
            Self::BadRange => "a part of the chain lies outside its memory",
            Self::WrongDirection => "the memory does not flow in that direction",
            Self::ReadAfterWrite => "what the device reads must stand before what it writes",
            Self::TooManySegments => "the chain has more segments than the queue can take",
            Self::TooLong => "the chain is longer than 32 bits can say",
        })
    }
}
