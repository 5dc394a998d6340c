//! Memory for drivers: the slices that own one slot each, and buffers of whole pages.

use alloc::sync::Arc;
use core::{array, marker::PhantomData, ops::Range};

use ostd::mm::{
    Daddr, HasDaddr, HasSize, Infallible, PAGE_SIZE, PodOnce, VmIo, VmWriter,
    dma::{DmaCoherent, DmaStream},
    io::util::HasVmReaderWriter,
};
use ostd_pod::Pod;

use super::{
    DmaError, DmaExtent, DmaMemory, DmaObject, alloc_stream, private::Sealed, slice_alloc::Pool,
};

/// The owner of one slot of type `T` in the DMA object `D`.
///
/// There is one owner at a time, and a virtqueue takes over the ownership while the device may
/// use the slot. Dropping the owner returns the slot.
///
/// The device may write at any time to a slot that it was given, so a read copies the value out
/// once, and only the copy is looked at.
#[derive(Debug)]
pub struct DmaSlice<T: Pod, D: DmaObject> {
    pub(super) pool: Arc<Pool<D>>,
    /// Its start in the object, in bytes.
    pub(super) start: usize,
    /// Its start for the device.
    pub(super) address: Daddr,
    pub(super) value: PhantomData<fn() -> T>,
}

impl<T: Pod, D: DmaObject> DmaSlice<T, D> {
    fn bytes(&self) -> Range<usize> {
        self.start..self.start + size_of::<T>()
    }

    /// Reads the value, after [`Self::sync_from_device`] if the device wrote it.
    ///
    /// # Errors
    ///
    /// [`DmaError::WrongDirection`] if `D` is a stream that only flows to the device.
    pub fn read(&self) -> Result<T, DmaError> {
        self.pool.dma.read_val(self.start).map_err(DmaError::of_access)
    }

    /// Writes the value; [`Self::sync_to_device`] must follow before the device reads it.
    ///
    /// # Errors
    ///
    /// [`DmaError::WrongDirection`] if `D` is a stream that only flows from the device.
    pub fn write(&self, value: &T) -> Result<(), DmaError> {
        self.pool.dma.write_val(self.start, value).map_err(DmaError::of_access)
    }

    /// Copies bytes out of the slot, from byte `offset` of it on.
    ///
    /// # Errors
    ///
    /// [`DmaError::OutOfRange`] if `out` reaches over the end of the slot, otherwise as
    /// [`Self::read`].
    pub fn read_bytes(&self, offset: usize, out: &mut [u8]) -> Result<(), DmaError> {
        let bytes = self.part(offset, out.len())?;
        self.pool.dma.read_bytes(bytes.start, out).map_err(DmaError::of_access)
    }

    /// Copies bytes into the slot, from byte `offset` of it on.
    ///
    /// # Errors
    ///
    /// [`DmaError::OutOfRange`] if `data` reaches over the end of the slot, otherwise as
    /// [`Self::write`].
    pub fn write_bytes(&self, offset: usize, data: &[u8]) -> Result<(), DmaError> {
        let bytes = self.part(offset, data.len())?;
        self.pool.dma.write_bytes(bytes.start, data).map_err(DmaError::of_access)
    }

    /// Hands what the CPU wrote to the device; does nothing on coherent memory.
    ///
    /// # Errors
    ///
    /// None on a slot that came from [`DmaSliceAlloc`](super::DmaSliceAlloc).
    pub fn sync_to_device(&self) -> Result<(), DmaError> {
        self.pool.dma.sync_to_device(self.bytes()).map_err(DmaError::of_access)
    }

    /// Takes over what the device wrote; does nothing on coherent memory.
    ///
    /// # Errors
    ///
    /// None on a slot that came from [`DmaSliceAlloc`](super::DmaSliceAlloc).
    pub fn sync_from_device(&self) -> Result<(), DmaError> {
        self.pool.dma.sync_from_device(self.bytes()).map_err(DmaError::of_access)
    }

    fn part(&self, offset: usize, len: usize) -> Result<Range<usize>, DmaError> {
        let end = offset.checked_add(len).filter(|end| *end <= size_of::<T>());
        let end = end.ok_or(DmaError::OutOfRange)?;
        Ok(self.start + offset..self.start + end)
    }
}

impl<T: Pod> DmaSlice<T, DmaCoherent> {
    /// Writes a value of one byte, or of words of eight bytes, with one access for each byte or word: for so
    /// little that is shorter than the copy of [`Self::write`]. Any other size does not compile.
    #[inline]
    pub fn store(&self, value: &T) {
        const {
            let words = size_of::<T>().is_multiple_of(8) && align_of::<T>() >= 8;
            assert!(size_of::<T>() == 1 || words, "store() takes a byte, or words of eight bytes");
        }
        // Cannot fail: the slot has room for one aligned `T`.
        let mut writer = self.pool.dma.writer();
        let writer = writer.skip(self.start);
        let (words, byte) = value.as_bytes().as_chunks();
        for word in words {
            let _ = writer.write_once(&u64::from_ne_bytes(*word));
        }
        for byte in byte {
            let _ = writer.write_once(byte);
        }
    }

