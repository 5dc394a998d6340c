//! The entries of directories.
//!
//! Entries are packed: 260 bytes each, so that one of about 16 lies in two blocks. A new entry goes to the end, behind
//! what the durable inode reaches. To remove one, the last one is copied over it and the directory becomes
//! shorter. An entry that the durable inode reaches is not changed: its block is copied first.

use alloc::vec::Vec;
use core::ops::ControlFlow;

use zerocopy::{FromBytes, IntoBytes};

use super::{
    BLOCK_SIZE, Error, Locks, Result, RwLock, Storage,
    blocks::Run,
    disk::{Disk, corrupt},
    inode::State,
    layout::{DiskEntry, DiskInode, ENTRY},
    mount::Shared,
};

const BLOCK: u32 = BLOCK_SIZE as u32;
const ENTRY_SIZE: usize = ENTRY as usize;
/// The slot of "..".
pub(crate) const PARENT_SLOT: u32 = 1;
/// The entries of an empty directory.
pub(crate) const EMPTY: u32 = 2;

/// One entry of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The name.
    pub name: &'a str,
    /// The number of the inode that it names.
    pub inode: u32,
}

/// An entry that was found.
#[derive(Clone, Copy)]
pub(crate) struct Found {
    /// Its place in the directory, counted from 0.
    pub(crate) slot: u32,
    /// The number of the inode that it names.
    pub(crate) inode: u32,
}

/// A removal that cannot fail any more for want of space, or in reading.
pub(crate) struct Removal {
    slot: u32,
    last_slot: u32,
    /// The last entry, unless it is the one to be removed.
    last: Option<DiskEntry>,
    surplus: Vec<Run>,
}

impl Removal {
    /// Takes note of an entry that gets another inode before the removal.
    pub(crate) fn set_inode(&mut self, slot: u32, inode: u32) {
        if let Some(last) = self.last.as_mut().filter(|_| slot == self.last_slot) {
            last.inode = inode.into();
        }
    }
}

/// The name in an entry's bytes, up to its NUL.
pub(crate) fn name_of(name: &[u8]) -> Option<&str> {
    let (name, _) = name.split_at_checked(name.iter().position(|byte| *byte == 0)?)?;
    core::str::from_utf8(name).ok()
}

impl<S: Storage> Disk<S> {
    /// Shows the entries of a directory with their slots until `look` breaks it off.
    ///
    /// Most are looked at where they lie; one that straddles two blocks is put together.
    #[inline]
    pub(crate) fn scan(
        &self,
        inode: &DiskInode,
        mut look: impl FnMut(u32, &[u8; ENTRY_SIZE]) -> ControlFlow<()>,
    ) -> Result<(), S::Error> {
        let (mut left, mut slot, mut index) = (inode.size.get() as usize, 0, 0);
        let (mut torn, mut filled) = ([0; ENTRY_SIZE], 0);
        let mut flow = ControlFlow::Continue(());
        while left > 0 && flow.is_continue() {
            let (first, count) = self.run(inode, index, u32::MAX)?;
            for block in first..first + count {
                self.view(block, |bytes| {
                    let mut rest = bytes.get(..left).unwrap_or(bytes);
                    left -= rest.len();
                    if filled > 0
                        && let Some((end, others)) = rest.split_at_checked(ENTRY_SIZE - filled)
                        && let Some(to) = torn.get_mut(filled..)
                    {
                        to.copy_from_slice(end);
                        flow = look(slot, &torn);
                        (rest, filled, slot) = (others, 0, slot + 1);
                    }
                    while flow.is_continue()
                        && let Some((entry, others)) = rest.split_first_chunk()
                    {
                        flow = look(slot, entry);
                        (rest, slot) = (others, slot + 1);
                    }
                    if flow.is_continue()
                        && let Some(to) = torn.get_mut(..rest.len())
                    {
                        to.copy_from_slice(rest);
                        filled = rest.len();
                    }
                })?;
                if flow.is_break() {
                    break;
                }
            }
            index += count;
        }
        Ok(())
    }
}

