//! The changes of `job=commits`: which files it makes, renames and removes, one after the other.
//!
//! The host knows them too. After each change everything is made durable, and a mark with the number of changes so far is
//! written outside of the file system. So the host can tell from the requests at the disk what must be there whenever
//! the power is cut.

use fastrand::Rng;

use super::SECTOR_SIZE;

/// The directories, both in the root.
pub const DIRECTORIES: usize = 2;
/// The names that each of them may hold.
pub const NAMES: usize = 6;
/// The most bytes of a file.
pub const MOST_BYTES: usize = 9000;
/// The length of a name.
const NAME_BYTES: usize = 10;
/// The first bytes of a mark.
const MARK: [u8; 8] = *b"commits1";

/// The kinds of changes that there are most of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scene {
    /// Files are made, and renamed within their directory.
    Create,
    /// Files are removed, and renamed over others.
    Remove,
    /// Files are moved to the other directory, and get names there.
    Move,
}

impl Scene {
    /// All of them, by the names that they have on a command line.
    pub const ALL: [(&'static str, Self); 3] =
        [("create", Self::Create), ("remove", Self::Remove), ("move", Self::Move)];

    /// Its name on a command line.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, scene)| *scene == self).map_or("", |(name, _)| name)
    }

    /// The shares of changes that make a file, remove one, rename one within its directory, and move one to the other
    /// directory, in percent. The rest gives a file another name there.
    fn shares(self) -> [u32; 4] {
        match self {
            Self::Create => [60, 10, 30, 0],
            Self::Remove => [30, 40, 30, 0],
            Self::Move => [20, 10, 0, 50],
        }
    }
}

/// A name in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The number of the directory.
    pub directory: usize,
    /// The number of the name.
    pub name: usize,
}

/// The text of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name([u8; NAME_BYTES]);

impl Name {
    /// The name of a directory.
    pub fn of_directory(seed: u64, number: usize) -> Self {
        Self::new(seed, number, b'd')
    }

    /// The name of this number; the same in each directory.
    pub fn of_file(seed: u64, number: usize) -> Self {
        Self::new(seed, number, b'f')
    }

    /// Names of one seed differ in their first two bytes.
    fn new(seed: u64, number: usize, kind: u8) -> Self {
        let mut random = Rng::with_seed(seed ^ (number as u64) << 8 ^ u64::from(kind));
        let mut bytes = [0; NAME_BYTES];
        bytes.fill_with(|| random.u8(b'a'..=b'z'));
        let [first, second, ..] = &mut bytes;
        (*first, *second) = (kind, b'a' + number as u8 % 26);
        Self(bytes)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // Nothing but small letters.
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// The bytes of a file.
pub fn content(seed: u64, file: u32) -> impl Iterator<Item = u8> {
    let mut random = Rng::with_seed(seed.wrapping_add(u64::from(file)));
    let length = random.usize(1..=MOST_BYTES);
    core::iter::repeat_with(move || random.u8(..)).take(length)
}

/// The sector that tells that so many changes are durable.
pub fn mark(number: u32) -> [u8; SECTOR_SIZE] {
    let mut sector = [0; SECTOR_SIZE];
    let bytes = MARK.into_iter().chain(number.to_le_bytes());
    for (to, byte) in sector.iter_mut().zip(bytes) {
        *to = byte;
    }
    sector
}

/// The number in a mark; `None` if it is none.
pub fn marked(sector: &[u8]) -> Option<u32> {
    let number = sector.strip_prefix(&MARK)?.first_chunk()?;
    Some(u32::from_le_bytes(*number))
}

/// A change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Make a file with the [`content`] of this number.
    Create {
        /// Its name.
        at: Place,
        /// Its number, which no other one has.
        file: u32,
    },
    /// Remove a name.
    Remove {
        /// The name.
        at: Place,
    },
    /// Rename; there may be another file under the new name, which is replaced.
    Rename {
        /// The old name.
        from: Place,
        /// The new name.
        to: Place,
    },
    /// Give a file one more name.
    Link {
        /// One that it has.
        from: Place,
        /// The new one, which is free.
        to: Place,
    },
}

/// Which file is under which name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names([[Option<u32>; NAMES]; DIRECTORIES]);

impl Names {
    /// No name at all.
    pub fn nothing() -> Self {
        Self([[None; NAMES]; DIRECTORIES])
    }

    /// The names before the first change: two files in each directory, the first numbers of all.
    pub fn at_first() -> Self {
        let mut names = Self::nothing();
        for (directory, file) in (0..DIRECTORIES).zip((0..).step_by(2)) {
            names.set(Place { directory, name: 0 }, Some(file));
            names.set(Place { directory, name: 1 }, Some(file + 1));
        }
        names
    }

    /// The file under a name.
    pub fn get(&self, at: Place) -> Option<u32> {
        self.0.get(at.directory)?.get(at.name).copied().flatten()
    }

    /// Puts a file under a name, or none.
    pub fn set(&mut self, at: Place, file: Option<u32>) {
        if let Some(name) = self.0.get_mut(at.directory).and_then(|names| names.get_mut(at.name)) {
            *name = file;
        }
    }

