//! Finding directories that lie below themselves.
//!
//! Where the root leads to one, it can still be used, but a walk over all names does not end. Where it does not, all that
//! lies below is lost, and looks like blocks that a cut has left.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec,
    vec::Vec,
};
use core::ops::ControlFlow;

use super::{
    Fault,
    walk::{Seen, Walk},
};
use crate::{
    Error, Kind, Result, Storage,
    directory::{PARENT_SLOT, name_of},
    disk::corrupt,
    inode::read_inode,
    layout::{DiskInode, ROOT},
    map::Bits,
};

/// A directory that the root does not lead to.
#[derive(Default)]
struct Lost {
    /// The inode that ".." names.
    parent: u32,
    /// The inodes of its other entries that the root does not lead to either; sorted.
    entries: Vec<u32>,
}

impl Lost {
    fn names(&self, number: u32) -> bool {
        self.entries.binary_search(&number).is_ok()
    }
}

impl<S: Storage> Walk<'_, S> {
    /// Looks for circles.
    pub(super) fn find_circles(&mut self) -> Result<(), S::Error> {
        if let Some(at) = self.reached_circle() {
            self.problem(at, Fault::Circle { reached: true });
        }
        for at in lost_circles(&self.lost_directories()?) {
            self.problem(at, Fault::Circle { reached: false });
        }
        Ok(())
    }

    /// Finds a directory in a circle that the root leads to, if there is one.
    fn reached_circle(&self) -> Option<u32> {
        let directories = || self.inodes.iter().filter(|(_, seen)| seen.is_directory());
        // Those are taken away that have no directories, until all that are left have some.
        let mut left: BTreeMap<u32, u32> =
            directories().map(|(&number, seen)| (number, seen.subdirectories)).collect();
        let mut empty: Vec<u32> =
            left.iter().filter(|(_, count)| **count == 0).map(|(&number, _)| number).collect();
        while let Some(number) = empty.pop() {
            left.remove(&number);
            for parent in self.inodes.get(&number).into_iter().flat_map(Seen::parents) {
                if let Some(count) = left.get_mut(&parent) {
                    *count -= 1;
                    if *count == 0 {
                        empty.push(parent);
                    }
                }
            }
        }
        // From each of them a way leads down for ever. After so many steps it is in a circle.
        let mut down = BTreeMap::new();
        for (number, seen) in directories().filter(|(number, _)| left.contains_key(number)) {
            down.extend(seen.parents().map(|parent| (parent, *number)));
        }
        let mut at = *left.first_key_value()?.0;
        for _ in 0..left.len() {
            at = *down.get(&at)?;
        }
        Some(at)
    }

    /// Collects the directories that lie in leaked blocks with all that they have.
    fn lost_directories(&self) -> Result<BTreeMap<u32, Lost>, S::Error> {
        let mut found = BTreeMap::new();
        let mut owned = Bits::new(self.disk.end);
        for number in self.disk.first_data()..self.disk.end {
            if !self.is_leaked(number) {
                continue;
            }
            match read_inode(self.disk, number) {
                Ok(inode) if inode.kind.get() == Kind::Directory.number() => {
                    if let Some(lost) = self.lost_directory(number, &inode, &mut owned)? {
                        found.insert(number, lost);
                    }
                }
                Ok(_) | Err(Error::Corrupt { .. }) => (),
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// Reads such a directory, unless something about it shows that it is the rest of one.
    fn lost_directory(
        &self,
        number: u32,
        inode: &DiskInode,
        owned: &mut Bits,
    ) -> Result<Option<Lost>, S::Error> {
        let own = self.disk.surplus(inode, 0, |block| {
            if self.is_leaked(block) && owned.set(block, true) {
                return Ok(());
            }
            Err(corrupt("has a block that is not its own", number))
        });
        match own {
            Ok(()) => (),
            Err(Error::Corrupt { .. }) => return Ok(None),
            Err(error) => return Err(error),
        }
        let (mut lost, mut is_directory) = (Lost::default(), false);
        self.disk.scan(inode, |slot, entry| {
            let Some((named, name)) = entry.split_first_chunk() else {
                return ControlFlow::Break(());
            };
            let named = u32::from_le_bytes(*named);
            if slot == 0 {
                is_directory = named == number && name_of(name) == Some(".");
            } else if slot == PARENT_SLOT {
                lost.parent = named;
            } else if self.is_leaked(named) {
                lost.entries.push(named);
            }
            if is_directory { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        lost.entries.sort_unstable();
        lost.entries.dedup();
        Ok(is_directory.then_some(lost))
    }
}

/// Finds a directory in each circle of directories that the root does not lead to.
///
/// A power cut may leave directories there, new ones and removed ones. Some may be of different times, and name each other
/// by chance. So ".." must agree, all around the circle or with one exception: a directory that had two names, and has been
/// moved below itself by the other one.
fn lost_circles(lost: &BTreeMap<u32, Lost>) -> Vec<u32> {
    let mut circles = Vec::new();
    let mut below: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let mut tops = Vec::new();
    for (&number, directory) in lost {
        match lost.get(&directory.parent) {
            Some(parent) if parent.names(number) => {
                below.entry(directory.parent).or_default().push(number);
            }
            _ => tops.push(number),
        }
    }
    let mut left: BTreeSet<u32> = lost.keys().copied().collect();
    for top in tops {
        let (mut waiting, mut names_top) = (vec![top], false);
        while let Some(number) = waiting.pop() {
            left.remove(&number);
            names_top |= lost.get(&number).is_some_and(|directory| directory.names(top));
            waiting.extend(below.get(&number).into_iter().flatten());
        }
        if names_top {
            circles.push(top);
        }
    }
    // What no top leads to lies in a circle or below one.
    while let Some(&first) = left.first() {
        let (mut at, mut way) = (first, BTreeSet::new());
        while way.insert(at) {
            at = lost.get(&at).map_or(ROOT, |directory| directory.parent);
        }
        circles.push(at);
        let mut waiting = vec![at];
        while let Some(number) = waiting.pop() {
            if left.remove(&number) {
                waiting.extend(below.get(&number).into_iter().flatten());
            }
        }
    }
    circles
}
