//! The content of a disk, cheap to copy.

use std::sync::Arc;

/// Bytes of a block.
pub const BLOCK: usize = 4096;
/// Bytes of a sector: what a disk writes whole or not at all.
pub const SECTOR: usize = 512;
/// Sectors of a block.
pub const SECTORS: usize = BLOCK / SECTOR;

/// The content of a sector.
pub type Sector = [u8; SECTOR];

/// The content of a disk. Copies share the blocks in which they do not differ.
#[derive(Clone, Debug)]
pub struct Image {
    blocks: Vec<Arc<[u8; BLOCK]>>,
    bytes: u64,
}

impl Image {
    /// A disk of zeros.
    pub fn zeros(blocks: u32) -> Self {
        let zero = Arc::new([0; BLOCK]);
        Self { blocks: vec![zero; blocks as usize], bytes: u64::from(blocks) * BLOCK as u64 }
    }

    /// The content of a file. It may end inside a block.
    pub fn of_file(content: &[u8]) -> Self {
        let zero = Arc::new([0; BLOCK]);
        let block = |bytes: &[u8]| {
            if bytes.iter().all(|byte| *byte == 0) {
                return zero.clone();
            }
            let mut block = [0; BLOCK];
            block[..bytes.len()].copy_from_slice(bytes);
            Arc::new(block)
        };
        let bytes = content.len() as u64;
        Self { blocks: content.chunks(BLOCK).map(block).collect(), bytes }
    }

    /// The size in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The number of blocks; the last one may be short.
    pub fn len(&self) -> u32 {
        self.blocks.len() as u32
    }

    /// True if there is no block.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// A block, or `None` behind the end.
    pub fn block(&self, number: u32) -> Option<&[u8; BLOCK]> {
        self.blocks.get(number as usize).map(|block| &**block)
    }

    /// A block to be changed, or `None` behind the end.
    pub fn block_mut(&mut self, number: u32) -> Option<&mut [u8; BLOCK]> {
        self.blocks.get_mut(number as usize).map(Arc::make_mut)
    }

    /// True for a block that does not reach behind the end. Others cannot be used.
    pub fn has_whole(&self, number: u32) -> bool {
        u64::from(number) < self.bytes / BLOCK as u64
    }

    /// A sector, or `None` behind the end.
    pub fn sector(&self, number: u32) -> Option<&Sector> {
        let block = self.block(number / SECTORS as u32)?;
        block.as_chunks().0.get(number as usize % SECTORS)
    }

    /// Replaces a sector; one behind the end is left out.
    pub fn set_sector(&mut self, number: u32, content: &Sector) {
        if let Some(block) = self.block_mut(number / SECTORS as u32) {
            block.as_chunks_mut().0[number as usize % SECTORS] = *content;
        }
    }

    /// Cuts the disk off, or makes it longer with zeros.
    pub fn resize(&mut self, bytes: u64) {
        let blocks = bytes.div_ceil(BLOCK as u64) as usize;
        self.blocks.resize_with(blocks, || Arc::new([0; BLOCK]));
        let short = (bytes % BLOCK as u64) as usize;
        if let (Some(last), true) = (self.blocks.last_mut(), short > 0) {
            Arc::make_mut(last)[short..].fill(0);
        }
        self.bytes = bytes;
    }

    /// True if both have the same content in this block.
    pub fn same_block(&self, other: &Self, number: u32) -> bool {
        match (self.blocks.get(number as usize), other.blocks.get(number as usize)) {
            (Some(one), Some(two)) => Arc::ptr_eq(one, two) || one == two,
            (one, two) => one.is_none() && two.is_none(),
        }
    }
}
