//! The changes that the next commit makes durable, and the order that they ask for.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    vec::Vec,
};

use super::{Locks, inode::Node};

/// With so many inodes a group is committed before the next change.
const GROUP_MAX: usize = 4096;

/// The changes since the last commit.
pub(crate) struct Group<L: Locks> {
    /// Inodes that differ from the disk.
    pub(crate) changed: BTreeMap<u32, Arc<Node<L>>>,
    /// Inodes without a name, whose blocks are in use until their last handle is gone.
    pub(crate) orphans: Vec<Arc<Node<L>>>,
    /// Directories that have got a name for an inode that has a durable name elsewhere.
    pub(crate) took: BTreeSet<u32>,
    /// Directories that have lost a name of an inode that has a new name elsewhere.
    pub(crate) gave: BTreeSet<u32>,
    /// A directory that has moved to another one. It is the only one then that moved between directories.
    pub(crate) moved: Option<u32>,
    /// A commit of this group has begun and failed.
    pub(crate) tried: bool,
}

impl<L: Locks> Group<L> {
    pub(crate) fn new() -> Self {
        Self {
            changed: BTreeMap::new(),
            orphans: Vec::new(),
            took: BTreeSet::new(),
            gave: BTreeSet::new(),
            moved: None,
            tried: false,
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.changed.len() + self.orphans.len() >= GROUP_MAX
    }

    pub(crate) fn has_orphans(&self) -> bool {
        !self.orphans.is_empty()
    }

    /// Keeps an inode that has lost its last name.
    pub(crate) fn orphan(&mut self, node: &Arc<Node<L>>) {
        self.changed.remove(&node.number);
        self.orphans.push(node.clone());
    }

    pub(crate) fn gave(&self, directory: u32) -> bool {
        self.gave.contains(&directory)
    }

    /// Returns `true` if changes of this order may join the group.
    pub(crate) fn admits(&self, order: &Order) -> bool {
        let ordered = !self.took.is_empty() || !self.gave.is_empty();
        let none = order.takes.is_none() && order.gives.is_none();
        none || !(self.moved.is_some()
            || (order.alone || order.moves.is_some()) && ordered
            || order.takes.is_some_and(|directory| self.gave.contains(&directory))
            || order.gives.is_some_and(|directory| self.took.contains(&directory)))
    }

    pub(crate) fn join(&mut self, order: &Order) {
        self.took.extend(order.takes);
        self.gave.extend(order.gives);
        self.moved = self.moved.or(order.moves);
    }
}

/// The order in which directories must become durable for the sake of one change.
#[derive(Clone, Copy, Default)]
pub(crate) struct Order {
    /// This directory first.
    pub(crate) takes: Option<u32>,
    /// This one last.
    pub(crate) gives: Option<u32>,
    /// This one, a directory that moved, between them.
    pub(crate) moves: Option<u32>,
    /// The first one gives something away as well, which must not depend on others.
    pub(crate) alone: bool,
}
