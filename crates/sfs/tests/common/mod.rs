//! A storage in memory that remembers in which order it was written.

#![allow(dead_code)]

use std::{
    collections::HashMap,
    fmt,
    io::Read as _,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use sfs::{
    BLOCK_SIZE, FileSystem, Inode, MountOptions, Report, SECTOR_SIZE, StdLocks, Storage, Time,
};

pub type System<'m> = FileSystem<&'m Memory, StdLocks>;
pub type Node<'m> = Inode<&'m Memory, StdLocks>;

/// The fate of one sector.
#[derive(Clone)]
pub struct SectorWrite {
    pub sector: u64,
    pub data: [u8; SECTOR_SIZE],
}

#[derive(Clone)]
pub enum Event {
    /// Sectors that were written at once.
    Write(Vec<SectorWrite>),
    Flush,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure(pub String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

type Sectors = HashMap<u64, [u8; SECTOR_SIZE]>;

/// Sectors that hold only zeros are not kept.
pub struct Memory {
    capacity: u64,
    sectors: Mutex<Sectors>,
    /// Everything since the storage was made, if it was asked to keep that.
    log: Mutex<Option<Vec<Event>>>,
    pub flushes: AtomicUsize,
    pub reads: AtomicUsize,
    announced: Mutex<Vec<(u32, u32)>>,
    /// The accesses before all others fail.
    left: AtomicUsize,
}

impl Memory {
    pub fn new(capacity: u64) -> Self {
        Self::of(capacity, Sectors::new())
    }

    pub fn of_blocks(blocks: u32) -> Self {
        Self::new(u64::from(blocks) * BLOCK_SIZE as u64)
    }

    fn of(capacity: u64, sectors: Sectors) -> Self {
        Self {
            capacity,
            sectors: Mutex::new(sectors),
            log: Mutex::new(None),
            flushes: AtomicUsize::new(0),
            reads: AtomicUsize::new(0),
            announced: Mutex::new(Vec::new()),
            left: AtomicUsize::new(usize::MAX),
        }
    }

    /// Lets all accesses fail after so many; `usize::MAX` ends that.
    pub fn fail_after(&self, accesses: usize) {
        self.left.store(accesses, Relaxed);
    }

    fn access(&self) -> Result<(), Failure> {
        match self.left.load(Relaxed) {
            usize::MAX => Ok(()),
            0 => Err(Failure("it fails as it was told to".into())),
            left => {
                self.left.store(left - 1, Relaxed);
                Ok(())
            }
        }
    }

    pub fn of_bytes(bytes: &[u8], capacity: u64) -> Self {
        let memory = Self::new(capacity);
        memory.put(0, bytes);
        memory
    }

    /// A formatted one.
    pub fn formatted(blocks: u32) -> Self {
        let memory = Self::of_blocks(blocks);
        sfs::format(&&memory, blocks).unwrap();
        memory
    }

    /// Keeps a log from now on.
    pub fn record(&self) {
        *self.log.lock().unwrap() = Some(Vec::new());
    }

    pub fn log(&self) -> Vec<Event> {
        self.log.lock().unwrap().clone().unwrap()
    }

    /// The blocks that were to be read soon.
    pub fn announced(&self) -> Vec<(u32, u32)> {
        self.announced.lock().unwrap().clone()
    }

    /// A copy without a log.
    pub fn copy(&self) -> Self {
        Self::of(self.capacity, self.sectors.lock().unwrap().clone())
    }

    pub fn apply(&self, write: &SectorWrite) {
        let mut sectors = self.sectors.lock().unwrap();
        if write.data == [0; SECTOR_SIZE] {
            sectors.remove(&write.sector);
        } else {
            sectors.insert(write.sector, write.data);
        }
    }

    pub fn get(&self, at: u64, data: &mut [u8]) {
        let sectors = self.sectors.lock().unwrap();
        let mut done = 0;
        while done < data.len() {
            let position = at + done as u64;
            let within = (position % SECTOR_SIZE as u64) as usize;
            let part = (data.len() - done).min(SECTOR_SIZE - within);
            match sectors.get(&(position / SECTOR_SIZE as u64)) {
                Some(sector) => data[done..][..part].copy_from_slice(&sector[within..][..part]),
                None => data[done..][..part].fill(0),
            }
            done += part;
        }
    }

    pub fn put(&self, at: u64, data: &[u8]) {
        let first = at / SECTOR_SIZE as u64;
        let last = (at + data.len() as u64).div_ceil(SECTOR_SIZE as u64);
        let mut whole = vec![0; (last - first) as usize * SECTOR_SIZE];
        self.get(first * SECTOR_SIZE as u64, &mut whole);
        whole[(at - first * SECTOR_SIZE as u64) as usize..][..data.len()].copy_from_slice(data);
        let (sectors, _) = whole.as_chunks();
        let writes: Vec<_> = (first..)
            .zip(sectors)
            .map(|(sector, data)| SectorWrite { sector, data: *data })
            .collect();
        writes.iter().for_each(|write| self.apply(write));
        if let Some(log) = &mut *self.log.lock().unwrap() {
            log.push(Event::Write(writes));
        }
    }

    fn range(&self, block: u32, offset: usize, length: usize) -> Result<u64, Failure> {
        assert!(offset + length <= BLOCK_SIZE, "an access leaves its block");
        Ok(u64::from(block) * BLOCK_SIZE as u64 + offset as u64)
    }
}

impl Storage for Memory {
    type Error = Failure;

    fn capacity(&self) -> u64 {
        self.capacity
    }

    fn read(&self, block: u32, offset: usize, data: &mut [u8]) -> Result<(), Failure> {
        self.access()?;
        self.reads.fetch_add(1, Relaxed);
        let at = self.range(block, offset, data.len())?;
        assert!(u64::from(block) * (BLOCK_SIZE as u64) < self.capacity, "a read beyond the end");
        self.get(at, data);
        Ok(())
    }

    fn write(&self, block: u32, offset: usize, data: &[u8]) -> Result<(), Failure> {
        self.access()?;
        let at = self.range(block, offset, data.len())?;
        assert!(at + data.len() as u64 <= self.capacity, "a write beyond the end");
        self.put(at, data);
        Ok(())
    }

    fn view(&self, block: u32, look: &mut dyn FnMut(&[u8])) -> Result<(), Failure> {
        let mut data = [0; BLOCK_SIZE];
        self.read(block, 0, &mut data)?;
        look(&data);
        Ok(())
    }

    fn flush(&self) -> Result<(), Failure> {
        self.access()?;
        self.flushes.fetch_add(1, Relaxed);
        if let Some(log) = &mut *self.log.lock().unwrap() {
            log.push(Event::Flush);
        }
        Ok(())
    }

    fn prefetch(&self, first: u32, count: u32) {
        self.announced.lock().unwrap().push((first, count));
    }
}

pub fn options() -> MountOptions {
    MountOptions { read_only: false, now: || Time { seconds: 7, nanoseconds: 8 } }
}

pub fn mount(memory: &Memory) -> System<'_> {
    FileSystem::mount(memory, options()).unwrap()
}

pub fn check(memory: &Memory) -> Report {
    sfs::check(&memory).unwrap()
}

#[track_caller]
pub fn assert_clean(memory: &Memory) {
    let report = check(memory);
    assert!(report.is_clean(), "{:#?}", report.problems);
}

/// Bytes that can be told from those of another number.
pub fn pattern(number: u64, length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(number);
    std::iter::repeat_with(|| random.u8(..)).take(length).collect()
}

pub fn content(node: &Node<'_>) -> Vec<u8> {
    let mut data = vec![0; node.stat().size as usize];
    assert_eq!(node.read_at(0, &mut data).unwrap(), data.len());
    data
}

/// The names in a directory, sorted, without "." and "..".
pub fn names(node: &Node<'_>) -> Vec<String> {
    let mut names: Vec<_> = node.entries().unwrap().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names[..2], [".", ".."]);
    names.drain(..2);
    names.sort();
    names
}

pub fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    std::fs::read(path).unwrap()
}

/// The bytes of one of the reference implementation's images.
pub fn image(name: &str) -> Vec<u8> {
    let packed = fixture(&format!("{name}.img.gz"));
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut bytes).unwrap();
    bytes
}
