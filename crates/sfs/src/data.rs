//! The content of files.
//!
//! Data is overwritten where it is, as in most file systems. Blocks that a file gains are written before its inode.

use alloc::{vec, vec::Vec};
use core::{ops::Range, sync::atomic::Ordering::Relaxed};

use super::{
    BLOCK_SIZE, Error, FILE_MAX, Locks, Result, Storage,
    inode::{Node, State},
    mount::Shared,
};

const BLOCK: u32 = BLOCK_SIZE as u32;
/// A sequential reader finds so many blocks after its position read already.
const AHEAD: u32 = (1 << 20) / BLOCK;

impl<S: Storage, L: Locks> Shared<S, L> {
    /// Reads the content from `offset` on, up to its end. Returns the number of bytes.
    pub(crate) fn read_content(
        &self,
        node: &Node<L>,
        state: &State,
        offset: u64,
        data: &mut [u8],
    ) -> Result<usize, S::Error> {
        let Some(rest) =
            u32::try_from(offset).ok().and_then(|start| state.size().checked_sub(start))
        else {
            return Ok(0);
        };
        let (start, length) = (offset as u32, data.len().min(rest as usize));
        let Some((data, _)) = data.split_at_mut_checked(length) else {
            return Ok(0);
        };
        if data.is_empty() {
            return Ok(0);
        }
        self.read_ahead(node, state, start, length as u32);
        let (mut done, mut index, mut within) = (0, start / BLOCK, (start % BLOCK) as usize);
        while done < length {
            let needed = (within + length - done).div_ceil(BLOCK_SIZE) as u32;
            let (first, count) = self.disk.run(&state.inode, index, needed)?;
            let part = (length - done).min(count as usize * BLOCK_SIZE - within);
            if let Some(part) = data.get_mut(done..done + part) {
                self.disk.read_run(first, within, part)?;
            }
            (done, index, within) = (done + part, index + count, 0);
        }
        Ok(length)
    }

    /// Tells the storage which blocks will be read: those of this read, and more for a reader that reads one piece
    /// after another.
    fn read_ahead(&self, node: &Node<L>, state: &State, start: u32, length: u32) {
        let end = start.saturating_add(length);
        let (first, behind) = (start / BLOCK, end.div_ceil(BLOCK));
        let sequential = node.reader.position.swap(end, Relaxed) == start;
        let ahead = if sequential { node.reader.ahead.load(Relaxed).max(first) } else { first };
        let target = if sequential { behind.saturating_add(AHEAD) } else { behind };
        let target = target.min(state.blocks());
        // One block is read as quickly without a hint; hints are given for many blocks at once.
        let worth = if sequential && ahead >= behind { AHEAD / 2 } else { 2 };
        let mut next = ahead;
        if target.saturating_sub(ahead) >= worth || (target == state.blocks() && target > behind) {
            // Damage is reported to whoever reads there.
            while next < target
                && let Ok((block, count)) = self.disk.run(&state.inode, next, target - next)
            {
                self.disk.storage.prefetch(block, count.min(self.disk.end.saturating_sub(block)));
                next += count;
            }
        }
        node.reader.ahead.store(next, Relaxed);
    }

    /// Writes from `offset` on, and fills the gap with zeros if that is behind the end. Returns the number of bytes, which is
    /// smaller than asked for if something failed behind them. `near` is the block where a first block would be good.
    pub(crate) fn write_content(
        &self,
        state: &mut State,
        near: u32,
        offset: u64,
        data: &[u8],
    ) -> Result<usize, S::Error> {
        if data.is_empty() {
            return Ok(0);
        }
        let end = offset.checked_add(data.len() as u64).filter(|end| *end <= u64::from(FILE_MAX));
        if end.is_none() {
            return Err(Error::TooLarge);
        }
        let (size, offset) = (state.size(), offset as u32);
        if offset > size {
            self.extend(state, near, offset)?;
        }
        let mut written = 0;
        while let Some(rest) = data.get(written..).filter(|rest| !rest.is_empty()) {
            let at = offset + written as u32;
            let result = if at / BLOCK < state.blocks() {
                self.overwrite(state, at, rest)
            } else {
                self.append(state, near, rest)
            };
            match result {
                Ok(count) => written += count,
                Err(_) if written > 0 => break,
                Err(error) => {
                    self.shorten(state, size);
                    return Err(error);
                }
            }
            state.inode.size = state.size().max(offset + written as u32).into();
        }
        Ok(written)
    }