    /// All names.
    pub fn places() -> impl Iterator<Item = Place> {
        let names = |directory| (0..NAMES).map(move |name| Place { directory, name });
        (0..DIRECTORIES).flat_map(names)
    }

    /// Takes note of a change. Returns what the names may be while it becomes durable, beside what they were before and are
    /// afterwards: whoever moves has both names for a while.
    pub fn apply(&mut self, change: Change) -> Self {
        let mut meanwhile = *self;
        let (to, file) = match change {
            Change::Create { at, file } => (at, Some(file)),
            Change::Remove { at } => (at, None),
            Change::Rename { from, to } | Change::Link { from, to } => (to, self.get(from)),
        };
        meanwhile.set(to, file);
        self.set(to, file);
        if let Change::Rename { from, to } = change {
            self.set(from, None);
            // Within a directory both happen at once.
            if from.directory == to.directory {
                meanwhile = *self;
            }
        }
        meanwhile
    }
}

/// The changes of a scene, in order.
#[derive(Clone, Debug)]
pub struct Changes {
    random: Rng,
    scene: Scene,
    left: u32,
    names: Names,
    next_file: u32,
}

impl Changes {
    /// Plans so many changes.
    pub fn new(scene: Scene, seed: u64, count: u32) -> Self {
        let next_file = 2 * DIRECTORIES as u32;
        Self {
            random: Rng::with_seed(seed),
            scene,
            left: count,
            names: Names::at_first(),
            next_file,
        }
    }

    /// Draws one of the names for which `fits` holds.
    fn draw(&mut self, fits: impl Fn(Place) -> bool) -> Option<Place> {
        let count = Names::places().filter(|place| fits(*place)).count();
        if count == 0 {
            return None;
        }
        Names::places().filter(|place| fits(*place)).nth(self.random.usize(0..count))
    }

    fn draw_change(&mut self) -> Option<Change> {
        let names = self.names;
        let is_free = |place| names.get(place).is_none();
        let [create, remove, rename, moved] = self.scene.shares();
        let draw = self.random.u32(0..100);
        let from = self.draw(|place| !is_free(place));
        let over = self.random.bool();
        let change = match from {
            Some(at) if (create..create + remove).contains(&draw) => Some(Change::Remove { at }),
            Some(from) if draw >= create + remove => {
                let here = draw < create + remove + rename;
                let is_new = draw >= create + remove + rename + moved;
                // Under the new name may be another file, but not the same one.
                let to = self.draw(|at| {
                    let fits = is_free(at) || over && !is_new && names.get(at) != names.get(from);
                    fits && (at.directory == from.directory) == here
                });
                to.map(|to| match is_new {
                    true => Change::Link { from, to },
                    false => Change::Rename { from, to },
                })
            }
            _ => None,
        };
        change.or_else(|| {
            let file = self.next_file;
            let at = self.draw(is_free)?;
            self.next_file += 1;
            Some(Change::Create { at, file })
        })
    }
}

impl Iterator for Changes {
    type Item = Change;

    fn next(&mut self) -> Option<Change> {
        self.left = self.left.checked_sub(1)?;
        let change = self.draw_change().or_else(|| {
            // All names are in use.
            let at = self.draw(|_| true)?;
            Some(Change::Remove { at })
        })?;
        self.names.apply(change);
        Some(change)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;

    #[test]
    fn each_change_can_be_made() {
        for (name, scene) in Scene::ALL {
            assert_eq!(scene.name(), name);
            for seed in 0..50 {
                let mut names = Names::at_first();
                let changes: Vec<Change> = Changes::new(scene, seed, 60).collect();
                assert_eq!(changes.len(), 60);
                for change in changes {
                    let before = names;
                    match change {
                        Change::Create { at, .. } => assert_eq!(before.get(at), None),
                        Change::Remove { at } => assert!(before.get(at).is_some()),
                        Change::Link { from, to } => {
                            assert!(before.get(from).is_some() && before.get(to).is_none());
                        }
                        Change::Rename { from, to } => {
                            assert!(before.get(from).is_some());
                            assert_ne!(before.get(from), before.get(to));
                        }
                    }
                    let meanwhile = names.apply(change);
                    assert_ne!(names, before);
                    match change {
                        Change::Rename { from, to } if from.directory != to.directory => {
                            assert_eq!(meanwhile.get(from), before.get(from));
                            assert_eq!(meanwhile.get(to), names.get(to));
                        }
                        _ => assert_eq!(meanwhile, names),
                    }
                }
            }
        }
    }

    #[test]
    fn marks_and_names_are_told_apart() {
        assert_eq!(marked(&mark(7)), Some(7));
        assert_eq!(marked(&[0; SECTOR_SIZE]), None);
        assert_ne!(Name::of_file(1, 0).as_str(), Name::of_file(1, 1).as_str());
        assert_ne!(Name::of_file(1, 0).as_str(), Name::of_file(2, 0).as_str());
        assert_eq!(Name::of_directory(1, 0).as_str().len(), NAME_BYTES);
        assert!(content(1, 2).eq(content(1, 2)));
        assert!(!content(1, 2).eq(content(1, 3)));
    }
}
