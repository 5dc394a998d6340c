//! Sees who reads block after block, and says what to read before it is asked for.
//!
//! Only the first use of a block counts, so that a file which is cached already costs nothing here. The
//! second block in a row begins it: a few blocks are read ahead at first, and more each time that the reader
//! has come near the end of them. Who reads here and there never gets that far.

use core::ops::Range;

use super::MAX_RUN;

/// The number of readers that are told apart.
const READERS: usize = 16;
/// The blocks that are read ahead of a reader at first.
const FIRST_WINDOW: u64 = 8;
/// The window grows by this factor.
const GROWTH: u64 = 4;

/// One who reads block after block.
#[derive(Clone, Copy)]
struct Reader {
    /// The block that continues the row.
    next: u64,
    /// Blocks before this one have been asked for.
    asked: u64,
    /// The blocks that shall be on their way before the reader.
    window: u64,
}

/// The readers that were seen last.
pub(super) struct ReadAhead {
    readers: [Reader; READERS],
    /// The one that makes room for the next.
    oldest: usize,
    most: u64,
}

impl ReadAhead {
    /// Reads at most `blocks` blocks ahead of each reader.
    pub fn new(blocks: usize) -> Self {
        let nobody = Reader { next: u64::MAX, asked: 0, window: 0 };
        Self { readers: [nobody; READERS], oldest: 0, most: blocks as u64 }
    }

    /// Notes the first use of a block, which is `absent` if it is not even on its way. Returns the blocks to
    /// read now, if any.
    pub fn used(&mut self, block: u64, absent: bool) -> Option<Range<u64>> {
        if self.most == 0 {
            return None;
        }
        let after = block.saturating_add(1);
        let Some(reader) = self.readers.iter_mut().find(|reader| reader.next == block) else {
            self.readers[self.oldest] = Reader { next: after, asked: after, window: 0 };
            self.oldest = (self.oldest + 1) % READERS;
            return None;
        };
        reader.next = after;
        if absent {
            // What was asked for has not been read, or has gone again.
            reader.asked = block;
        }
        reader.asked = reader.asked.max(block);
        let end = after.saturating_add(reader.window);
        let missing = end.saturating_sub(reader.asked);
        // Not one block after the other, but by long requests.
        if !absent && reader.window > 0 && missing < (reader.window / 2).min(MAX_RUN as u64) {
            return None;
        }
        reader.window = (reader.window * GROWTH)
            .clamp(FIRST_WINDOW, self.most.max(FIRST_WINDOW))
            .min(self.most);
        let range = reader.asked..after.saturating_add(reader.window);
        reader.asked = range.end;
        Some(range)
    }
}
