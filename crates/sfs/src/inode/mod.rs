//! Files, directories and symlinks, as they are used.

mod node;

use alloc::{
    borrow::ToOwned,
    string::{String, ToString},
    sync::Arc,
    vec,
    vec::Vec,
};
use core::{fmt, ops::ControlFlow};

pub(crate) use self::node::{Node, State, Table, read_inode};
use super::{
    Error, Kind, Locks, Result, RwLock, Storage, Times,
    directory::{Entry, Found, PARENT_SLOT},
    disk::corrupt,
    layout::{ROOT, TARGET_MAX},
    mount::Shared,
    names,
};

/// An inode as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Its number, which is that of its block.
    pub number: u32,
    /// Its kind.
    pub kind: Kind,
    /// The size of its content in bytes; for a directory, 260 for each entry.
    pub size: u32,
    /// Its names; for a directory, 2 and its subdirectories. It may be higher after a power cut.
    pub links: u16,
    /// The blocks of its content, without those that hold pointers.
    pub blocks: u32,
    /// Its times.
    pub times: Times,
}

/// A file, directory or symlink. Clones stand for the same one.
///
/// A file that has lost its last name lives until its last handle is gone; its space is free after the
/// next [`FileSystem::sync`](crate::FileSystem::sync) then.
///
/// Every method may be called from several threads at once, and may wait for the storage. Whoever reads an inode
/// waits for those who change it or bring it into memory, and for a commit only while that lowers the inode's count of
/// links. Whoever changes anything waits for a commit that is under way; changes of names also wait for each other.
pub struct Inode<S: Storage, L: Locks> {
    pub(crate) shared: Arc<Shared<S, L>>,
    pub(crate) node: Arc<Node<L>>,
    kind: Kind,
}

impl<S: Storage, L: Locks> Clone for Inode<S, L> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), node: self.node.clone(), kind: self.kind }
    }
}

impl<S: Storage, L: Locks> fmt::Debug for Inode<S, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inode").field("number", &self.number()).field("kind", &self.kind).finish()
    }
}

impl<S: Storage, L: Locks> Inode<S, L> {
    pub(crate) fn new(shared: &Arc<Shared<S, L>>, node: Arc<Node<L>>, kind: Kind) -> Self {
        Self { shared: shared.clone(), node, kind }
    }

    /// Returns its number, which no other inode of the file system has as long as this handle lives.
    pub fn number(&self) -> u32 {
        self.node.number
    }

    /// Returns what it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns what is known about it.
    pub fn stat(&self) -> Stat {
        let state = self.node.state.read();
        Stat {
            number: self.number(),
            kind: self.kind,
            size: state.size(),
            links: state.links(),
            blocks: state.blocks(),
            times: state.inode.times(),
        }
    }

    /// Reads the content of a file from byte `offset` on. Returns the number of bytes, which is smaller than the length of `data`
    /// only at the end of the file.
    ///
    /// # Errors
    ///
    /// [`Error::IsDirectory`], [`Error::NotFile`], [`Error::Corrupt`], and those of the storage.
    pub fn read_at(&self, offset: u64, data: &mut [u8]) -> Result<usize, S::Error> {
        self.expect_file()?;
        self.shared.read_content(&self.node, &self.node.state.read(), offset, data)
    }

    /// Writes to a file from byte `offset` on. If that is behind its end, the gap is filled with zeros. Returns the number of
    /// bytes, which is smaller than the length of `data` if something failed behind them.
    ///
    /// The data is durable after [`Self::fsync`]. Overwritten data may be so before, in part; the file's size is not.
    ///
    /// # Errors
    ///
    /// Those of [`Self::read_at`], [`Error::TooLarge`] if the file would end beyond
    /// [`FILE_MAX`](crate::FILE_MAX), [`Error::NoSpace`], [`Error::ReadOnly`], [`Error::Failed`]. If the storage fails,
    /// data that was overwritten may be old or new.
    pub fn write_at(&self, offset: u64, data: &[u8]) -> Result<usize, S::Error> {
        self.expect_file()?;
        self.shared.change(|| {
            let mut state = self.shared.edit(&self.node);
            let written = self.shared.write_content(&mut state, self.number(), offset, data)?;
            state.modified(self.shared.now());
            Ok(written)
        })
    }

    /// Cuts a file to `size` bytes, or makes it so large with zeros.
    ///
    /// # Errors
    ///
    /// Those of [`Self::write_at`].
    pub fn truncate(&self, size: u64) -> Result<(), S::Error> {
        self.expect_file()?;
        self.shared.change(|| {
            let mut state = self.shared.edit(&self.node);
            self.shared.resize(&mut state, self.number(), size)?;
            state.modified(self.shared.now());
            Ok(())
        })
    }

    /// Makes durable what has been done before, to this inode and to others. Space that was freed may
    /// become so later.
    ///
    /// # Errors
    ///
    /// Those of [`FileSystem::sync`](crate::FileSystem::sync).
    pub fn fsync(&self) -> Result<(), S::Error> {
        self.shared.commit()
    }

