//! Which blocks differ from the disk's, which are on their way there, and which are safe.

use alloc::sync::Arc;

use super::{
    super::{
        super::Error,
        flight::{Due, Flight},
    },
    Entry, State, Table,
};

impl Table {
    /// Notes that the block in `slot` is about to differ from the disk's. Returns `false` if too many do.
    pub fn soil(&mut self, slot: usize) -> bool {
        let entry = &self.entries[slot];
        if entry.dirty {
            return true;
        }
        let counts = entry.flight.is_some();
        if !counts && !self.may_soil() {
            return false;
        }
        self.being_written -= usize::from(counts);
        self.make_dirty(slot);
        true
    }

    /// Puts a block that is about to be written into a slot that was taken. Returns `false` if too many
    /// are dirty, or if the block is here by now.
    pub fn soil_new(&mut self, slot: usize, block: u64) -> bool {
        if !self.may_soil() || self.has(block) {
            return false;
        }
        self.index.insert(block, slot);
        let (state, flight) = (State::Cached, None);
        self.entries[slot] = Entry { block, state, dirty: false, fresh: false, flight, written: 0 };
        self.make_dirty(slot);
        true
    }

    /// Returns `true` if another block may become dirty.
    pub fn may_soil(&self) -> bool {
        self.unwritten() < self.dirty_limit
    }

    /// The number of blocks that are dirty or being written back.
    pub fn unwritten(&self) -> usize {
        self.dirty.len() + self.being_written
    }

    fn make_dirty(&mut self, slot: usize) {
        let entry = &mut self.entries[slot];
        entry.dirty = true;
        self.dirty.insert(entry.block);
        self.eviction.remove(slot);
    }

    /// The flight that writes `block` back now.
    pub fn writes_back(&self, block: u64) -> Option<Due> {
        let slot = self.index.get(&block)?;
        self.entries[*slot].flight.as_ref()?.due()
    }

    /// Notes that `flight` writes the dirty `block`, and returns its slot.
    pub fn write(&mut self, block: u64, flight: &Arc<Flight>) -> Option<usize> {
        let slot = *self.index.get(&block)?;
        self.dirty.remove(&block);
        let entry = &mut self.entries[slot];
        entry.dirty = false;
        entry.flight = Some(flight.clone());
        self.being_written += 1;
        Some(slot)
    }

    /// Notes the end of that.
    pub fn written(&mut self, slot: usize, result: Result<(), Error>) {
        let entry = &mut self.entries[slot];
        entry.flight = None;
        entry.written = self.next_flush;
        self.being_written -= usize::from(!entry.dirty);
        if let Err(error) = result {
            self.failure = Some(error);
            self.failed_blocks += 1;
            self.make_dirty(slot);
        } else if !entry.dirty {
            self.eviction.insert(slot);
        }
    }

    /// Notes that the disk is about to be asked for a flush, and returns its number.
    pub fn begin_flush(&mut self) -> u64 {
        self.statistics.flushes += 1;
        self.next_flush += 1;
        self.next_flush - 1
    }

    /// Notes the end of that, and returns what whoever flushes is told. What was written since the last flush that
    /// went well is dirty again after one that did not; more blocks than usual may be.
    ///
    /// # Errors
    ///
    /// That of the disk, also an earlier one that has cost blocks; or that of a write since the last flush.
    pub fn end_flush(&mut self, number: u64, flushed: Result<(), Error>) -> Result<(), Error> {
        match flushed {
            Ok(()) => self.last_flush = number,
            Err(error) => self.soil_unflushed(error),
        }
        let failure = self.failure.take();
        self.lost.or(failure).map_or(flushed, Err)
    }

    fn soil_unflushed(&mut self, error: Error) {
        if self.written_and_gone > self.last_flush {
            self.lost.get_or_insert(error);
        }
        for slot in 0..self.entries.len() {
            let entry = &self.entries[slot];
            let is_clean = entry.state == State::Cached && !entry.dirty && entry.flight.is_none();
            if is_clean && entry.written > self.last_flush {
                self.make_dirty(slot);
            }
        }
    }
}
