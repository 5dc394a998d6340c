//! From a block's number to a slot that holds it: found, waited for, or read from the disk.

use alloc::vec::Vec;
use core::{
    mem,
    ops::{Deref, Range},
    sync::atomic::Ordering,
};

use arrayvec::ArrayVec;
use ostd::task::Task;

use super::{
    super::{Error, IfFull},
    Cache, MAX_RUN, Slot,
    flight::Kit,
    table::{Found, Table},
};

/// A slot whose block stays as long as this lives.
pub(super) struct Held<'a> {
    slot: &'a Slot,
    pub number: usize,
}

impl Deref for Held<'_> {
    type Target = Slot;

    fn deref(&self) -> &Slot {
        self.slot
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.slot.users.fetch_sub(1, Ordering::Release);
    }
}

impl Cache {
    /// Holds a slot. The table is locked, as its borrow shows.
    pub(super) fn hold_slot(&self, number: usize, _table: &Table) -> Held<'_> {
        let slot = &self.slots[number];
        slot.users.fetch_add(1, Ordering::Relaxed);
        Held { slot, number }
    }

    /// Holds the slot of a block, which is read from the disk if it is not cached.
    pub(super) fn hold(&self, block: u64) -> Result<Held<'_>, Error> {
        let mut counted = false;
        loop {
            let mut table = self.table.lock();
            let found = table.find(block);
            if !mem::replace(&mut counted, true) {
                table.count_use(&found);
            }
            match found {
                Found::Here(slot) => {
                    table.used(slot);
                    return Ok(self.hold_slot(slot, &table));
                }
                Found::OnItsWay(due) => {
                    drop(table);
                    self.wait_for(&due);
                }
                Found::Absent => {
                    let begun = self.begin_load(&mut table, block);
                    drop(table);
                    match begun {
                        Some((held, kit)) => return self.load(held, kit),
                        None => self.make_room()?,
                    }
                }
            }
        }
    }

    /// Holds the slots of a block and of up to `count - 1` blocks after it, as far as they are cached; the first one
    /// is read from the disk if it is not.
    pub(super) fn hold_run(
        &self,
        first: u64,
        count: usize,
    ) -> Result<ArrayVec<Held<'_>, MAX_RUN>, Error> {
        let mut run = ArrayVec::new();
        run.push(self.hold(first)?);
        if count > 1 {
            let mut table = self.table.lock();
            for block in (first + 1..).take(count.min(MAX_RUN) - 1) {
                let found = table.find(block);
                let Found::Here(slot) = found else { break };
                table.count_use(&found);
                table.used(slot);
                run.push(self.hold_slot(slot, &table));
            }
        }
        Ok(run)
    }

    /// Takes what it needs to read `block`; `None` if there is no slot for it.
    fn begin_load(&self, table: &mut Table, block: u64) -> Option<(Held<'_>, Kit)> {
        let slot = table.take_slot(&self.slots)?;
        let Some(mut kit) = table.loads.take() else {
            table.free(slot);
            return None;
        };
        table.load(block, slot, &kit.flight);
        table.count_read(1);
        kit.slots.push(slot);
        kit.first = block;
        Some((self.hold_slot(slot, table), kit))
    }

    /// Reads the one block, and waits for it.
    fn load<'a>(&'a self, held: Held<'a>, kit: Kit) -> Result<Held<'a>, Error> {
        let due = kit.flight.due();
        // The slot knows of an error.
        let _ = self.send_load(kit, IfFull::Wait);
        if let Some(due) = due {
            self.wait_for(&due);
        }
        let mut table = self.table.lock();
        if let Err(error) = table.outcome(held.number) {
            let slot = held.number;
            drop(held);
            table.free(slot);
            return Err(error);
        }
        Ok(held)
    }

    /// Begins to read blocks that will be wanted soon, as far as they are not cached and there is room: by
    /// requests of up to 128 KiB, several at once. Does not wait for them; who reads a block later waits, or
    /// is told of the error.
    pub fn prefetch(&self, first: u64, count: u64) {
        let (mut at, end) = (first, first.saturating_add(count).min(self.blocks()));
        while at < end {
            let mut table = self.table.lock();
            while at < end && table.has(at) {
                at += 1;
            }
            let Some(kit) = self.begin_run(&mut table, at..end) else {
                drop(table);
                if at < end && self.land_stragglers() {
                    continue;
                }
                return;
            };
            drop(table);
            at = kit.end();
            if self.send_load(kit, IfFull::Fail).is_err() {
                return;
            }
        }
    }

    /// Takes what it needs to read the first of `blocks` and its neighbours, as far as they are not cached
    /// and one request reaches.
    fn begin_run(&self, table: &mut Table, blocks: Range<u64>) -> Option<Kit> {
        let mut kit = table.ahead.take()?;
        kit.first = blocks.start;
        for block in blocks.take(self.longest_run) {
            if table.has(block) {
                break;
            }
            let Some(slot) = table.take_slot(&self.slots) else { break };
            table.load(block, slot, &kit.flight);
            kit.slots.push(slot);
        }
        if kit.slots.is_empty() {
            table.ahead.give_back(kit);
            return None;
        }
        table.statistics.read_ahead += kit.slots.len() as u64;
        table.count_read(kit.slots.len());
        Some(kit)
    }

    /// Sends a flight that reads into the slots of the kit. Slots whose memory lies in a row are one piece to the
    /// device, which is cheaper for both sides.
    ///
    /// # Errors
    ///
    /// Those of [`Self::take_off`].
    fn send_load(&self, mut kit: Kit, if_full: IfFull) -> Result<(), Error> {
        let mut ready = Ok(());
        for (block, slot) in (kit.first..).zip(&kit.slots) {
            let mut buffer = mem::take(&mut *self.slots[*slot].content.write());
            ready = ready.and(buffer.resize(self.bytes_of(block)));
            let buffers = &mut kit.request.buffers;
            let apart = match buffers.last_mut() {
                Some(last) => last.unsplit(buffer),
                None => Err(buffer),
            };
            buffers.extend(apart.err());
        }
        self.take_off(kit, ready.map_err(Error::from), if_full)
    }

    /// Lands the flights ahead that have been answered and that nobody waits for. Returns `true` if there
    /// were any.
    fn land_stragglers(&self) -> bool {
        self.disk.poll();
        let due: Vec<_> = self.table.lock().ahead.in_the_air().collect();
        // All of them, not only the first one that has been answered.
        due.iter().filter(|due| self.land_if_answered(due)).count() > 0
    }

    /// Waits until a slot could be taken, writing dirty blocks back if nothing else helps.
    ///
    /// # Errors
    ///
    /// All slots are dirty, and none of them can be written.
    pub(super) fn make_room(&self) -> Result<(), Error> {
        // Those who hold a slot may need this CPU to let go of it.
        Task::yield_now();
        self.write_back_until(|table| table.take_slot(&self.slots).map(|slot| table.free(slot)))
    }
}
