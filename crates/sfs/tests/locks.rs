//! The order in which locks are taken, and what is done under them.
//!
//! Every lock that a thread takes is compared with those that it holds. So one thread shows what only several would run
//! into, and only if they met in the right moment.

mod common;

use std::{
    any::type_name,
    cell::{Cell, RefCell},
    ops::{Deref, DerefMut},
    sync::{
        RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use common::{Failure, Memory, assert_clean, options};
use sfs::{Error, FileSystem, Inode, Locks, RwLock, Storage};

/// The locks in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Names,
    Ops,
    Inode,
    Listing,
    Group,
    Table,
    Space,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    rank: Rank,
    lock: usize,
    alone: bool,
}

thread_local! {
    static HELD: RefCell<Vec<Held>> = const { RefCell::new(Vec::new()) };
    /// The locks without a value that this thread has made.
    static EMPTY: Cell<usize> = const { Cell::new(0) };
}

fn held() -> Vec<Held> {
    HELD.with_borrow(Vec::clone)
}

fn is_alone(held: &[Held], rank: Rank) -> bool {
    held.iter().any(|held| held.rank == rank && held.alone)
}

/// Refuses a lock that must not be taken now.
#[track_caller]
fn check_order(new: Held) {
    let held = held();
    for other in &held {
        assert_ne!(other.lock, new.lock, "{new:?} is held already");
        let several = other.rank == Rank::Inode && new.rank == Rank::Inode;
        let of_commit = other.rank == Rank::Group && new.rank == Rank::Inode;
        assert!(
            other.rank < new.rank
                || several && is_alone(&held, Rank::Names)
                || of_commit && is_alone(&held, Rank::Ops),
            "{new:?} is taken under {held:?}"
        );
    }
}

/// Refuses to wait for the storage now.
#[track_caller]
fn check_wait() {
    let held = held();
    let wrong = |held: &&Held| matches!(held.rank, Rank::Listing | Rank::Table | Rank::Space);
    assert!(!held.iter().any(|held| wrong(&held)), "the storage is used under {held:?}");
    let group = held.iter().any(|held| held.rank == Rank::Group);
    assert!(!group || is_alone(&held, Rank::Ops), "the storage is used under {held:?}");
}

struct Watched;

impl Locks for Watched {
    type RwLock<T: Send + Sync + 'static> = Lock<T>;
}

struct Lock<T> {
    rank: Rank,
    number: usize,
    lock: std::sync::RwLock<T>,
}

impl<T> Lock<T> {
    fn note(&self, alone: bool) -> Note {
        let new = Held { rank: self.rank, lock: self.number, alone };
        check_order(new);
        HELD.with_borrow_mut(|held| held.push(new));
        Note(self.number)
    }
}

/// Stands for a lock that is held.
struct Note(usize);

impl Drop for Note {
    fn drop(&mut self) {
        HELD.with_borrow_mut(|held| held.retain(|held| held.lock != self.0));
    }
}

struct Guard<G>(G, #[expect(dead_code, reason = "dropped with the guard")] Note);

impl<G: Deref> Deref for Guard<G> {
    type Target = G::Target;

    fn deref(&self) -> &G::Target {
        &self.0
    }
}

impl<G: DerefMut> DerefMut for Guard<G> {
    fn deref_mut(&mut self) -> &mut G::Target {
        &mut self.0
    }
}

fn rank<T>() -> Rank {
    let ranks = [
        ("::State", Rank::Inode),
        ("::Listing", Rank::Listing),
        ("::Group<", Rank::Group),
        ("::Table<", Rank::Table),
        ("::FreeMap", Rank::Space),
    ];
    let name = type_name::<T>();
    if name == "()" {
        // Each file system has two, and makes the outer one first.
        let before = EMPTY.get();
        EMPTY.set(before + 1);
        return [Rank::Names, Rank::Ops][before % 2];
    }
    ranks.into_iter().find(|(part, _)| name.contains(part)).expect("a lock without a place").1
}

impl<T: Send + Sync> RwLock<T> for Lock<T> {
    type Read<'a>
        = Guard<RwLockReadGuard<'a, T>>
    where
        Self: 'a;
    type Write<'a>
        = Guard<RwLockWriteGuard<'a, T>>
    where
        Self: 'a;

    fn new(value: T) -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let number = MADE.fetch_add(1, Relaxed);
        Self { rank: rank::<T>(), number, lock: std::sync::RwLock::new(value) }
    }

    fn read(&self) -> Self::Read<'_> {
        let note = self.note(false);
        Guard(self.lock.read().unwrap(), note)
    }

    fn write(&self) -> Self::Write<'_> {
        let note = self.note(true);
        Guard(self.lock.write().unwrap(), note)
    }
}

