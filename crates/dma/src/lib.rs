//! Memory that the CPU and devices share.
//!
//! OSTD hands out DMA memory by the page ([`DmaCoherent`], [`DmaStream`]). Drivers want less: a
//! 16-byte request header, a one-byte response, one sector. [`DmaSliceAlloc`] splits the pages of
//! one DMA object into slots of one type, and [`DmaSlice`] owns one slot. [`Buffer`] is memory for
//! data that a device reads or writes in place, and [`Pieces`] for more than one buffer should have.
//!
//! All of these are [`DmaMemory`]: something with a device address that nobody outside this crate can
//! invent. A virtqueue takes addresses from `DmaMemory` alone, so a driver cannot point a device at
//! memory that is not meant for it.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod pieces;
mod slice;
mod slice_alloc;

#[cfg(ktest)]
mod tests;

use core::{
    alloc::Layout,
    fmt::{self, Debug},
    ops::Range,
    sync::atomic::{AtomicBool, Ordering},
};

use ostd::mm::{
    Daddr, FrameAllocOptions, HasDaddr, HasSize, PAGE_SIZE, VmIo,
    dma::{DmaCoherent, DmaDirection, DmaStream, FromAndToDevice, FromDevice, ToDevice},
};

pub use self::{
    pieces::{Pieces, is_slow},
    slice::{Buffer, DmaSlice},
    slice_alloc::DmaSliceAlloc,
};

/// Set if devices see what is in the CPU's caches.
static CACHE_COHERENT: AtomicBool = AtomicBool::new(true);

/// Says whether devices see what is in the CPU's caches, as QEMU's and those of most machines do; that is
/// what is assumed. It counts for memory that is allocated afterwards.
///
/// Where they do not, streams are synchronised around every transfer, or go through another copy. OSTD
/// 0.18.0 then maps memory anew and waits for the other CPUs to hear of it, which on RISC-V may take for
/// ever: use one CPU.
pub fn set_cache_coherent(coherent: bool) {
    CACHE_COHERENT.store(coherent, Ordering::Relaxed);
}

fn is_cache_coherent() -> bool {
    CACHE_COHERENT.load(Ordering::Relaxed)
}

/// Allocates zeroed pages that CPU and device may use at the same time. IRQs must be enabled.
///
/// # Errors
///
/// [`DmaError::NoMemory`].
pub fn alloc_coherent(pages: usize) -> Result<DmaCoherent, DmaError> {
    check_size(pages)?;
    DmaCoherent::alloc(pages, is_cache_coherent()).map_err(|_| DmaError::NoMemory)
}

/// Allocates zeroed pages that CPU and device use in turns. IRQs must be enabled.
///
/// # Errors
///
/// [`DmaError::NoMemory`].
pub fn alloc_stream(pages: usize) -> Result<DmaStream, DmaError> {
    // Mapped and not allocated by `DmaStream`: where devices are not coherent and the CPU cannot write its
    // caches back, a mapped stream is copied at each synchronisation, an allocated one is not cached at all.
    check_size(pages)?;
    let pages = FrameAllocOptions::new().alloc_segment(pages).map_err(|_| DmaError::NoMemory)?;
    DmaStream::map(pages.into(), is_cache_coherent()).map_err(|_| DmaError::NoMemory)
}

/// Refuses a number of pages that no machine can have: OSTD 0.18.0 panics where their bytes cannot be counted.
fn check_size(pages: usize) -> Result<(), DmaError> {
    match Layout::array::<[u8; PAGE_SIZE]>(pages) {
        Ok(_) => Ok(()),
        Err(_) => Err(DmaError::NoMemory),
    }
}

/// The reason why DMA memory could not be had or used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DmaError {
    /// There is no memory.
    NoMemory,
    /// A buffer of no bytes was asked for.
    Empty,
    /// The access reaches beyond the end of the memory.
    OutOfRange,
    /// The CPU would read a stream that flows to the device only, or write one that flows from it only.
    WrongDirection,
}

impl fmt::Display for DmaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoMemory => "there is no DMA memory",
            Self::Empty => "DMA memory of no bytes was asked for",
            Self::OutOfRange => "the access reaches beyond the end of the DMA memory",
            Self::WrongDirection => "the DMA memory does not flow in that direction",
        })
    }
}

impl core::error::Error for DmaError {}

impl DmaError {
    /// The meaning of OSTD's errors of an access.
    fn of_access(error: ostd::Error) -> Self {
        match error {
            ostd::Error::AccessDenied => Self::WrongDirection,
            _ => Self::OutOfRange,
        }
    }
}

