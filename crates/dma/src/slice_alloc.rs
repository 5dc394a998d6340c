//! Slots of one type in the pages of one DMA object.

use alloc::{sync::Arc, vec::Vec};
use core::marker::PhantomData;

use ostd::{
    mm::{PAGE_SIZE, dma::DmaCoherent},
    sync::{LocalIrqDisabled, SpinLock},
};
use ostd_pod::Pod;

use super::{DmaError, DmaObject, DmaSlice, alloc_coherent};

/// Splits one DMA object into slots of `T`.
///
/// The pages live until the allocator and the last slice from it are gone. All methods may be
/// called from interrupt context; none sleeps or allocates heap memory after [`Self::new`].
#[derive(Debug)]
pub struct DmaSliceAlloc<T: Pod, D: DmaObject> {
    pool: Arc<Pool<D>>,
    slot: PhantomData<fn() -> T>,
}

/// A DMA object and its slots.
#[derive(Debug)]
pub(super) struct Pool<D> {
    pub(super) dma: D,
    pub(super) slots: SpinLock<Slots, LocalIrqDisabled>,
}

// ANCHOR: exercise-8-slots
/// The slots that nobody owns.
#[derive(Debug)]
pub(super) struct Slots {
    /// Their starts, in bytes. The one freed last is given out first, as it is most likely in the cache.
    free: Vec<usize>,
}

impl Slots {
    /// So many slots, with so many bytes from the start of one to that of the next. All are free.
    fn new(count: usize, stride: usize) -> Self {
        Self { free: (0..count).rev().map(|slot| slot * stride).collect() }
    }

    /// Takes a free slot and gives its start in bytes, or `None` when all are in use.
    fn take(&mut self) -> Option<usize> {
        self.free.pop()
    }

    /// Makes the slot that starts at this byte free again. Allocates nothing.
    pub(super) fn give_back(&mut self, start: usize) {
        // The vector was created with room for every slot.
        self.free.push(start);
    }

    /// The number of free slots.
    fn available(&self) -> usize {
        self.free.len()
    }
}
// ANCHOR_END: exercise-8-slots

impl<T: Pod, D: DmaObject> DmaSliceAlloc<T, D> {
    /// The distance between two slots: `T`, rounded up to what `D` asks for.
    const STRIDE: usize = {
        assert!(size_of::<T>() > 0, "a slot must hold something");
        // ANCHOR: exercise-8-stride
        let align = if D::SLOT_ALIGN > align_of::<T>() { D::SLOT_ALIGN } else { align_of::<T>() };
        size_of::<T>().next_multiple_of(align)
        // ANCHOR_END: exercise-8-stride
    };

    /// Takes over `dma` and splits all of it; what is left over at its end stays unused.
    ///
    /// An object smaller than `T` gives an allocator with no slots.
    pub fn new(dma: D) -> Self {
        let slots = Slots::new(dma.size() / Self::STRIDE, Self::STRIDE);
        Self { pool: Arc::new(Pool { dma, slots: SpinLock::new(slots) }), slot: PhantomData }
    }

    /// The number of pages that hold at least `slots` slots.
    ///
    /// Returns `None` when that many bytes cannot exist.
    pub fn pages_for(slots: usize) -> Option<usize> {
        Some(slots.checked_mul(Self::STRIDE)?.div_ceil(PAGE_SIZE).max(1))
    }

    /// Takes a free slot, or returns `None` when all are in use.
    ///
    /// The content of the slot is what its last owner or the device left there.
    pub fn alloc(&self) -> Option<DmaSlice<T, D>> {
        let start = self.pool.slots.lock().take()?;
        let address = self.pool.dma.daddr() + start;
        Some(DmaSlice { pool: self.pool.clone(), start, address, value: PhantomData })
    }

    /// The number of slots that nobody owns now.
    pub fn available(&self) -> usize {
        self.pool.slots.lock().available()
    }
}

impl<T: Pod> DmaSliceAlloc<T, DmaCoherent> {
    /// Allocates coherent pages for at least `slots` slots. IRQs must be enabled.
    ///
    /// # Errors
    ///
    /// [`DmaError::NoMemory`].
    pub fn coherent(slots: usize) -> Result<Self, DmaError> {
        let pages = Self::pages_for(slots).ok_or(DmaError::NoMemory)?;
        Ok(Self::new(alloc_coherent(pages)?))
    }
}
