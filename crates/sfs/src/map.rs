//! The free map: which blocks are in use.

use alloc::{collections::BTreeSet, vec, vec::Vec};
use core::ops::Range;

use super::{
    Result, Storage,
    disk::Disk,
    layout::{BITS, FREE_MAP},
};

const WORD: u32 = u64::BITS;
/// One of so many blocks is kept for copies.
const RESERVE_SHARE: u32 = 32;
/// At least so many are: what is copied to remove an entry that lies in two blocks, whose numbers are in a table.
const RESERVE_MIN: u32 = 3;
/// At most so many: what two directories of any size need in a rename.
const RESERVE_MAX: u32 = 16;
const WORDS_PER_BLOCK: usize = BITS as usize / WORD as usize;

/// One bit for each block, from block 0 on. Bits beyond the end are 0 and cannot be set.
#[derive(Default)]
pub(crate) struct Bits {
    words: Vec<u64>,
    /// The words that are not 0 lie in this range.
    used: Range<usize>,
}

impl Bits {
    pub(crate) fn new(bits: u32) -> Self {
        Self { words: vec![0; bits.div_ceil(WORD) as usize], used: 0..0 }
    }

    pub(crate) fn get(&self, bit: u32) -> bool {
        self.words.get((bit / WORD) as usize).is_some_and(|word| word >> (bit % WORD) & 1 == 1)
    }

    /// Sets or clears a bit. Returns `true` if that changed it.
    pub(crate) fn set(&mut self, bit: u32, value: bool) -> bool {
        let index = (bit / WORD) as usize;
        let Some(word) = self.words.get_mut(index) else {
            return false;
        };
        let before = *word;
        *word = before & !(1 << (bit % WORD)) | u64::from(value) << (bit % WORD);
        if *word != 0 {
            self.used = if self.used.is_empty() {
                index..index + 1
            } else {
                self.used.start.min(index)..self.used.end.max(index + 1)
            };
        }
        *word != before
    }

    /// The first bit at or after `from` that is 1.
    pub(crate) fn next(&self, from: u32) -> Option<u32> {
        let first = ((from / WORD) as usize).max(self.used.start);
        for index in first..self.used.end {
            let mut word = *self.words.get(index)?;
            if index == (from / WORD) as usize {
                word &= u64::MAX << (from % WORD);
            }
            if word != 0 {
                return Some(index as u32 * WORD + word.trailing_zeros());
            }
        }
        None
    }

    /// The number of bits that are 1.
    pub(crate) fn count(&self) -> u32 {
        self.words.iter().map(|word| word.count_ones()).sum()
    }

    /// Calls `each` for every bit that is 1, and clears them all.
    pub(crate) fn drain(&mut self, mut each: impl FnMut(u32)) {
        let mut next = self.next(0);
        while let Some(bit) = next {
            each(bit);
            next = bit.checked_add(1).and_then(|from| self.next(from));
        }
        if let Some(words) = self.words.get_mut(self.used.clone()) {
            words.fill(0);
        }
        self.used = 0..0;
    }
}

/// Shows the map on the disk, as far as the storage has it: the number of a block, and the bits of the 64 blocks from there
/// on.
pub(crate) fn each_word<S: Storage>(
    disk: &Disk<S>,
    mut look: impl FnMut(u32, u64),
) -> Result<(), S::Error> {
    for index in (0..disk.map_blocks()).take_while(|index| disk.has(FREE_MAP + index, 1)) {
        disk.view(FREE_MAP + index, |bytes| {
            let (words, _) = bytes.as_chunks();
            for (number, word) in words.iter().enumerate() {
                look(index * BITS + number as u32 * WORD, u64::from_le_bytes(*word));
            }
        })?;
    }
    Ok(())
}

/// The free map in memory, and what is on its way from used to free and back.
///
/// Of a file system that claims more blocks than the storage has, only the blocks that are there are
/// known, and given out.
pub(crate) struct FreeMap {
    /// 1 for a free block, as on the disk.
    free: Bits,
    /// The blocks that were allocated since the last commit: nothing durable refers to them.
    fresh: Bits,
    /// The blocks that the commit will free: something durable may still refer to them.
    pending: Bits,
    /// The blocks of the map that differ from the disk.
    changed: BTreeSet<u32>,
    /// The blocks that are free, and those that will be.
    unused: u32,
    pending_count: u32,
    /// The free blocks that the map on the disk lists beyond the end of the storage.
    beyond: u32,
    /// No block before this one is free.
    lowest: u32,
    end: u32,
    /// So many blocks are kept for copies, as a directory must be copied to remove something from it.
    reserve: u32,
}

impl FreeMap {
    /// Reads the map.
    pub(crate) fn load<S: Storage>(disk: &Disk<S>) -> Result<Self, S::Error> {
        let end = disk.end;
        let (mut free, mut unused, mut beyond) = (Bits::new(end), 0_u32, 0_u32);
        each_word(disk, |first, word| {
            // Only one word has blocks on both sides of the end.
            let here = end.saturating_sub(first);
            let mask = if here >= WORD { u64::MAX } else { (1 << here) - 1 };
            if let Some(to) = free.words.get_mut((first / WORD) as usize) {
                *to = word & mask;
            }
            unused += (word & mask).count_ones();
            beyond = beyond.saturating_add((word & !mask).count_ones());
        })?;
        free.used = 0..free.words.len();
        let mut map = Self {
            free,
            fresh: Bits::new(end),
            pending: Bits::new(end),
            changed: BTreeSet::new(),
            unused,
            pending_count: 0,
            beyond,
            lowest: 0,
            end,
            reserve: (end / RESERVE_SHARE).clamp(RESERVE_MIN, RESERVE_MAX),
        };
        // A damaged map must not give out what is no file's.
        for block in 0..disk.first_data().min(end) {
            map.take(block);
        }
        map.lowest = disk.first_data();
        Ok(map)
    }

