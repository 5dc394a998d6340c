//! The plan of `job=churn`: what its threads do to files.
//!
//! All threads work in the same directories, and each has names of its own there: so what a thread does depends on the
//! seed and on its number alone, however the threads get in each other's way, and the host can tell for each of them
//! what its files are after so many steps.

use alloc::vec::Vec;
use core::fmt;

use fastrand::Rng;

/// The names of the directories, behind the seed.
const DIRECTORIES: [&str; 3] = ["one", "two", "three"];

/// The most bytes of a file: more than twelve blocks, so that some need a block of pointers.
pub const MOST_BYTES: u32 = 80_000;
/// The most bytes of most writes.
const USUAL_WRITE: u32 = 9_000;
/// The most bytes of a few.
const LARGE_WRITE: u32 = 40_000;

/// A kind of step is drawn by these, in percent; the rest are writes.
const CREATES: u32 = 25;
const RENAMES: u32 = 25;
const REMOVES: u32 = 20;
const LINKS: u32 = 8;

const RENAMED: u32 = CREATES + RENAMES;

/// The work of all threads together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Another one gives other steps.
    pub seed: u64,
    /// The number of threads.
    pub threads: u32,
    /// The most names that a thread has at a time, at least 1.
    pub keep: u32,
    /// One step in so many makes things durable, at least 1.
    pub sync_every: u32,
    /// All names are in one directory, instead of in three.
    pub one_dir: bool,
}

impl Load {
    /// The names of the directories, which are in the root.
    pub fn directories(&self) -> impl Iterator<Item = DirectoryName> + use<> {
        let (seed, one_dir) = (self.seed, self.one_dir);
        let names = DIRECTORIES.into_iter().take(if one_dir { 1 } else { DIRECTORIES.len() });
        names.map(move |word| DirectoryName { seed, word })
    }

    /// The steps of a thread, by its number, without an end.
    pub fn steps(&self, thread: u32) -> Steps {
        let random = Rng::with_seed(Rng::with_seed(self.seed).u64(..) ^ u64::from(thread));
        Steps { load: *self, thread, random, next: 0, made: 0, entries: Vec::new() }
    }

    /// Fills `out` with what the thread writes in the step with this index.
    pub fn fill(&self, thread: u32, index: u32, out: &mut [u8]) {
        let joined = [u64::from(thread), u64::from(index)]
            .into_iter()
            .fold(self.seed, |state, input| Rng::with_seed(state).u64(..) ^ input);
        let mut random = Rng::with_seed(joined);
        for bytes in out.chunks_mut(size_of::<u64>()) {
            for (byte, drawn) in bytes.iter_mut().zip(random.u64(..).to_le_bytes()) {
                *byte = drawn;
            }
        }
    }
}

/// The name of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectoryName {
    seed: u64,
    word: &'static str,
}

impl fmt::Display for DirectoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "churn-{}-{}", self.seed, self.word)
    }
}

/// A name in one of the directories, as `THREAD-NUMBER`. A thread never makes the same one twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// The directory, by its place among [`Load::directories`].
    pub directory: usize,
    /// The thread that it belongs to.
    pub thread: u32,
    /// Its number among the names of the thread.
    pub number: u32,
}

impl Name {
    /// Reads the name of an entry of this directory; `None` if no thread makes such a one.
    pub fn parse(directory: usize, name: &str) -> Option<Self> {
        let (thread, number) = name.split_once('-')?;
        Some(Self { directory, thread: thread.parse().ok()?, number: number.parse().ok()? })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.thread, self.number)
    }
}

/// A step of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its place among the steps of the thread, from 0.
    pub index: u32,
    /// Its work.
    pub action: Action,
}

