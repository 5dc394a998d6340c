//! Inodes in memory: one for each number, however many handles there are.

use alloc::{
    collections::BTreeMap,
    sync::{Arc, Weak},
};
use core::sync::atomic::{AtomicU16, AtomicU32, Ordering::Relaxed};

use zerocopy::{FromZeros, IntoBytes};

use crate::{
    BLOCK_SIZE, Error, Kind, Locks, Result, RwLock, Storage, Time, Times,
    disk::{Disk, corrupt},
    layout::{DiskInode, ENTRY},
    listing::Listing,
    mount::Shared,
};

/// The most blocks that a file has.
const BLOCKS_MAX: u32 = 1 << 20;
/// The table of nodes drops its dead entries when it has twice as many as lived the last time, and this.
const SPARE_ENTRIES: usize = 1024;

/// An inode in memory.
pub(crate) struct Node<L: Locks> {
    pub(crate) number: u32,
    /// The number of its [`Kind`]; 0 as long as the inode has not been read.
    kind: AtomicU16,
    pub(crate) state: L::RwLock<State>,
    pub(crate) reader: Reader,
    /// The entries, if this is a directory that has been listed and not changed since.
    pub(crate) listing: L::RwLock<Option<Arc<Listing>>>,
}

/// The traces of a sequential reader. They only decide what is read ahead.
#[derive(Default)]
pub(crate) struct Reader {
    /// Where the last read ended.
    pub(crate) position: AtomicU32,
    /// The first block of the file that has not been read ahead.
    pub(crate) ahead: AtomicU32,
}

/// Guarded by an inode's lock.
pub(crate) struct State {
    /// The inode as it is.
    pub(crate) inode: DiskInode,
    /// The inode as the last commit has left it on the disk; nothing if no commit has seen it.
    pub(crate) saved: Option<DiskInode>,
    /// The names that it has got since the last commit, while old ones may still be durable.
    pub(crate) added: u16,
    /// It is one of those that the next commit looks at.
    pub(crate) in_group: bool,
    /// It has lost its last name.
    pub(crate) removed: bool,
}

impl State {
    fn new(inode: DiskInode, saved: Option<DiskInode>) -> Self {
        Self { inode, saved, added: 0, in_group: false, removed: false }
    }

    pub(crate) fn size(&self) -> u32 {
        self.inode.size.get()
    }

    pub(crate) fn blocks(&self) -> u32 {
        self.inode.blocks.get()
    }

    pub(crate) fn links(&self) -> u16 {
        self.inode.links.get()
    }

    /// Takes note of a change of the content.
    pub(crate) fn modified(&mut self, now: Time) {
        let times = Times { modified: now, changed: now, ..self.inode.times() };
        self.inode.set_times(times);
    }

    /// Takes note of a change of the inode alone.
    pub(crate) fn changed(&mut self, now: Time) {
        let times = Times { changed: now, ..self.inode.times() };
        self.inode.set_times(times);
    }

    /// The number of entries of a directory.
    pub(crate) fn entries(&self) -> u32 {
        self.size() / ENTRY
    }

    /// The size that the durable inode has, and its blocks.
    pub(crate) fn saved_size(&self) -> u32 {
        self.saved.map_or(0, |saved| saved.size.get())
    }

    pub(crate) fn saved_blocks(&self) -> u32 {
        self.saved.map_or(0, |saved| saved.blocks.get())
    }
}

impl<L: Locks> Node<L> {
    /// A node whose inode has not been read.
    fn unread(number: u32) -> Self {
        let state = State::new(DiskInode::new_zeroed(), None);
        Self {
            number,
            kind: AtomicU16::new(0),
            state: L::RwLock::new(state),
            reader: Reader::default(),
            listing: L::RwLock::new(None),
        }
    }

    /// A node for a new inode, which is on no disk.
    pub(crate) fn fresh(number: u32, kind: Kind, links: u16, times: Times) -> Self {
        Self {
            number,
            kind: AtomicU16::new(kind.number()),
            state: L::RwLock::new(State::new(DiskInode::new(kind, links, times), None)),
            reader: Reader::default(),
            listing: L::RwLock::new(None),
        }
    }

    /// The kind, once the inode has been read.
    pub(crate) fn kind(&self) -> Option<Kind> {
        Kind::of_number(self.kind.load(Relaxed))
    }
}