/// A storage that nobody may wait for under the locks that everybody needs.
struct Slow<'m>(&'m Memory);

impl Storage for Slow<'_> {
    type Error = Failure;

    fn capacity(&self) -> u64 {
        self.0.capacity()
    }

    fn read(&self, block: u32, offset: usize, data: &mut [u8]) -> Result<(), Failure> {
        check_wait();
        self.0.read(block, offset, data)
    }

    fn write(&self, block: u32, offset: usize, data: &[u8]) -> Result<(), Failure> {
        check_wait();
        self.0.write(block, offset, data)
    }

    fn view(&self, block: u32, look: &mut dyn FnMut(&[u8])) -> Result<(), Failure> {
        check_wait();
        self.0.view(block, look)
    }

    fn flush(&self) -> Result<(), Failure> {
        check_wait();
        self.0.flush()
    }
}

type System<'m> = FileSystem<Slow<'m>, Watched>;
type Node<'m> = Inode<Slow<'m>, Watched>;

fn mount(memory: &Memory) -> System<'_> {
    FileSystem::mount(Slow(memory), options()).unwrap()
}

/// Directories, and files with tables of pointers.
fn prepare(memory: &Memory) {
    let system = common::mount(memory);
    let root = system.root();
    let (a, b) = (root.mkdir("a").unwrap(), root.mkdir("b").unwrap());
    let below = a.mkdir("below").unwrap();
    for number in 0..40 {
        below.create(&format!("{number}")).unwrap().write_at(0, &[1; 5000]).unwrap();
    }
    let file = b.create("file").unwrap();
    file.write_at(0, &[2; 100_000]).unwrap();
    file.fsync().unwrap();
    a.link("second", &file).unwrap();
    b.symlink("way", "../a/below").unwrap();
    system.sync().unwrap();
}

#[test]
fn a_lookup_keeps_the_order() {
    let memory = Memory::formatted(1000);
    prepare(&memory);
    // Nothing but the root is in memory.
    let at = |path: &str| {
        let system = mount(&memory);
        system.resolve(&system.root(), path).map(|node| node.number())
    };
    let below = at("/a/below").unwrap();
    for path in ["/b/way", "/b/way/../below", "/a/below/.", "a/below/../../b/way"] {
        assert_eq!(at(path), Ok(below), "{path}");
    }
    assert_eq!(at("/a/below/none"), Err(Error::NotFound));
}

#[test]
fn every_operation_keeps_the_order() {
    let memory = Memory::formatted(400);
    prepare(&memory);
    let system = mount(&memory);
    let root = system.root();
    let (a, b) = (root.lookup("a").unwrap(), root.lookup("b").unwrap());
    let below = a.lookup("below").unwrap();
    let list = |node: &Node<'_>| node.entries().unwrap().len();
    // Up, down, over another one, and one that is in the way.
    below.rename("7", &a, "7").unwrap();
    a.rename("7", &below, "8").unwrap();
    b.mkdir("below").unwrap();
    a.rename("below", &b, "below").unwrap();
    assert_eq!(root.rename("b", &below, "x"), Err(Error::IntoItself));
    system.sync().unwrap();
    assert_eq!((list(&below), list(&below)), (41, 41));
    for number in 0..6 {
        below.unlink(&format!("{number}")).unwrap();
    }
    let file = b.lookup("file").unwrap();
    b.unlink("file").unwrap();
    file.truncate(60_000).unwrap();
    file.truncate(90_000).unwrap();
    a.unlink("second").unwrap();
    file.fsync().unwrap();
    assert_eq!(file.read_at(50_000, &mut [0; 20_000]), Ok(20_000));
    drop(file);
    // What has no name gives its space back, also in the middle of a change.
    let large = a.create("large").unwrap();
    let mut size = 0;
    while let Ok(written) = large.write_at(size, &[3; 50_000]) {
        size += written as u64;
    }
    a.unlink("large").unwrap();
    drop(large);
    assert_eq!(b.create("large").unwrap().write_at(0, &[3; 500_000]), Ok(500_000));
    let empty = b.mkdir("empty").unwrap();
    b.rmdir("empty").unwrap();
    assert_eq!(empty.create("x").map(drop), Err(Error::Removed));
    drop(empty);
    system.sync().unwrap();
    assert!(system.statfs().unused > 0);
    drop(system);
    assert_clean(&memory);
}