/// The work of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Makes an empty file.
    Create(Name),
    /// Writes what [`Load::fill`] gives; at the end of the file more often than not, and never behind it.
    Write {
        /// The file.
        name: Name,
        /// The first byte.
        offset: u32,
        /// The number of bytes, at least 1.
        count: u32,
    },
    /// Gives a file another name, perhaps in another directory, perhaps that of another file, which is gone then.
    Rename {
        /// The old name.
        from: Name,
        /// The new one.
        to: Name,
    },
    /// Gives a file one name more.
    Link {
        /// A name that it has.
        old: Name,
        /// The new one.
        new: Name,
    },
    /// Removes a name.
    Remove(Name),
    /// Makes durable what was done so far, by means of this file.
    Fsync(Name),
    /// The same for the whole file system.
    Sync,
}

impl Action {
    /// True if all that was done before is durable afterwards.
    pub fn syncs(&self) -> bool {
        matches!(self, Self::Fsync(_) | Self::Sync)
    }
}

/// A name that is there.
#[derive(Clone, Copy, Debug)]
struct Entry {
    name: Name,
    /// The same for all names of a file.
    file: u32,
    size: u32,
}

/// The steps of a thread. Clone it to go through them again.
#[derive(Clone, Debug)]
pub struct Steps {
    load: Load,
    thread: u32,
    random: Rng,
    next: u32,
    /// Names made so far.
    made: u32,
    entries: Vec<Entry>,
}

impl Iterator for Steps {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let index = self.next;
        self.next = index.checked_add(1)?;
        Some(Step { index, action: self.choose(index) })
    }
}

impl Steps {
    fn choose(&mut self, index: u32) -> Action {
        let place = self.random.usize(0..self.entries.len().max(1));
        let Some(entry) = self.entries.get(place).copied() else { return self.create(index) };
        if self.random.u32(0..self.load.sync_every.max(1)) == 0 {
            return if self.random.bool() { Action::Sync } else { Action::Fsync(entry.name) };
        }
        let is_full = self.entries.len() >= self.load.keep as usize;
        match self.random.u32(0..100) {
            0..CREATES if !is_full => self.create(index),
            CREATES..RENAMED => self.rename(place, entry),
            draw if draw < RENAMED + REMOVES => self.remove(place, entry),
            draw if draw < RENAMED + REMOVES + LINKS && !is_full => self.link(entry),
            _ => self.write(entry),
        }
    }

    fn fresh_name(&mut self) -> Name {
        let number = self.made;
        self.made = number.wrapping_add(1);
        let directories = if self.load.one_dir { 1 } else { DIRECTORIES.len() };
        Name { directory: self.random.usize(0..directories), thread: self.thread, number }
    }

    fn create(&mut self, index: u32) -> Action {
        let name = self.fresh_name();
        self.entries.push(Entry { name, file: index, size: 0 });
        Action::Create(name)
    }

    fn remove(&mut self, place: usize, entry: Entry) -> Action {
        self.entries.swap_remove(place);
        Action::Remove(entry.name)
    }

    fn link(&mut self, entry: Entry) -> Action {
        let new = self.fresh_name();
        self.entries.push(Entry { name: new, ..entry });
        Action::Link { old: entry.name, new }
    }

    fn rename(&mut self, place: usize, entry: Entry) -> Action {
        let other = self.random.usize(0..self.entries.len().max(1));
        // To another name of the same file it would be nothing at all.
        let replaced = self.entries.get(other).filter(|other| other.file != entry.file).copied();
        let to = match replaced.filter(|_| self.random.u32(0..4) == 0) {
            Some(replaced) => replaced.name,
            None => self.fresh_name(),
        };
        if let Some(entry) = self.entries.get_mut(place) {
            entry.name = to;
        }
        self.entries.retain(|other| other.name != to || other.file == entry.file);
        Action::Rename { from: entry.name, to }
    }

