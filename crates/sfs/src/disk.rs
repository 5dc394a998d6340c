//! Blocks of a storage, as far as they are there, and the superblock that says how many there should be.
//!
//! The reference implementation's packer claims 16 GiB for every image and ends the file at the last byte
//! written, so a block may lie beyond the end of the storage: it reads as 0 and cannot be written.

use alloc::vec;

use zerocopy::{FromZeros, IntoBytes};

use super::{
    BLOCK_SIZE, Error, Result, Storage,
    layout::{BITS, FREE_MAP, MAGIC, MIN_BLOCKS, ROOT, SUPERBLOCK, Superblock},
};

/// The content of a block beyond the end of the storage.
static ZEROS: [u8; BLOCK_SIZE] = [0; BLOCK_SIZE];

/// A storage with a Simple File System on it.
pub(crate) struct Disk<S> {
    pub(crate) storage: S,
    /// The blocks that the superblock claims.
    pub(crate) blocks: u32,
    /// The first block that is not wholly there. Only blocks before it are allocated.
    pub(crate) end: u32,
    /// The count of unused blocks in the superblock; a hint, as a power cut leaves it wrong.
    pub(crate) unused: u32,
    capacity: u64,
}

impl<S: Storage> Disk<S> {
    /// Reads the superblock.
    pub(crate) fn open(storage: S) -> Result<Self, S::Error> {
        let capacity = storage.capacity();
        let mut superblock = Superblock::new_zeroed();
        if capacity >= size_of::<Superblock>() as u64 {
            storage.read(SUPERBLOCK, 0, superblock.as_mut_bytes()).map_err(Error::Storage)?;
        }
        let (found, blocks) = (superblock.magic.get(), superblock.blocks.get());
        if found != MAGIC {
            return Err(Error::WrongMagic { found });
        }
        let map_blocks = superblock.free_map_blocks.get();
        if map_blocks != blocks.div_ceil(BITS) || blocks < MIN_BLOCKS.max(map_blocks + FREE_MAP) {
            return Err(corrupt("the superblock contradicts itself", SUPERBLOCK));
        }
        let end = u32::try_from(capacity / BLOCK_SIZE as u64).unwrap_or(u32::MAX).min(blocks);
        Ok(Self { storage, blocks, end, unused: superblock.unused_blocks.get(), capacity })
    }

    /// The blocks of the free map.
    pub(crate) fn map_blocks(&self) -> u32 {
        self.blocks.div_ceil(BITS)
    }

    /// The first block that files and inodes may have.
    pub(crate) fn first_data(&self) -> u32 {
        FREE_MAP + self.map_blocks()
    }

    /// Returns `true` for a block that files and inodes may have.
    pub(crate) fn is_data(&self, block: u32) -> bool {
        (self.first_data()..self.blocks).contains(&block)
    }

    /// Returns `true` for a number that an inode may have.
    pub(crate) fn is_inode(&self, number: u32) -> bool {
        number == ROOT || self.is_data(number)
    }

    /// Returns `true` if so many bytes from the start of a block on are there.
    pub(crate) fn has(&self, block: u32, bytes: usize) -> bool {
        u64::from(block) * BLOCK_SIZE as u64 + bytes as u64 <= self.capacity
    }

    pub(crate) fn read(&self, block: u32, offset: usize, data: &mut [u8]) -> Result<(), S::Error> {
        if self.has(block, 1) {
            return self.storage.read(block, offset, data).map_err(Error::Storage);
        }
        data.fill(0);
        Ok(())
    }

    /// Reads from byte `offset` of a block on, and on into the blocks that follow it.
    pub(crate) fn read_run(
        &self,
        first: u32,
        offset: usize,
        data: &mut [u8],
    ) -> Result<(), S::Error> {
        // The last block that is there may be short; the storage fills it up.
        let blocks = self.capacity.div_ceil(BLOCK_SIZE as u64).saturating_sub(first.into());
        let there = blocks.saturating_mul(BLOCK_SIZE as u64).saturating_sub(offset as u64);
        let there = data.len().min(usize::try_from(there).unwrap_or(usize::MAX));
        let (data, beyond) = data.split_at_mut(there);
        beyond.fill(0);
        self.storage.read_run(first, offset, data).map_err(Error::Storage)
    }

    pub(crate) fn write(&self, block: u32, offset: usize, data: &[u8]) -> Result<(), S::Error> {
        if !self.has(block, offset + data.len()) {
            return Err(Error::NoSpace);
        }
        self.storage.write(block, offset, data).map_err(Error::Storage)
    }

    pub(crate) fn view(&self, block: u32, mut look: impl FnMut(&[u8])) -> Result<(), S::Error> {
        if self.has(block, 1) {
            return self.storage.view(block, &mut look).map_err(Error::Storage);
        }
        look(&ZEROS);
        Ok(())
    }

    /// Copies a block to one that nothing refers to.
    pub(crate) fn copy(&self, from: u32, to: u32) -> Result<(), S::Error> {
        let mut block = vec![0; BLOCK_SIZE];
        self.read(from, 0, &mut block)?;
        self.write(to, 0, &block)
    }

    /// Writes zeros to the rest of a block, from `offset` on.
    pub(crate) fn clear(&self, block: u32, offset: usize) -> Result<(), S::Error> {
        self.write(block, offset, ZEROS.get(offset..).unwrap_or_default())
    }

    pub(crate) fn flush(&self) -> Result<(), S::Error> {
        self.storage.flush().map_err(Error::Storage)
    }
}

/// Damage that was found at a block.
pub(crate) fn corrupt<E>(what: &'static str, at: u32) -> Error<E> {
    Error::Corrupt { what, at }
}
