//! Renaming.
//!
//! Within one directory it is one change of that directory, so it happens as a whole or not at all. Between two, a power
//! cut may leave both names, never none.

use alloc::{collections::BTreeSet, sync::Arc};

use super::{
    Error, Inode, Kind, Locks, Result, RwLock, Storage,
    directory::{Found, PARENT_SLOT},
    disk::corrupt,
    entries::DIRECTORY_LINKS,
    group::Order,
    inode::Node,
    layout::{DiskEntry, ROOT},
    mount::Shared,
    names,
    unlink::Victim,
};

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
    /// [`Error::TooManyLinks`], [`Error::OtherFileSystem`].
    pub fn rename(&self, name: &str, new_directory: &Self, new_name: &str) -> Result<(), S::Error> {
        self.expect_same(new_directory)?;
        new_directory.expect_directory()?;
        names::check(new_name)?;
        let _names = self.names_for(name)?;
        if new_directory.node.state.read().removed {
            return Err(Error::Removed);
        }
        let (found, node) = self.expect_found(name)?;
        let replaced = match new_directory.expect_found(new_name) {
            Ok((_, replaced)) if replaced.number == node.number => return Ok(()),
            Ok(replaced) => Some(replaced),
            Err(Error::NotFound) => None,
            Err(error) => return Err(error),
        };
        let is_directory = node.kind() == Some(Kind::Directory);
        if let Some((_, replaced)) = &replaced {
            if !is_directory && replaced.kind() == Some(Kind::Directory) {
                return Err(Error::IsDirectory);
            } else if replaced.number == self.number() {
                // `name` is in it.
                return Err(Error::NotEmpty);
            } else if is_directory {
                self.shared.expect_empty(replaced)?;
            }
        }
        let moves = self.number() != new_directory.number();
        if moves && is_directory {
            self.shared.expect_outside(&node, new_directory.number())?;
        }
        let victim = replaced.map(|(found, node)| new_directory.victim(found, node)).transpose()?;
        if moves {
            self.move_to(new_directory, found, new_name, &node, victim.as_ref())?;
        } else {
            self.rename_here(found, new_name, &node, victim.as_ref())?;
        }
        victim.map_or(Ok(()), |victim| self.shared.settle_victim(&victim))
    }

    /// Renames within this directory.
    fn rename_here(
        &self,
        found: Found,
        new_name: &str,
        node: &Arc<Node<L>>,
        victim: Option<&Victim<L>>,
    ) -> Result<(), S::Error> {
        let shared = &self.shared;
        let gives = victim.is_some_and(|victim| shared.gives(victim));
        let order = Order { gives: gives.then_some(self.number()), ..Order::default() };
        shared.prepare_order(&order, &self.node)?;
        shared.change(|| {
            let mut directory = shared.edit(&self.node);
            if let Some(victim) = victim {
                let mut state = shared.edit(&victim.node);
                shared.prepare(&mut directory, victim.slot)?;
                let mut removal = shared.prepare_removal(&mut directory, found.slot)?;
                shared.set_inode(&directory, victim.slot, node.number)?;
                removal.set_inode(victim.slot, node.number);
                shared.remove(&mut directory, removal)?;
                shared.unlink(&mut state, victim, &mut directory);
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
        victim: Option<&Victim<L>>,
    ) -> Result<(), S::Error> {
        let shared = &self.shared;
        let is_directory = node.kind() == Some(Kind::Directory);
        shared.prepare_links(node)?;
        let order = Order {
            takes: Some(new_directory.number()),
            gives: Some(self.number()),
            moves: is_directory.then_some(node.number),
            alone: victim.is_some_and(|victim| shared.gives(victim)),
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
            match victim {
                Some(victim) => {
                    let mut victim_state = shared.edit(&victim.node);
                    shared.prepare(&mut to, victim.slot)?;
                    shared.set_inode(&to, victim.slot, node.number)?;
                    shared.unlink(&mut victim_state, victim, &mut to);
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
    /// Checks that no way from the root to directory `below` leads through `node`.
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
            // Each of them, except for the first one, has the one before.
            let known = u16::from(number != below);
            if self.may_have_two_names(&directory, known)? {
                let inside = !self.directories_that_name(below, node.number)?.is_empty();
                return if inside { Err(Error::IntoItself) } else { Ok(()) };
            }
            number = self.parent(&directory.state.read())?;
        }
        Ok(())
    }
}
