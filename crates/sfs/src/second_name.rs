//! Directories that may have a second name.
//!
//! A directory has one name, and ".." says in which directory. But a power cut in the course of a move may leave two, of
//! which ".." tells one. Nothing on the disk says where the other is, except that the count of links is too high
//! then. Such directories are rare, and a repair makes them sound; until then a search through the tree tells the truth.

use alloc::{collections::BTreeSet, sync::Arc, vec, vec::Vec};
use core::ops::ControlFlow;

use super::{
    Kind, Locks, Result, RwLock, Storage,
    directory::{EMPTY, PARENT_SLOT},
    entries::DIRECTORY_LINKS,
    inode::Node,
    layout::ROOT,
    mount::Shared,
};

impl<S: Storage, L: Locks> Shared<S, L> {
    /// Returns `true` if a directory's count of links is higher than its subdirectories explain, of which `known` need
    /// not be looked for. If not, it has no other name than that in "..".
    pub(crate) fn may_have_two_names(&self, node: &Node<L>, known: u16) -> Result<bool, S::Error> {
        let mut unexplained = node.state.read().links().saturating_sub(DIRECTORY_LINKS);
        if unexplained <= known {
            return Ok(false);
        }
        let mut named = BTreeSet::new();
        self.each_named(node, |number| {
            named.insert(number);
        })?;
        for number in named {
            if self.node(number)?.kind() == Some(Kind::Directory) {
                unexplained = unexplained.saturating_sub(1);
            }
            if unexplained == 0 {
                break;
            }
        }
        Ok(unexplained > 0)
    }

    /// Lets the ".." of an empty directory name another one than `parent`, if another one names it. Returns `false` if
    /// none does.
    ///
    /// This is durable before the name in `parent` goes, as ".." must never name a directory that may be removed.
    pub(crate) fn turn_away(&self, node: &Arc<Node<L>>, parent: u32) -> Result<bool, S::Error> {
        let mut others = self.directories_that_name(node.number, ROOT)?;
        if let Some(index) = others.iter().position(|other| *other == parent) {
            others.swap_remove(index);
        }
        let Some(&other) = others.first() else {
            return Ok(false);
        };
        let now = self.parent(&node.state.read())?;
        if !others.contains(&now) {
            self.change(|| {
                let mut state = self.edit(node);
                self.prepare(&mut state, PARENT_SLOT)?;
                self.set_inode(&state, PARENT_SLOT, other)
            })?;
            self.commit()?;
        }
        Ok(true)
    }

    /// Searches `from` and all below it for directories that name an inode; one is listed as often as it does so.
    pub(crate) fn directories_that_name(
        &self,
        target: u32,
        from: u32,
    ) -> Result<Vec<u32>, S::Error> {
        let (mut found, mut seen, mut waiting) = (Vec::new(), BTreeSet::from([from]), vec![from]);
        while let Some(number) = waiting.pop() {
            let node = self.node(number)?;
            if node.kind() != Some(Kind::Directory) {
                continue;
            }
            self.each_named(&node, |named| {
                if named == target {
                    found.push(number);
                }
                if seen.insert(named) {
                    waiting.push(named);
                }
            })?;
        }
        Ok(found)
    }

    /// Shows the numbers in the entries of a directory, without "." and "..".
    fn each_named(&self, node: &Node<L>, mut look: impl FnMut(u32)) -> Result<(), S::Error> {
        self.disk.scan(&node.state.read().inode, |slot, entry| {
            if slot >= EMPTY
                && let Some((number, _)) = entry.split_first_chunk()
            {
                look(u32::from_le_bytes(*number));
            }
            ControlFlow::Continue(())
        })
    }
}
