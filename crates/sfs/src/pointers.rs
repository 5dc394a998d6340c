//! Giving blocks to files, and taking them away.
//!
//! Nothing that the durable inode can reach is changed: a pointer in a durable table changes in a copy of the table.
//! Behind the last pointer that the durable inode knows, a table is written where it is, unless the storage ends in it.

use alloc::vec::Vec;

use super::{
    BLOCK_SIZE, Error, Locks, Result, RwLock, Storage,
    blocks::{Place, Run, has_double, has_indirect, place, room, tables},
    inode::State,
    mount::Shared,
};

impl<S: Storage, L: Locks> Shared<S, L> {
    /// Allocates one block, at `near` if that is free.
    pub(crate) fn allocate(&self, near: u32) -> Result<u32, S::Error> {
        self.space.write().allocate(near, 1).map(|(block, _)| block).ok_or(Error::NoSpace)
    }

    /// Gives blocks back.
    pub(crate) fn release(&self, blocks: impl IntoIterator<Item = u32>) {
        let mut space = self.space.write();
        for block in blocks.into_iter().filter(|block| self.disk.is_data(*block)) {
            if space.is_fresh(block) {
                self.disk.storage.forget(block);
            }
            space.release(block);
        }
    }

    /// Writes to a directory or table where it is. If that fails, nobody knows what lies there, and nothing may
    /// build on it.
    pub(crate) fn write_in_place(
        &self,
        block: u32,
        offset: usize,
        data: &[u8],
    ) -> Result<(), S::Error> {
        self.disk.write(block, offset, data).inspect_err(|_| self.give_up())
    }

    /// Copies a block to a fresh one. The old one stays the file's.
    fn copy(&self, block: u32) -> Result<u32, S::Error> {
        let copy = self.space.write().allocate_copy(block).ok_or(Error::NoSpace)?;
        self.disk.copy(block, copy).inspect_err(|_| self.release([copy]))?;
        Ok(copy)
    }

    /// Moves a block of a file to a fresh block, which has the same content.
    pub(crate) fn relocate(
        &self,
        state: &mut State,
        index: u32,
        block: u32,
    ) -> Result<u32, S::Error> {
        let copy = self.copy(block)?;
        self.replace(state, index, copy).inspect_err(|_| self.release([copy]))?;
        self.release([block]);
        Ok(copy)
    }

    /// Returns `true` if a table may be written where it is, at a place that the durable inode reaches or not.
    fn is_own(&self, table: u32, reachable: bool) -> bool {
        self.space.read().is_fresh(table) || !reachable && self.disk.has(table, BLOCK_SIZE)
    }

    /// Makes the pointer to block `index` of a file changeable: copies the table that holds it if the durable inode reaches
    /// that pointer. Returns the table and the slot.
    fn own_table(&self, state: &mut State, index: u32) -> Result<Option<(u32, u32)>, S::Error> {
        let Some((table, slot)) = self.disk.table(&state.inode, index)? else {
            return Ok(None);
        };
        if self.is_own(table, index < state.saved_blocks()) {
            return Ok(Some((table, slot)));
        }
        let Place::Double(number, _) = place(index) else {
            let copy = self.copy(table)?;
            state.inode.indirect = copy.into();
            self.release([table]);
            return Ok(Some((copy, slot)));
        };
        let double = self.own_double(state, number)?;
        let copy = self.copy(table)?;
        self.write_in_place(double, 4 * number as usize, &copy.to_le_bytes())?;
        self.release([table]);
        Ok(Some((copy, slot)))
    }

    /// Makes the pointer to a table changeable in the same way. Returns the double indirect block.
    fn own_double(&self, state: &mut State, table: u32) -> Result<u32, S::Error> {
        let double = self.disk.checked(state.inode.double.get(), 0)?;
        if self.is_own(double, table < tables(state.saved_blocks())) {
            return Ok(double);
        }
        let copy = self.copy(double)?;
        state.inode.double = copy.into();
        self.release([double]);
        Ok(copy)
    }

