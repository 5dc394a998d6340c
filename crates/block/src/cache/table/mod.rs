//! Which block is in which slot, and what state it is in.
//!
//! The [`Table`] is what the cache's one spin lock guards. Everything here is short and waits for nothing;
//! the bytes of the blocks are elsewhere.
//!
//! | state of a slot | in the index | in [`Eviction`] | in `dirty` | has a flight |
//! |---|---|---|---|---|
//! | free | - | - | - | - |
//! | being loaded | yes | - | - | yes |
//! | clean | yes | yes | - | - |
//! | dirty | yes | - | yes | - |
//! | being written back | yes | - | if changed since | yes |
//! | failed to load | - | - | - | - |

mod dirty;

use alloc::{collections::BTreeSet, sync::Arc, vec::Vec};
use core::{mem, sync::atomic::Ordering};

use hashbrown::HashMap;

use super::{
    super::Error,
    BLOCK_SIZE, CacheStatistics, Slot,
    eviction::Eviction,
    flight::{Due, Flight, Kind, Kits},
};

/// The number of requests that write at the same time.
const WRITES: usize = 8;
/// The most requests that read ahead at the same time.
const READS_AHEAD: usize = 16;
/// The number of tries to find a slot that nobody holds.
const TRIES: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Free,
    Loading,
    Cached,
    /// For the task that wanted the block, which holds the slot.
    Failed(Error),
}

struct Entry {
    block: u64,
    state: State,
    /// Differs from what the disk has, or will have when the flight lands.
    dirty: bool,
    /// Was read ahead and has not been used.
    fresh: bool,
    /// Reads or writes the block now.
    flight: Option<Arc<Flight>>,
    /// The number of the flush that comes after its last write; 0 if it was never written.
    written: u64,
}

/// The place of a block.
pub(super) enum Found {
    Here(usize),
    /// It is being loaded.
    OnItsWay(Due),
    Absent,
}

/// Everything that the cache knows about its slots, but for their content.
pub(super) struct Table {
    index: HashMap<u64, usize>,
    entries: Vec<Entry>,
    free: Vec<usize>,
    eviction: Eviction,
    /// The dirty blocks, in the order of the disk.
    pub dirty: BTreeSet<u64>,
    /// Blocks that are being written back and have not been changed since.
    being_written: usize,
    /// The most blocks that are dirty or being written back.
    pub dirty_limit: usize,
    /// The last error of writing that no flush has told.
    pub failure: Option<Error>,
    /// Times that a block could not be written.
    pub failed_blocks: usize,
    /// The most blocks that one request writes.
    pub longest_run: usize,
    /// Write-back that nobody's flush asks for goes on from here.
    pub hand: u64,
    /// The number of the next flush, and of the last one that is known to have succeeded.
    next_flush: u64,
    last_flush: u64,
    /// The latest `written` of the blocks that have given way to others.
    written_and_gone: u64,
    /// The error of a flush that was for such a block. What the disk has lost then cannot be written again, and no
    /// later flush may count for it.
    lost: Option<Error>,
    pub loads: Kits,
    pub ahead: Kits,
    pub writes: Kits,
    pub statistics: CacheStatistics,
}

impl Table {
    /// A table of free slots.
    pub fn new(slots: usize, dirty_limit: usize, longest_run: usize) -> Result<Self, Error> {
        // At most half of the slots wait for what is read ahead.
        let reads_ahead = (slots / 2 / longest_run).clamp(1, READS_AHEAD);
        let entry = |_| Entry {
            block: 0,
            state: State::Free,
            dirty: false,
            fresh: false,
            flight: None,
            written: 0,
        };
        Ok(Self {
            index: HashMap::with_capacity(slots),
            entries: (0..slots).map(entry).collect(),
            // The last one is taken first.
            free: (0..slots).rev().collect(),
            eviction: Eviction::new(slots),
            dirty: BTreeSet::new(),
            being_written: 0,
            dirty_limit,
            failure: None,
            failed_blocks: 0,
            longest_run,
            hand: 0,
            next_flush: 1,
            last_flush: 0,
            written_and_gone: 0,
            lost: None,
            loads: Kits::new(Kind::Load, slots),
            ahead: Kits::new(Kind::Ahead, reads_ahead),
            writes: Kits::with_memory(Kind::WriteBack, WRITES, longest_run * BLOCK_SIZE)?,
            statistics: CacheStatistics::default(),
        })
    }

