//! Walking over all that is reachable, and comparing it with the free map and the counts.

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

/// What is known about an inode.
pub(super) struct Seen {
    pub(super) inode: DiskInode,
    /// The directories that name it, each as often as it does.
    pub(super) parents: Vec<u32>,
    /// The entries for directories that it has, without "." and "..".
    pub(super) subdirectories: u32,
    /// What ".." names.
    pub(super) parent: u32,
}

impl Seen {
    pub(super) fn kind(&self) -> Option<Kind> {
        Kind::of_number(self.inode.kind.get())
    }

    pub(super) fn is_directory(&self) -> bool {
        self.kind() == Some(Kind::Directory)
    }

    /// The links that there are.
    pub(super) fn links(&self) -> u32 {
        if self.is_directory() {
            u32::from(DIRECTORY_LINKS) + self.subdirectories
        } else {
            self.parents.len() as u32
        }
    }
}

/// An entry of a directory: its slot, the number in it and its name, if that is sound.
type Slot = (u32, u32, Option<String>);

/// A walk over a file system.
pub(super) struct Walk<'d, S> {
    disk: &'d Disk<S>,
    pub(super) free: Bits,
    /// The blocks that belong to inodes.
    pub(super) owned: Bits,
    /// Those of them that the storage does not have, with the inode.
    owned_beyond: BTreeMap<u32, u32>,
    pub(super) inodes: BTreeMap<u32, Seen>,
    problems: Vec<Problem>,
    unused: u32,
}

impl<'d, S: Storage> Walk<'d, S> {
    pub(super) fn new(disk: &'d Disk<S>) -> Self {
        Self {
            disk,
            free: Bits::new(disk.end),
            owned: Bits::new(disk.end),
            owned_beyond: BTreeMap::new(),
            inodes: BTreeMap::new(),
            problems: Vec::new(),
            unused: 0,
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
        self.compare_counts();
        self.compare_map();
        self.look_beyond()?;
        Ok(self)
    }

    pub(super) fn problems(&self) -> &[Problem] {
        &self.problems
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
            unused: self.unused,
            problems: self.problems,
        }
    }

    fn problem(&mut self, at: u32, fault: Fault) {
        self.problems.push(Problem { at, fault });
    }