    /// Reads the value with one access of the CPU, which no device can come between.
    #[inline]
    pub fn load(&self) -> T
    where
        T: PodOnce,
    {
        let mut reader = self.pool.dma.reader();
        // Cannot fail: the slot has room for one aligned `T`.
        reader.skip(self.start).read_once().unwrap_or_else(|_| T::new_zeroed())
    }

    /// Writes the slot from its start on.
    #[inline]
    pub fn writer(&self) -> VmWriter<'_, Infallible> {
        let mut writer = self.pool.dma.writer();
        writer.skip(self.start).limit(size_of::<T>());
        writer
    }
}

impl<const N: usize> DmaSlice<[u64; N], DmaCoherent> {
    /// Reads words of eight bytes with one access for each: the counterpart of [`Self::store`].
    #[inline]
    pub fn load_words(&self) -> [u64; N] {
        let mut reader = self.pool.dma.reader();
        let reader = reader.skip(self.start);
        // Cannot fail: the slot has room for the words, aligned.
        array::from_fn(|_| reader.read_once().unwrap_or(0))
    }
}

impl<T: Pod, D: DmaObject> DmaMemory for DmaSlice<T, D> {
    #[inline]
    fn extent(&self) -> DmaExtent {
        DmaExtent {
            address: self.address,
            len: size_of::<T>(),
            device_reads: D::DEVICE_READS,
            device_writes: D::DEVICE_WRITES,
        }
    }
}

impl<T: Pod, D: DmaObject> Sealed for DmaSlice<T, D> {}

impl<T: Pod, D: DmaObject> Drop for DmaSlice<T, D> {
    fn drop(&mut self) {
        self.pool.slots.lock().give_back(self.start);
    }
}

/// Memory for data that a device reads or writes in place: no copy is made between it and the device.
#[derive(Debug, Default)]
pub struct Buffer {
    /// `None` in the empty buffer. Other buffers may have other parts of it.
    pages: Option<Arc<DmaStream>>,
    /// The part of the pages that is this buffer's, in bytes: whole pages.
    start: usize,
    room: usize,
    address: Daddr,
    len: usize,
}

impl Buffer {
    /// A buffer without memory, which no queue takes.
    pub const EMPTY: Self = Self { pages: None, start: 0, room: 0, address: 0, len: 0 };

    /// Allocates `len` bytes, filled with zeros. IRQs must be enabled.
    ///
    /// # Errors
    ///
    /// [`DmaError::Empty`] for no bytes, [`DmaError::NoMemory`].
    pub fn alloc(len: usize) -> Result<Self, DmaError> {
        if len == 0 {
            return Err(DmaError::Empty);
        }
        let pages = alloc_stream(len.div_ceil(PAGE_SIZE))?;
        let (address, room) = (pages.daddr(), pages.size());
        Ok(Self { pages: Some(Arc::new(pages)), start: 0, room, address, len })
    }

    /// Cuts the memory behind byte `at`, a multiple of the page size, off as a buffer of its own, with what there is
    /// of the length behind it. The empty buffer if there is no memory, or at another place.
    pub fn split_off(&mut self, at: usize) -> Self {
        if !at.is_multiple_of(PAGE_SIZE) || at >= self.room {
            return Self::EMPTY;
        }
        let (room, len) = (self.room - at, self.len.saturating_sub(at));
        (self.room, self.len) = (at, self.len.min(at));
        let (start, address) = (self.start + at, self.address + at);
        Self { pages: self.pages.clone(), start, room, address, len }
    }

    /// Takes in the buffer that lies behind this one, if they were one before and this one has its full length.
    ///
    /// # Errors
    ///
    /// The other one comes back if they do not belong together.
    pub fn unsplit(&mut self, next: Self) -> Result<(), Self> {
        match (&self.pages, &next.pages) {
            (Some(pages), Some(others))
                if Arc::ptr_eq(pages, others)
                    && self.len == self.room
                    && next.start == self.start + self.room =>
            {
                self.room += next.room;
                self.len += next.len;
                Ok(())
            }
            _ => Err(next),
        }
    }

    /// Makes it `len` bytes long, and allocates memory only if it has not got that much. The content is
    /// then what its last use left there. IRQs must be enabled.
    ///
    /// # Errors
    ///
    /// As [`Self::alloc`]; the buffer is as before.
    #[inline]
    pub fn resize(&mut self, len: usize) -> Result<(), DmaError> {
        match &self.pages {
            Some(_) if len > 0 && len <= self.room => self.len = len,
            _ => *self = Self::alloc(len)?,
        }
        Ok(())
    }

