//! Unit tests of the cache, on a disk in memory.

mod disk;
mod errors;
mod eviction;
mod random;
mod reading;
mod writing;

use alloc::{sync::Arc, vec, vec::Vec};
use core::sync::atomic::{AtomicBool, Ordering};

use ostd::task::{Task, TaskOptions};

use self::disk::{TestDisk, sector_content};
use super::*;
use crate::Operation;

/// A cache of 64 blocks, of which 16 may be dirty.
const SMALL: CacheOptions = CacheOptions { blocks: 64, dirty_blocks: 16 };

/// A disk of so many blocks, and a cache of it.
fn rig(blocks: u64, options: CacheOptions) -> (Arc<TestDisk>, Arc<Cache>) {
    let disk = TestDisk::new(blocks * 8, 512);
    let cache = Arc::new(Cache::new(disk.clone(), options).unwrap());
    (disk, cache)
}

/// The content of a block of a new disk.
fn content(block: u64) -> Vec<u8> {
    (block * 8..block * 8 + 8).flat_map(sector_content).collect()
}

fn read(cache: &Cache, block: u64) -> Result<Vec<u8>, Error> {
    let mut data = vec![0; BLOCK_SIZE];
    cache.read(block, 0, &mut data).map(|()| data)
}

/// Fills a block with one byte.
fn fill(cache: &Cache, block: u64, byte: u8) -> Result<(), Error> {
    cache.write(block, 0, &[byte; BLOCK_SIZE])
}

fn reads(block: u64, blocks: u64) -> disk::Asked {
    (Operation::Read, block * 8, blocks * 8)
}

fn writes(block: u64, blocks: u64) -> disk::Asked {
    (Operation::Write, block * 8, blocks * 8)
}

const FLUSH: disk::Asked = (Operation::Flush, 0, 0);

/// A task of a test.
struct Job<R> {
    result: Arc<SpinLock<Option<R>>>,
    ended: Arc<AtomicBool>,
}

fn start<R: Send + 'static>(run: impl FnOnce() -> R + Send + 'static) -> Job<R> {
    let job = Job { result: Arc::new(SpinLock::new(None)), ended: Arc::default() };
    let (result, ended) = (job.result.clone(), job.ended.clone());
    let run = move || {
        let value = run();
        *result.lock() = Some(value);
        ended.store(true, Ordering::Release);
    };
    TaskOptions::new(run).spawn().unwrap();
    job
}

impl<R> Job<R> {
    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Lets others run for a while; the task must not end by that.
    fn must_wait(&self) {
        let_others_run();
        assert!(!self.has_ended());
    }

    fn end(self) -> R {
        until(|| self.has_ended());
        self.result.lock().take().unwrap()
    }
}

/// Lets the other tasks run until nothing but the disk can get them on.
fn let_others_run() {
    (0..200).for_each(|_| Task::yield_now());
}

fn until(reached: impl Fn() -> bool) {
    while !reached() {
        Task::yield_now();
    }
}