    /// Returns what an entry of this directory names; "." and ".." are entries.
    ///
    /// ".." is not believed: it must name the root, or a directory that has an entry for this one. The reference
    /// implementation leaves it as it was when a directory moves, and its number may be another inode's by now.
    ///
    /// # Errors
    ///
    /// [`Error::NotDirectory`], [`Error::NotFound`], [`Error::InvalidName`], [`Error::Removed`] if this directory
    /// has been removed, [`Error::Corrupt`], and those of the storage.
    pub fn lookup(&self, name: &str) -> Result<Self, S::Error> {
        self.expect_directory()?;
        names::check_lookup(name)?;
        self.open(|state| self.shared.find(state, name))
    }

    /// Returns what an entry names that [`Self::entries`] has listed at index `place`, with this name and this
    /// number. If the entry has another place by now, it takes longer to find.
    ///
    /// Two entries of one name, which only a damaged directory has, are told apart, and a name is taken as it was listed.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] if there is no such entry any more, and those of [`Self::lookup`].
    pub fn open_entry(&self, place: usize, name: &str, number: u32) -> Result<Self, S::Error> {
        self.expect_directory()?;
        self.open(|state| self.shared.find_again(state, place, name, number))
    }

    /// Opens what the entry names that `find` gives.
    fn open(
        &self,
        find: impl FnOnce(&State) -> Result<Option<Found>, S::Error>,
    ) -> Result<Self, S::Error> {
        let state = self.node.state.read();
        if state.removed {
            return Err(Error::Removed);
        }
        let found = find(&state)?.ok_or(Error::NotFound)?;
        if found.slot == PARENT_SLOT {
            drop(state);
            return self.open_parent();
        }
        // Held under the directory's lock, as the inode could lose its name and its block. Read without that lock: the
        // reader waits for the storage, and whoever is above or below may wait for the reader.
        let node = self.shared.hold(found.inode)?;
        drop(state);
        let kind = self.shared.load(&node)?;
        Ok(Self::new(&self.shared, node, kind))
    }

    /// Opens the directory that holds this one.
    fn open_parent(&self) -> Result<Self, S::Error> {
        if let Some(parent) = self.find_parent()? {
            return Ok(parent);
        }
        // This directory may have moved between two looks. Nothing moves now.
        let _names = self.shared.names.read();
        let parent = self.find_parent()?;
        parent.ok_or(corrupt("\"..\" names no directory that holds this one", self.number()))
    }

    /// Returns what ".." names, if that is the root or has an entry for this directory.
    fn find_parent(&self) -> Result<Option<Self>, S::Error> {
        let number = {
            let state = self.node.state.read();
            if state.removed {
                return Err(Error::Removed);
            }
            self.shared.parent(&state)?
        };
        let node = match self.shared.node(number) {
            Ok(node) => node,
            Err(Error::Corrupt { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        if node.kind() != Some(Kind::Directory) {
            return Ok(None);
        }
        let holds = number == ROOT || {
            let state = node.state.read();
            !state.removed && self.shared.names_inode(&state, self.number())?
        };
        Ok(holds.then(|| Self::new(&self.shared, node, Kind::Directory)))
    }

    /// Shows the entries of this directory one after another, "." and ".." first, until `look` breaks it off.
    ///
    /// The directory does not change meanwhile: whoever wants to change it waits. So `look` must
    /// not use the file system; [`Self::entries`] is for that.
    ///
    /// # Errors
    ///
    /// [`Error::NotDirectory`], [`Error::Corrupt`], and those of the storage, after the entries before.
    pub fn visit(
        &self,
        look: &mut dyn FnMut(Entry<'_>) -> ControlFlow<()>,
    ) -> Result<(), S::Error> {
        self.expect_directory()?;
        self.shared.visit(&self.node, &self.node.state.read(), look)
    }

    /// Returns the entries of this directory, "." and ".." first, as they were at one moment.
    ///
    /// # Errors
    ///
    /// Those of [`Self::visit`].
    pub fn entries(&self) -> Result<Vec<(String, u32)>, S::Error> {
        let mut entries = Vec::new();
        self.visit(&mut |entry| {
            entries.push((entry.name.to_owned(), entry.inode));
            ControlFlow::Continue(())
        })?;
        Ok(entries)
    }

    /// Returns the path that a symlink stands for.
    ///
    /// # Errors
    ///
    /// [`Error::NotSymlink`], [`Error::Corrupt`] if it is no text or longer than any path, and those of the storage.
    pub fn read_link(&self) -> Result<String, S::Error> {
        if self.kind != Kind::Symlink {
            return Err(Error::NotSymlink);
        }
        let state = self.node.state.read();
        let length = state.size() as usize;
        if length > TARGET_MAX {
            return Err(corrupt("a symlink is longer than any path", self.number()));
        }
        let mut target = vec![0; length];
        self.shared.read_content(&self.node, &state, 0, &mut target)?;
        let target = core::str::from_utf8(&target);
        target.map(str::to_string).map_err(|_| corrupt("a symlink is no text", self.number()))
    }

    pub(crate) fn expect_directory(&self) -> Result<(), S::Error> {
        if self.kind == Kind::Directory { Ok(()) } else { Err(Error::NotDirectory) }
    }

    fn expect_file(&self) -> Result<(), S::Error> {
        match self.kind {
            Kind::File => Ok(()),
            Kind::Directory => Err(Error::IsDirectory),
            _ => Err(Error::NotFile),
        }
    }
}
