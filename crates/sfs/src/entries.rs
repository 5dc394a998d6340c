//! Entries come: create, mkdir, symlink, link.
//!
//! Each of these, and of those that take entries away, has three parts: it looks around and fails if it must; it
//! commits if its order of directories does not fit to what has been done since the last commit; it changes
//! something. Nobody else changes names meanwhile, but anybody may commit between the parts, which makes more durable
//! and spoils no order. In the third part space runs out before anything has changed, or not at all.

use alloc::sync::Arc;

use zerocopy::IntoBytes;

use super::{
    Error, Inode, Kind, Locks, NameError, Result, RwLock, Storage, Times,
    directory::Found,
    disk::corrupt,
    group::Order,
    inode::{Node, State},
    layout::{DiskEntry, ROOT, TARGET_MAX},
    mount::Shared,
    names,
};

/// The links of a directory without subdirectories.
pub(crate) const DIRECTORY_LINKS: u16 = 2;

impl<S: Storage, L: Locks> Inode<S, L> {
    /// Makes an empty file in this directory.
    ///
    /// # Errors
    ///
    /// [`Error::NotDirectory`], [`Error::InvalidName`], [`Error::Exists`], [`Error::NoSpace`], [`Error::ReadOnly`],
    /// [`Error::Failed`], [`Error::Removed`] if this directory has been removed, [`Error::Corrupt`], and those of the storage.
    pub fn create(&self, name: &str) -> Result<Self, S::Error> {
        self.make(name, Kind::File, &[])
    }

    /// Makes an empty directory in this one.
    ///
    /// # Errors
    ///
    /// Those of [`Self::create`], and [`Error::TooManyLinks`].
    pub fn mkdir(&self, name: &str) -> Result<Self, S::Error> {
        self.make(name, Kind::Directory, &[])
    }

    /// Makes a symlink in this directory that stands for the path `target`.
    ///
    /// # Errors
    ///
    /// Those of [`Self::create`], [`Error::InvalidName`] also for an empty target, and [`Error::TooLarge`] for one of more than 4095 bytes.
    pub fn symlink(&self, name: &str, target: &str) -> Result<Self, S::Error> {
        if target.is_empty() {
            return Err(NameError::Empty.into());
        } else if target.len() > TARGET_MAX {
            return Err(Error::TooLarge);
        }
        self.make(name, Kind::Symlink, target.as_bytes())
    }

    /// Makes a file in this directory.
    fn make(&self, name: &str, kind: Kind, content: &[u8]) -> Result<Self, S::Error> {
        let _names = self.names_for(name)?;
        self.expect_no(name)?;
        if kind == Kind::Directory {
            self.shared.prepare_links(&self.node)?;
        }
        let node = self.shared.change(|| self.shared.make(&self.node, name, kind, content))?;
        Ok(Self::new(&self.shared, node, kind))
    }

    /// Gives `target`, which is no directory, a name in this directory.
    ///
    /// # Errors
    ///
    /// Those of [`Self::create`], [`Error::IsDirectory`], [`Error::TooManyLinks`], [`Error::OtherFileSystem`].
    pub fn link(&self, name: &str, target: &Self) -> Result<(), S::Error> {
        let shared = &self.shared;
        self.expect_same(target)?;
        if target.kind() == Kind::Directory {
            return Err(Error::IsDirectory);
        }
        let _names = self.names_for(name)?;
        self.expect_no(name)?;
        if target.node.state.read().removed {
            return Err(Error::Removed);
        }
        shared.prepare_links(&target.node)?;
        let links = target.stat().links.checked_add(1).ok_or(Error::TooManyLinks)?;
        let order = Order { takes: Some(self.number()), ..Order::default() };
        shared.prepare_order(&order, &self.node)?;
        shared.change(|| {
            let mut directory = shared.edit(&self.node);
            shared.add(&mut directory, self.number(), &DiskEntry::new(target.number(), name))?;
            directory.modified(shared.now());
            let mut state = shared.edit(&target.node);
            state.inode.links = links.into();
            state.added = state.added.saturating_add(1);
            state.changed(shared.now());
            shared.group.write().join(&order);
            Ok(())
        })
    }

