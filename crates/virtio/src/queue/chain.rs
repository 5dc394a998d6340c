//! Chains: descriptors, and the memory that they describe, as one object.

use alloc::vec::Vec;
use core::{fmt, ops::Range};

use dma::{DmaMemory, DmaSlice};
use ostd::mm::{Infallible, VmWriter, dma::DmaCoherent};
use zerocopy::{FromBytes, FromZeros as _, Immutable, IntoBytes, KnownLayout, transmute};

use super::MAX_SEGMENTS;

/// One entry of a descriptor table (section 2.7.5, `struct virtq_desc`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
// ANCHOR: descriptor
#[repr(C)]
pub struct Descriptor {
    /// The device address of the memory.
    pub address: u64,
    /// Its length in bytes.
    pub length: u32,
    /// [`Self::NEXT`], [`Self::WRITE`], [`Self::INDIRECT`].
    pub flags: u16,
    /// The descriptor that continues the chain, if the flags have [`Self::NEXT`].
    pub next: u16,
}
// ANCHOR_END: descriptor

impl Descriptor {
    /// Another descriptor of the chain follows.
    pub const NEXT: u16 = 1;
    /// The device writes this memory; without it, the device reads.
    pub const WRITE: u16 = 2;
    /// The memory is a table of descriptors.
    pub const INDIRECT: u16 = 4;

    /// Writes it at the start of `memory`: length, flags and next share one word, so by two stores.
    #[inline(always)]
    pub(super) fn write(self, memory: &mut VmWriter<'_, Infallible>) -> ostd::Result<()> {
        let [address, rest]: [u64; 2] = transmute!(self);
        memory.write_once(&address)?;
        memory.write_once(&rest)
    }
}

/// An indirect table (section 2.7.5.3).
pub type Table = [Descriptor; MAX_SEGMENTS];

/// A descriptor chain together with all of its memory, `M`.
///
/// [`Self::link`] describes the memory. Whatever may change or free the memory takes the description away
/// again, so a chain that can be sent describes exactly what it owns. Sending takes it away, too, as the device
/// may write over an indirect table that it has.
#[derive(Debug)]
pub struct Chain<M> {
    memory: M,
    /// Its number among the chains of its queue, from 0.
    pub(crate) place: u16,
    /// Its indirect table, where the device knows those: [`Self::link`] writes its descriptors there.
    pub(super) table: Option<DmaSlice<Table, DmaCoherent>>,
    /// Without a table: the descriptors that are going to be written into the ring.
    pub(super) list: Vec<Descriptor>,
    /// The number of descriptors.
    pub(super) segments: u16,
    /// The bytes that the device may write.
    pub(super) writable: u32,
    /// Set if the descriptors describe `memory` as it is.
    pub(super) linked: bool,
    /// The number of descriptors of the ring that it occupies.
    pub(super) occupied: u16,
    /// The time at which it was made available, in ticks of the machine's timer.
    pub(super) since: u64,
}

impl<M> Chain<M> {
    pub(crate) fn new(memory: M, place: u16, table: Option<DmaSlice<Table, DmaCoherent>>) -> Self {
        let in_list = if table.is_some() { 0 } else { MAX_SEGMENTS };
        let list = (0..in_list).map(|_| Descriptor::new_zeroed()).collect();
        let (segments, writable, linked, occupied, since) = (0, 0, false, 0, 0);
        Self { memory, place, table, list, segments, writable, linked, occupied, since }
    }

    /// Gives access to the memory without the means to change what is described.
    #[inline]
    pub fn memory(&self) -> &M {
        &self.memory
    }

    /// Gives access to all of the memory, which may be freed by it: the chain cannot be sent until
    /// it is linked again.
    #[inline]
    pub fn memory_mut(&mut self) -> &mut M {
        self.linked = false;
        &mut self.memory
    }

    /// Returns `true` if it describes its memory, so that it can be sent.
    #[cfg(ktest)]
    pub(crate) fn is_linked(&self) -> bool {
        self.linked
    }

    /// The number of segments that are described.
    pub(crate) fn segments(&self) -> usize {
        self.segments.into()
    }

