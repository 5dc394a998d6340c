//! Slots of one type in the pages of one DMA object.

use alloc::{sync::Arc, vec::Vec};
use core::{marker::PhantomData, ops::Range};

use ostd::sync::{LocalIrqDisabled, SpinLock};
use ostd_pod::Pod;

use super::{DmaExtent, DmaMemory, DmaObject, private::Sealed};

/// Splits one DMA object into slots of `T`.
///
/// The pages live until the allocator and the last slice from it are gone. All methods may be
/// called from interrupt context; none sleeps or allocates heap memory after [`Self::new`].
#[derive(Debug)]
pub struct DmaSliceAlloc<T: Pod, D: DmaObject> {
    pool: Arc<Pool<D>>,
    slot: PhantomData<fn() -> T>,
}

#[derive(Debug)]
struct Pool<D> {
    dma: D,
    /// Where the free slots start, in bytes. The one freed last is given out first, as it is most likely in
    /// the cache.
    free: SpinLock<Vec<usize>, LocalIrqDisabled>,
}

impl<T: Pod, D: DmaObject> DmaSliceAlloc<T, D> {
    /// The distance between two slots: `T`, rounded up to what `D` asks for.
    const STRIDE: usize = {
        assert!(size_of::<T>() > 0, "a slot must hold something");
        let align = if D::SLOT_ALIGN > align_of::<T>() { D::SLOT_ALIGN } else { align_of::<T>() };
        size_of::<T>().next_multiple_of(align)
    };

    /// Takes over `dma` and splits all of it; what is left over at its end stays unused.
    ///
    /// An object smaller than `T` gives an allocator with no slots.
    pub fn new(dma: D) -> Self {
        let slots = dma.size() / Self::STRIDE;
        let free = (0..slots).rev().map(|slot| slot * Self::STRIDE).collect();
        Self { pool: Arc::new(Pool { dma, free: SpinLock::new(free) }), slot: PhantomData }
    }

    /// The number of pages that hold at least `slots` slots.
    ///
    /// Returns `None` when that many bytes cannot exist.
    pub fn pages_for(slots: usize) -> Option<usize> {
        Some(slots.checked_mul(Self::STRIDE)?.div_ceil(ostd::mm::PAGE_SIZE).max(1))
    }

    /// Takes a free slot, or returns `None` when all are in use.
    ///
    /// The content of the slot is what its last owner or the device left there.
    pub fn alloc(&self) -> Option<DmaSlice<T, D>> {
        let start = self.pool.free.lock().pop()?;
        Some(DmaSlice { pool: self.pool.clone(), start, value: PhantomData })
    }

    /// The number of slots that nobody owns now.
    pub fn available(&self) -> usize {
        self.pool.free.lock().len()
    }
}

/// The owner of one slot of type `T` in the DMA object `D`.
///
/// There is one owner at a time, and a virtqueue takes over the ownership while the device may
/// use the slot. Dropping the owner returns the slot.
///
/// The device may write at any time to a slot that it was given, so a read copies the value out
/// once, and only the copy is looked at.
#[derive(Debug)]
pub struct DmaSlice<T: Pod, D: DmaObject> {
    pool: Arc<Pool<D>>,
    /// Where it starts in the object, in bytes.
    start: usize,
    value: PhantomData<fn() -> T>,
}

impl<T: Pod, D: DmaObject> DmaSlice<T, D> {
    fn bytes(&self) -> Range<usize> {
        self.start..self.start + size_of::<T>()
    }

    /// Reads the value, after [`Self::sync_from_device`] if the device wrote it.
    ///
    /// # Errors
    ///
    /// [`ostd::Error::AccessDenied`] if `D` is a stream that only flows to the device.
    pub fn read(&self) -> Result<T, ostd::Error> {
        self.pool.dma.read_val(self.start)
    }

    /// Writes the value; [`Self::sync_to_device`] must follow before the device reads it.
    ///
    /// # Errors
    ///
    /// [`ostd::Error::AccessDenied`] if `D` is a stream that only flows from the device.
    pub fn write(&self, value: &T) -> Result<(), ostd::Error> {
        self.pool.dma.write_val(self.start, value)
    }

    /// Copies bytes out of the slot, from byte `offset` of it on.
    ///
    /// # Errors
    ///
    /// [`ostd::Error::InvalidArgs`] if `out` reaches over the end of the slot, otherwise as
    /// [`Self::read`].
    pub fn read_bytes(&self, offset: usize, out: &mut [u8]) -> Result<(), ostd::Error> {
        self.pool.dma.read_bytes(self.part(offset, out.len())?.start, out)
    }

    /// Copies bytes into the slot, from byte `offset` of it on.
    ///
    /// # Errors
    ///
    /// [`ostd::Error::InvalidArgs`] if `data` reaches over the end of the slot, otherwise as
    /// [`Self::write`].
    pub fn write_bytes(&self, offset: usize, data: &[u8]) -> Result<(), ostd::Error> {
        self.pool.dma.write_bytes(self.part(offset, data.len())?.start, data)
    }

    /// Hands what the CPU wrote to the device; does nothing on coherent memory.
    ///
    /// # Errors
    ///
    /// None on a slot that came from [`DmaSliceAlloc`].
    pub fn sync_to_device(&self) -> Result<(), ostd::Error> {
        self.pool.dma.sync_to_device(self.bytes())
    }

    /// Takes over what the device wrote; does nothing on coherent memory.
    ///
    /// # Errors
    ///
    /// None on a slot that came from [`DmaSliceAlloc`].
    pub fn sync_from_device(&self) -> Result<(), ostd::Error> {
        self.pool.dma.sync_from_device(self.bytes())
    }

    fn part(&self, offset: usize, len: usize) -> Result<Range<usize>, ostd::Error> {
        let end = offset.checked_add(len).filter(|end| *end <= size_of::<T>());
        let end = end.ok_or(ostd::Error::InvalidArgs)?;
        Ok(self.start + offset..self.start + end)
    }
}

impl<T: Pod, D: DmaObject> DmaMemory for DmaSlice<T, D> {
    fn extent(&self) -> DmaExtent {
        DmaExtent {
            address: self.pool.dma.daddr() + self.start,
            len: size_of::<T>(),
            device_reads: D::DEVICE_READS,
            device_writes: D::DEVICE_WRITES,
        }
    }
}

impl<T: Pod, D: DmaObject> Sealed for DmaSlice<T, D> {}

impl<T: Pod, D: DmaObject> Drop for DmaSlice<T, D> {
    fn drop(&mut self) {
        // The vector was created with room for every slot, so this never allocates.
        self.pool.free.lock().push(self.start);
    }
}
