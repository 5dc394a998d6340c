//! The way of changes to the disk, where they become durable.
//!
//! Data, directories and pointers go to the storage as soon as they change, to places that nothing durable reaches. What
//! does reach them, the inodes, stays in memory, and so does the free map. A commit writes them, in phases with a flush
//! between: after a power cut in any of them the disk holds the state before or after each change, and at worst blocks
//! that nobody uses and counts of links that are too high.
//!
//! The atom is the sector with an inode. A change within one directory is one such sector. What moves between
//! directories must not get lost: the directories that *took* something come before those that *gave* something away, and
//! no directory is both in one commit.

use alloc::{collections::BTreeMap, sync::Arc, vec};
use core::sync::atomic::Ordering::{Relaxed, SeqCst};

use zerocopy::IntoBytes;

use super::{
    BLOCK_SIZE, Error, Kind, Locks, Result, RwLock, Storage,
    group::Group,
    inode::{Node, State},
    layout::{DiskInode, FREE_MAP, SUPERBLOCK, Superblock},
    mount::Shared,
};

/// The state of a mounted file system, which decides on what may still be done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Health {
    /// All.
    Good,
    /// A commit has failed when some inodes were on their way. It must be completed before anything else changes.
    Halfway,
    /// Memory and storage may differ. Nothing may be changed or committed any more.
    Lost,
}