    /// Describes the memory to the device, in the order in which the device uses it: first what it
    /// reads, then what it writes (section 2.7.4.2).
    ///
    /// `describe` can list nothing but memory that the chain itself keeps alive: a reference to anything
    /// else does not live for `'a`.
    ///
    /// # Errors
    ///
    /// [`ChainError`]; the chain cannot be sent then.
    // ANCHOR: link
    #[inline(always)]
    pub fn link(
        &mut self,
        describe: impl for<'a> FnOnce(&'a M, &mut Segments<'a>),
    ) -> Result<(), ChainError> {
        self.linked = false;
        let table = match &self.table {
            Some(table) => table.writer(),
            None => VmWriter::from(self.list.as_mut_bytes()),
        };
        let last = Descriptor::new_zeroed();
        let mut segments = Segments { table, count: 0, last, writable: 0, error: None };
        describe(&self.memory, &mut segments);
        let Segments { mut table, count, last, writable, error } = segments;
        match error {
            Some(error) => return Err(error),
            None if count == 0 => return Err(ChainError::Empty),
            None => {}
        }
        let last = Descriptor { next: 0, ..last };
        last.write(&mut table).map_err(|_| ChainError::TooManySegments)?;
        (self.segments, self.writable, self.linked) = (count, writable, true);
        Ok(())
    }
    // ANCHOR_END: link
}

/// The segments of a chain that is being linked.
///
/// A list that breaks a rule stays broken and the chain is refused; [`ChainError`] names the rule.
pub struct Segments<'a> {
    table: VmWriter<'a, Infallible>,
    count: u16,
    /// The last descriptor, which is not written yet: another one may follow.
    last: Descriptor,
    writable: u32,
    error: Option<ChainError>,
}

impl<'a> Segments<'a> {
    /// Adds all of `memory` for the device to read.
    #[inline]
    pub fn device_reads<D: DmaMemory + ?Sized>(&mut self, memory: &'a D) {
        let extent = memory.extent();
        self.push(extent.address, extent.len, 0, extent.device_reads);
    }

    /// Adds all of `memory` for the device to write.
    #[inline]
    pub fn device_writes<D: DmaMemory + ?Sized>(&mut self, memory: &'a D) {
        let extent = memory.extent();
        self.push(extent.address, extent.len, Descriptor::WRITE, extent.device_writes);
    }

    /// Adds the bytes `range` of `memory` for the device to read.
    pub fn device_reads_part<D: DmaMemory + ?Sized>(&mut self, memory: &'a D, range: Range<usize>) {
        let extent = memory.extent();
        // A range that is none has no bytes, which `push` refuses.
        let len = if range.end <= extent.len { range.len() } else { 0 };
        self.push(extent.address.wrapping_add(range.start), len, 0, extent.device_reads);
    }

    /// Adds the bytes `range` of `memory` for the device to write.
    pub fn device_writes_part<D: DmaMemory + ?Sized>(
        &mut self,
        memory: &'a D,
        range: Range<usize>,
    ) {
        let extent = memory.extent();
        let len = if range.end <= extent.len { range.len() } else { 0 };
        let address = extent.address.wrapping_add(range.start);
        self.push(address, len, Descriptor::WRITE, extent.device_writes);
    }

    #[inline(always)]
    fn push(&mut self, address: usize, len: usize, flags: u16, allowed: bool) {
        let Ok(length @ 1..) = u32::try_from(len) else {
            let error = if len == 0 { ChainError::BadRange } else { ChainError::TooLong };
            return self.fail(error);
        };
        if !allowed {
            return self.fail(ChainError::WrongDirection);
        }
        if flags == Descriptor::WRITE {
            let Some(writable) = self.writable.checked_add(length) else {
                return self.fail(ChainError::TooLong);
            };
            self.writable = writable;
        } else if self.writable > 0 {
            return self.fail(ChainError::ReadAfterWrite);
        }
        let last = Descriptor { flags: self.last.flags | Descriptor::NEXT, ..self.last };
        if self.count > 0 && last.write(&mut self.table).is_err() {
            return self.fail(ChainError::TooManySegments);
        }
        self.count += 1;
        self.last = Descriptor { address: address as u64, length, flags, next: self.count };
    }

    #[cold]
    fn fail(&mut self, error: ChainError) {
        self.error.get_or_insert(error);
    }
}

/// A chain that no device may be given; a mistake of the driver, not of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainError {
    /// There is no memory in it.
    Empty,
    /// It has not been linked since its memory could change, or since it was sent.
    NotLinked,
    /// It was made for another queue.
    WrongQueue,
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

impl ChainError {
    /// The rule that the chain breaks.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "the chain is empty",
            Self::NotLinked => "the chain was changed or sent since it was last linked",
            Self::WrongQueue => "the chain was made for another queue",
            Self::BadRange => "a part of the chain is empty or lies outside its memory",
            Self::WrongDirection => "the memory does not flow in that direction",
            Self::ReadAfterWrite => "what the device reads must stand before what it writes",
            Self::TooManySegments => "the chain has more segments than the queue can take",
            Self::TooLong => "the chain is longer than 32 bits can say",
        }
    }
}

impl fmt::Display for ChainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl core::error::Error for ChainError {}
