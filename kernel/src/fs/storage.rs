//! A disk as the storage of a file system.

use alloc::{sync::Arc, vec, vec::Vec};

use block::{BlockDevice, Error, SECTOR_SIZE};
use sfs::BLOCK_SIZE;

/// A disk.
pub struct Store {
    disk: Arc<dyn BlockDevice>,
}

impl Store {
    /// A disk without a cache above it.
    pub fn new(disk: Arc<dyn BlockDevice>) -> Self {
        Self { disk }
    }

    fn load(&self, block: u32) -> Result<Vec<u8>, Error> {
        let capacity = self.disk.info().geometry.capacity;
        let sector = u64::from(block) * (BLOCK_SIZE / SECTOR_SIZE) as u64;
        let sectors = (BLOCK_SIZE / SECTOR_SIZE) as u64;
        let there = capacity.saturating_sub(sector).min(sectors);
        let mut data = vec![0; BLOCK_SIZE];
        if there == 0 {
            return Err(Error::OutOfRange { sector, sectors, capacity });
        }
        let bytes = data.get_mut(..there as usize * SECTOR_SIZE).ok_or(Error::BufferRange)?;
        self.disk.read_block(sector, bytes)?;
        Ok(data)
    }
}

impl sfs::Storage for Store {
    type Error = Error;

    fn capacity(&self) -> u64 {
        self.disk.info().geometry.capacity * SECTOR_SIZE as u64
    }

    fn read_only(&self) -> bool {
        self.disk.info().geometry.read_only
    }

    fn read(&self, block: u32, offset: usize, data: &mut [u8]) -> Result<(), Error> {
        let found = self.load(block)?;
        let found = found.get(offset..).and_then(|rest| rest.get(..data.len()));
        data.copy_from_slice(found.ok_or(Error::BufferRange)?);
        Ok(())
    }

    fn write(&self, block: u32, offset: usize, data: &[u8]) -> Result<(), Error> {
        let mut content = self.load(block)?;
        let place = content.get_mut(offset..).and_then(|rest| rest.get_mut(..data.len()));
        place.ok_or(Error::BufferRange)?.copy_from_slice(data);
        let first = offset / SECTOR_SIZE;
        let end = (offset + data.len()).div_ceil(SECTOR_SIZE);
        let sectors =
            content.get(first * SECTOR_SIZE..end * SECTOR_SIZE).ok_or(Error::BufferRange)?;
        let sector = u64::from(block) * (BLOCK_SIZE / SECTOR_SIZE) as u64 + first as u64;
        self.disk.write_block(sector, sectors)
    }

    fn view(&self, block: u32, look: &mut dyn FnMut(&[u8])) -> Result<(), Error> {
        look(&self.load(block)?);
        Ok(())
    }

    fn flush(&self) -> Result<(), Error> {
        match self.disk.flush() {
            // Such a disk has nothing to flush.
            Err(Error::Unsupported) => Ok(()),
            result => result,
        }
    }
}
