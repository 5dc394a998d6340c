//! All that can be reached from the root, and who owns which block.

use std::collections::{BTreeMap, BTreeSet};

use super::{Kind, Node, Problem, ROOT, Reading, content, inode::inode, u32_at};
use crate::image::{BLOCK, Image};

const MAGIC: u32 = 0x2f8d_be2b;
/// Blocks that a block of the map tells of.
const MAPPED: u32 = 8 * BLOCK as u32;
/// The first block of the map.
const MAP: u32 = 2;
/// Bytes of an entry.
const ENTRY: usize = 260;

/// Reads an image.
pub fn read(image: &Image) -> Reading {
    let mut reading = Reading::default();
    let Some(block) = image.block(0) else {
        reading.broken_by("there is no superblock".into());
        return reading;
    };
    let (magic, blocks, map) = (u32_at(block, 0), u32_at(block, 4), u32_at(block, 44));
    reading.blocks = blocks;
    reading.unused = u32_at(block, 8);
    if magic != MAGIC || map != blocks.div_ceil(MAPPED) || blocks < 16 {
        let what = format!("the superblock has magic {magic:#x}, {blocks} blocks, {map} of map");
        reading.broken_by(what);
        return reading;
    }
    let first = MAP + map;
    if first > image.len() {
        reading.broken_by("the disk ends inside the map".into());
        return reading;
    }
    let mut owners: BTreeMap<u32, u32> = BTreeMap::new();
    // The reference's images claim more than the disk has. What lies there reads as 0.
    reading.walk(image, first..blocks, &mut owners);
    reading.count_links();
    reading.look_for_loops();
    reading.compare_map(image, first, &owners);
    reading
}

impl Reading {
    fn broken_by(&mut self, what: String) {
        self.problems.push(Problem::Broken(what));
    }

    /// Reads every inode that has a name, once.
    fn walk(
        &mut self,
        image: &Image,
        usable: std::ops::Range<u32>,
        owners: &mut BTreeMap<u32, u32>,
    ) {
        let mut todo = vec![(ROOT, ROOT)];
        while let Some((number, parent)) = todo.pop() {
            if let Some(known) = self.nodes.get_mut(&number) {
                known.parents.push(parent);
                continue;
            }
            if number != ROOT && !usable.contains(&number) {
                self.broken_by(format!("directory {parent} names inode {number}"));
                continue;
            }
            let mut node = match inode(image, number, |block| usable.contains(&block)) {
                Ok(node) => node,
                Err(what) => {
                    self.broken_by(format!("{what}; it is named by directory {parent}"));
                    continue;
                }
            };
            for block in [number].iter().chain(&node.pointers).chain(&node.data) {
                if let Some(other) = owners.insert(*block, number) {
                    self.broken_by(format!("block {block} belongs to inodes {other} and {number}"));
                }
            }
            if node.kind == Kind::Directory {
                node.entries = self.entries(image, number, &node);
                let named = node.entries.iter().skip(2).rev();
                todo.extend(named.map(|(_, inode)| (*inode, number)));
            }
            if number != ROOT {
                node.parents.push(parent);
            }
            self.nodes.insert(number, node);
        }
        if self.nodes.get(&ROOT).is_some_and(|root| root.kind != Kind::Directory) {
            self.broken_by("the root is no directory".into());
        }
    }

    /// The entries of a directory that can be understood.
    fn entries(&mut self, image: &Image, number: u32, node: &Node) -> Vec<(String, u32)> {
        let bytes = content(image, &node.data, node.size);
        if !bytes.len().is_multiple_of(ENTRY) || bytes.len() < 2 * ENTRY {
            self.broken_by(format!("directory {number} has {} bytes", bytes.len()));
        }
        let mut entries = Vec::new();
        let mut seen = BTreeSet::new();
        for (slot, entry) in bytes.chunks_exact(ENTRY).enumerate() {
            let (inode, name) = entry.split_at(4);
            let inode = u32::from_le_bytes([inode[0], inode[1], inode[2], inode[3]]);
            let length = name.iter().position(|byte| *byte == 0);
            let name = length.and_then(|length| str::from_utf8(&name[..length]).ok());
            let sound = match (slot, name) {
                (0, Some(name)) => name == "." && inode == number,
                (1, Some(name)) => name == "..",
                (_, Some(name)) => !["", ".", ".."].contains(&name) && !name.contains('/'),
                (_, None) => false,
            };
            if !sound {
                let what = name.unwrap_or("(unreadable)");
                self.broken_by(format!("entry {slot} of directory {number}: {what:?}, {inode}"));
                continue;
            }
            let name = name.unwrap_or_default().to_owned();
            if !seen.insert(name.clone()) {
                self.broken_by(format!("directory {number} has the name {name:?} twice"));
            }
            entries.push((name, inode));
        }
        entries
    }