    /// Makes it as long as `data` and copies that into it, and on to where the device sees it. IRQs must be
    /// enabled.
    ///
    /// # Errors
    ///
    /// As [`Self::alloc`]; the buffer is as before.
    pub fn fill(&mut self, data: &[u8]) -> Result<(), DmaError> {
        self.resize(data.len())?;
        self.write(0, data)
    }

    /// The length in bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns `true` if it has no memory.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Copies `data` to byte `offset` of the buffer, and on to where the device sees it.
    ///
    /// # Errors
    ///
    /// [`DmaError::OutOfRange`] if `data` reaches over the end.
    pub fn write(&self, offset: usize, data: &[u8]) -> Result<(), DmaError> {
        let offset = self.start.saturating_add(offset);
        let (pages, bytes) = self.part(offset, data.len())?;
        // ANCHOR: exercise-8-write
        pages
            .write_bytes(offset, data)
            .and_then(|()| pages.sync_to_device(bytes))
            .map_err(DmaError::of_access)
        // ANCHOR_END: exercise-8-write
    }

    /// Copies `rows` pieces of `len` bytes each, the first to byte `offset` of the buffer, and on to where the device
    /// sees them. From one to the next it is `stride` bytes, at least `len`, in `source` and in the buffer alike.
    ///
    /// # Errors
    ///
    /// [`DmaError::OutOfRange`] if they reach over the end of one of the two, or into each other.
    pub fn write_rows(
        &self,
        offset: usize,
        source: &[u8],
        len: usize,
        stride: usize,
        rows: usize,
    ) -> Result<(), DmaError> {
        let Some(after_first) = rows.checked_sub(1) else { return Ok(()) };
        let all = after_first.checked_mul(stride).and_then(|rest| rest.checked_add(len));
        let all = all.filter(|all| len <= stride && *all <= source.len());
        let all = all.ok_or(DmaError::OutOfRange)?;
        let (pages, bytes) = self.part(self.start.saturating_add(offset), all)?;
        let mut writer = pages.writer().map_err(DmaError::of_access)?;
        writer.skip(bytes.start);
        for (row, piece) in source.chunks(stride).take(rows).enumerate() {
            writer.skip(if row > 0 { stride - len } else { 0 });
            writer.write(&mut piece.get(..len).unwrap_or_default().into());
        }
        pages.sync_to_device(bytes).map_err(DmaError::of_access)
    }

    /// Copies bytes from byte `offset` of the buffer on, as the device left them.
    ///
    /// # Errors
    ///
    /// [`DmaError::OutOfRange`] if `out` reaches over the end.
    pub fn read(&self, offset: usize, out: &mut [u8]) -> Result<(), DmaError> {
        let offset = self.start.saturating_add(offset);
        let (pages, bytes) = self.part(offset, out.len())?;
        // ANCHOR: exercise-8-read
        pages
            .sync_from_device(bytes)
            .and_then(|()| pages.read_bytes(offset, out))
            .map_err(DmaError::of_access)
        // ANCHOR_END: exercise-8-read
    }

    /// Copies the first `len` bytes of another buffer to byte `offset` of this one, and on to where the device
    /// sees them.
    ///
    /// # Errors
    ///
    /// [`DmaError::OutOfRange`] if one of the two is too short.
    pub fn copy_from(&self, offset: usize, source: &Self, len: usize) -> Result<(), DmaError> {
        let (from, taken) = source.part(source.start, len)?;
        let (to, bytes) = self.part(self.start.saturating_add(offset), len)?;
        let copy = || {
            from.sync_from_device(taken.clone())?;
            let (mut reader, mut writer) = (from.reader()?, to.writer()?);
            writer.skip(bytes.start).write(reader.skip(taken.start).limit(len));
            to.sync_to_device(bytes)
        };
        copy().map_err(DmaError::of_access)
    }

    /// Checks an access of `len` bytes of the pages from byte `offset` on, which is not before the buffer's first. The
    /// pages may be longer than the buffer.
    fn part(&self, offset: usize, len: usize) -> Result<(&DmaStream, Range<usize>), DmaError> {
        match (&self.pages, offset.checked_add(len)) {
            (Some(pages), Some(end)) if end <= self.start + self.len => Ok((pages, offset..end)),
            _ => Err(DmaError::OutOfRange),
        }
    }
}

impl DmaMemory for Buffer {
    #[inline]
    fn extent(&self) -> DmaExtent {
        DmaExtent { address: self.address, len: self.len, device_reads: true, device_writes: true }
    }
}

impl Sealed for Buffer {}
