//! From changed blocks to the disk: how many there may be, in what order they go, and what `flush` owes.
//!
//! A write-back copies the blocks into memory of its own. So what is sent to the disk does not change on
//! the way, nobody waits for the device to read or write such a block, and nothing is lost where the device
//! keeps the memory of a request that failed. Of one block there is never more than one write in the air, as
//! the disk may carry them out in any order.
//!
//! A block that could not be written stays dirty.

use alloc::vec::Vec;

use ostd::task::Task;

use super::{
    super::{Error, IfFull},
    BLOCK_SIZE, Cache,
    flight::{Due, Kit},
    table::Table,
};

/// The next thing to do for dirty blocks to be written.
enum Step {
    /// Send this.
    Send(Kit),
    /// Wait for this: it has the block, or what is needed to send it.
    Wait(Due),
    /// Nothing is dirty.
    Nothing,
}

impl Table {
    /// Takes the first dirty block from `from` on, with the dirty blocks behind it as far as one request
    /// reaches.
    fn next_run(&mut self, from: u64) -> Step {
        let Some(&first) = self.dirty.range(from..).next() else { return Step::Nothing };
        if let Some(due) = self.writes_back(first) {
            return Step::Wait(due);
        }
        let Some(mut kit) = self.writes.take() else {
            return self.writes.oldest_in_the_air().map_or(Step::Nothing, Step::Wait);
        };
        kit.first = first;
        for block in (first..).take(self.longest_run) {
            if !self.dirty.contains(&block) || self.writes_back(block).is_some() {
                break;
            }
            kit.slots.extend(self.write(block, &kit.flight));
        }
        self.statistics.write_requests += 1;
        self.statistics.blocks_written += kit.slots.len() as u64;
        Step::Send(kit)
    }

    /// Takes the next dirty blocks where the last call ended, and from the disk's start on after its end.
    fn next_run_around(&mut self) -> Step {
        let step = match self.next_run(self.hand) {
            Step::Nothing => self.next_run(0),
            step => step,
        };
        if let Step::Send(kit) = &step {
            self.hand = kit.end();
        }
        step
    }
}

impl Cache {
    /// Copies dirty blocks, and sends them.
    fn send_write(&self, mut kit: Kit) {
        let ready = self.gather(&mut kit);
        // The table knows of an error.
        let _ = self.take_off(kit, ready, IfFull::Wait);
    }

    /// Copies the blocks of a kit into the one buffer of its request.
    fn gather(&self, kit: &mut Kit) -> Result<(), Error> {
        let blocks = kit.first..kit.end();
        let bytes = blocks.clone().map(|block| self.bytes_of(block)).sum();
        // The device may have kept the last one.
        let mut buffer = kit.request.buffers.pop().unwrap_or_default();
        buffer.resize(bytes)?;
        for ((number, block), slot) in blocks.enumerate().zip(&kit.slots) {
            let content = self.slots[*slot].content.read();
            buffer.copy_from(number * BLOCK_SIZE, &content, self.bytes_of(block))?;
        }
        kit.request.buffers.push(buffer);
        Ok(())
    }

    /// Begins to write back if half of the blocks that may be dirty are. Does not wait for the device, unless its queue
    /// is full.
    pub(super) fn write_back_early(&self) {
        let mut table = self.table.lock();
        if table.dirty.len() * 2 < table.dirty_limit {
            return;
        }
        let step = table.next_run_around();
        drop(table);
        match step {
            Step::Send(kit) => self.send_write(kit),
            Step::Wait(due) => {
                self.disk.poll();
                self.land_if_answered(&due);
            }
            Step::Nothing => {}
        }
    }

    /// Writes dirty blocks back until `attempt` succeeds, and returns what it does.
    ///
    /// # Errors
    ///
    /// None of the dirty blocks can be written.
    pub(super) fn write_back_until<R>(
        &self,
        attempt: impl Fn(&mut Table) -> Option<R>,
    ) -> Result<R, Error> {
        let failed_before = self.table.lock().failed_blocks;
        loop {
            let mut table = self.table.lock();
            if let Some(result) = attempt(&mut table) {
                return Ok(result);
            }
            let unwritten = table.unwritten();
            if let Some(error) = table.failure
                && table.failed_blocks - failed_before >= unwritten
            {
                return Err(error);
            }
            let mut step = table.next_run_around();
            if let Step::Nothing = step {
                let due = table.in_the_air();
                step = due.map_or(Step::Nothing, Step::Wait);
            }
            drop(table);
            match step {
                Step::Send(kit) => self.send_write(kit),
                Step::Wait(due) => self.wait_for(&due),
                Step::Nothing => Task::yield_now(),
            }
        }
    }

    /// Writes all dirty blocks back and has the disk make them durable: when this returns `Ok`, every write
    /// that had returned when it was called is safe from a power cut.
    ///
    /// The disk's flush follows when all those writes have been answered, so that it counts for them. It is
    /// passed on where nothing is dirty too.
    ///
    /// # Errors
    ///
    /// The error of any block that could not be written since the last flush; it is told once, also where a
    /// later attempt went well. The block stays dirty, so each flush tries it again, and fails again if the
    /// disk does. After a flush that the disk itself fails, nobody knows what became of the writes before: those
    /// blocks are dirty again. If one of them was not cached any more, it is lost, and every later flush fails too.
    pub fn flush(&self) -> Result<(), Error> {
        // One after the other, so that none counts on writes which another one finds to be lost.
        let _alone = self.flushing.lock();
        let mut from = 0;
        loop {
            let step = self.table.lock().next_run(from);
            match step {
                Step::Send(kit) => {
                    // Never back: a flush ends even if others go on writing, or a block cannot be written.
                    from = kit.end();
                    self.send_write(kit);
                }
                Step::Wait(due) => self.wait_for(&due),
                Step::Nothing => break,
            }
        }
        let in_the_air: Vec<_> = self.table.lock().writes.in_the_air().collect();
        in_the_air.iter().for_each(|due| self.wait_for(due));
        let number = self.table.lock().begin_flush();
        let flushed = match self.disk.flush() {
            // Such a disk keeps nothing back.
            Err(Error::Unsupported) => Ok(()),
            result => result,
        };
        self.table.lock().end_flush(number, flushed)
    }
}
