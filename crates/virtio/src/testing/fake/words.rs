//! The simplest chain, for tests of the queue alone.

use alloc::vec::Vec;

use ostd::mm::dma::DmaCoherent;

use super::super::queue::{Chain, Segments};
use crate::dma::{DmaSlice, DmaSliceAlloc};

type Word = DmaSlice<u64, DmaCoherent>;

/// The words of a chain: some to read, then some to write.
#[derive(Debug)]
pub struct Words {
    pub read: Vec<Word>,
    pub write: Vec<Word>,
}

impl Words {
    /// So many words of each kind, or as many as there are left.
    pub fn new(pool: &DmaSliceAlloc<u64, DmaCoherent>, read: usize, write: usize) -> Self {
        let take = |count| (0..count).filter_map(|_| pool.alloc()).collect();
        Self { read: take(read), write: take(write) }
    }

    /// How many bytes the device may write.
    pub fn writable(&self) -> u32 {
        8 * self.write.len() as u32
    }

    /// How many segments there are.
    pub fn count(&self) -> usize {
        self.read.len() + self.write.len()
    }
}

impl Chain for Words {
    fn segments<'a>(&'a self, list: &mut Segments<'a>) {
        self.read.iter().for_each(|word| list.device_reads(word));
        self.write.iter().for_each(|word| list.device_writes(word));
    }
}
