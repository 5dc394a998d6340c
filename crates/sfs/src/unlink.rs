//! Entries go: unlink, rmdir, and what a rename replaces.

use alloc::sync::Arc;

use super::{
    Error, Inode, Kind, Locks, Result, RwLock, Storage,
    directory::{EMPTY, Found},
    entries::DIRECTORY_LINKS,
    group::Order,
    inode::{Node, State},
    mount::Shared,
};

/// An inode that is about to lose a name.
pub(crate) struct Victim<L: Locks> {
    /// The place of the name in its directory.
    pub(crate) slot: u32,
    pub(crate) node: Arc<Node<L>>,
    /// It has another name.
    stays: bool,
}

impl<S: Storage, L: Locks> Inode<S, L> {
    /// Removes a name that is not that of a directory.
    ///
    /// This needs a block or two for a copy of the directory, which are kept for it. A disk that was full already when
    /// it was mounted may have none; then only the last name of a directory can be removed, and files can be cut, until
    /// that has made space.
    ///
    /// # Errors
    ///
    /// [`Error::NotDirectory`], [`Error::InvalidName`], [`Error::NotFound`], [`Error::IsDirectory`],
    /// [`Error::NoSpace`], [`Error::ReadOnly`], [`Error::Failed`], [`Error::Corrupt`], and those of the storage.
    pub fn unlink(&self, name: &str) -> Result<(), S::Error> {
        let _names = self.names_for(name)?;
        let (found, node) = self.expect_found(name)?;
        if node.kind() == Some(Kind::Directory) {
            return Err(Error::IsDirectory);
        }
        self.remove(found, node)
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    ///
    /// Those of [`Self::unlink`], [`Error::NotDirectory`] also for another kind of entry, and [`Error::NotEmpty`].
    pub fn rmdir(&self, name: &str) -> Result<(), S::Error> {
        let _names = self.names_for(name)?;
        let (found, node) = self.expect_found(name)?;
        self.shared.expect_empty(&node)?;
        self.remove(found, node)
    }

    /// Removes an entry of this directory.
    fn remove(&self, found: Found, node: Arc<Node<L>>) -> Result<(), S::Error> {
        let shared = &self.shared;
        let victim = self.victim(found, node)?;
        let gives = shared.gives(&victim).then_some(self.number());
        let order = Order { gives, ..Order::default() };
        shared.prepare_order(&order, &self.node)?;
        shared.change(|| {
            let mut directory = shared.edit(&self.node);
            let mut state = shared.edit(&victim.node);
            let removal = shared.prepare_removal(&mut directory, victim.slot)?;
            shared.remove(&mut directory, removal)?;
            shared.unlink(&mut state, &victim, &mut directory);
            directory.modified(shared.now());
            shared.group.write().join(&order);
            Ok(())
        })?;
        shared.settle_victim(&victim)
    }

    /// Finds out what becomes of an inode that loses its name in this directory.
    pub(crate) fn victim(&self, found: Found, node: Arc<Node<L>>) -> Result<Victim<L>, S::Error> {
        let links = node.state.read().links();
        let stays = match node.kind() {
            // It is empty, so nothing explains a higher count.
            Some(Kind::Directory) => {
                links > DIRECTORY_LINKS && self.shared.turn_away(&node, self.number())?
            }
            _ => links > 1,
        };
        Ok(Victim { slot: found.slot, node, stays })
    }
}

impl<S: Storage, L: Locks> Shared<S, L> {
    /// Returns `true` if a directory that loses this name gives something away: what the inode is or had is elsewhere
    /// then.
    pub(crate) fn gives(&self, victim: &Victim<L>) -> bool {
        match victim.node.kind() {
            Some(Kind::Directory) => self.group.read().gave(victim.node.number),
            _ => victim.stays,
        }
    }

    pub(crate) fn expect_empty(&self, node: &Node<L>) -> Result<(), S::Error> {
        if node.kind() != Some(Kind::Directory) {
            Err(Error::NotDirectory)
        } else if node.state.read().entries() > EMPTY {
            Err(Error::NotEmpty)
        } else {
            Ok(())
        }
    }

    /// Makes durable that a directory has lost one of two names. While the old name may come back, the other one, which
    /// ".." agrees with, must not go.
    pub(crate) fn settle_victim(&self, victim: &Victim<L>) -> Result<(), S::Error> {
        let is_directory = victim.node.kind() == Some(Kind::Directory);
        if victim.stays && is_directory { self.commit() } else { Ok(()) }
    }

    /// Takes note that an inode has lost a name in a directory. Without another one, it lives until its last handle is
    /// gone.
    pub(crate) fn unlink(&self, state: &mut State, victim: &Victim<L>, directory: &mut State) {
        let is_directory = victim.node.kind() == Some(Kind::Directory);
        if is_directory {
            let links = directory.links().saturating_sub(1).max(DIRECTORY_LINKS);
            directory.inode.links = links.into();
        }
        if !victim.stays {
            state.removed = true;
            state.inode.links = 0.into();
            state.in_group = false;
            self.group.write().orphan(&victim.node);
        } else if !is_directory {
            state.inode.links = state.links().saturating_sub(1).into();
            state.changed(self.now());
        }
    }
}
