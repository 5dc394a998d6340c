//! From a block of a file to its block on the disk.
//!
//! The numbers of a file's first 12 blocks are in the inode, those of the next 1024 in the indirect block, and
//! those of the rest in tables of 1024, whose numbers are in the double indirect block. There are no
//! holes.
//!
//! Compatible with the reference implementation, a file has its indirect block from 12 blocks on (not from 13), and
//! the double indirect block with its first table from 1036 on: a table may be empty. A pointer beyond
//! the count of blocks means nothing, as no pointer is ever cleared.

use super::{
    Result, Storage,
    disk::{Disk, corrupt},
    layout::{DIRECT, DOUBLE_START, DiskInode, POINTERS},
};

/// Blocks in a row on the disk: the first one, and their number.
pub(crate) type Run = (u32, u32);
/// So many pointers are few.
const FEW: usize = 32;

/// Where the number of a file's block is.
pub(crate) enum Place {
    /// In the inode.
    Direct(usize),
    /// In this slot of the indirect block.
    Indirect(u32),
    /// In this slot of this table.
    Double(u32, u32),
}

// ANCHOR: place
pub(crate) fn place(index: u32) -> Place {
    if index < DIRECT {
        Place::Direct(index as usize)
    } else if index < DOUBLE_START {
        Place::Indirect(index - DIRECT)
    } else {
        let index = index - DOUBLE_START;
        Place::Double(index / POINTERS, index % POINTERS)
    }
}
// ANCHOR_END: place

/// The number of blocks from `index` on whose numbers are in the same place.
pub(crate) fn room(index: u32) -> u32 {
    match place(index) {
        Place::Direct(slot) => DIRECT - slot as u32,
        Place::Indirect(slot) | Place::Double(_, slot) => POINTERS - slot,
    }
}

/// A file of so many blocks has an indirect block.
pub(crate) fn has_indirect(blocks: u32) -> bool {
    blocks >= DIRECT
}

/// A file of so many blocks has a double indirect block.
pub(crate) fn has_double(blocks: u32) -> bool {
    blocks >= DOUBLE_START
}

/// The number of tables that a file of so many blocks has.
pub(crate) fn tables(blocks: u32) -> u32 {
    blocks.checked_sub(DOUBLE_START).map_or(0, |rest| rest / POINTERS + 1)
}

impl<S: Storage> Disk<S> {
    /// Reads a pointer, which must name a block that a file may have.
    pub(crate) fn pointer(&self, table: u32, slot: u32) -> Result<u32, S::Error> {
        let mut pointer = [0; 4];
        self.read(table, 4 * slot as usize, &mut pointer)?;
        self.checked(u32::from_le_bytes(pointer), table)
    }

    /// Passes a block's number on if a file may have it; `at` is where it was found.
    pub(crate) fn checked(&self, block: u32, at: u32) -> Result<u32, S::Error> {
        if self.is_data(block) {
            Ok(block)
        } else {
            Err(corrupt("a pointer leads out of the file system", at))
        }
    }

    /// The table in which the number of a file's block is, and its slot; nothing if it is in the inode.
    pub(crate) fn table(
        &self,
        inode: &DiskInode,
        index: u32,
    ) -> Result<Option<(u32, u32)>, S::Error> {
        Ok(match place(index) {
            Place::Direct(_) => None,
            Place::Indirect(slot) => Some((self.checked(inode.indirect.get(), 0)?, slot)),
            Place::Double(table, slot) => {
                let double = self.checked(inode.double.get(), 0)?;
                Some((self.pointer(double, table)?, slot))
            }
        })
    }

    /// Finds where up to `most` blocks of a file lie, from `index` on: as many as lie in a row.
    pub(crate) fn run(&self, inode: &DiskInode, index: u32, most: u32) -> Result<Run, S::Error> {
        let most = most.min(inode.blocks.get().saturating_sub(index)).min(room(index));
        let mut run = (0, 0);
        let mut extend = |pointer: u32| {
            if run.1 == 0 {
                run.0 = pointer;
            }
            let next = run.0.checked_add(run.1) == Some(pointer);
            run.1 += u32::from(next);
            next && run.1 < most
        };
        let at = match self.table(inode, index)? {
            None => {
                let rest = inode.direct.iter().skip(index as usize);
                let _ = rest.take(most as usize).all(|pointer| extend(pointer.get()));
                0
            }
            Some((table, slot)) => {
                let start = 4 * slot as usize;
                let mut look = |bytes: &[u8]| {
                    let (pointers, _) = bytes.as_chunks();
                    let pointers = pointers.iter().take(most as usize).copied();
                    let _ = pointers.map(u32::from_le_bytes).all(&mut extend);
                };
                // To see a few pointers, the whole table need not be copied.
                let mut few = [0; 4 * FEW];
                match few.get_mut(..4 * most as usize) {
                    Some(few) => {
                        self.read(table, start, few)?;
                        look(few);
                    }
                    None => {
                        self.view(table, |bytes| look(bytes.get(start..).unwrap_or_default()))?
                    }
                }
                table
            }
        };
        let (first, count) = run;
        self.checked(first, at)?;
        self.checked(first.saturating_add(count.saturating_sub(1)), at)?;
        Ok(run)
    }

    /// Calls `each` for all blocks that an inode has, and would not have with `blocks` blocks; first for tables.
    pub(crate) fn surplus(
        &self,
        inode: &DiskInode,
        blocks: u32,
        mut each: impl FnMut(u32) -> Result<(), S::Error>,
    ) -> Result<(), S::Error> {
        let before = inode.blocks.get();
        if has_indirect(before) && !has_indirect(blocks) {
            each(self.checked(inode.indirect.get(), 0)?)?;
        }
        if has_double(before) && !has_double(blocks) {
            each(self.checked(inode.double.get(), 0)?)?;
        }
        for table in tables(blocks)..tables(before) {
            each(self.pointer(self.checked(inode.double.get(), 0)?, table)?)?;
        }
        let mut index = blocks;
        while index < before {
            let (first, count) = self.run(inode, index, u32::MAX)?;
            if count == 0 {
                return Err(corrupt("a file ends before its size says", first));
            }
            for block in first..first + count {
                each(block)?;
            }
            index += count;
        }
        Ok(())
    }
}
