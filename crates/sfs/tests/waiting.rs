//! Threads that wait for the storage, and what others may do meanwhile.

mod common;

use std::{
    sync::{
        Condvar, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::Duration,
};

use common::{Failure, Memory, assert_clean, options};
use sfs::{BLOCK_SIZE, Error, FileSystem, StdLocks, Storage};

/// Only turns a hang into a failure.
const PATIENCE: Duration = Duration::from_secs(20);

/// An access to the storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Read(u32),
    Write(u32),
    Flush,
}

enum Trap {
    None,
    /// So many of these accesses pass before it.
    Set(Access, usize),
    /// Somebody is in it.
    Caught,
}

/// A storage in which one access can be held up.
struct Gate {
    memory: Memory,
    trap: Mutex<Trap>,
    moved: Condvar,
    /// There are writes that no flush has seen.
    dirty: AtomicBool,
    flushes: AtomicUsize,
}

impl Gate {
    fn new(blocks: u32) -> Self {
        Self::of(Memory::formatted(blocks))
    }

    fn of(memory: Memory) -> Self {
        Self {
            memory,
            trap: Mutex::new(Trap::None),
            moved: Condvar::new(),
            dirty: AtomicBool::new(false),
            flushes: AtomicUsize::new(0),
        }
    }

    fn mount(&self) -> FileSystem<&Self, StdLocks> {
        FileSystem::mount(self, options()).unwrap()
    }

    /// Holds up the next of these accesses, after some that pass.
    fn set(&self, access: Access, passing: usize) {
        *self.trap.lock().unwrap() = Trap::Set(access, passing);
    }

    /// Waits until somebody is held up.
    fn wait(&self) {
        let trap = self.trap.lock().unwrap();
        let waiting = |trap: &mut Trap| !matches!(trap, Trap::Caught);
        let (trap, result) = self.moved.wait_timeout_while(trap, PATIENCE, waiting).unwrap();
        drop(trap);
        assert!(!result.timed_out(), "nobody came");
    }

    /// Lets the one who is held up go on, and holds up another access.
    fn set_next(&self, access: Access, passing: usize) {
        self.set(access, passing);
        self.moved.notify_all();
    }

    fn open(&self) {
        *self.trap.lock().unwrap() = Trap::None;
        self.moved.notify_all();
    }

    fn pass(&self, access: Access) {
        let mut trap = self.trap.lock().unwrap();
        match &mut *trap {
            Trap::Set(wanted, passing) if *wanted == access => {
                if *passing > 0 {
                    *passing -= 1;
                    return;
                }
            }
            _ => return,
        }
        *trap = Trap::Caught;
        self.moved.notify_all();
        let caught = |trap: &mut Trap| matches!(trap, Trap::Caught);
        drop(self.moved.wait_timeout_while(trap, 3 * PATIENCE, caught).unwrap());
    }
}

impl Storage for Gate {
    type Error = Failure;

    fn capacity(&self) -> u64 {
        self.memory.capacity()
    }

    fn read(&self, block: u32, offset: usize, data: &mut [u8]) -> Result<(), Failure> {
        self.pass(Access::Read(block));
        self.memory.read(block, offset, data)
    }

    fn write(&self, block: u32, offset: usize, data: &[u8]) -> Result<(), Failure> {
        self.pass(Access::Write(block));
        self.dirty.store(true, SeqCst);
        self.memory.write(block, offset, data)
    }

    fn view(&self, block: u32, look: &mut dyn FnMut(&[u8])) -> Result<(), Failure> {
        self.memory.view(block, look)
    }

    fn flush(&self) -> Result<(), Failure> {
        self.flushes.fetch_add(1, SeqCst);
        self.pass(Access::Flush);
        self.dirty.store(false, SeqCst);
        self.memory.flush()
    }
}

/// Does `work` in a thread while `slow`, in another one, is held up at its access. Returns what both give.
fn meanwhile<A: Send, B: Send>(
    gate: &Gate,
    (access, passing): (Access, usize),
    slow: impl FnOnce() -> A + Send,
    work: impl FnOnce() -> B + Send,
) -> (A, B) {
    thread::scope(|scope| {
        gate.set(access, passing);
        let slow = scope.spawn(slow);
        gate.wait();
        let (sender, receiver) = mpsc::channel();
        scope.spawn(move || sender.send(work()));
        let result = receiver.recv_timeout(PATIENCE);
        gate.open();
        (slow.join().unwrap(), result.expect("the work waits for the one who is held up"))
    })
}

/// Otherwise somebody who has read the child meanwhile, and moves something from it to the directory, would wait for
/// the one who looks it up, and that one for him.
#[test]
fn a_lookup_that_reads_an_inode_does_not_keep_its_directory() {
    let gate = Gate::new(100);
    let child = {
        let system = gate.mount();
        let child = system.root().mkdir("parent").unwrap().mkdir("child").unwrap();
        system.sync().unwrap();
        child.number()
    };
    let system = gate.mount();
    let parent = system.root().lookup("parent").unwrap();
    let (found, made) = meanwhile(
        &gate,
        (Access::Read(child), 0),
        || parent.lookup("child").map(|child| child.number()),
        || parent.create("other").map(drop),
    );
    assert_eq!((found, made), (Ok(child), Ok(())));
    // The same on the way up.
    let system = gate.mount();
    let child = system.resolve(&system.root(), "/parent/child").unwrap();
    let parent = child.lookup("..").unwrap().number();
    drop(system);
    let (up, made) = meanwhile(
        &gate,
        (Access::Read(parent), 0),
        || child.lookup("..").map(|parent| parent.number()),
        || child.create("other").map(drop),
    );
    assert_eq!((up, made), (Ok(parent), Ok(())));
    child.fsync().unwrap();
    assert_clean(&gate.memory);
}