impl<S: Storage, L: Locks> Shared<S, L> {
    /// Looks an entry up by its name.
    pub(crate) fn find(&self, state: &State, name: &str) -> Result<Option<Found>, S::Error> {
        // ANCHOR: exercise-9-find
        let mut found = None;
        self.disk.scan(&state.inode, |slot, entry| {
            let Some((inode, rest)) = entry.split_first_chunk() else {
                return ControlFlow::Continue(());
            };
            // The name ends at its first NUL.
            if rest.get(name.len()) == Some(&0) && rest.starts_with(name.as_bytes()) {
                found = Some(Found { slot, inode: u32::from_le_bytes(*inode) });
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        Ok(found)
        // ANCHOR_END: exercise-9-find
    }

    /// Looks an entry up of which all is known, and also where it was.
    pub(crate) fn find_again(
        &self,
        state: &State,
        place: usize,
        name: &str,
        inode: u32,
    ) -> Result<Option<Found>, S::Error> {
        let is_it =
            |entry: &DiskEntry| entry.inode.get() == inode && name_of(&entry.name) == Some(name);
        let place = u32::try_from(place).ok().filter(|place| *place < state.entries());
        if let Some(slot) = place
            && is_it(&self.entry(state, slot)?)
        {
            return Ok(Some(Found { slot, inode }));
        }
        let mut found = None;
        self.disk.scan(&state.inode, |slot, entry| {
            if DiskEntry::ref_from_bytes(entry).is_ok_and(is_it) {
                found = Some(Found { slot, inode });
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// Returns `true` if a directory has an entry for an inode, "." and ".." left out.
    pub(crate) fn names_inode(&self, state: &State, inode: u32) -> Result<bool, S::Error> {
        let mut names = false;
        self.disk.scan(&state.inode, |slot, entry| {
            let number = DiskEntry::ref_from_bytes(entry).map(|entry| entry.inode.get());
            names = slot >= EMPTY && number == Ok(inode);
            if names { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(names)
    }

    /// Shows the entries of the directory of this number as they lie on the disk.
    pub(crate) fn visit_disk(
        &self,
        state: &State,
        number: u32,
        look: &mut dyn FnMut(Entry<'_>) -> ControlFlow<()>,
    ) -> Result<(), S::Error> {
        let mut sound = true;
        self.disk.scan(&state.inode, |_, entry| {
            let parts = entry.split_first_chunk();
            match parts.and_then(|(inode, rest)| Some((inode, name_of(rest)?))) {
                Some((inode, name)) => look(Entry { name, inode: u32::from_le_bytes(*inode) }),
                None => {
                    sound = false;
                    ControlFlow::Break(())
                }
            }
        })?;
        if sound { Ok(()) } else { Err(corrupt("a name in a directory is no text", number)) }
    }

    /// Returns what ".." names.
    pub(crate) fn parent(&self, state: &State) -> Result<u32, S::Error> {
        let mut parent = 0;
        self.disk.scan(&state.inode, |slot, entry| {
            if slot < PARENT_SLOT {
                return ControlFlow::Continue(());
            }
            parent = DiskEntry::ref_from_bytes(entry).map_or(0, |entry| entry.inode.get());
            ControlFlow::Break(())
        })?;
        Ok(parent)
    }

    /// Makes an entry of a directory changeable. Its content stays; should something fail later, nothing is lost.
    pub(crate) fn prepare(&self, state: &mut State, slot: u32) -> Result<(), S::Error> {
        let start = slot * ENTRY;
        self.prepare_bytes(state, start, start + ENTRY)
    }

    /// Makes bytes of a directory changeable, as far as it has blocks for them.
    fn prepare_bytes(&self, state: &mut State, start: u32, end: u32) -> Result<(), S::Error> {
        for index in start / BLOCK..end.div_ceil(BLOCK).min(state.blocks()) {
            let (block, _) = self.disk.run(&state.inode, index, 1)?;
            let unreachable = start.max(index * BLOCK) >= state.saved_size();
            let in_place = self.space.read().is_fresh(block)
                || unreachable && self.disk.has(block, BLOCK_SIZE);
            if !in_place {
                self.relocate(state, index, block)?;
            }
        }
        Ok(())
    }

    /// Adds an entry to a directory. The last thing in a change that can fail for want of space.
    pub(crate) fn add(
        &self,
        state: &mut State,
        near: u32,
        entry: &DiskEntry,
    ) -> Result<(), S::Error> {
        let start = state.size();
        let end = start.checked_add(ENTRY).ok_or(Error::TooLarge)?;
        self.prepare_bytes(state, start, end)?;
        if end.div_ceil(BLOCK) > state.blocks() {
            let run = self.allocate_end(state, 1, near)?;
            self.disk.clear(run.0, 0).inspect_err(|_| self.release([run.0]))?;
            self.attach(state, run)?;
        }
        // Behind the last entry a failed write does no harm: nobody looks there.
        self.put(state, start, entry.as_bytes()).inspect_err(|_| self.shorten(state, start))?;
        state.inode.size = end.into();
        Ok(())
    }

    /// Gives a prepared entry another inode.
    pub(crate) fn set_inode(&self, state: &State, slot: u32, inode: u32) -> Result<(), S::Error> {
        let bytes = inode.to_le_bytes();
        self.put(state, slot * ENTRY, &bytes).inspect_err(|_| self.give_up())
    }

    /// Overwrites a prepared entry.
    pub(crate) fn set_entry(
        &self,
        state: &State,
        slot: u32,
        entry: &DiskEntry,
    ) -> Result<(), S::Error> {
        let bytes = entry.as_bytes();
        self.put(state, slot * ENTRY, bytes).inspect_err(|_| self.give_up())
    }

    /// Writes prepared bytes of a directory.
    fn put(&self, state: &State, start: u32, bytes: &[u8]) -> Result<(), S::Error> {
        let (mut at, mut rest) = (start, bytes);
        while !rest.is_empty() {
            let within = (at % BLOCK) as usize;
            let Some((now, later)) = rest.split_at_checked(rest.len().min(BLOCK_SIZE - within))
            else {
                break;
            };
            let (block, _) = self.disk.run(&state.inode, at / BLOCK, 1)?;
            self.disk.write(block, within, now)?;
            (at, rest) = (at + now.len() as u32, later);
        }
        Ok(())
    }

    /// Does all that can fail in removing an entry, except for writing.
    pub(crate) fn prepare_removal(
        &self,
        state: &mut State,
        slot: u32,
    ) -> Result<Removal, S::Error> {
        let last_slot = state.entries().saturating_sub(1);
        let mut last = None;
        if slot != last_slot {
            self.prepare(state, slot)?;
            last = Some(self.entry(state, last_slot)?);
        }
        let surplus = self.list_surplus(state, (last_slot * ENTRY).div_ceil(BLOCK))?;
        Ok(Removal { slot, last_slot, last, surplus })
    }

    /// Removes an entry.
    pub(crate) fn remove(&self, state: &mut State, removal: Removal) -> Result<(), S::Error> {
        if let Some(last) = &removal.last {
            self.set_entry(state, removal.slot, last)?;
        }
        let size = state.size().saturating_sub(ENTRY);
        self.cut(state, size, removal.surplus);
        Ok(())
    }

    fn entry(&self, state: &State, slot: u32) -> Result<DiskEntry, S::Error> {
        let mut entry = DiskEntry::new(0, "");
        let (mut at, mut rest) = (slot * ENTRY, entry.as_mut_bytes());
        while !rest.is_empty() {
            let within = (at % BLOCK) as usize;
            let part = rest.len().min(BLOCK_SIZE - within);
            let Some((now, later)) = rest.split_at_mut_checked(part) else {
                break;
            };
            let (block, _) = self.disk.run(&state.inode, at / BLOCK, 1)?;
            self.disk.read(block, within, now)?;
            (at, rest) = (at + part as u32, later);
        }
        Ok(entry)
    }
}
