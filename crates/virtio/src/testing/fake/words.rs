//! The simplest chains, for tests of the queue alone.

use alloc::{boxed::Box, vec::Vec};
use core::cell::Cell;

use dma::{DmaSlice, DmaSliceAlloc};
use ostd::mm::dma::DmaCoherent;

use crate::queue::{Chain, ChainError, Table};

type Word = DmaSlice<u64, DmaCoherent>;

/// The words of a chain: some to read, then some to write.
#[derive(Debug)]
pub struct Words {
    pub read: Vec<Word>,
    pub write: Vec<Word>,
}

impl Words {
    /// The number of bytes that the device may write.
    pub fn writable(&self) -> u32 {
        8 * self.write.len() as u32
    }

    /// The number of segments.
    pub fn count(&self) -> usize {
        self.read.len() + self.write.len()
    }

    /// Describes the words to the device.
    pub fn link(chain: &mut Chain<Self>) -> Result<(), ChainError> {
        chain.link(|words, segments| {
            words.read.iter().for_each(|word| segments.device_reads(word));
            words.write.iter().for_each(|word| segments.device_writes(word));
        })
    }
}

/// Makes chains of words, each with a number of its own, and with an indirect table where the queue has
/// those.
pub struct WordsPool {
    words: DmaSliceAlloc<u64, DmaCoherent>,
    tables: Option<DmaSliceAlloc<Table, DmaCoherent>>,
    next_place: Cell<u16>,
}

impl WordsPool {
    /// A pool for about so many words and tables.
    pub fn new(words: usize, tables: Option<usize>) -> Self {
        Self {
            words: DmaSliceAlloc::coherent(words).unwrap(),
            tables: tables.map(|tables| DmaSliceAlloc::coherent(tables).unwrap()),
            next_place: Cell::new(0),
        }
    }

    /// A chain of so many words of each kind, which is linked unless there are none.
    ///
    /// # Panics
    ///
    /// If the pool has not got that much.
    pub fn chain(&self, read: usize, write: usize) -> Box<Chain<Words>> {
        let take =
            |count| (0..count).map(|_| self.words.alloc().expect("words are left")).collect();
        let words = Words { read: take(read), write: take(write) };
        let table = self.tables.as_ref().map(|tables| tables.alloc().expect("tables are left"));
        let place = self.next_place.get();
        self.next_place.set(place.wrapping_add(1));
        let mut chain = Box::new(Chain::new(words, place, table));
        let linked = Words::link(&mut chain);
        assert_eq!(linked.err(), (read + write == 0).then_some(ChainError::Empty));
        chain
    }

    /// The words and the tables that nobody owns now.
    pub fn available(&self) -> (usize, usize) {
        (self.words.available(), self.tables.as_ref().map_or(0, DmaSliceAlloc::available))
    }
}