    /// The blocks that are free, or will be after the next commit.
    pub(crate) fn unused(&self) -> u32 {
        self.unused + self.pending_count
    }

    /// The count of free blocks on the disk, with those that the storage does not have.
    pub(crate) fn unused_on_disk(&self) -> u32 {
        self.unused.saturating_add(self.beyond)
    }

    /// Returns `true` if a commit would free blocks.
    pub(crate) fn has_pending(&self) -> bool {
        self.pending_count > 0
    }

    /// Returns `true` for a block that was in use at the last commit and will be after the next one. A block beyond the end
    /// of the storage is taken for one.
    pub(crate) fn is_settled(&self, block: u32) -> bool {
        !self.free.get(block) && !self.fresh.get(block) && !self.pending.get(block)
    }

    pub(crate) fn is_fresh(&self, block: u32) -> bool {
        self.fresh.get(block)
    }

    /// The blocks that something new may get at once.
    pub(crate) fn available(&self) -> u32 {
        self.unused.saturating_sub(self.reserve)
    }

    /// The same after the next commit.
    pub(crate) fn available_later(&self) -> u32 {
        self.unused().saturating_sub(self.reserve)
    }

    /// Allocates a block for a copy, at `near` if that is free. The next commit will give another one back, so it may be one of
    /// the last.
    pub(crate) fn allocate_copy(&mut self, near: u32) -> Option<u32> {
        self.allocate_any(near, 1).map(|(block, _)| block)
    }

    /// Allocates up to `most` blocks in a row, at `near` if that is free, else the lowest ones. Returns the first block and
    /// their number.
    pub(crate) fn allocate(&mut self, near: u32, most: u32) -> Option<(u32, u32)> {
        self.allocate_any(near, most.min(self.available()))
    }

    fn allocate_any(&mut self, near: u32, most: u32) -> Option<(u32, u32)> {
        let first = if self.free.get(near) {
            near
        } else {
            let lowest = self.free.next(self.lowest)?;
            self.lowest = lowest;
            lowest
        };
        let mut count = 0;
        while count < most && self.take(first.saturating_add(count)) {
            self.fresh.set(first + count, true);
            count += 1;
        }
        (count > 0).then_some((first, count))
    }

    /// Marks a block as used. Returns `false` if it is already.
    pub(crate) fn take(&mut self, block: u32) -> bool {
        let taken = self.free.set(block, false);
        if taken {
            self.unused -= 1;
            self.changed.insert(block / BITS);
        }
        taken
    }

    /// Gives a block back: at once if nothing durable can refer to it, else with the next commit. A block
    /// that is free already stays so.
    // ANCHOR: release
    pub(crate) fn release(&mut self, block: u32) {
        if block >= self.end || self.free.get(block) {
        } else if self.fresh.set(block, false) {
            self.make_free(block);
        } else if self.pending.set(block, true) {
            self.pending_count += 1;
        }
    }
    // ANCHOR_END: release

    /// The first block at or after `from` that the next commit will free.
    pub(crate) fn next_pending(&self, from: u32) -> Option<u32> {
        self.pending.next(from)
    }

    /// Ends a group: the pending blocks are free, and nothing is fresh.
    pub(crate) fn settle(&mut self) {
        let mut pending = core::mem::take(&mut self.pending);
        pending.drain(|block| self.make_free(block));
        self.pending = pending;
        self.pending_count = 0;
        self.fresh.drain(|_| ());
    }

    /// A block of the map that differs from the disk, counted from the map's first one.
    pub(crate) fn first_changed(&self) -> Option<u32> {
        self.changed.first().copied()
    }

    /// Puts what is known into a block of the map as it is on the disk; the pending blocks are used there.
    pub(crate) fn fill(&self, index: u32, bytes: &mut [u8]) {
        let (words, _) = bytes.as_chunks_mut();
        for (number, word) in (index as usize * WORDS_PER_BLOCK..).zip(words) {
            let first = number as u32 * WORD;
            let here = self.end.saturating_sub(first);
            if here == 0 {
                break;
            }
            let ours = self.free.words.get(number).copied().unwrap_or(0);
            let mask = if here >= WORD { u64::MAX } else { (1 << here) - 1 };
            *word = (u64::from_le_bytes(*word) & !mask | ours).to_le_bytes();
        }
    }

    /// Takes note that a block of the map does not differ from the disk any more.
    pub(crate) fn set_written(&mut self, index: u32) {
        self.changed.remove(&index);
    }

    /// Lets the next commit write the count of unused blocks.
    pub(crate) fn recount(&mut self) {
        self.changed.insert(0);
    }

    /// Returns `true` if the map differs from the disk.
    pub(crate) fn is_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    fn make_free(&mut self, block: u32) {
        if self.free.set(block, true) {
            self.unused += 1;
            self.lowest = self.lowest.min(block);
            self.changed.insert(block / BITS);
        }
    }
}
