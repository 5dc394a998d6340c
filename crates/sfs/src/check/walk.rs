//! Walking over all that is reachable.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::{String, ToString},
    vec::Vec,
};
use core::ops::ControlFlow;

use super::{Fault, Problem, Report};
use crate::{
    Error, Kind, Result, Storage,
    directory::name_of,
    disk::{Disk, corrupt},
    entries::DIRECTORY_LINKS,
    inode::read_inode,
    layout::{DiskInode, ROOT},
    map::{Bits, each_word},
    names,
};

/// An inode as the walk has found it.
pub(super) struct Seen {
    pub(super) inode: DiskInode,
    /// All its blocks are sound, and no other's.
    pub(super) is_sound: bool,
    /// The entries that name it: the directory and the slot. By the first of them it was found.
    pub(super) names: Vec<(u32, u32)>,
    /// The entries for directories that it has, without "." and "..".
    pub(super) subdirectories: u32,
    /// The first two entries are "." and "..".
    pub(super) has_dots: bool,
    /// The inode that ".." names.
    pub(super) parent: u32,
}

impl Seen {
    pub(super) fn kind(&self) -> Option<Kind> {
        Kind::of_number(self.inode.kind.get())
    }

    pub(super) fn is_directory(&self) -> bool {
        self.kind() == Some(Kind::Directory)
    }

    /// The directories that name it, each as often as it does.
    pub(super) fn parents(&self) -> impl Iterator<Item = u32> {
        self.names.iter().map(|(directory, _)| *directory)
    }

    /// The inode that ".." should name in directory `number`, which this is.
    pub(super) fn right_parent(&self, number: u32) -> u32 {
        self.parents().next().filter(|_| number != ROOT).unwrap_or(ROOT)
    }

    /// The links that there are.
    pub(super) fn links(&self) -> u32 {
        if self.is_directory() {
            u32::from(DIRECTORY_LINKS) + self.subdirectories
        } else {
            self.names.len() as u32
        }
    }
}

/// An entry of a directory: its slot, the number in it and its name, if that is sound.
type Slot = (u32, u32, Option<String>);

/// A walk over a file system.
pub(super) struct Walk<'d, S> {
    pub(super) disk: &'d Disk<S>,
    pub(super) free: Bits,
    /// The blocks that belong to inodes.
    pub(super) owned: Bits,
    /// Those of them that the storage does not have, with the inode.
    pub(super) owned_beyond: BTreeMap<u32, u32>,
    pub(super) inodes: BTreeMap<u32, Seen>,
    pub(super) report: Report,
    /// Nothing was found that could hide to whom a block belongs.
    pub(super) knows_owners: bool,
}

impl<'d, S: Storage> Walk<'d, S> {
    pub(super) fn new(disk: &'d Disk<S>) -> Self {
        Self {
            disk,
            free: Bits::new(disk.end),
            owned: Bits::new(disk.end),
            owned_beyond: BTreeMap::new(),
            inodes: BTreeMap::new(),
            report: Report::default(),
            knows_owners: true,
        }
    }

    /// Looks at everything.
    pub(super) fn run(mut self) -> Result<Self, S::Error> {
        self.read_map()?;
        let mut waiting = Vec::new();
        if let Err(what) = self.see(ROOT)? {
            self.problem(ROOT, Fault::Inode { what });
        } else if self.inodes.get(&ROOT).is_some_and(Seen::is_directory) {
            waiting.push(ROOT);
        } else {
            self.problem(ROOT, Fault::Inode { what: "the root is no directory" });
        }
        while let Some(number) = waiting.pop() {
            self.directory(number, &mut waiting)?;
        }
        self.compare()?;
        self.find_circles()?;
        Ok(self)
    }

    pub(super) fn into_report(self) -> Report {
        let of = |wanted: fn(Option<Kind>) -> bool| {
            self.inodes.values().filter(|seen| wanted(seen.kind())).count() as u32
        };
        Report {
            files: of(|kind| kind == Some(Kind::File)),
            directories: of(|kind| kind == Some(Kind::Directory)),
            others: of(|kind| !matches!(kind, Some(Kind::File | Kind::Directory))),
            used: self.owned.count() + self.owned_beyond.len() as u32,
            ..self.report
        }
    }

    pub(super) fn problem(&mut self, at: u32, fault: Fault) {
        self.knows_owners &= !fault.hides_blocks();
        self.report.add(Problem { at, fault });
    }

    fn read_map(&mut self) -> Result<(), S::Error> {
        let (mut total, mut wrong) = (0_u32, None);
        each_word(self.disk, |first, word| {
            total = total.saturating_add(word.count_ones());
            // The reference's images claim millions of blocks that the storage does not have.
            if first >= self.disk.end && first.saturating_add(u64::BITS) <= self.disk.blocks {
                return;
            }
            for block in (0..64).filter(|bit| word >> bit & 1 == 1).map(|bit| first + bit) {
                if !self.disk.is_data(block) {
                    wrong = wrong.or(Some(block));
                }
                if self.free.set(block, true) && block < self.disk.end {
                    self.report.unused += 1;
                }
            }
        })?;
        if let Some(block) = wrong {
            self.problem(block, Fault::Map);
        }
        if total != self.disk.unused {
            self.problem(0, Fault::StaleUnused { count: self.disk.unused, found: total });
        }
        Ok(())
    }

