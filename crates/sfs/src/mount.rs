//! A mounted file system.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};

use super::{
    Error, Inode, Kind, Locks, Result, RwLock, Storage, Time,
    commit::Health,
    disk::{Disk, corrupt},
    group::Group,
    inode::{Node, Table},
    layout::ROOT,
    map::FreeMap,
};

/// The choices of whoever mounts.
#[derive(Clone, Copy, Debug)]
pub struct MountOptions {
    /// Nothing will be changed.
    pub read_only: bool,
    /// Gives the time for new and changed inodes; by default it is 0 for all of them.
    pub now: fn() -> Time,
}

impl Default for MountOptions {
    fn default() -> Self {
        Self { read_only: false, now: Time::default }
    }
}

/// The space of a file system, in blocks of [`BLOCK_SIZE`](crate::BLOCK_SIZE) bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statfs {
    /// The blocks that it has.
    pub blocks: u32,
    /// The blocks that it says to have; more than it has if the storage ends before.
    pub claimed: u32,
    /// The blocks that nobody uses.
    pub unused: u32,
    /// Those of them that new files may get. Some are kept, so that things can be removed when there is no other space.
    pub available: u32,
}

/// Shared by all handles of one file system.
///
/// The order of locks: `names`, `ops`, that of an inode, that of its listing, `group`, `table`, `space`. The last two and a
/// listing's are held for a moment and never while the storage works. Nobody asks for a lock that he holds, so a reader may
/// be made to wait behind a writer that waits.
///
/// Whoever holds the locks of several inodes has `names` alone. A commit takes those of inodes when it has `group`: it has
/// `ops` alone, so nobody else has both then. Readers need neither `ops` nor `group`, and hold one inode at a time.
pub(crate) struct Shared<S: Storage, L: Locks> {
    pub(crate) disk: Disk<S>,
    read_only: bool,
    now: fn() -> Time,
    /// Whoever changes names of entries has it alone, so that what it has looked up stays true.
    pub(crate) names: L::RwLock<()>,
    /// Whoever changes anything has it as a reader, a commit has it alone.
    pub(crate) ops: L::RwLock<()>,
    /// The changes since the last commit.
    pub(crate) group: L::RwLock<Group<L>>,
    pub(crate) table: L::RwLock<Table<L>>,
    pub(crate) space: L::RwLock<FreeMap>,
    /// A [`Health`].
    pub(crate) health: AtomicU8,
    /// The commits that were started, and the last one that was completed.
    pub(crate) started: AtomicU64,
    pub(crate) completed: AtomicU64,
    /// A commit has left writes for the next flush.
    pub(crate) unflushed: AtomicBool,
}

impl<S: Storage, L: Locks> Shared<S, L> {
    /// Says whether changes are possible.
    ///
    /// # Errors
    ///
    /// [`Error::ReadOnly`] and [`Error::Failed`].
    pub(crate) fn writable(&self) -> Result<(), S::Error> {
        if self.read_only {
            Err(Error::ReadOnly)
        } else if self.health.load(Relaxed) != Health::Good as u8 {
            Err(Error::Failed)
        } else {
            Ok(())
        }
    }

    pub(crate) fn is_read_only(&self) -> bool {
        self.read_only
    }

    pub(crate) fn now(&self) -> Time {
        (self.now)()
    }

    /// Lets `change` change something, between two commits. It must leave everything consistent when it fails. If
    /// there is no space but the next commit brings some, that is done, and `change` called again.
    pub(crate) fn change<T>(
        &self,
        mut change: impl FnMut() -> Result<T, S::Error>,
    ) -> Result<T, S::Error> {
        let mut change = || {
            let _running = self.ops.read();
            self.writable()?;
            change()
        };
        if self.group.read().is_full() {
            self.commit()?;
        }
        match change() {
            Err(Error::NoSpace) if self.could_free() => {
                self.commit()?;
                change()
            }
            result => result,
        }
    }

    fn could_free(&self) -> bool {
        self.space.read().has_pending() || self.group.read().has_orphans()
    }
}

/// A mounted file system. Clones stand for the same one.
pub struct FileSystem<S: Storage, L: Locks> {
    pub(crate) shared: Arc<Shared<S, L>>,
    root: Arc<Node<L>>,
}

impl<S: Storage, L: Locks> Clone for FileSystem<S, L> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), root: self.root.clone() }
    }
}

impl<S: Storage, L: Locks> FileSystem<S, L> {
    /// Mounts what lies on `storage`. A file system that a power cut has left needs no check before.
    ///
    /// Nothing is written until the first [`Self::sync`] or [`Inode::fsync`] after a change, except for data.
    ///
    /// # Errors
    ///
    /// [`Error::WrongMagic`], [`Error::Corrupt`], and those of the storage.
    pub fn mount(storage: S, options: MountOptions) -> Result<Self, S::Error> {
        let read_only = options.read_only || storage.read_only();
        let disk = Disk::open(storage)?;
        let space = FreeMap::load(&disk)?;
        let shared = Shared {
            disk,
            read_only,
            now: options.now,
            names: L::RwLock::new(()),
            ops: L::RwLock::new(()),
            group: L::RwLock::new(Group::new()),
            table: L::RwLock::new(Table::new()),
            space: L::RwLock::new(space),
            health: AtomicU8::new(Health::Good as u8),
            started: AtomicU64::new(0),
            completed: AtomicU64::new(0),
            unflushed: AtomicBool::new(false),
        };
        let root = shared.node(ROOT)?;
        if root.kind() != Some(Kind::Directory) {
            return Err(corrupt("the root is no directory", ROOT));
        }
        Ok(Self { shared: Arc::new(shared), root })
    }

    /// Returns the root directory.
    pub fn root(&self) -> Inode<S, L> {
        Inode::new(&self.shared, self.root.clone(), Kind::Directory)
    }

    /// Makes everything durable that has been done before, and leaves the disk such that a check finds
    /// nothing, unless somebody holds an inode without a name. On a read-only mount it does nothing.
    ///
    /// # Errors
    ///
    /// Those of the storage, after which it may be tried again, and [`Error::Failed`].
    pub fn sync(&self) -> Result<(), S::Error> {
        self.shared.commit()?;
        self.shared.flush_rest()
    }

    /// Returns the space and its use.
    pub fn statfs(&self) -> Statfs {
        let disk = &self.shared.disk;
        let space = self.shared.space.read();
        Statfs {
            blocks: disk.end,
            claimed: disk.blocks,
            unused: space.unused(),
            available: space.available_later(),
        }
    }

    /// Returns the storage.
    pub fn storage(&self) -> &S {
        &self.shared.disk.storage
    }
}