/// The nodes that somebody holds.
pub(crate) struct Table<L: Locks> {
    nodes: BTreeMap<u32, Weak<Node<L>>>,
    tidy_at: usize,
}

impl<L: Locks> Table<L> {
    pub(crate) fn new() -> Self {
        Self { nodes: BTreeMap::new(), tidy_at: SPARE_ENTRIES }
    }

    pub(crate) fn find(&self, number: u32) -> Option<Arc<Node<L>>> {
        self.nodes.get(&number).and_then(Weak::upgrade)
    }

    pub(crate) fn insert(&mut self, node: &Arc<Node<L>>) {
        if self.nodes.len() >= self.tidy_at {
            self.nodes.retain(|_, node| node.strong_count() > 0);
            self.tidy_at = 2 * self.nodes.len() + SPARE_ENTRIES;
        }
        self.nodes.insert(node.number, Arc::downgrade(node));
    }

    /// Takes a node out if `node` is the only one who holds it. Nobody finds it there any more.
    pub(crate) fn remove_unused(&mut self, node: &Arc<Node<L>>) -> bool {
        let unused = Arc::strong_count(node) == 1;
        if unused {
            self.nodes.remove(&node.number);
        }
        unused
    }
}

impl<S: Storage, L: Locks> Shared<S, L> {
    /// Returns the node of a number, with its inode in memory.
    pub(crate) fn node(&self, number: u32) -> Result<Arc<Node<L>>, S::Error> {
        let node = self.hold(number)?;
        self.load(&node)?;
        Ok(node)
    }

    /// Returns the node of a number, whose inode need not be in memory. As long as somebody has it, the number is
    /// not given to another inode. It waits for no device.
    pub(crate) fn hold(&self, number: u32) -> Result<Arc<Node<L>>, S::Error> {
        if let Some(node) = self.table.read().find(number) {
            return Ok(node);
        }
        let mut table = self.table.write();
        if let Some(node) = table.find(number) {
            return Ok(node);
        }
        // A new inode is in the table until a commit has written it. One that is being made or freed is not, and what the
        // disk has under its number is another's.
        if !self.space.read().is_settled(number) {
            return Err(corrupt("an entry names a block that holds no inode", number));
        }
        let node = Arc::new(Node::unread(number));
        table.insert(&node);
        Ok(node)
    }

    /// Reads the inode of a node, if nobody has. The caller holds no other inode's lock.
    pub(crate) fn load(&self, node: &Node<L>) -> Result<Kind, S::Error> {
        if let Some(kind) = node.kind() {
            return Ok(kind);
        }
        let mut state = node.state.write();
        // Another thread may have read it meanwhile.
        if node.kind().is_none() {
            let inode = read_inode(&self.disk, node.number)?;
            *state = State::new(inode, Some(inode));
            node.kind.store(inode.kind.get(), Relaxed);
        }
        node.kind().ok_or(corrupt("no inode lies there", node.number))
    }
}

/// Reads an inode and checks what can be checked without looking elsewhere.
pub(crate) fn read_inode<S: Storage>(disk: &Disk<S>, number: u32) -> Result<DiskInode, S::Error> {
    if !disk.is_inode(number) {
        return Err(corrupt("an inode's number is beyond the file system", number));
    }
    if !disk.has(number, size_of::<DiskInode>()) {
        return Err(corrupt("an inode lies beyond the end of the storage", number));
    }
    let mut inode = DiskInode::new_zeroed();
    disk.read(number, 0, inode.as_mut_bytes())?;
    let kind = Kind::of_number(inode.kind.get());
    let (size, blocks) = (inode.size.get(), inode.blocks.get());
    let wrong = match kind {
        None => "no inode lies there",
        Some(_) if blocks > BLOCKS_MAX || blocks != size.div_ceil(BLOCK_SIZE as u32) => {
            "the size of an inode does not fit its blocks"
        }
        // Its entries are looked at one by one, however often a block is named.
        Some(Kind::Directory) if blocks > disk.end => "a directory is larger than the file system",
        Some(Kind::Directory) if size % ENTRY != 0 || size < 2 * ENTRY => {
            "the size of a directory is wrong"
        }
        Some(_) => return Ok(inode),
    };
    Err(Error::Corrupt { what: wrong, at: number })
}