    /// Looks at an inode for the first time, and at all its blocks. Without an inode it says what is wrong.
    fn see(&mut self, number: u32) -> Result<core::result::Result<(), &'static str>, S::Error> {
        let inode = match read_inode(self.disk, number) {
            Ok(inode) => inode,
            Err(Error::Corrupt { what, .. }) => return Ok(Err(what)),
            Err(error) => return Err(error),
        };
        let is_sound =
            (number == ROOT || self.own(number, number)) && self.own_all(number, &inode)?;
        let seen = Seen {
            inode,
            is_sound,
            names: Vec::new(),
            subdirectories: 0,
            has_dots: false,
            parent: 0,
        };
        self.inodes.insert(number, seen);
        Ok(Ok(()))
    }

    /// Takes note of the blocks of an inode. Returns `false` if not all of them can be its own.
    fn own_all(&mut self, number: u32, inode: &DiskInode) -> Result<bool, S::Error> {
        let (disk, mut twice) = (self.disk, false);
        let walked = disk.surplus(inode, 0, |block| {
            if self.own(block, number) {
                return Ok(());
            }
            twice = true;
            Err(corrupt("has a block that is not its own", number))
        });
        match walked {
            Ok(()) => Ok(true),
            Err(Error::Corrupt { what, .. }) => {
                if !twice {
                    self.problem(number, Fault::Inode { what });
                }
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Takes note that a block belongs to an inode. Returns `false` if it did so to another.
    fn own(&mut self, block: u32, inode: u32) -> bool {
        let first = if block < self.disk.end {
            self.owned.set(block, true)
        } else {
            self.owned_beyond.insert(block, inode).is_none()
        };
        if !first {
            self.problem(block, Fault::TwoOwners { inode });
        } else if self.free.get(block) {
            self.problem(block, Fault::UsedIsFree { inode });
        }
        first
    }

    /// Looks at the entries of a directory. Those directories that were not seen before wait in `waiting` then.
    fn directory(&mut self, number: u32, waiting: &mut Vec<u32>) -> Result<(), S::Error> {
        // Directories that share a block could make any number of entries out of it.
        let Some(seen) = self.inodes.get(&number).filter(|seen| seen.is_sound) else {
            return Ok(());
        };
        let mut slots: Vec<Slot> = Vec::new();
        self.disk.scan(&seen.inode, |slot, entry| {
            if let Some((inode, name)) = entry.split_first_chunk() {
                let name = name_of(name).map(str::to_string);
                slots.push((slot, u32::from_le_bytes(*inode), name));
            }
            ControlFlow::Continue(())
        })?;
        let mut slots = slots.into_iter();
        let (own, parent) = (slots.next(), slots.next());
        let is = |slot: &Option<Slot>, wanted: &str| {
            slot.as_ref().is_some_and(|(_, _, name)| name.as_deref() == Some(wanted))
        };
        let has_dots = is(&own, ".") && is(&parent, "..");
        let has_dots = has_dots && own.is_some_and(|(_, inode, _)| inode == number);
        if !has_dots {
            self.problem(number, Fault::Dots);
        }
        if let Some(seen) = self.inodes.get_mut(&number) {
            seen.has_dots = has_dots;
            seen.parent = parent.map_or(0, |(_, inode, _)| inode);
        }
        let mut taken = BTreeSet::new();
        for (slot, inode, name) in slots {
            self.entry(number, slot, inode, waiting)?;
            let name = name.unwrap_or_default();
            if names::check(&name).is_err() || taken.contains(&name) {
                self.problem(number, Fault::Name { slot, inode, name });
            } else {
                taken.insert(name);
            }
        }
        Ok(())
    }

    /// Looks at what an entry names.
    fn entry(
        &mut self,
        directory: u32,
        slot: u32,
        inode: u32,
        waiting: &mut Vec<u32>,
    ) -> Result<(), S::Error> {
        if !self.inodes.contains_key(&inode) {
            if let Err(what) = self.see(inode)? {
                let fault = if self.is_nothing(inode)? {
                    Fault::Dangling { slot, inode }
                } else {
                    Fault::Damaged { slot, inode, what }
                };
                self.problem(directory, fault);
                return Ok(());
            }
            if self.inodes.get(&inode).is_some_and(Seen::is_directory) {
                waiting.push(inode);
            }
        }
        let mut is_directory = false;
        if let Some(seen) = self.inodes.get_mut(&inode) {
            seen.names.push((directory, slot));
            is_directory = seen.is_directory();
        }
        if let Some(seen) = self.inodes.get_mut(&directory) {
            seen.subdirectories += u32::from(is_directory);
        }
        Ok(())
    }

    /// Returns `true` if where an inode should be nothing is left that anybody could mend.
    fn is_nothing(&self, number: u32) -> Result<bool, S::Error> {
        if !self.disk.is_data(number) || self.free.get(number) {
            return Ok(true);
        }
        let mut bytes = [0; size_of::<DiskInode>()];
        self.disk.read(number, 0, &mut bytes)?;
        Ok(bytes == [0; size_of::<DiskInode>()])
    }
}
