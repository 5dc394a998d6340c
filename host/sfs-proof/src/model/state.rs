//! A tree of files in memory. Copies share what they have in common.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::op::{Base, Path};
use crate::{
    disk::Image,
    model::Refusal,
    reader::{self, Kind, Problem, Reading},
};

/// Stands for an inode here; never used again, unlike an inode's number.
pub type Id = u32;
/// The root.
pub const ROOT: Id = 0;
/// The number of inodes that can be held open.
pub const SLOTS: usize = 2;

/// An inode.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Node {
    /// Its number on the disk.
    pub number: u32,
    /// Names of a file; 2 and the subdirectories of a directory, or 0 after it was removed.
    pub links: u32,
    /// Its kind and content.
    pub body: Body,
}

/// The kind of an inode, and what is in it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Body {
    /// A file's bytes.
    File(Vec<u8>),
    /// A symlink's target.
    Symlink(String),
    /// A directory's names, without "." and "..".
    Directory {
        /// The entries.
        names: BTreeMap<String, Id>,
    },
}

/// A tree of files.
#[derive(Clone, Debug)]
pub struct State {
    /// All inodes that have a name or are held open.
    pub nodes: BTreeMap<Id, Arc<Node>>,
    /// The inodes that are held open.
    pub slots: [Option<Id>; SLOTS],
    next: Id,
}

impl Default for State {
    fn default() -> Self {
        Self::new()
    }
}

impl State {
    /// An empty tree.
    pub fn new() -> Self {
        let body = Body::Directory { names: BTreeMap::new() };
        let root = Node { number: reader::ROOT, links: 2, body };
        Self { nodes: [(ROOT, Arc::new(root))].into(), slots: [None; SLOTS], next: ROOT + 1 }
    }

    /// The tree in an image, in which a directory may have two names; `None` if something is broken.
    pub fn of(reading: &Reading, image: &Image) -> Option<Self> {
        if reading.problems.iter().any(Problem::is_broken) {
            return None;
        }
        let ids: BTreeMap<u32, Id> = reading.nodes.keys().copied().zip(0..).collect();
        let id = |number: &u32| ids.get(number).copied().unwrap_or(ROOT);
        let node = |(number, node): (&u32, &reader::Node)| {
            let content = || reading.content(image, *number);
            let body = match node.kind {
                Kind::File => Body::File(content()),
                Kind::Symlink => Body::Symlink(String::from_utf8(content()).ok()?),
                Kind::Directory => {
                    let names = reading.names(*number).into_iter();
                    Body::Directory {
                        names: names.map(|(name, inode)| (name.to_owned(), id(&inode))).collect(),
                    }
                }
                Kind::Device(_) => return None,
            };
            let links = match node.kind {
                Kind::Directory => {
                    let is_directory = |inode: &u32| {
                        reading.nodes.get(inode).is_some_and(|node| node.kind == Kind::Directory)
                    };
                    2 + reading.names(*number).values().filter(|inode| is_directory(inode)).count()
                        as u32
                }
                _ => node.parents.len() as u32,
            };
            Some((id(number), Arc::new(Node { number: *number, links, body })))
        };
        let nodes = reading.nodes.iter().map(node).collect::<Option<BTreeMap<_, _>>>()?;
        let next = nodes.len() as Id;
        Some(Self { nodes, slots: [None; SLOTS], next })
    }

    /// An inode.
    pub fn node(&self, id: Id) -> Option<&Node> {
        self.nodes.get(&id).map(|node| &**node)
    }

    /// An inode to be changed.
    pub fn node_mut(&mut self, id: Id) -> Option<&mut Node> {
        self.nodes.get_mut(&id).map(Arc::make_mut)
    }

    /// The names of a directory.
    pub fn names(&self, id: Id) -> Option<&BTreeMap<String, Id>> {
        match &self.node(id)?.body {
            Body::Directory { names, .. } => Some(names),
            _ => None,
        }
    }

    /// The names of a directory, to be changed.
    pub fn names_mut(&mut self, id: Id) -> Option<&mut BTreeMap<String, Id>> {
        match &mut self.node_mut(id)?.body {
            Body::Directory { names, .. } => Some(names),
            _ => None,
        }
    }

    /// True for a directory.
    pub fn is_directory(&self, id: Id) -> bool {
        self.names(id).is_some()
    }

    /// Enters a new inode.
    pub fn add(&mut self, body: Body, links: u32) -> Id {
        let id = self.next;
        self.next += 1;
        self.nodes.insert(id, Arc::new(Node { number: 0, links, body }));
        id
    }

    /// Adds to a count of links.
    pub fn count(&mut self, id: Id, more: i32) {
        if let Some(node) = self.node_mut(id) {
            node.links = node.links.saturating_add_signed(more);
        }
    }

    /// Forgets the inodes without a name that nobody holds open.
    pub fn forget(&mut self) {
        let slots = self.slots;
        self.nodes.retain(|id, node| node.links > 0 || slots.contains(&Some(*id)));
    }

    /// True if a directory has an entry for this inode.
    pub fn is_named(&self, id: Id) -> bool {
        let names = self.nodes.keys().filter_map(|directory| self.names(*directory));
        names.flat_map(BTreeMap::values).any(|named| *named == id)
    }

    /// True if `below` is this directory or lies below it, by whichever name.
    pub fn is_within(&self, directory: Id, below: Id) -> bool {
        let (mut seen, mut todo) = (BTreeSet::new(), vec![directory]);
        while let Some(id) = todo.pop() {
            if seen.insert(id) {
                todo.extend(self.names(id).into_iter().flat_map(BTreeMap::values));
            }
        }
        seen.contains(&below)
    }

    /// Follows a path.
    pub fn find(&self, path: &Path) -> Result<Id, Refusal> {
        let mut id = match path.base {
            Base::Root => ROOT,
            Base::Slot(slot) => self.slots[slot].ok_or(Refusal::Closed)?,
        };
        for name in &path.names {
            let names = self.names(id).ok_or(Refusal::NotDirectory)?;
            if self.is_removed(id) {
                return Err(Refusal::Removed);
            }
            id = *names.get(name).ok_or(Refusal::NotFound)?;
        }
        Ok(id)
    }

    /// Follows a path to the directory of its last name.
    pub fn parent<'a>(&self, path: &'a Path) -> Result<(Id, &'a str), Refusal> {
        let Some((name, way)) = path.names.split_last() else { return Err(Refusal::Closed) };
        let directory = self.find(&Path { base: path.base, names: way.to_vec() })?;
        match self.is_directory(directory) {
            true => Ok((directory, name)),
            false => Err(Refusal::NotDirectory),
        }
    }
}
