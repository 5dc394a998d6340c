//! A disk, with a cache above it, as the storage of a file system.

use alloc::sync::Arc;

use block::{
    BlockDevice, Error,
    cache::{self, Cache, CacheOptions, CacheStatistics},
};

/// The blocks that each mounted file system keeps in memory: 16 MiB.
const BLOCKS: usize = 4096;
/// The most of them that wait to be written.
const DIRTY_BLOCKS: usize = 1024;

const _: () = assert!(sfs::BLOCK_SIZE == cache::BLOCK_SIZE);

/// A disk that is used through a cache, and by nobody else.
pub struct Store {
    cache: Cache,
}

impl Store {
    /// Makes the cache. To be called in a task, as everything else here.
    ///
    /// # Errors
    ///
    /// There is no memory for the cache, or the disk's blocks are larger than the file system's.
    pub fn new(disk: Arc<dyn BlockDevice>) -> Result<Self, Error> {
        let options = CacheOptions { blocks: BLOCKS, dirty_blocks: DIRTY_BLOCKS };
        Cache::new(disk, options).map(|cache| Self { cache })
    }

    /// The disk.
    pub fn disk(&self) -> &Arc<dyn BlockDevice> {
        self.cache.disk()
    }

    /// The work of the cache so far.
    pub fn statistics(&self) -> CacheStatistics {
        self.cache.statistics()
    }
}

impl sfs::Storage for Store {
    type Error = Error;

    fn capacity(&self) -> u64 {
        self.cache.capacity()
    }

    fn read_only(&self) -> bool {
        self.cache.read_only()
    }

    fn read(&self, block: u32, offset: usize, data: &mut [u8]) -> Result<(), Error> {
        self.cache.read(block.into(), offset, data)
    }

    fn read_run(&self, first: u32, offset: usize, data: &mut [u8]) -> Result<(), Error> {
        self.cache.read_run(first.into(), offset, data)
    }

    fn write(&self, block: u32, offset: usize, data: &[u8]) -> Result<(), Error> {
        self.cache.write(block.into(), offset, data)
    }

    fn view(&self, block: u32, look: &mut dyn FnMut(&[u8])) -> Result<(), Error> {
        self.cache.view(block.into(), look)
    }

    fn flush(&self) -> Result<(), Error> {
        self.cache.flush()
    }

    fn prefetch(&self, first: u32, count: u32) {
        self.cache.prefetch(first.into(), count.into());
    }

    fn forget(&self, block: u32) {
        self.cache.forget(block.into());
    }
}
