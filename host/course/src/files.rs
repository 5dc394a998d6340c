//! Trees of files, packed into images of the Simple File System.
//!
//! The crate `sfs` is graded, which in a student's own tree is the student's. So this is written from the
//! format alone, and shares no line with it. The blocks of a file lie wherever the random numbers say, and what the
//! format leaves open holds garbage, as in the images of other packers.

use anyhow::{Context, Result, ensure};
use lab::image::noise;

/// The unit of space in bytes.
pub const BLOCK: usize = 4096;
/// The bytes of an entry of a directory.
pub const ENTRY: usize = 260;
/// The first bytes of block 0.
const MAGIC: u32 = 0x2f8d_be2b;
/// The number of the root's inode.
const ROOT: u32 = 1;
/// Where the free map lies; it has one block here.
const MAP: usize = 2;
/// The first block of a file or inode, and the most that there can be with one block of map.
const FIRST: u32 = 3;
const MOST_BLOCKS: u32 = 8 * BLOCK as u32;
/// The numbers of blocks that an inode holds itself.
const DIRECT: usize = 12;

/// The content of an inode.
pub enum Body {
    /// The bytes of a file.
    File(Vec<u8>),
    /// The names of a directory, each with the place of what it names among the nodes.
    Directory {
        /// In this order.
        names: Vec<(String, usize)>,
        /// Names of what has been removed: their entries still stand behind the end, as far as the last block reaches.
        removed: Vec<(String, usize)>,
    },
}

/// A tree of files. The first node is the root, and every other one is named once.
pub struct Tree(pub Vec<Body>);

impl Tree {
    /// A tree of an empty root.
    pub fn new() -> Self {
        Self(vec![Body::Directory { names: Vec::new(), removed: Vec::new() }])
    }

    /// Adds a directory, and returns its place.
    pub fn directory(&mut self, parent: usize, name: &str) -> usize {
        self.add(parent, name, Body::Directory { names: Vec::new(), removed: Vec::new() })
    }

    /// Adds a file, and returns its place.
    pub fn file(&mut self, parent: usize, name: &str, content: Vec<u8>) -> usize {
        self.add(parent, name, Body::File(content))
    }

    fn add(&mut self, parent: usize, name: &str, body: Body) -> usize {
        let place = self.0.len();
        self.0.push(body);
        if let Some(Body::Directory { names, .. }) = self.0.get_mut(parent) {
            names.push((name.into(), place));
        }
        place
    }

    /// Adds the entry of a file that has been removed.
    pub fn removed(&mut self, parent: usize, name: &str, named: usize) {
        if let Some(Body::Directory { removed, .. }) = self.0.get_mut(parent) {
            removed.push((name.into(), named));
        }
    }

    /// Packs the tree into an image of so many blocks. Returns it with the numbers of the inodes.
    ///
    /// # Errors
    ///
    /// It does not fit, or a file is larger than one pointer block allows.
    pub fn pack(&self, blocks: u32, random: &mut fastrand::Rng) -> Result<(Vec<u8>, Vec<u32>)> {
        ensure!((16..=MOST_BLOCKS).contains(&blocks), "no image has {blocks} blocks here");
        let sectors = blocks as usize * BLOCK / lab::image::SECTOR;
        let mut image = Packing { bytes: noise(sectors, random.u64(..)), free: Vec::new() };
        image.free.extend(FIRST..blocks);
        random.shuffle(&mut image.free);
        let mut numbers = vec![ROOT];
        for _ in 1..self.0.len() {
            numbers.push(image.take()?);
        }
        let mut parents = vec![0; self.0.len()];
        for (place, body) in self.0.iter().enumerate() {
            if let Body::Directory { names, .. } = body {
                names.iter().for_each(|(_, child)| parents[*child] = place);
            }
        }
        for (place, body) in self.0.iter().enumerate() {
            let number = numbers[place];
            match body {
                Body::File(content) => image.inode(number, 1, 1, content, content.len())?,
                Body::Directory { names, removed } => {
                    let below = |child: &usize| matches!(self.0[*child], Body::Directory { .. });
                    let links = 2 + names.iter().filter(|(_, child)| below(child)).count();
                    let mut content = entry(".", number, random);
                    content.extend(entry("..", numbers[parents[place]], random));
                    for (name, child) in names {
                        content.extend(entry(name, numbers[*child], random));
                    }
                    let size = content.len();
                    for (name, child) in removed {
                        content.extend(entry(name, numbers[*child], random));
                    }
                    content.truncate(size.next_multiple_of(BLOCK));
                    image.inode(number, 2, links, &content, size)?;
                }
            }
        }
        image.close(blocks);
        Ok((image.bytes, numbers))
    }
}

/// The bytes of an entry. What lies behind the name's end is garbage.
fn entry(name: &str, inode: u32, random: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = inode.to_le_bytes().to_vec();
    bytes.extend(name.bytes().chain([0]));
    bytes.resize_with(ENTRY, || random.u8(..));
    bytes
}

/// An image that is being made.
struct Packing {
    bytes: Vec<u8>,
    free: Vec<u32>,
}

impl Packing {
    fn take(&mut self) -> Result<u32> {
        self.free.pop().context("the files do not fit into the image")
    }

    /// Overwrites the beginning of a block.
    fn put(&mut self, block: u32, bytes: &[u8]) {
        let start = block as usize * BLOCK;
        self.bytes[start..start + bytes.len()].copy_from_slice(bytes);
    }

    /// Writes an inode and its content, which may have more bytes than its size says.
    fn inode(
        &mut self,
        number: u32,
        kind: u16,
        links: usize,
        content: &[u8],
        size: usize,
    ) -> Result<()> {
        let count = size.div_ceil(BLOCK);
        ensure!(
            count < DIRECT + BLOCK / 4,
            "a file of {size} bytes is too large to be packed here"
        );
        let mut blocks = Vec::new();
        for piece in content.chunks(BLOCK).take(count) {
            let block = self.take()?;
            self.put(block, piece);
            blocks.push(block);
        }
        let mut bytes = (size as u32).to_le_bytes().to_vec();
        bytes.extend(kind.to_le_bytes());
        bytes.extend((links as u16).to_le_bytes());
        bytes.extend((count as u32).to_le_bytes());
        let (direct, indirect) = blocks.split_at(count.min(DIRECT));
        bytes.extend(direct.iter().flat_map(|block| block.to_le_bytes()));
        bytes.resize(12 + 4 * DIRECT, 0xee);
        // The format has this block already when the last direct number is in use.
        if count >= DIRECT {
            let table = self.take()?;
            let numbers: Vec<u8> = indirect.iter().flat_map(|block| block.to_le_bytes()).collect();
            self.put(table, &numbers);
            bytes.extend(table.to_le_bytes());
        }
        bytes.resize(72, 0xee);
        // No device, and all times are 0.
        bytes.extend(100u64.to_le_bytes());
        bytes.resize(128, 0);
        self.put(number, &bytes);
        Ok(())
    }

    /// Writes the superblock and the free map.
    fn close(&mut self, blocks: u32) {
        let mut map = vec![0u8; BLOCK];
        for block in &self.free {
            map[*block as usize / 8] |= 1 << (block % 8);
        }
        self.put(MAP as u32, &map);
        let numbers = [MAGIC, blocks, self.free.len() as u32];
        let mut superblock: Vec<u8> = numbers.into_iter().flat_map(u32::to_le_bytes).collect();
        superblock.extend(b"simple file system");
        superblock.resize(44, 0);
        superblock.extend(1u32.to_le_bytes());
        self.put(0, &superblock);
    }
}