    /// Makes another block the `index`-th of a file, which is long enough.
    pub(crate) fn replace(
        &self,
        state: &mut State,
        index: u32,
        block: u32,
    ) -> Result<(), S::Error> {
        match self.own_table(state, index)? {
            Some((table, slot)) => {
                self.write_in_place(table, 4 * slot as usize, &block.to_le_bytes())
            }
            None => {
                if let Some(pointer) = state.inode.direct.get_mut(index as usize) {
                    *pointer = block.into();
                }
                Ok(())
            }
        }
    }

    /// Allocates up to `most` blocks in a row for the end of a file. They are the file's after [`Self::attach`].
    pub(crate) fn allocate_end(
        &self,
        state: &State,
        most: u32,
        near: u32,
    ) -> Result<Run, S::Error> {
        let index = state.blocks();
        let near = match index.checked_sub(1) {
            Some(last) => self.disk.run(&state.inode, last, 1)?.0.saturating_add(1),
            None => near,
        };
        self.space.write().allocate(near, most.min(room(index))).ok_or(Error::NoSpace)
    }

    /// Adds blocks from [`Self::allocate_end`] to the end of a file; or gives them back, if it fails. The size stays
    /// as it is.
    pub(crate) fn attach(&self, state: &mut State, run: Run) -> Result<(), S::Error> {
        let mut new = Vec::new();
        let attached = self.try_attach(state, run, &mut new);
        if attached.is_err() {
            self.release(run.0..run.0 + run.1);
            self.release(new);
        }
        attached
    }

    /// Does so; what it has allocated is in `new`.
    fn try_attach(
        &self,
        state: &mut State,
        (first, count): Run,
        new: &mut Vec<u32>,
    ) -> Result<(), S::Error> {
        // Behind the last pointer a failed write does no harm: nobody looks there.
        let index = state.blocks();
        let blocks = index + count;
        let mut table_of = |needed: bool| {
            needed
                .then(|| self.allocate(first + count).inspect(|block| new.push(*block)))
                .transpose()
        };
        let indirect = table_of(has_indirect(blocks) && !has_indirect(index))?;
        let double = table_of(has_double(blocks) && !has_double(index))?;
        // One run never needs more than one.
        let table = table_of(tables(blocks) > tables(index))?;
        let owned = self.own_table(state, index)?;
        if let Some(table) = table {
            let slot = tables(index);
            let in_double = match double {
                Some(double) => double,
                None => self.own_double(state, slot)?,
            };
            self.disk.write(in_double, 4 * slot as usize, &table.to_le_bytes())?;
        }
        if let Some((table, slot)) = owned {
            let pointers: Vec<u8> = (first..first + count).flat_map(u32::to_le_bytes).collect();
            self.disk.write(table, 4 * slot as usize, &pointers)?;
        } else {
            let direct = state.inode.direct.iter_mut().skip(index as usize);
            for (pointer, block) in direct.zip(first..first + count) {
                *pointer = block.into();
            }
        }
        if let Some(indirect) = indirect {
            state.inode.indirect = indirect.into();
        }
        if let Some(double) = double {
            state.inode.double = double.into();
        }
        state.inode.blocks = blocks.into();
        Ok(())
    }

    /// Lists all that a file with only `blocks` blocks would not have, in runs.
    pub(crate) fn list_surplus(&self, state: &State, blocks: u32) -> Result<Vec<Run>, S::Error> {
        let mut runs: Vec<Run> = Vec::new();
        self.disk.surplus(&state.inode, blocks, |block| {
            match runs.last_mut() {
                Some((first, count)) if *first + *count == block => *count += 1,
                _ => runs.push((block, 1)),
            }
            Ok(())
        })?;
        Ok(runs)
    }

    /// Cuts a file to a size that is not larger; `surplus` is the list for its blocks.
    pub(crate) fn cut(&self, state: &mut State, size: u32, surplus: Vec<Run>) {
        self.release(surplus.into_iter().flat_map(|(first, count)| first..first + count));
        state.inode.size = size.into();
        state.inode.blocks = size.div_ceil(BLOCK_SIZE as u32).into();
    }
}
