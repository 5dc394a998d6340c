//! A second reader of the format, written from its description alone.
//!
//! It shares no code with the crate `sfs`, so a mistake that this crate makes twice, in writing and in checking,
//! is seen here. It reads a whole image at once, never fails, and lists what is wrong.
//!
//! ```text
//!   problem  what can be wrong, and which of it a power cut may leave
//!   inode    one inode: its fields and its blocks
//!   walk     all that can be reached from the root, and who owns which block
//!   compare  two readings of one tree
//! ```

mod compare;
mod inode;
mod problem;
mod walk;

use std::collections::BTreeMap;

pub use self::{compare::differences, problem::Problem, walk::read};
use crate::image::{BLOCK, Image};

/// The number of the root's inode.
pub const ROOT: u32 = 1;

/// The kind of an inode.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symlink.
    Symlink,
    /// A device of any sort; the number is the type in the inode.
    Device(u16),
}

/// An inode as the reader has found it.
#[derive(Clone, Debug)]
pub struct Node {
    /// The kind.
    pub kind: Kind,
    /// The size in bytes.
    pub size: u32,
    /// The count of links that is written in it.
    pub links: u16,
    /// The blocks of its content, in order.
    pub data: Vec<u32>,
    /// The blocks that hold the numbers of others.
    pub pointers: Vec<u32>,
    /// A directory's entries, "." and ".." included, in order.
    pub entries: Vec<(String, u32)>,
    /// The directories that name it, once for each name; not those that do so by "." or "..".
    pub parents: Vec<u32>,
}

/// All that was found in an image.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// The blocks that the superblock claims.
    pub blocks: u32,
    /// The blocks that the superblock says to be free.
    pub unused: u32,
    /// All inodes that can be reached, by number.
    pub nodes: BTreeMap<u32, Node>,
    /// The problems.
    pub problems: Vec<Problem>,
}

impl Reading {
    /// The first thing that a power cut must not leave.
    pub fn broken(&self) -> Option<&Problem> {
        self.problems.iter().find(|problem| problem.is_broken())
    }

    /// The content of an inode.
    pub fn content(&self, image: &Image, number: u32) -> Vec<u8> {
        self.nodes
            .get(&number)
            .map(|node| content(image, &node.data, node.size))
            .unwrap_or_default()
    }

    /// The names in a directory, without "." and "..".
    pub fn names(&self, number: u32) -> BTreeMap<&str, u32> {
        let entries = self.nodes.get(&number).map_or(&[][..], |node| &node.entries);
        let named = entries.iter().skip(2);
        named.map(|(name, inode)| (name.as_str(), *inode)).collect()
    }

    /// The number of inodes and of blocks that are in use.
    pub fn used(&self) -> usize {
        self.nodes.values().map(|node| 1 + node.data.len() + node.pointers.len()).sum()
    }
}

/// The first `size` bytes in these blocks; what lies behind the end of the disk is 0.
fn content(image: &Image, blocks: &[u32], size: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(blocks.len() * BLOCK);
    for block in blocks {
        bytes.extend_from_slice(image.block(*block).unwrap_or(&[0; BLOCK]));
    }
    bytes.truncate(size as usize);
    bytes
}

/// A number of four bytes in a block.
fn u32_at(block: &[u8; BLOCK], offset: usize) -> u32 {
    let bytes = block.get(offset..offset + 4).and_then(|bytes| bytes.try_into().ok());
    u32::from_le_bytes(bytes.unwrap_or_default())
}

/// A number of two bytes in a block.
fn u16_at(block: &[u8; BLOCK], offset: usize) -> u16 {
    let bytes = block.get(offset..offset + 2).and_then(|bytes| bytes.try_into().ok());
    u16::from_le_bytes(bytes.unwrap_or_default())
}
