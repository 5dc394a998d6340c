//! The storage under a file system.

use super::BLOCK_SIZE;

/// A place for blocks of [`BLOCK_SIZE`] bytes.
///
/// A write may become durable at any time, in any order with others, and one sector of
/// [`SECTOR_SIZE`](crate::SECTOR_SIZE) bytes without the rest, until [`Storage::flush`] returns. A read gives what was written
/// last, durable or not.
///
/// Every method may be called from several threads at once, and may wait for a device. Two writes to the same
/// bytes at the same time do not happen.
pub trait Storage: Send + Sync {
    /// The reason for which an access failed.
    type Error: core::error::Error + Clone + Send + Sync + 'static;

    /// Returns the size in bytes. If it is no multiple of the block size, then the last block is short:
    /// its missing bytes read as 0, and are not written.
    fn capacity(&self) -> u64;

    /// Returns `true` if nothing can be written.
    fn read_only(&self) -> bool {
        false
    }

    /// Reads from byte `offset` of a block on; the range lies within the block.
    ///
    /// # Errors
    ///
    /// Those of the device, and for a block beyond the capacity.
    fn read(&self, block: u32, offset: usize, data: &mut [u8]) -> Result<(), Self::Error>;

    /// Reads from byte `offset` of block `first` on, and on into the blocks that follow it. All of them begin before the
    /// capacity. A storage that finds several blocks in less time than each alone does so here.
    ///
    /// # Errors
    ///
    /// Those of [`Storage::read`]; `data` may have changed then.
    fn read_run(&self, first: u32, offset: usize, data: &mut [u8]) -> Result<(), Self::Error> {
        let (mut block, mut offset, mut rest) = (first, offset, data);
        while !rest.is_empty() {
            let part = rest.len().min(BLOCK_SIZE.saturating_sub(offset));
            let (part, behind) = rest.split_at_mut(part);
            self.read(block, offset, part)?;
            (block, offset, rest) = (block.saturating_add(1), 0, behind);
        }
        Ok(())
    }

    /// Writes from byte `offset` of a block on; the range lies within the block and within the capacity.
    ///
    /// # Errors
    ///
    /// Those of the device, and for a range beyond the capacity. After an error the range may hold old
    /// bytes, new ones, or some of each.
    fn write(&self, block: u32, offset: usize, data: &[u8]) -> Result<(), Self::Error>;

    /// Shows a whole block to `look`, exactly once; without a copy where that is possible.
    ///
    /// `look` must not use the storage.
    ///
    /// # Errors
    ///
    /// Those of [`Storage::read`]; `look` is not called then.
    fn view(&self, block: u32, look: &mut dyn FnMut(&[u8])) -> Result<(), Self::Error>;

    /// Makes all writes durable that have returned before.
    ///
    /// # Errors
    ///
    /// Those of the device; nothing is known about those writes then, and the next flush is for them too.
    fn flush(&self) -> Result<(), Self::Error>;

    /// Tells that `count` blocks from `first` on will be read soon. Does not wait.
    fn prefetch(&self, first: u32, count: u32) {
        let _ = (first, count);
    }

    /// Tells that the content of a block is not needed any more. Does not wait.
    fn forget(&self, block: u32) {
        let _ = block;
    }
}

impl<S: Storage> Storage for &S {
    type Error = S::Error;

    fn capacity(&self) -> u64 {
        S::capacity(self)
    }

    fn read_only(&self) -> bool {
        S::read_only(self)
    }

    fn read(&self, block: u32, offset: usize, data: &mut [u8]) -> Result<(), Self::Error> {
        S::read(self, block, offset, data)
    }

    fn read_run(&self, first: u32, offset: usize, data: &mut [u8]) -> Result<(), Self::Error> {
        S::read_run(self, first, offset, data)
    }

    fn write(&self, block: u32, offset: usize, data: &[u8]) -> Result<(), Self::Error> {
        S::write(self, block, offset, data)
    }

    fn view(&self, block: u32, look: &mut dyn FnMut(&[u8])) -> Result<(), Self::Error> {
        S::view(self, block, look)
    }

    fn flush(&self) -> Result<(), Self::Error> {
        S::flush(self)
    }

    fn prefetch(&self, first: u32, count: u32) {
        S::prefetch(self, first, count);
    }

    fn forget(&self, block: u32) {
        S::forget(self, block);
    }
}