    pub fn kits(&mut self, kind: Kind) -> &mut Kits {
        match kind {
            Kind::Load => &mut self.loads,
            Kind::Ahead => &mut self.ahead,
            Kind::WriteBack => &mut self.writes,
        }
    }

    pub fn find(&self, block: u64) -> Found {
        let Some(&slot) = self.index.get(&block) else { return Found::Absent };
        match &self.entries[slot] {
            Entry { state: State::Loading, flight: Some(flight), .. } => {
                flight.due().map_or(Found::Absent, Found::OnItsWay)
            }
            _ => Found::Here(slot),
        }
    }

    /// Counts a use of a block that was looked for.
    pub fn count_use(&mut self, found: &Found) {
        match found {
            Found::Here(_) => self.statistics.hits += 1,
            Found::OnItsWay(_) | Found::Absent => self.statistics.misses += 1,
        }
    }

    /// Counts a request that reads so many blocks.
    pub fn count_read(&mut self, blocks: usize) {
        self.statistics.read_requests += 1;
        self.statistics.blocks_read += blocks as u64;
    }

    /// Something that is in the air, which has been there for long.
    pub fn in_the_air(&self) -> Option<Due> {
        let kits = [&self.writes, &self.loads, &self.ahead];
        kits.into_iter().find_map(|kits| kits.oldest_in_the_air())
    }

    /// The counts so far.
    pub fn statistics(&self) -> CacheStatistics {
        let (cached, dirty) = (self.index.len() as u64, self.unwritten() as u64);
        CacheStatistics { cached, dirty, ..self.statistics }
    }

    /// Returns `true` if the block is cached or on its way.
    pub fn has(&self, block: u64) -> bool {
        self.index.contains_key(&block)
    }

    /// Notes a use of the block in `slot`. The first one after it was read ahead is no second use.
    pub fn used(&mut self, slot: usize) {
        if !mem::replace(&mut self.entries[slot].fresh, false) {
            self.eviction.touched(slot);
        }
    }

    /// Takes a slot that is free, or whose block can go. `None` if there is none at the moment.
    pub fn take_slot(&mut self, slots: &[Slot]) -> Option<usize> {
        if let Some(slot) = self.free.pop() {
            return Some(slot);
        }
        for _ in 0..TRIES {
            let slot = self.eviction.victim()?;
            // Nobody can begin to hold it while the table is locked.
            if slots[slot].users.load(Ordering::Acquire) > 0 {
                self.eviction.insert(slot);
                continue;
            }
            let entry = &mut self.entries[slot];
            entry.state = State::Free;
            self.index.remove(&entry.block);
            self.written_and_gone = self.written_and_gone.max(entry.written);
            self.statistics.evictions += 1;
            return Some(slot);
        }
        None
    }

    /// Gives back a slot that was taken.
    pub fn free(&mut self, slot: usize) {
        self.entries[slot].state = State::Free;
        self.free.push(slot);
    }

    /// Notes that `flight` will bring `block` to a slot that was taken.
    pub fn load(&mut self, block: u64, slot: usize, flight: &Arc<Flight>) {
        self.index.insert(block, slot);
        let flight = Some(flight.clone());
        self.entries[slot] =
            Entry { block, state: State::Loading, dirty: false, fresh: false, flight, written: 0 };
    }

    /// Notes the end of that. A task that holds the slot is told of an error.
    pub fn loaded(&mut self, slot: usize, result: Result<(), Error>, fresh: bool, slots: &[Slot]) {
        let entry = &mut self.entries[slot];
        entry.flight = None;
        let Err(error) = result else {
            entry.state = State::Cached;
            entry.fresh = fresh;
            self.eviction.insert(slot);
            return;
        };
        self.index.remove(&entry.block);
        entry.state = State::Failed(error);
        if slots[slot].users.load(Ordering::Acquire) == 0 {
            self.free(slot);
        }
    }

    /// Tells the task that wanted the block how loading it has ended.
    pub fn outcome(&self, slot: usize) -> Result<(), Error> {
        match self.entries[slot].state {
            State::Failed(error) => Err(error),
            _ => Ok(()),
        }
    }

    /// Drops a block, with what was changed in it, unless somebody is busy with it.
    pub fn forget(&mut self, block: u64, slots: &[Slot]) {
        let Some(&slot) = self.index.get(&block) else { return };
        if self.entries[slot].flight.is_some() || slots[slot].users.load(Ordering::Acquire) > 0 {
            return;
        }
        self.index.remove(&block);
        self.dirty.remove(&block);
        self.eviction.remove(slot);
        self.free(slot);
    }
}
