//! The memory that requests move.

use ostd::mm::{PAGE_SIZE, VmIo, dma::DmaStream};

use super::{Error, SECTOR_SIZE};
use crate::dma::{CACHE_COHERENT, DmaMemory, DmaSlice};

/// The bytes of one sector.
pub type Sector = [u8; SECTOR_SIZE];

/// Memory for whole sectors that the device reads or writes in place: no copy is made between it
/// and the disk.
///
/// A large buffer has pages of its own; a single sector may be a slot of a pool.
#[derive(Debug)]
pub struct Buffer {
    memory: Memory,
    len: usize,
}

#[derive(Debug)]
enum Memory {
    Pages(DmaStream),
    Slot(DmaSlice<Sector, DmaStream>),
}

impl Buffer {
    /// Allocates memory for `sectors` sectors, filled with zeros. IRQs must be enabled.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`] for no sectors, [`Error::NoMemory`].
    pub fn alloc(sectors: usize) -> Result<Self, Error> {
        let len = sectors.checked_mul(SECTOR_SIZE).ok_or(Error::NoMemory)?;
        if len == 0 {
            return Err(Error::Empty);
        }
        let pages = DmaStream::alloc(len.div_ceil(PAGE_SIZE), CACHE_COHERENT);
        Ok(Self { memory: Memory::Pages(pages.map_err(|_| Error::NoMemory)?), len })
    }

    /// The length in bytes, a multiple of [`SECTOR_SIZE`] and not 0.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Always `false`.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Copies `data` to byte `offset` of the buffer, and on to where the device sees it.
    ///
    /// # Errors
    ///
    /// [`Error::BufferRange`] if `data` reaches over the end.
    pub fn write(&self, offset: usize, data: &[u8]) -> Result<(), Error> {
        self.check(offset, data.len())?;
        let result = match &self.memory {
            Memory::Pages(pages) => pages
                .write_bytes(offset, data)
                .and_then(|()| pages.sync_to_device(offset..offset + data.len())),
            Memory::Slot(slot) => {
                slot.write_bytes(offset, data).and_then(|()| slot.sync_to_device())
            }
        };
        result.map_err(|_| Error::BufferRange)
    }

    /// Copies bytes from byte `offset` of the buffer on, as the device left them.
    ///
    /// # Errors
    ///
    /// [`Error::BufferRange`] if `out` reaches over the end.
    pub fn read(&self, offset: usize, out: &mut [u8]) -> Result<(), Error> {
        self.check(offset, out.len())?;
        let result = match &self.memory {
            Memory::Pages(pages) => pages
                .sync_from_device(offset..offset + out.len())
                .and_then(|()| pages.read_bytes(offset, out)),
            Memory::Slot(slot) => {
                slot.sync_from_device().and_then(|()| slot.read_bytes(offset, out))
            }
        };
        result.map_err(|_| Error::BufferRange)
    }

    fn check(&self, offset: usize, len: usize) -> Result<(), Error> {
        match offset.checked_add(len) {
            Some(end) if end <= self.len => Ok(()),
            _ => Err(Error::BufferRange),
        }
    }

    /// The memory, for a driver to put into a chain.
    ///
    /// It may be longer than the buffer: only the first [`Self::len`] bytes are the buffer's.
    pub fn memory(&self) -> &dyn DmaMemory {
        match &self.memory {
            Memory::Pages(pages) => pages,
            Memory::Slot(slot) => slot,
        }
    }
}

impl From<DmaSlice<Sector, DmaStream>> for Buffer {
    fn from(slot: DmaSlice<Sector, DmaStream>) -> Self {
        Self { memory: Memory::Slot(slot), len: SECTOR_SIZE }
    }
}