/// A number that a commit is about to free is nobody's, although the disk still has an inode there. Only an entry that
/// should not be leads to it.
#[test]
fn a_number_that_is_being_freed_is_not_opened() {
    let gate = Gate::new(100);
    let (first, second) = {
        let system = gate.mount();
        let root = system.root();
        let numbers = ["first", "second"].map(|name| root.create(name).unwrap().number());
        system.sync().unwrap();
        numbers.into()
    };
    // Both names are of one inode, which counts one.
    patch(&gate.memory, second, "second", first);
    let system = gate.mount();
    let root = system.root();
    root.unlink("first").unwrap();
    let (synced, found) = meanwhile(
        &gate,
        (Access::Flush, 0),
        || system.sync(),
        || root.lookup("second").map(|node| node.number()),
    );
    assert_eq!(synced, Ok(()));
    assert!(matches!(found, Err(Error::Corrupt { .. })), "{found:?}");
    assert!(matches!(root.lookup("second"), Err(Error::Corrupt { .. })));
}

/// A new inode is found at every moment, also when the commit that has written it is at its end.
#[test]
fn a_new_inode_is_found_while_a_commit_ends() {
    let gate = Gate::new(200);
    let system = gate.mount();
    let root = system.root();
    let directory = root.mkdir("directory").unwrap();
    root.create("place").unwrap();
    let moved = root.create("moved").unwrap().number();
    root.unlink("place").unwrap();
    system.sync().unwrap();
    let new = root.create("new").unwrap();
    let number = new.number();
    assert!(number < moved);
    drop(new);
    // Its count goes up before its new name, and down at the end.
    root.rename("moved", &directory, "moved").unwrap();
    let (synced, found) = meanwhile(
        &gate,
        (Access::Write(moved), 1),
        || system.sync(),
        || root.lookup("new").map(|node| node.number()),
    );
    assert_eq!((synced, found), (Ok(()), Ok(number)));
    assert_clean(&gate.memory);
}

/// Two who sync share a commit. Then the second one must not return before the first one has flushed what it leaves.
#[test]
fn a_shared_commit_is_durable_for_both() {
    let gate = Gate::new(100);
    let system = gate.mount();
    let root = system.root();
    root.create("gone").unwrap();
    let file = root.create("file").unwrap();
    file.write_at(0, b"some content").unwrap();
    system.sync().unwrap();
    let block = position(&gate.memory, b"some content") / BLOCK_SIZE;
    let flushes = {
        let copy = Gate::of(gate.memory.copy());
        let system = copy.mount();
        let before = copy.flushes.load(SeqCst);
        system.root().unlink("gone").unwrap();
        system.root().lookup("file").unwrap().write_at(0, b"other").unwrap();
        system.sync().unwrap();
        copy.flushes.load(SeqCst) - before
    };
    root.unlink("gone").unwrap();
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        gate.set(Access::Write(block as u32), 0);
        scope.spawn(|| file.write_at(0, b"other").unwrap());
        gate.wait();
        for _ in 0..2 {
            let (sender, gate, system) = (sender.clone(), &gate, &system);
            scope.spawn(move || sender.send((system.sync(), gate.dirty.load(SeqCst))));
        }
        // Both wait for the writer then. If one is late, it makes a commit of its own.
        thread::sleep(Duration::from_millis(200));
        gate.set_next(Access::Flush, flushes - 1);
        gate.wait();
        // Nobody returns before that flush, unless he has made one himself.
        let early = receiver.recv_timeout(Duration::from_millis(200)).ok();
        gate.open();
        let late = std::iter::from_fn(|| receiver.recv_timeout(PATIENCE).ok());
        let results = early.into_iter().chain(late).take(2);
        assert!(results.eq([(Ok(()), false), (Ok(()), false)]), "not everything was durable");
    });
    assert_clean(&gate.memory);
}

/// Lets an entry name another inode.
fn patch(memory: &Memory, inode: u32, name: &str, other: u32) {
    let entry = [&inode.to_le_bytes(), name.as_bytes(), &[0]].concat();
    memory.put(position(memory, &entry) as u64, &other.to_le_bytes());
}

/// The place of these bytes in a storage.
fn position(memory: &Memory, bytes: &[u8]) -> usize {
    let mut all = vec![0; memory.capacity() as usize];
    memory.get(0, &mut all);
    all.windows(bytes.len()).position(|window| window == bytes).expect("the bytes")
}

#[test]
fn a_change_waits_for_a_commit_and_is_not_refused() {
    let gate = Gate::new(100);
    let system = gate.mount();
    let root = system.root();
    root.create("one").unwrap();
    thread::scope(|scope| {
        // The second flush is for the inodes.
        gate.set(Access::Flush, 1);
        let sync = scope.spawn(|| system.sync());
        gate.wait();
        let made = scope.spawn(|| root.create("two").map(drop));
        // Time to be refused.
        thread::sleep(Duration::from_millis(100));
        gate.open();
        assert_eq!((sync.join().unwrap(), made.join().unwrap()), (Ok(()), Ok(())));
    });
}