impl<S: Storage, L: Locks> Shared<S, L> {
    /// Takes an inode's lock in order to change it, and lets the next commit look at it. Only within [`Self::change`].
    pub(crate) fn edit<'n>(
        &self,
        node: &'n Arc<Node<L>>,
    ) -> <L::RwLock<State> as RwLock<State>>::Write<'n> {
        let mut state = node.state.write();
        if node.kind() == Some(Kind::Directory) {
            *node.listing.write() = None;
        }
        if !state.in_group && !state.removed {
            state.in_group = true;
            self.group.write().changed.insert(node.number, node.clone());
        }
        state
    }

    /// Lets nothing be changed any more: a write has failed that may have left half a change.
    pub(crate) fn give_up(&self) {
        self.health.store(Health::Lost as u8, SeqCst);
    }

    /// Returns `true` after that.
    pub(crate) fn is_lost(&self) -> bool {
        self.health.load(SeqCst) == Health::Lost as u8
    }

    /// Makes everything durable that has been done before. Callers that come while a commit runs share the next one.
    pub(crate) fn commit(&self) -> Result<(), S::Error> {
        if self.is_read_only() {
            return Ok(());
        }
        let ticket = self.started.load(SeqCst) + 1;
        let _alone = self.ops.write();
        if self.completed.load(SeqCst) >= ticket {
            return Ok(());
        }
        let number = self.started.fetch_add(1, SeqCst) + 1;
        self.run_phases()?;
        self.completed.store(number, SeqCst);
        Ok(())
    }

    /// Makes durable what the last commit has left for the next flush.
    pub(crate) fn flush_rest(&self) -> Result<(), S::Error> {
        // No commit leaves more meanwhile. Whoever comes during another one's flush makes one too, as only its end counts.
        let _no_commit = self.ops.read();
        if self.unflushed.load(Relaxed) { self.flush() } else { Ok(()) }
    }

    /// The phases of a commit. The caller has `ops` alone.
    fn run_phases(&self) -> Result<(), S::Error> {
        if self.is_lost() {
            return Err(Error::Failed);
        }
        let mut group = self.group.write();
        let again = self.health.load(SeqCst) == Health::Halfway as u8;
        // What a commit that failed has written ahead must be durable before the inodes as well.
        let tried = core::mem::replace(&mut group.tried, true);

        // ANCHOR: exercise-11-phases
        // Phase 1: what the inodes will refer to. Nothing durable refers to it yet.
        let mut flushed = false;
        if !again {
            self.release_orphans(&mut group);
            if self.write_ahead(&group)? || tried {
                self.flush()?;
                flushed = true;
            }
        }

        // Phase 2: the inodes. From here on, both the old and the new inodes may be durable.
        self.health.store(Health::Halfway as u8, SeqCst);
        let ranks: [fn(&Group<L>, u32) -> bool; 3] = [
            |group, number| !group.gave.contains(&number) && group.moved != Some(number),
            |group, number| group.moved == Some(number),
            |group, number| group.gave.contains(&number),
        ];
        for rank in ranks {
            if self.write_changed(&group, |number| rank(&group, number))? {
                self.flush()?;
                flushed = true;
            }
        }
        if !flushed {
            self.flush()?;
        }
        self.health.store(Health::Good as u8, SeqCst);

        // Phase 3: what only frees something. The flush of the next commit may carry it.
        self.finish(&mut group)
        // ANCHOR_END: exercise-11-phases
    }

    fn flush(&self) -> Result<(), S::Error> {
        self.disk.flush()?;
        self.unflushed.store(false, Relaxed);
        Ok(())
    }

    /// Gives back what inodes have that nobody can reach any more.
    fn release_orphans(&self, group: &mut Group<L>) {
        group.orphans.retain(|node| {
            {
                let mut table = self.table.write();
                if !table.remove_unused(node) {
                    return true;
                }
                // At the same moment, as what is in use and not in the table may be read from the disk.
                self.release([node.number]);
            }
            // A table that cannot be read costs its blocks until the next repair.
            if let Ok(surplus) = self.list_surplus(&node.state.read(), 0) {
                self.release(surplus.into_iter().flat_map(|(first, count)| first..first + count));
            }
            false
        });
    }

    /// Writes the free map, new inodes and raised counts. Returns `true` if they, or what has been written since
    /// the last commit, must be durable before the inodes.
    fn write_ahead(&self, group: &Group<L>) -> Result<bool, S::Error> {
        let mut needed = self.write_map()?;
        for node in group.changed.values() {
            let state = node.state.read();
            let Some(saved) = &state.saved else {
                let mut block = vec![0; BLOCK_SIZE];
                if let Some(start) = block.first_chunk_mut::<{ size_of::<DiskInode>() }>() {
                    start.copy_from_slice(state.inode.as_bytes());
                }
                self.disk.write(node.number, 0, &block)?;
                needed = true;
                continue;
            };
            let links = links_meanwhile(node, &state);
            if state.added > 0 && links > saved.links.get() {
                self.write_inode(node, saved.with_links(links))?;
                needed = true;
            }
            needed |= state.size() > saved.size.get();
        }
        Ok(needed)
    }

    /// Writes those changed inodes that `chosen` picks. Returns `true` if there are any.
    fn write_changed(
        &self,
        group: &Group<L>,
        chosen: impl Fn(u32) -> bool,
    ) -> Result<bool, S::Error> {
        let mut any = false;
        for node in group.changed.values().filter(|node| chosen(node.number)) {
            let state = node.state.read();
            let links = links_meanwhile(node, &state);
            let inode = state.inode.with_links(links);
            if state.saved.is_some_and(|saved| saved.as_bytes() != state.inode.as_bytes()) {
                self.write_inode(node, inode)?;
                any = true;
            }
        }
        Ok(any)
    }

    /// Lowers counts of links, frees what was waiting for that, and starts a new group.
    fn finish(&self, group: &mut Group<L>) -> Result<(), S::Error> {
        let mut result = Ok(());
        let mut late = BTreeMap::new();
        let changed = core::mem::take(&mut group.changed);
        for (&number, node) in &changed {
            let mut state = node.state.write();
            let links = links_meanwhile(node, &state);
            state.added = 0;
            let durable = state.inode.with_links(links);
            if state.saved.is_some() && links != state.links() {
                self.unflushed.store(true, Relaxed);
                let inode = state.inode;
                if let Err(error) = self.write_inode(node, inode) {
                    // The next commit tries again.
                    state.saved = Some(durable);
                    late.insert(number, node.clone());
                    result = Err(error);
                    continue;
                }
            }
            state.saved = Some(state.inode);
            state.in_group = false;
        }
        let orphans = core::mem::take(&mut group.orphans);
        *group = Group { changed: late, orphans, ..Group::new() };
        self.settle();
        // Not before: a new inode that is not in the table is found only when its number is settled.
        drop(changed);
        self.write_map().and(result)
    }

    /// Frees what the commit has taken from the inodes.
    fn settle(&self) {
        let mut next = self.space.read().next_pending(0);
        while let Some(block) = next {
            self.disk.storage.forget(block);
            next = block.checked_add(1).and_then(|from| self.space.read().next_pending(from));
        }
        self.space.write().settle();
    }

    /// Writes what has changed of the free map, and the count of unused blocks. Returns `true` if something was written.
    ///
    /// Nobody else changes the map, as the caller has `ops` alone. Others look at it, so its lock is not held while the
    /// storage works.
    fn write_map(&self) -> Result<bool, S::Error> {
        let (changed, unused) = {
            let space = self.space.read();
            (space.is_changed(), space.unused_on_disk())
        };
        if !changed {
            return Ok(false);
        }
        self.unflushed.store(true, Relaxed);
        // The count first: if it fails, the map is still known to differ.
        let superblock = Superblock::new(self.disk.blocks, unused);
        self.disk.write(SUPERBLOCK, 0, superblock.as_bytes())?;
        let mut next = self.space.read().first_changed();
        while let Some(index) = next {
            let mut bytes = vec![0; BLOCK_SIZE];
            self.disk.read(FREE_MAP + index, 0, &mut bytes)?;
            self.space.read().fill(index, &mut bytes);
            self.disk.write(FREE_MAP + index, 0, &bytes)?;
            let mut space = self.space.write();
            space.set_written(index);
            next = space.first_changed();
        }
        Ok(true)
    }

    fn write_inode(&self, node: &Node<L>, inode: DiskInode) -> Result<(), S::Error> {
        self.disk.write(node.number, 0, inode.as_bytes())
    }
}

/// The least count of links of an inode as long as its old names may be there, and its new ones too.
fn links_meanwhile<L: Locks>(node: &Node<L>, state: &State) -> u16 {
    let saved = state.saved.map_or(0, |saved| saved.links.get());
    if node.kind() != Some(Kind::Directory) {
        saved.saturating_add(state.added).max(state.links())
    } else if state.added == 0 {
        // It lists its subdirectories in the same sector as it counts them.
        state.links()
    } else {
        saved.max(state.links()).saturating_add(state.added)
    }
}
