//! A disk in memory for these tests: writes down what it is asked, holds answers back, and fails when told to.

use alloc::{boxed::Box, collections::VecDeque, string::String, sync::Arc, vec, vec::Vec};
use core::ops::Range;

use ostd::{sync::SpinLock, task::Task};

use crate::{
    BlockDevice, Completion, CompletionQueue, DiskInfo, Error, Geometry, IfFull, Operation,
    Rejected, Request, SECTOR_SIZE,
};

/// A request to the disk: an operation, its first sector, and the number of sectors.
pub type Asked = (Operation, u64, u64);

pub struct TestDisk {
    geometry: Geometry,
    inner: SpinLock<Inner>,
}

struct Inner {
    /// The content for reads, and the one that is left after a power cut.
    data: Vec<u8>,
    durable: Vec<u8>,
    asked: Vec<Asked>,
    /// The buffers of each of these requests.
    pieces: Vec<usize>,
    holds: bool,
    held: VecDeque<(Box<Request>, Arc<CompletionQueue>)>,
    broken: Vec<(Operation, Range<u64>)>,
    keeps_failed: bool,
    error: Error,
    /// The requests that may wait for their answer.
    room: usize,
}

impl TestDisk {
    /// A disk of so many sectors, with blocks of `block_size` bytes. Each sector has its own content.
    pub fn new(sectors: u64, block_size: u32) -> Arc<Self> {
        let data: Vec<u8> = (0..sectors).flat_map(sector_content).collect();
        let geometry = Geometry {
            capacity: sectors,
            block_size,
            read_only: false,
            discard: false,
            write_zeroes: false,
        };
        let inner = Inner {
            durable: data.clone(),
            data,
            asked: vec![],
            pieces: vec![],
            holds: false,
            held: VecDeque::new(),
            broken: vec![],
            keeps_failed: false,
            error: Error::Io,
            room: usize::MAX,
        };
        Arc::new(Self { geometry, inner: SpinLock::new(inner) })
    }

    pub fn read_only(sectors: u64) -> Arc<Self> {
        let disk = Arc::into_inner(Self::new(sectors, 512)).unwrap();
        Arc::new(Self { geometry: Geometry { read_only: true, ..disk.geometry }, ..disk })
    }

    /// Everything that was asked since the last call.
    pub fn asked(&self) -> Vec<Asked> {
        self.inner.lock().pieces.clear();
        core::mem::take(&mut self.inner.lock().asked)
    }

    /// The number of buffers in each of the requests since then.
    pub fn pieces(&self) -> Vec<usize> {
        self.inner.lock().pieces.clone()
    }

    /// The number of requests that wait for their answer.
    pub fn waiting_requests(&self) -> usize {
        self.inner.lock().held.len()
    }

    /// Answers nothing from now on.
    pub fn hold(&self) {
        self.inner.lock().holds = true;
    }

    /// Answers everything, now and from now on.
    pub fn release(&self) {
        self.inner.lock().holds = false;
        while self.release_one(0) {}
    }

    /// Answers one of the requests that wait; `false` if there is none.
    pub fn release_one(&self, number: usize) -> bool {
        let held = {
            let mut inner = self.inner.lock();
            let count = inner.held.len().max(1);
            inner.held.remove(number % count)
        };
        let Some((request, done)) = held else { return false };
        self.answer(request, &done);
        true
    }

    /// Fails these requests if they touch one of the sectors; a flush always does.
    pub fn break_sectors(&self, operation: Operation, sectors: Range<u64>) {
        self.inner.lock().broken.push((operation, sectors));
    }

    /// Fails with this from now on.
    pub fn fail_with(&self, error: Error) {
        self.inner.lock().error = error;
    }

    /// Takes no more requests than this that wait for their answer.
    pub fn limit_room(&self, requests: usize) {
        self.inner.lock().room = requests;
    }

    /// Fails nothing any more.
    pub fn heal(&self) {
        let mut inner = self.inner.lock();
        inner.broken.clear();
        inner.keeps_failed = false;
    }

    /// Does not give requests back that fail, as a device that cannot be stopped.
    pub fn keep_failed(&self) {
        self.inner.lock().keeps_failed = true;
    }

    pub fn on_disk(&self, byte: usize, len: usize) -> Vec<u8> {
        self.inner.lock().data[byte..byte + len].to_vec()
    }

    pub fn durable(&self, byte: usize, len: usize) -> Vec<u8> {
        self.inner.lock().durable[byte..byte + len].to_vec()
    }

    fn answer(&self, request: Box<Request>, done: &CompletionQueue) {
        let mut inner = self.inner.lock();
        let result = inner.serve(&request);
        let lost = result.is_err() && inner.keeps_failed;
        drop(inner);
        let (tag, request) = (request.tag, (!lost).then_some(request));
        done.push(Completion { tag, request, result });
    }
}

impl Inner {
    fn serve(&mut self, request: &Request) -> Result<(), Error> {
        let start = request.sector;
        let end = start + (request.bytes() / SECTOR_SIZE) as u64;
        let breaks = |(operation, sectors): &(Operation, Range<u64>)| {
            *operation == request.operation
                && (*operation == Operation::Flush || start < sectors.end && sectors.start < end)
        };
        if self.broken.iter().any(breaks) {
            return Err(self.error);
        }
        let mut at = start as usize * SECTOR_SIZE;
        for buffer in &request.buffers {
            let part = &mut self.data[at..at + buffer.len()];
            at += buffer.len();
            match request.operation {
                Operation::Read => buffer.write(0, part)?,
                _ => buffer.read(0, part)?,
            }
        }
        if request.operation == Operation::Flush {
            self.durable.clone_from(&self.data);
        }
        Ok(())
    }
}

impl BlockDevice for TestDisk {
    fn info(&self) -> DiskInfo {
        DiskInfo {
            serial: String::new(),
            geometry: self.geometry,
            physical_block_size: self.geometry.block_size,
            writeback: true,
            max_segments: 32,
            max_segment_bytes: None,
            queue_size: 64,
            queues: 1,
        }
    }

    fn submit(
        &self,
        request: Box<Request>,
        done: &Arc<CompletionQueue>,
        if_full: IfFull,
    ) -> Result<(), Rejected> {
        let is_full = || {
            let inner = self.inner.lock();
            inner.held.len() >= inner.room
        };
        while is_full() {
            if if_full == IfFull::Fail {
                return Err(Rejected { error: Error::WouldBlock, request });
            }
            Task::yield_now();
        }
        let ready = request.check(&self.geometry).and_then(|bytes| Ok((bytes, done.reserve()?)));
        let bytes = match ready {
            Ok((bytes, ())) => bytes,
            Err(error) => return Err(Rejected { error, request }),
        };
        let mut inner = self.inner.lock();
        inner.asked.push((request.operation, request.sector, bytes / SECTOR_SIZE as u64));
        inner.pieces.push(request.buffers.len());
        if inner.holds {
            inner.held.push_back((request, done.clone()));
        } else {
            drop(inner);
            self.answer(request, done);
        }
        Ok(())
    }
}

/// The content of a sector of a new disk.
pub fn sector_content(sector: u64) -> [u8; SECTOR_SIZE] {
    core::array::from_fn(|byte| {
        (sector as u8).wrapping_mul(31).wrapping_add(byte as u8) ^ (sector >> 8) as u8
    })
}