    fn write(&mut self, entry: Entry) -> Action {
        let most = if self.random.u32(0..8) == 0 { LARGE_WRITE } else { USUAL_WRITE };
        let appends = self.random.u32(0..4) > 0 && entry.size + most <= MOST_BYTES;
        let last = entry.size.min(MOST_BYTES - most);
        let offset = if appends { entry.size } else { self.random.u32(0..=last) };
        let count = self.random.u32(1..=most);
        let size = entry.size.max(offset + count);
        for other in self.entries.iter_mut().filter(|other| other.file == entry.file) {
            other.size = size;
        }
        Action::Write { name: entry.name, offset, count }
    }
}

#[cfg(test)]
mod tests {
    use alloc::{collections::BTreeMap, string::ToString};

    use super::*;

    const LOAD: Load = Load { seed: 5, threads: 3, keep: 12, sync_every: 20, one_dir: false };

    #[test]
    fn the_steps_depend_on_seed_and_thread() {
        let steps = |load: Load, thread| load.steps(thread).take(500).collect::<Vec<_>>();
        assert_eq!(steps(LOAD, 1), steps(LOAD, 1));
        let actions =
            |load, thread| steps(load, thread).iter().map(|s| s.action).collect::<Vec<_>>();
        assert_ne!(actions(LOAD, 1), actions(LOAD, 2));
        assert_ne!(actions(LOAD, 1), actions(Load { seed: 6, ..LOAD }, 1));
        let bytes = |load: Load, thread, index| {
            let mut bytes = [0; 21];
            load.fill(thread, index, &mut bytes);
            bytes
        };
        assert_eq!(bytes(LOAD, 1, 2), bytes(LOAD, 1, 2));
        assert_ne!(bytes(LOAD, 1, 2), bytes(LOAD, 2, 1));
        assert_ne!(bytes(LOAD, 1, 2), bytes(Load { seed: 6, ..LOAD }, 1, 2));
    }

    /// Every step can be done, and the plan knows what comes of it.
    #[test]
    fn the_steps_are_possible() {
        for (keep, one_dir) in [(1, true), (2, false), (12, false), (100, true)] {
            let mut files: BTreeMap<Name, (u32, u32)> = BTreeMap::new();
            let mut kinds = [0; 7];
            let mut numbers = 0;
            let mut fresh = |name: Name| {
                assert_eq!((name.thread, name.number), (2, numbers));
                assert!(name.directory < if one_dir { 1 } else { 3 });
                numbers += 1;
            };
            for Step { index, action } in (Load { keep, one_dir, ..LOAD }).steps(2).take(5000) {
                let kind = match action {
                    Action::Create(name) => {
                        fresh(name);
                        assert_eq!(files.insert(name, (index, 0)), None);
                        0
                    }
                    Action::Write { name, offset, count } => {
                        let (file, size) = files[&name];
                        assert!(offset <= size && count > 0 && offset + count <= MOST_BYTES);
                        for other in files.values_mut().filter(|other| other.0 == file) {
                            other.1 = size.max(offset + count);
                        }
                        1
                    }
                    Action::Rename { from, to } => {
                        let file = files.remove(&from).unwrap();
                        match files.insert(to, file) {
                            Some(other) => assert_ne!(other.0, file.0),
                            None => fresh(to),
                        }
                        2
                    }
                    Action::Link { old, new } => {
                        fresh(new);
                        let file = files[&old];
                        assert_eq!(files.insert(new, file), None);
                        3
                    }
                    Action::Remove(name) => files.remove(&name).map(|_| 4).unwrap(),
                    Action::Fsync(name) => files.get(&name).map(|_| 5).unwrap(),
                    Action::Sync => 6,
                };
                kinds[kind] += 1;
                assert!(files.len() <= keep as usize);
            }
            assert!(kinds.iter().all(|count| *count > 0 || keep == 1), "{kinds:?}");
        }
    }

    #[test]
    fn a_name_is_read_as_it_was_written() {
        let name = Name { directory: 2, thread: 3, number: 4095 };
        assert_eq!(Name::parse(2, &name.to_string()), Some(name));
        assert_eq!(Name::parse(2, "3"), None);
        assert_eq!(Name::parse(2, "3-x"), None);
    }
}