    /// Checks what every change of a name needs, and keeps others from changing names.
    pub(crate) fn names_for(
        &self,
        name: &str,
    ) -> Result<<L::RwLock<()> as RwLock<()>>::Write<'_>, S::Error> {
        self.expect_directory()?;
        names::check(name)?;
        let guard = self.shared.names.write();
        // The names in memory may be neither the old ones nor the new ones.
        if self.shared.is_lost() {
            return Err(Error::Failed);
        }
        if self.node.state.read().removed {
            return Err(Error::Removed);
        }
        Ok(guard)
    }

    pub(crate) fn expect_same(&self, other: &Self) -> Result<(), S::Error> {
        if Arc::ptr_eq(&self.shared, &other.shared) { Ok(()) } else { Err(Error::OtherFileSystem) }
    }

    fn expect_no(&self, name: &str) -> Result<(), S::Error> {
        match self.shared.find(&self.node.state.read(), name)? {
            Some(_) => Err(Error::Exists),
            None => Ok(()),
        }
    }

    /// Looks an entry up whose inode may be removed or moved.
    pub(crate) fn expect_found(&self, name: &str) -> Result<(Found, Arc<Node<L>>), S::Error> {
        let found = self.shared.find(&self.node.state.read(), name)?.ok_or(Error::NotFound)?;
        // The locks of both will be held.
        if found.inode == self.number() || found.inode == ROOT {
            return Err(corrupt("an entry names a directory above it", self.number()));
        }
        Ok((found, self.shared.node(found.inode)?))
    }
}

impl<S: Storage, L: Locks> Shared<S, L> {
    /// Commits if a change of this order does not fit to those since the last commit; `taker` is the directory that takes, if any
    /// does.
    pub(crate) fn prepare_order(&self, order: &Order, taker: &Node<L>) -> Result<(), S::Error> {
        // Of a directory that is not durable the one that names it would have to be ordered.
        let fresh = order.takes.is_some() && taker.state.read().saved.is_none();
        if fresh || !self.group.read().admits(order) { self.commit() } else { Ok(()) }
    }

    /// Checks that an inode may get another name: its count of links must have room for that one and for all names
    /// that are durable, as a cut may leave both. Commits if fewer are durable then.
    pub(crate) fn prepare_links(&self, node: &Node<L>) -> Result<(), S::Error> {
        let is_full = || {
            let state = node.state.read();
            let saved = state.saved.map_or(0, |saved| saved.links.get());
            saved.max(state.links()).checked_add(state.added).is_none_or(|sum| sum == u16::MAX)
        };
        if is_full() {
            self.commit()?;
        }
        if is_full() { Err(Error::TooManyLinks) } else { Ok(()) }
    }

    /// Makes an inode and its entry.
    fn make(
        &self,
        parent: &Arc<Node<L>>,
        name: &str,
        kind: Kind,
        content: &[u8],
    ) -> Result<Arc<Node<L>>, S::Error> {
        let mut directory = self.edit(parent);
        let is_directory = kind == Kind::Directory;
        let parent_links = directory.links().checked_add(is_directory.into());
        let parent_links = parent_links.ok_or(Error::TooManyLinks)?;
        let number = self.allocate(parent.number)?;
        let now = self.now();
        let times = Times { accessed: now, modified: now, changed: now };
        let links = if is_directory { DIRECTORY_LINKS } else { 1 };
        let node = Arc::new(Node::<L>::fresh(number, kind, links, times));
        {
            let mut state = node.state.write();
            let filled = self.fill(&mut state, parent.number, number, kind, content);
            let added = filled.and_then(|()| {
                self.add(&mut directory, parent.number, &DiskEntry::new(number, name))
            });
            if let Err(error) = added {
                if let Ok(surplus) = self.list_surplus(&state, 0) {
                    self.cut(&mut state, 0, surplus);
                }
                self.release([number]);
                return Err(error);
            }
        }
        directory.inode.links = parent_links.into();
        directory.modified(now);
        self.table.write().insert(&node);
        drop(self.edit(&node));
        Ok(node)
    }

    /// Gives a new inode its content.
    fn fill(
        &self,
        state: &mut State,
        parent: u32,
        number: u32,
        kind: Kind,
        content: &[u8],
    ) -> Result<(), S::Error> {
        if kind == Kind::Directory {
            let entries = [DiskEntry::new(number, "."), DiskEntry::new(parent, "..")];
            return self.write_content(state, number, 0, entries.as_bytes()).map(drop);
        }
        // At most one block, so never in part.
        self.write_content(state, number, 0, content).map(drop)
    }
}
