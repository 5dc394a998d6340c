//! A block cache: keeps blocks of a disk in memory, below any file system.
//!
//! A [`Cache`] reads and writes parts of blocks of [`BLOCK_SIZE`] bytes, whatever the disk's own block size
//! is. It has a fixed number of slots, whose memory it takes when it is made and never more.
//!
//! - **Reading.** A block that is cached is copied out once. One that is not is read into the slot of a block
//!   that was not used for long (`eviction.rs` decides). Of several tasks that want the same block, one has
//!   it read; no block is ever in two slots.
//! - **Reading ahead.** Who knows which blocks will be wanted says so by [`Cache::prefetch`], and finds them on
//!   their way. Only a file system knows that: neighbours in a file need not be neighbours on the disk.
//! - **Writing.** Changes stay in memory until there are many of them, or until [`Cache::flush`].
//!   Neighbours go to the disk in one request (`write_back.rs`). Until a flush, writes may reach the disk in
//!   any order.
//! - **Errors.** Who reads gets the error of the read. A block that cannot be written stays dirty, the next
//!   flush tells, and once no more blocks may become dirty, who writes is told too.
//!
//! All calls are for tasks: they may sleep, so no spin lock may be held, and the cache does not work before
//! there are tasks.
//!
//! Locks: `table` knows where each block is and is held for some hundred instructions; each slot's
//! `content` is held while bytes are copied, and who waits for it sleeps. Neither is held while the disk is asked or
//! waited for. Order: `content`, then `table`. `table` turns interrupts off: on RISC-V OSTD does that also to count
//! a guard that only forbids preemption, once at each end, and under QEMU each change of that flag costs about
//! as much as a hundred plain instructions. `content` changes it only for somebody who has to wait.

mod eviction;
mod flight;
mod load;
mod table;
mod write;
mod write_back;

#[cfg(ktest)]
mod tests;

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::{mem, sync::atomic::AtomicUsize};

use ostd::sync::{LocalIrqDisabled, Mutex, RwMutex, SpinLock};

use self::table::Table;
use super::{BlockDevice, Buffer, Error, SECTOR_SIZE};

/// The unit of caching, in bytes.
pub const BLOCK_SIZE: usize = 4096;

const SECTORS_PER_BLOCK: u64 = (BLOCK_SIZE / SECTOR_SIZE) as u64;

/// The most blocks that one request moves: 128 KiB.
const MAX_RUN: usize = 32;

/// The limits of a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheOptions {
    /// The number of blocks that it holds; at least 4.
    pub blocks: usize,
    /// The most of them that may wait to be written; at least 1 and at most half of them.
    pub dirty_blocks: usize,
}

/// The work of a cache so far, and its state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStatistics {
    /// Reads and writes that found their block.
    pub hits: u64,
    /// Those that had to wait for it.
    pub misses: u64,
    /// Blocks that gave way to others.
    pub evictions: u64,
    /// Requests that read.
    pub read_requests: u64,
    /// Blocks that they read.
    pub blocks_read: u64,
    /// The blocks of these that were read before anybody asked.
    pub read_ahead: u64,
    /// Requests that wrote.
    pub write_requests: u64,
    /// Blocks that they wrote.
    pub blocks_written: u64,
    /// Flushes of the disk.
    pub flushes: u64,
    /// Blocks in memory now.
    pub cached: u64,
    /// The blocks of these whose changes have not been written.
    pub dirty: u64,
}

/// A cache of one disk's blocks. Whoever uses it must be alone in using the disk.
pub struct Cache {
    disk: Arc<dyn BlockDevice>,
    /// In bytes.
    capacity: u64,
    read_only: bool,
    /// The most blocks that one request moves.
    longest_run: usize,
    slots: Vec<Slot>,
    table: SpinLock<Table, LocalIrqDisabled>,
    /// Held by the one who flushes.
    flushing: Mutex<()>,
    /// Memory for [`Self::view`].
    views: SpinLock<Vec<Box<[u8; BLOCK_SIZE]>>>,
}

/// Allocates the memory of so many slots: as many in a row as one request moves, which leaves the device one piece
/// to read instead of many.
fn memory(slots: usize) -> Result<Vec<Buffer>, Error> {
    let mut memory = Vec::with_capacity(slots);
    while memory.len() < slots {
        let row = (slots - memory.len()).min(MAX_RUN);
        let mut rest = Buffer::alloc(row * BLOCK_SIZE)?;
        for _ in 0..row {
            let behind = rest.split_off(BLOCK_SIZE);
            memory.push(mem::replace(&mut rest, behind));
        }
    }
    Ok(memory)
}

/// The place for one block.
struct Slot {
    /// The bytes of the block. Empty while they are read from the disk.
    content: RwMutex<Buffer>,
    /// The number of tasks that use it; its block stays until there are none. Grows only while the table is
    /// locked.
    users: AtomicUsize,
}

impl Cache {
    /// Makes an empty cache, with all its memory. Limits that do not go together are corrected.
    ///
    /// The disk's capacity is asked for here. A disk that grows or shrinks later needs a new cache.
    ///
    /// # Errors
    ///
    /// [`Error::Misaligned`] if the disk's blocks are larger than [`BLOCK_SIZE`], [`Error::NoMemory`].
    pub fn new(disk: Arc<dyn BlockDevice>, options: CacheOptions) -> Result<Self, Error> {
        let geometry = disk.info().geometry;
        let block_size = u64::from(geometry.block_size);
        if block_size > BLOCK_SIZE as u64 {
            return Err(Error::Misaligned { block_size: geometry.block_size });
        }
        let blocks = options.blocks.max(4);
        let dirty_blocks = options.dirty_blocks.clamp(1, blocks / 2);
        let longest_run = (blocks / 4).min(MAX_RUN);
        let slot = |content| Slot { content: RwMutex::new(content), users: AtomicUsize::new(0) };
        let capacity = geometry.capacity.saturating_mul(SECTOR_SIZE as u64);
        Ok(Self {
            // Only whole blocks of the disk can be moved.
            capacity: capacity - capacity % block_size.max(1),
            read_only: geometry.read_only,
            longest_run,
            slots: memory(blocks)?.into_iter().map(slot).collect(),
            table: SpinLock::new(Table::new(blocks, dirty_blocks, longest_run)?),
            flushing: Mutex::new(()),
            views: SpinLock::new(Vec::new()),
            disk,
        })
    }

