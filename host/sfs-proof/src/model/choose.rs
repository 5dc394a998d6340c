//! Random operations that make sense: most of them succeed, and names meet again and again.

use fastrand::Rng;

use super::{
    op::{Base, Op, Path},
    state::{Body, Id, ROOT, SLOTS, State},
};

/// Few names, so that they meet.
const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "name"];
/// Names that no entry may have.
const WRONG: [&str; 5] = ["", ".", "..", "x/y", "nul\0"];
/// Bytes of a block.
const BLOCK: u64 = 4096;

/// The choices, and their shares.
#[derive(Clone, Copy, Debug)]
pub struct Taste {
    /// The largest offset of a write, and size of a truncation, as a rule.
    pub size: u64,
    /// The most entries of the tree, as a rule.
    pub entries: usize,
    /// The share of sync and fsync, in percent.
    pub sync: u8,
    /// Reads, too, and mounting anew.
    pub look: bool,
    /// A file block near which most offsets are.
    pub edge: Option<u64>,
}

/// Chooses operations.
pub struct Chooser<'a> {
    rng: &'a mut Rng,
    taste: Taste,
}

impl<'a> Chooser<'a> {
    /// With this taste.
    pub fn new(rng: &'a mut Rng, taste: Taste) -> Self {
        Self { rng, taste }
    }

    /// Chooses one operation for a tree.
    pub fn choose(&mut self, state: &State) -> Op {
        if self.rng.u8(..100) < self.taste.sync {
            return match self.rng.u8(..3) {
                0 => Op::Sync,
                1 => Op::Fsync(self.existing(state)),
                _ => Op::Fsync(self.file(state)),
            };
        }
        if self.taste.look && self.rng.u8(..100) < 25 {
            return self.look(state);
        }
        let crowded = state.nodes.len() > self.taste.entries;
        match self.rng.u8(..100) {
            0..14 if !crowded => Op::Create(self.new_path(state)),
            14..22 if !crowded => Op::Mkdir(self.new_path(state)),
            22..26 if !crowded => {
                let target = "t".repeat(self.target_length());
                Op::Symlink(self.new_path(state), target)
            }
            26..32 if !crowded => Op::Link(self.file(state), self.new_path(state)),
            0..16 => Op::Unlink(self.file(state)),
            16..26 => Op::Rmdir(self.directory(state)),
            26..44 => {
                let new =
                    if self.rng.u8(..3) > 0 { self.new_path(state) } else { self.existing(state) };
                Op::Rename(self.existing(state), new)
            }
            44..52 => Op::Unlink(self.file(state)),
            52..56 => Op::Rmdir(self.directory(state)),
            56..62 => {
                let file = self.file(state);
                Op::Truncate(file, self.offset())
            }
            62..66 => Op::Open(self.rng.usize(..SLOTS), self.existing(state)),
            66..68 => Op::Close(self.rng.usize(..SLOTS)),
            _ => {
                let file = self.writable(state);
                let (offset, count) = self.range(state, &file);
                Op::Write(file, offset, count, self.rng.u32(..))
            }
        }
    }

    fn look(&mut self, state: &State) -> Op {
        match self.rng.u16(..100) {
            0..35 => {
                let file = self.writable(state);
                let (offset, count) = self.range(state, &file);
                Op::Read(file, offset, count + self.rng.usize(..9000))
            }
            35..60 => Op::List(self.directory(state)),
            60..95 => Op::Stat(self.existing(state)),
            95..99 => Op::ReadLink(self.existing(state)),
            _ => Op::Remount,
        }
    }

    fn target_length(&mut self) -> usize {
        if self.rng.u8(..8) == 0 { self.rng.usize(3900..4200) } else { self.rng.usize(1..60) }
    }