    /// Makes a file larger; the new bytes are 0.
    pub(crate) fn extend(&self, state: &mut State, near: u32, size: u32) -> Result<(), S::Error> {
        let before = state.size();
        let extended = self.try_extend(state, near, size);
        if extended.is_err() {
            self.shorten(state, before);
        }
        extended
    }

    fn try_extend(&self, state: &mut State, near: u32, size: u32) -> Result<(), S::Error> {
        let before = state.size();
        let blocks = size.div_ceil(BLOCK);
        while state.blocks() < blocks {
            let run = self.allocate_end(state, blocks - state.blocks(), near)?;
            let cleared = (run.0..run.0 + run.1).try_for_each(|block| self.disk.clear(block, 0));
            cleared.inspect_err(|_| self.release(run.0..run.0 + run.1))?;
            self.attach(state, run)?;
            let there = u64::from(state.blocks()) * u64::from(BLOCK);
            state.inode.size = (there.min(size.into()) as u32).into();
        }
        // What lies behind the end of a file is anything. It goes last: a shorter size may be in memory alone, and
        // what is written here cannot be undone.
        let behind = (BLOCK - before % BLOCK) % BLOCK;
        let zeros = vec![0; behind.min(size - before) as usize];
        if !zeros.is_empty() {
            self.overwrite(state, before, &zeros)?;
        }
        state.inode.size = size.into();
        Ok(())
    }

    /// Undoes what has made a file larger. If a table cannot be read, its blocks are in use until the next repair.
    pub(crate) fn shorten(&self, state: &mut State, size: u32) {
        let surplus = self.list_surplus(state, size.div_ceil(BLOCK)).unwrap_or_default();
        self.cut(state, size, surplus);
    }

    /// Writes to blocks that the file has. Returns the number of bytes.
    fn overwrite(&self, state: &mut State, at: u32, data: &[u8]) -> Result<usize, S::Error> {
        let (index, mut within) = (at / BLOCK, (at % BLOCK) as usize);
        let needed = (within + data.len()).div_ceil(BLOCK_SIZE) as u32;
        let (first, count) = self.disk.run(&state.inode, index, needed)?;
        let mut rest = data;
        for (index, mut block) in (index..).zip(first..first + count) {
            let Some((now, later)) = rest.split_at_checked(rest.len().min(BLOCK_SIZE - within))
            else {
                break;
            };
            if !self.disk.has(block, within + now.len()) {
                block = self.relocate(state, index, block)?;
            }
            self.disk.write(block, within, now)?;
            (rest, within) = (later, 0);
        }
        Ok(data.len() - rest.len())
    }

    /// Writes to new blocks, from a multiple of the block size on. Returns the number of bytes.
    fn append(&self, state: &mut State, near: u32, data: &[u8]) -> Result<usize, S::Error> {
        let run = self.allocate_end(state, data.len().div_ceil(BLOCK_SIZE) as u32, near)?;
        let blocks = run.0..run.0 + run.1;
        let written = self.write_blocks(blocks.clone(), data);
        let written = written.inspect_err(|_| self.release(blocks))?;
        self.attach(state, run)?;
        Ok(written)
    }

    /// Fills blocks with the start of `data`, and with zeros behind its end. Returns the number of bytes.
    fn write_blocks(&self, blocks: Range<u32>, data: &[u8]) -> Result<usize, S::Error> {
        let mut written = 0;
        for (block, part) in blocks.zip(data.chunks(BLOCK_SIZE)) {
            if part.len() == BLOCK_SIZE {
                self.disk.write(block, 0, part)?;
            } else {
                let mut whole: Vec<u8> = part.into();
                whole.resize(BLOCK_SIZE, 0);
                self.disk.write(block, 0, &whole)?;
            }
            written += part.len();
        }
        Ok(written)
    }

    /// Cuts a file, or makes it larger with zeros.
    pub(crate) fn resize(&self, state: &mut State, near: u32, size: u64) -> Result<(), S::Error> {
        let size = u32::try_from(size).map_err(|_| Error::TooLarge)?;
        if size > state.size() {
            return self.extend(state, near, size);
        }
        let surplus = self.list_surplus(state, size.div_ceil(BLOCK))?;
        self.cut(state, size, surplus);
        Ok(())
    }
}