    /// The disk.
    pub fn disk(&self) -> &Arc<dyn BlockDevice> {
        &self.disk
    }

    /// The bytes that the disk has. Its last block may be short.
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Returns `true` if the disk cannot be written.
    pub fn read_only(&self) -> bool {
        self.read_only
    }

    /// The counts so far, and the state.
    pub fn statistics(&self) -> CacheStatistics {
        self.table.lock().statistics()
    }

    /// Reads from byte `offset` of `block` on. It sees all of a write that happens at the same time, or
    /// nothing of it. What a short last block does not have is 0.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`] beyond the disk's end, [`Error::BufferRange`] beyond the block's, and those of
    /// the disk; `data` is unchanged then.
    pub fn read(&self, block: u64, offset: usize, data: &mut [u8]) -> Result<(), Error> {
        self.check(block, offset, data.len())?;
        let slot = self.hold(block)?;
        Ok(slot.content.read().read(offset, data)?)
    }

    /// Reads from byte `offset` of block `first` on, and on into the blocks that follow it. Each block is read as by
    /// [`Self::read`], but those that are cached are found many at a time.
    ///
    /// # Errors
    ///
    /// As [`Self::read`]; what lies before the block with the error has been read then.
    pub fn read_run(&self, first: u64, offset: usize, data: &mut [u8]) -> Result<(), Error> {
        let (mut block, mut offset, mut rest) = (first, offset, data);
        while !rest.is_empty() {
            self.check(block, offset, 0)?;
            let wanted = (offset + rest.len()).div_ceil(BLOCK_SIZE);
            for slot in self.hold_run(block, wanted)? {
                let (part, behind) = rest.split_at_mut(rest.len().min(BLOCK_SIZE - offset));
                slot.content.read().read(offset, part)?;
                (block, offset, rest) = (block + 1, 0, behind);
            }
        }
        Ok(())
    }

    /// Lets `look` see a whole block, without a lock.
    ///
    /// # Errors
    ///
    /// As [`Self::read`]; `look` is not called then.
    pub fn view(&self, block: u64, look: &mut dyn FnMut(&[u8])) -> Result<(), Error> {
        // The memory of a block may be written by others, and by devices: what is looked at is a copy.
        let spare = self.views.lock().pop();
        let mut copy = spare.unwrap_or_else(|| Box::new([0; BLOCK_SIZE]));
        let read = self.read(block, 0, &mut *copy);
        if read.is_ok() {
            look(&*copy);
        }
        self.views.lock().push(copy);
        read
    }

    /// Writes from byte `offset` of `block` on. The rest of the block is read from the disk if it is not
    /// cached.
    ///
    /// # Errors
    ///
    /// [`Error::ReadOnly`]; [`Error::OutOfRange`] beyond the disk's end, also within a short last block if
    /// there are bytes other than 0; [`Error::BufferRange`] beyond the block's end; those of reading the
    /// rest; and those of writing other blocks back, where none of them can be and no more may become dirty.
    /// Nothing has changed then.
    pub fn write(&self, block: u64, offset: usize, data: &[u8]) -> Result<(), Error> {
        self.check(block, offset, data.len())?;
        if self.read_only {
            return Err(Error::ReadOnly);
        }
        let on_disk = self.bytes_of(block).saturating_sub(offset);
        if data.iter().skip(on_disk).any(|byte| *byte != 0) {
            return Err(self.out_of_range(block));
        }
        let whole = data.try_into().ok();
        loop {
            let done = match whole {
                Some(whole) if !self.table.lock().has(block) => self.write_new(block, whole)?,
                _ => self.write_cached(block, offset, data)?,
            };
            if done {
                break;
            }
            self.write_back_until(|table| table.may_soil().then_some(()))?;
        }
        self.write_back_early();
        Ok(())
    }

    /// Drops a block whose content is not needed any more, changes included, unless somebody is busy with it.
    /// A read finds then what the disk has, whatever that is.
    pub fn forget(&self, block: u64) {
        self.table.lock().forget(block, &self.slots);
    }

    /// The number of blocks, a short one included.
    fn blocks(&self) -> u64 {
        self.capacity.div_ceil(BLOCK_SIZE as u64)
    }

    /// The bytes of a block that the disk has.
    fn bytes_of(&self, block: u64) -> usize {
        let before = block.saturating_mul(BLOCK_SIZE as u64);
        // Cannot truncate: it is at most the size of a block.
        self.capacity.saturating_sub(before).min(BLOCK_SIZE as u64) as usize
    }

    fn check(&self, block: u64, offset: usize, len: usize) -> Result<(), Error> {
        if block >= self.blocks() {
            return Err(self.out_of_range(block));
        }
        match offset.checked_add(len) {
            Some(end) if end <= BLOCK_SIZE => Ok(()),
            _ => Err(Error::BufferRange),
        }
    }

    fn out_of_range(&self, block: u64) -> Error {
        Error::OutOfRange {
            sector: block.saturating_mul(SECTORS_PER_BLOCK),
            sectors: SECTORS_PER_BLOCK,
            capacity: self.capacity / SECTOR_SIZE as u64,
        }
    }
}
