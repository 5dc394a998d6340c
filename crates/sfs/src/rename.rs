//! Renaming.
//!
//! Within one directory it is one change of that directory, so it happens as a whole or not at all. Between two, a power
//! cut may leave both names, never none.

use alloc::{collections::BTreeSet, sync::Arc};

use super::{
    Error, Inode, Kind, Locks, Result, RwLock, Storage,
    commit::Order,
    directory::{Found, PARENT_SLOT},
    disk::corrupt,
    entries::DIRECTORY_LINKS,
    inode::Node,
    layout::{DiskEntry, ROOT},
    mount::Shared,
    names,
};

/// What stands under the new name before.
type Victim<L> = Option<(Found, Arc<Node<L>>)>;

impl<S: Storage, L: Locks> Inode<S, L> {
    /// Gives the entry `name` of this directory the name `new_name` in `new_directory`. What has that name is
    /// removed, if it is of the same sort: a directory, which must be empty, by a directory, other kinds by
    /// other kinds. If both names are of one inode, nothing happens.
    ///
    /// Within one directory a power cut leaves the names of before or after. Between two it may leave the old name
    /// beside the new one.
    ///
    /// # Errors
    ///
    /// Those of [`Self::create`] and [`Self::unlink`], [`Error::NotEmpty`], [`Error::IntoItself`],
    /// [`Error::OtherFileSystem`].
    pub fn rename(&self, name: &str, new_directory: &Self, new_name: &str) -> Result<(), S::Error> {
        self.expect_same(new_directory)?;
        new_directory.expect_directory()?;
        names::check(new_name)?;
        let _names = self.names_for(name)?;
        if new_directory.node.state.read().removed {
            return Err(Error::Removed);
        }
        let (found, node) = self.expect_found(name)?;
        let victim = match new_directory.expect_found(new_name) {
            Ok((_, victim)) if victim.number == node.number => return Ok(()),
            Ok(victim) => Some(victim),
            Err(Error::NotFound) => None,
            Err(error) => return Err(error),
        };
        let is_directory = node.kind() == Some(Kind::Directory);
        if let Some((_, victim)) = &victim {
            if victim.number == self.number() {
                // Not empty: `name` is in it.
                return Err(Error::NotEmpty);
            } else if is_directory {
                self.shared.expect_empty(victim)?;
            } else if victim.kind() == Some(Kind::Directory) {
                return Err(Error::IsDirectory);
            }
        }
        if self.number() == new_directory.number() {
            return self.rename_here(found, new_name, &node, victim);
        }
        if is_directory {
            self.shared.expect_outside(&node, new_directory.number())?;
        }
        self.move_to(new_directory, found, new_name, &node, victim)
    }

    /// Renames within this directory.
    fn rename_here(
        &self,
        found: Found,
        new_name: &str,
        node: &Arc<Node<L>>,
        victim: Victim<L>,
    ) -> Result<(), S::Error> {
        let shared = &self.shared;
        let gives = victim.as_ref().is_some_and(|(_, victim)| shared.gives(victim));
        let order = Order { gives: gives.then_some(self.number()), ..Order::default() };
        shared.prepare_order(&order, &self.node)?;
        shared.change(|| {
            let mut directory = shared.edit(&self.node);
            if let Some((target, victim)) = &victim {
                let mut state = shared.edit(victim);
                shared.prepare(&mut directory, target.slot)?;
                let mut removal = shared.prepare_removal(&mut directory, found.slot)?;
                shared.prepare_unlink(&mut state, victim, self.number())?;
                shared.set_inode(&directory, target.slot, node.number)?;
                removal.set_inode(target.slot, node.number);
                shared.remove(&mut directory, removal)?;
                shared.unlink(&mut state, victim, &mut directory, self.number())?;
            } else {
                shared.prepare(&mut directory, found.slot)?;
                let entry = DiskEntry::new(node.number, new_name);
                shared.set_entry(&directory, found.slot, &entry)?;
            }
            directory.modified(shared.now());
            shared.edit(node).changed(shared.now());
            shared.group.write().join(&order);
            Ok(())
        })
    }

    /// Moves an entry to another directory.
    fn move_to(
        &self,
        new_directory: &Self,
        found: Found,
        new_name: &str,
        node: &Arc<Node<L>>,
        victim: Victim<L>,
    ) -> Result<(), S::Error> {
        let shared = &self.shared;
        let is_directory = node.kind() == Some(Kind::Directory);
        let order = Order {
            takes: Some(new_directory.number()),
            gives: Some(self.number()),
            moves: is_directory.then_some(node.number),
            alone: victim.as_ref().is_some_and(|(_, victim)| shared.gives(victim)),
        };
        shared.prepare_order(&order, &new_directory.node)?;
        shared.change(|| {
            let mut from = shared.edit(&self.node);
            let mut to = shared.edit(&new_directory.node);
            let mut state = shared.edit(node);
            let mut links = to.links();
            if is_directory && victim.is_none() {
                links = links.checked_add(1).ok_or(Error::TooManyLinks)?;
            }
            let removal = shared.prepare_removal(&mut from, found.slot)?;
            if is_directory {
                shared.prepare(&mut state, PARENT_SLOT)?;
            }
            match &victim {
                Some((target, victim)) => {
                    let mut victim_state = shared.edit(victim);
                    shared.prepare(&mut to, target.slot)?;
                    shared.prepare_unlink(&mut victim_state, victim, new_directory.number())?;
                    shared.set_inode(&to, target.slot, node.number)?;
                    shared.unlink(&mut victim_state, victim, &mut to, new_directory.number())?;
                }
                None => {
                    let entry = DiskEntry::new(node.number, new_name);
                    shared.add(&mut to, new_directory.number(), &entry)?;
                }
            }
            to.inode.links = links.into();
            shared.remove(&mut from, removal)?;
            if is_directory {
                let links = from.links().saturating_sub(1).max(DIRECTORY_LINKS);
                from.inode.links = links.into();
                shared.set_inode(&state, PARENT_SLOT, new_directory.number())?;
            }
            let now = shared.now();
            from.modified(now);
            to.modified(now);
            state.added = state.added.saturating_add(1);
            state.changed(now);
            shared.group.write().join(&order);
            Ok(())
        })
    }
}

impl<S: Storage, L: Locks> Shared<S, L> {
    /// Checks that the way from directory `below` up to the root does not lead through `node`.
    fn expect_outside(&self, node: &Node<L>, below: u32) -> Result<(), S::Error> {
        let (mut number, mut seen) = (below, BTreeSet::new());
        while number != ROOT {
            if number == node.number {
                return Err(Error::IntoItself);
            }
            if !seen.insert(number) {
                return Err(corrupt("a directory is above itself", number));
            }
            let directory = self.node(number)?;
            if directory.kind() != Some(Kind::Directory) {
                return Err(corrupt("\"..\" names no directory", number));
            }
            number = self.parent(&directory.state.read())?;
        }
        Ok(())
    }
}