    /// Compares the counts of links with the names, and each ".." with the directory that names it.
    fn count_links(&mut self) {
        let mut found = Vec::new();
        for (number, node) in &self.nodes {
            let directory = node.kind == Kind::Directory;
            let is_directory = |inode| {
                self.nodes.get(inode).is_some_and(|node: &Node| node.kind == Kind::Directory)
            };
            let below =
                node.entries.iter().skip(2).filter(|(_, inode)| is_directory(inode)).count();
            let names = if directory { 2 + below } else { node.parents.len() };
            let (count, names) = (u32::from(node.links), names as u32);
            if count < names {
                let what = format!("inode {number} counts {count} links and has {names}");
                found.push(Problem::Broken(what));
            } else if count > names {
                found.push(Problem::HighCount { inode: *number, count, names });
            }
            if !directory {
                continue;
            }
            let parents = || if *number == ROOT { vec![ROOT] } else { node.parents.clone() };
            match node.parents[..] {
                [] => (),
                [_] if *number != ROOT => (),
                // The count tells what moves have left, even in a row, from damage.
                [_, ..] if *number != ROOT && count + 1 >= names + node.parents.len() as u32 => {
                    let parents = node.parents.clone();
                    found.push(Problem::SeenTwice { directory: *number, parents });
                }
                _ => {
                    let what = format!("directory {number} is named by {:?}", node.parents);
                    found.push(Problem::Broken(what));
                }
            }
            let Some((_, named)) = node.entries.get(1) else { continue };
            if !is_directory(named) {
                let what = format!("\"..\" of directory {number} names {named}, which is none");
                found.push(Problem::Broken(what));
            } else if !parents().contains(named) {
                let what =
                    format!("\"..\" of directory {number}, in {:?}, names {named}", parents());
                found.push(Problem::Broken(what));
            }
        }
        self.problems.append(&mut found);
    }

    /// A directory below itself has no place in a tree, whatever happened to it.
    fn look_for_loops(&mut self) {
        let mut todo = vec![(ROOT, vec![ROOT])];
        let mut steps = 0;
        while let Some((number, way)) = todo.pop() {
            steps += 1;
            if steps > 10 * self.nodes.len() {
                // So many ways to so few directories: more than one move, which a cut cannot leave.
                self.broken_by("directories have more ways to them than a move can leave".into());
                return;
            }
            let below: Vec<u32> = self.names(number).into_values().collect();
            for inode in below {
                if self.nodes.get(&inode).is_none_or(|node| node.kind != Kind::Directory) {
                    continue;
                }
                if way.contains(&inode) {
                    self.broken_by(format!("directory {inode} is below itself: {way:?}"));
                    continue;
                }
                todo.push((inode, [&way[..], &[inode]].concat()));
            }
        }
    }

    /// Compares the map with what is in use.
    fn compare_map(&mut self, image: &Image, first: u32, owners: &BTreeMap<u32, u32>) {
        let mut free = 0;
        // Most of the reference's map tells of blocks that neither the disk nor an inode has.
        let behind = owners.keys().last().copied().unwrap_or(0).max(image.len());
        let bytes = (MAP..first).filter_map(|block| image.block(block)).flatten();
        for (byte, bits) in (0..).zip(bytes) {
            if *bits == 0xff && byte * 8 > behind && byte * 8 + 8 <= self.blocks {
                free += 8;
                continue;
            }
            for bit in 0..8 {
                let block = byte * 8 + bit;
                let is_free = bits >> bit & 1 == 1;
                free += u32::from(is_free);
                let owned = block < first || owners.contains_key(&block);
                if block >= self.blocks {
                    if is_free {
                        self.broken_by(format!("block {block} behind the end is marked as free"));
                        return;
                    }
                } else if is_free && owned {
                    let owner = owners.get(&block);
                    let what = format!("block {block} of inode {owner:?} is marked as free");
                    self.broken_by(what);
                } else if !is_free && !owned && image.has_whole(block) {
                    self.problems.push(Problem::Leaked(block));
                }
            }
        }
        if free != self.unused {
            self.problems.push(Problem::StaleUnused { said: self.unused, free });
        }
    }
}