    fn read_map(&mut self) -> Result<(), S::Error> {
        let (mut total, mut wrong) = (0_u32, None);
        each_word(self.disk, |first, word| {
            total = total.saturating_add(word.count_ones());
            for block in (0..64).filter(|bit| word >> bit & 1 == 1).map(|bit| first + bit) {
                if !self.disk.is_data(block) {
                    wrong = wrong.or(Some(block));
                }
                if self.free.set(block, true) && block < self.disk.end {
                    self.unused += 1;
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
        let seen = Seen { inode, parents: Vec::new(), subdirectories: 0, parent: 0 };
        self.inodes.insert(number, seen);
        if number != ROOT && !self.own(number, number) {
            return Ok(Ok(()));
        }
        let (disk, mut twice) = (self.disk, false);
        let walked = disk.surplus(&inode, 0, |block| {
            if self.own(block, number) {
                return Ok(());
            }
            twice = true;
            Err(corrupt("has a block that is not its own", number))
        });
        match walked {
            Err(Error::Corrupt { what, .. }) if !twice => {
                self.problem(number, Fault::Inode { what });
            }
            Err(error @ Error::Storage(_)) => return Err(error),
            _ => (),
        }
        Ok(Ok(()))
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
        let Some(seen) = self.inodes.get(&number) else {
            return Ok(());
        };
        let mut slots: Vec<Slot> = Vec::new();
        let scanned = self.disk.scan(&seen.inode, |slot, entry| {
            if let Some((inode, name)) = entry.split_first_chunk() {
                let name = name_of(name).map(str::to_string);
                slots.push((slot, u32::from_le_bytes(*inode), name));
            }
            ControlFlow::Continue(())
        });
        match scanned {
            // Reported with the directory's blocks.
            Ok(()) | Err(Error::Corrupt { .. }) => (),
            Err(error) => return Err(error),
        }
        let mut slots = slots.into_iter();
        let (own, parent) = (slots.next(), slots.next());
        let is = |slot: &Option<Slot>, wanted: &str| {
            slot.as_ref().is_some_and(|(_, _, name)| name.as_deref() == Some(wanted))
        };
        let dots = is(&own, ".") && own.is_some_and(|(_, inode, _)| inode == number);
        if !dots || !is(&parent, "..") {
            self.problem(number, Fault::Dots);
        }
        if let Some(seen) = self.inodes.get_mut(&number) {
            seen.parent = parent.map_or(0, |(_, inode, _)| inode);
        }
        let mut taken = BTreeSet::new();
        for (slot, inode, name) in slots {
            self.entry(number, slot, inode, waiting)?;
            let name = name.unwrap_or_default();
            if names::check(&name).is_err() || !taken.insert(name.clone()) {
                self.problem(number, Fault::Name { slot, name });
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
            if self.see(inode)?.is_err() {
                self.problem(directory, Fault::Dangling { slot, inode });
                return Ok(());
            }
            if self.inodes.get(&inode).is_some_and(Seen::is_directory) {
                waiting.push(inode);
            }
        }
        let mut is_directory = false;
        if let Some(seen) = self.inodes.get_mut(&inode) {
            seen.parents.push(directory);
            is_directory = seen.is_directory();
        }
        if let Some(seen) = self.inodes.get_mut(&directory) {
            seen.subdirectories += u32::from(is_directory);
        }
        Ok(())
    }

    fn compare_counts(&mut self) {
        let mut problems = Vec::new();
        for (&at, seen) in &self.inodes {
            let mut problem = |fault| problems.push(Problem { at, fault });
            let (count, mut found) = (seen.inode.links.get(), seen.links());
            let parents = seen.parents.clone();
            if seen.is_directory() {
                let names = parents.len() as u32 + u32::from(at == ROOT);
                let moved = u32::from(count) > found;
                if names > 1 {
                    if u32::from(count) >= found + names - 1 {
                        found += names - 1;
                        problem(Fault::SeveralNames { parents: parents.clone() });
                    } else {
                        problem(Fault::TwoParents { parents: parents.clone() });
                    }
                }
                let parent = parents.first().copied().unwrap_or(ROOT);
                if seen.parent != parent && !parents.contains(&seen.parent) {
                    problem(Fault::WrongParent { found: seen.parent, parent, moved });
                }
            }
            if u32::from(count) < found {
                problem(Fault::LowLinks { count, found });
            } else if u32::from(count) > found {
                problem(Fault::HighLinks { count, found });
            }
        }
        self.problems.append(&mut problems);
    }

    fn compare_map(&mut self) {
        let mut leaked: Option<(u32, u32)> = None;
        for block in self.disk.first_data()..self.disk.end {
            if self.free.get(block) || self.owned.get(block) {
                continue;
            }
            match &mut leaked {
                Some((first, blocks)) if *first + *blocks == block => *blocks += 1,
                _ => {
                    if let Some((at, blocks)) = leaked.replace((block, 1)) {
                        self.problem(at, Fault::Leaked { blocks });
                    }
                }
            }
        }
        if let Some((at, blocks)) = leaked {
            self.problem(at, Fault::Leaked { blocks });
        }
    }

    /// Looks up in the map on the disk those blocks of inodes that the storage does not have.
    fn look_beyond(&mut self) -> Result<(), S::Error> {
        if self.owned_beyond.is_empty() {
            return Ok(());
        }
        let (owned, problems) = (&self.owned_beyond, &mut self.problems);
        each_word(self.disk, |first, word| {
            for (&at, &inode) in owned.range(first..=first.saturating_add(63)) {
                if word >> (at - first) & 1 == 1 {
                    problems.push(Problem { at, fault: Fault::UsedIsFree { inode } });
                }
            }
        })
    }
}