/// A DMA object of OSTD that slices can be cut from.
///
/// `sync_*` must stand between the accesses of the two sides (see [`DmaStream`]); on coherent
/// memory both do nothing.
pub trait DmaObject:
    HasDaddr + HasSize + VmIo + Debug + Send + Sync + private::Sealed + 'static
{
    /// The device may be asked to read this memory.
    const DEVICE_READS: bool;
    /// The device may be asked to write this memory.
    const DEVICE_WRITES: bool;
    /// Slots start at multiples of this many bytes.
    ///
    /// Streams are synchronised by cache lines, so two slots must not share one.
    const SLOT_ALIGN: usize;

    /// Makes what the CPU wrote in `range` (bytes) visible to the device.
    ///
    /// # Errors
    ///
    /// [`ostd::Error::InvalidArgs`] if the range leaves the object.
    fn sync_to_device(&self, range: Range<usize>) -> Result<(), ostd::Error>;

    /// Makes what the device wrote in `range` (bytes) visible to the CPU.
    ///
    /// # Errors
    ///
    /// [`ostd::Error::InvalidArgs`] if the range leaves the object.
    fn sync_from_device(&self, range: Range<usize>) -> Result<(), ostd::Error>;
}

impl DmaObject for DmaCoherent {
    const DEVICE_READS: bool = true;
    const DEVICE_WRITES: bool = true;
    const SLOT_ALIGN: usize = 1;

    fn sync_to_device(&self, _range: Range<usize>) -> Result<(), ostd::Error> {
        Ok(())
    }

    fn sync_from_device(&self, _range: Range<usize>) -> Result<(), ostd::Error> {
        Ok(())
    }
}

/// A stream offers only the synchronisation its direction has a meaning for; for the other one there is
/// nothing to do.
macro_rules! impl_dma_object_for_stream {
    ($direction:ty, |$stream:ident, $range:ident| to_device: $to:expr, from_device: $from:expr) => {
        impl DmaObject for DmaStream<$direction> {
            const DEVICE_READS: bool = <$direction as DmaDirection>::CAN_WRITE_TO_DEVICE;
            const DEVICE_WRITES: bool = <$direction as DmaDirection>::CAN_READ_FROM_DEVICE;
            const SLOT_ALIGN: usize = CACHE_LINE;

            fn sync_to_device(&self, $range: Range<usize>) -> Result<(), ostd::Error> {
                let $stream = self;
                $to
            }

            fn sync_from_device(&self, $range: Range<usize>) -> Result<(), ostd::Error> {
                let $stream = self;
                $from
            }
        }

        impl private::Sealed for DmaStream<$direction> {}
    };
}

impl_dma_object_for_stream!(FromAndToDevice, |stream, range|
    to_device: DmaStream::sync_to_device(stream, range),
    from_device: DmaStream::sync_from_device(stream, range));
impl_dma_object_for_stream!(ToDevice, |stream, range|
    to_device: DmaStream::sync_to_device(stream, range),
    from_device: { let _ = (stream, range); Ok(()) });
impl_dma_object_for_stream!(FromDevice, |stream, range|
    to_device: { let _ = (stream, range); Ok(()) },
    from_device: DmaStream::sync_from_device(stream, range));

/// The largest cache line of the processors that OSTD runs on, in bytes.
const CACHE_LINE: usize = 64;

/// A contiguous piece of memory with a device address that is its owner's alone to give away.
///
/// Implemented for the DMA objects of OSTD, their slices and buffers, and for nothing else: whoever
/// holds a `&dyn DmaMemory` knows that its [`DmaMemory::extent`] is DMA memory that lives as
/// long as the reference.
// ANCHOR: dma_memory
pub trait DmaMemory: private::Sealed {
    /// Tells its place and what the device may do with it.
    fn extent(&self) -> DmaExtent;
}
// ANCHOR_END: dma_memory

/// The place of some DMA memory, as the device sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DmaExtent {
    /// The address of the first byte.
    pub address: Daddr,
    /// The length in bytes.
    pub len: usize,
    /// The device may be asked to read it.
    pub device_reads: bool,
    /// The device may be asked to write it.
    pub device_writes: bool,
}

impl<D: DmaObject> DmaMemory for D {
    fn extent(&self) -> DmaExtent {
        DmaExtent {
            address: self.daddr(),
            len: self.size(),
            device_reads: D::DEVICE_READS,
            device_writes: D::DEVICE_WRITES,
        }
    }
}

impl private::Sealed for DmaCoherent {}

mod private {
    /// Keeps others from inventing DMA memory: an address told to a device is a hole in memory
    /// safety unless the memory behind it is known to be meant for that.
    pub trait Sealed {}
}
