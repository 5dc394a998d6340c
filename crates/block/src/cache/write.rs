//! Changing a block in memory.

use super::{super::Error, BLOCK_SIZE, Cache};

impl Cache {
    /// Writes to a block, after reading it if it is not cached. Returns `false`, with nothing changed, if
    /// that has to wait until fewer blocks are dirty.
    // ANCHOR: write_cached
    pub(super) fn write_cached(
        &self,
        block: u64,
        offset: usize,
        data: &[u8],
    ) -> Result<bool, Error> {
        let held = self.hold(block)?;
        // Locked before the block is dirty: a write-back that finds it so waits for
        // the copy, and sends all of it.
        let content = held.content.write();
        if !self.table.lock().soil(held.number) {
            return Ok(false);
        }
        content.write(offset, data)?;
        Ok(true)
    }
    // ANCHOR_END: write_cached

    /// Writes all of a block that is not cached, without reading it. Returns `false`, with nothing changed, if
    /// that has to wait until fewer blocks are dirty, or if it is cached by now.
    pub(super) fn write_new(&self, block: u64, data: &[u8; BLOCK_SIZE]) -> Result<bool, Error> {
        let mut table = self.table.lock();
        let Some(slot) = table.take_slot(&self.slots) else {
            drop(table);
            self.make_room()?;
            return Ok(false);
        };
        let held = self.hold_slot(slot, &table);
        drop(table);
        let mut content = held.content.write();
        let ready = content.resize(BLOCK_SIZE);
        let mut table = self.table.lock();
        if ready.is_ok() && table.soil_new(slot, block) {
            drop(table);
            content.write(0, data)?;
            return Ok(true);
        }
        drop(content);
        drop(held);
        table.free(slot);
        ready?;
        Ok(false)
    }
}