    fn offset(&mut self) -> u64 {
        if let (Some(edge), true) = (self.taste.edge, self.rng.u8(..4) > 0) {
            return (edge * BLOCK + self.rng.u64(..2 * BLOCK)).saturating_sub(BLOCK);
        }
        match self.rng.u8(..20) {
            // The first block that has its number in the indirect block.
            0 => 12 * BLOCK - 600 + self.rng.u64(..1200),
            1..5 => self.rng.u64(..=self.taste.size / BLOCK) * BLOCK,
            5..13 => self.rng.u64(..=self.taste.size / 8),
            13 => 0,
            _ => self.rng.u64(..=self.taste.size),
        }
    }

    /// An offset and a length, often near the end of the file.
    fn range(&mut self, state: &State, file: &Path) -> (u64, usize) {
        let size = match state.find(file).ok().and_then(|id| state.node(id)).map(|node| &node.body)
        {
            Some(Body::File(content)) => content.len() as u64,
            _ => 0,
        };
        let offset = match self.rng.u8(..4) {
            0 => self.offset(),
            1 => size,
            _ => self.rng.u64(..=size),
        };
        let count = match self.rng.u8(..8) {
            0 => self.rng.usize(..3 * BLOCK as usize),
            1 => BLOCK as usize,
            _ => self.rng.usize(1..600),
        };
        (offset, count)
    }

    /// A random inode of a sort, as a path that leads to it.
    fn path_to(&mut self, state: &State, fits: impl Fn(&State, Id) -> bool) -> Option<Path> {
        let slots = (0..SLOTS).filter_map(|slot| Some((Path::slot(slot), state.slots[slot]?)));
        let mut found: Vec<Path> =
            slots.filter(|(_, id)| fits(state, *id)).map(|(path, _)| path).collect();
        let mut todo = vec![(Path::new(""), ROOT)];
        while let Some((path, directory)) = todo.pop() {
            for (name, id) in state.names(directory).into_iter().flatten() {
                let path = path.join(name);
                if fits(state, *id) {
                    found.push(path.clone());
                }
                if state.is_directory(*id) {
                    todo.push((path, *id));
                }
            }
        }
        self.rng.choice(found)
    }

    fn existing(&mut self, state: &State) -> Path {
        let path = self.path_to(state, |_, _| true);
        self.now_and_then_another(path)
    }

    fn file(&mut self, state: &State) -> Path {
        let path = self.path_to(state, |state, id| !state.is_directory(id));
        self.now_and_then_another(path)
    }

    fn writable(&mut self, state: &State) -> Path {
        let is_file = |state: &State, id| {
            state.node(id).is_some_and(|node| matches!(node.body, Body::File(_)))
        };
        let path = self.path_to(state, is_file);
        self.now_and_then_another(path)
    }

    fn directory(&mut self, state: &State) -> Path {
        let path = self.path_to(state, |state, id| state.is_directory(id));
        self.now_and_then_another(path)
    }

    /// A path that most often leads to nothing yet.
    fn new_path(&mut self, state: &State) -> Path {
        let top = Path { base: Base::Root, names: Vec::new() };
        let directory = match self.rng.u8(..3) {
            0 => top,
            _ => self.path_to(state, |state, id| state.is_directory(id)).unwrap_or(top),
        };
        // A tree that is too deep is no better.
        let directory = if directory.names.len() > 3 { Path::new("") } else { directory };
        match self.rng.u8(..60) {
            0 => directory.join(WRONG[self.rng.usize(..WRONG.len())]),
            1 => directory.join(&"n".repeat(255)),
            2 => directory.join(&"n".repeat(256)),
            _ => directory.join(NAMES[self.rng.usize(..NAMES.len())]),
        }
    }

    fn now_and_then_another(&mut self, path: Option<Path>) -> Path {
        match path {
            Some(path) if self.rng.u8(..25) > 0 => path,
            Some(path) if self.rng.bool() && path.names.len() < 4 => path.join("a"),
            _ => Path::new(NAMES[self.rng.usize(..NAMES.len())]),
        }
    }
}
