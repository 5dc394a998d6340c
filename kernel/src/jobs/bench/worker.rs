//! One task's share of the load: keeps so many requests in flight, and times each of them.

use alloc::{collections::VecDeque, sync::Arc, vec, vec::Vec};

use block::{
    BlockDevice, Buffer, Completion, CompletionQueue, Error, IfFull, Operation, Patience, Reaper,
    Request, SECTOR_SIZE,
};
use fastrand::Rng;

use super::histogram::Histogram;
use crate::progress;

/// The load to put on the disk.
#[derive(Clone)]
pub struct Load {
    pub write: bool,
    pub random: bool,
    /// Bytes of a request.
    pub block: usize,
    /// Requests in flight.
    pub depth: usize,
    pub api: Api,
    /// The way to wait, with [`Api::Queue`].
    pub patience: Patience,
    pub amount: Amount,
}

/// The calls that the load is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// Requests that are submitted, and completions that are taken.
    Queue,
    /// `read_block` and `write_block`, one after the other.
    Blocking,
}

/// The amount of work after which to stop.
#[derive(Clone, Copy)]
pub enum Amount {
    Requests(u64),
    Seconds(u64),
}

impl Amount {
    /// The number of requests and the time after which to stop, in ticks, for a run that begins at `start`.
    fn limits(self, start: u64) -> (u64, u64) {
        match self {
            Self::Requests(count) => (count, u64::MAX),
            Self::Seconds(seconds) => {
                (u64::MAX, start.saturating_add(seconds.saturating_mul(ostd::arch::tsc_freq())))
            }
        }
    }
}

/// The outcome of a run.
pub struct Measured {
    pub requests: u64,
    /// From the first submission to the last completion, in ticks of the machine's timer.
    pub ticks: u64,
    /// In ticks.
    pub latency: Histogram,
}

impl Measured {
    /// The start of a sum.
    pub fn nothing() -> Self {
        Self { requests: 0, ticks: 0, latency: Histogram::new() }
    }

    /// Adds what another task did at the same time.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.ticks = self.ticks.max(other.ticks);
        self.latency.add(&other.latency);
    }
}

impl Load {
    /// A tenth of it, and not more than is needed to fill every cache.
    pub fn warm_up(&self) -> Self {
        let amount = match self.amount {
            Amount::Requests(count) => {
                Amount::Requests((count / 10).clamp(self.depth as u64, 2000))
            }
            Amount::Seconds(_) => Amount::Requests(2000),
        };
        Self { amount, ..self.clone() }
    }

    /// Runs the load in the current task. `seed` chooses the places.
    ///
    /// In the steady state it allocates nothing: requests and buffers go round.
    ///
    /// # Errors
    ///
    /// The first error of any request ends it.
    pub fn run(&self, disk: &Arc<dyn BlockDevice>, seed: u64) -> Result<Measured, Error> {
        let places = Places::new(self, disk.info().geometry.capacity, seed)?;
        match self.api {
            Api::Queue => self.run_queue(disk, places),
            Api::Blocking => self.run_blocking(&**disk, places),
        }
    }

    fn run_blocking(&self, disk: &dyn BlockDevice, mut places: Places) -> Result<Measured, Error> {
        let mut data = vec![0; self.block];
        let mut measured = Measured::nothing();
        let start = ostd::arch::read_tsc();
        let (count, end) = self.amount.limits(start);
        let mut now = start;
        while measured.requests < count && now < end {
            let sector = places.next();
            match self.write {
                true => disk.write_block(sector, &data)?,
                false => disk.read_block(sector, &mut data)?,
            }
            progress::made();
            let before = core::mem::replace(&mut now, ostd::arch::read_tsc());
            measured.latency.record(now - before);
            measured.requests += 1;
        }
        measured.ticks = now - start;
        Ok(measured)
    }

    fn run_queue(
        &self,
        disk: &Arc<dyn BlockDevice>,
        mut places: Places,
    ) -> Result<Measured, Error> {
        let operation = if self.write { Operation::Write } else { Operation::Read };
        let mut idle = VecDeque::with_capacity(self.depth);
        for tag in 0..self.depth as u64 {
            let buffer = Buffer::alloc(self.block)?;
            let mut request = Request::new(operation, 0, vec![buffer]);
            request.tag = tag;
            idle.push_back(request);
        }
        let done = CompletionQueue::new(self.depth);
        let reaper = Reaper::new(&done, &**disk).with_patience(self.patience);
        let mut submitted_at: Vec<u64> = vec![0; self.depth];
        let mut answers = VecDeque::with_capacity(self.depth + 1);
        let mut measured = Measured::nothing();
        let mut submitted = 0u64;
        let start = ostd::arch::read_tsc();
        let (count, end) = self.amount.limits(start);
        let mut now = start;
        loop {
            // Everything that came back goes out again, with one notification.
            let more = if now < end { count - submitted } else { 0 };
            idle.truncate(usize::try_from(more).unwrap_or(usize::MAX));
            for request in &mut idle {
                request.sector = places.next();
                if let Some(at) = submitted_at.get_mut(request.tag as usize) {
                    *at = now;
                }
            }
            submitted += disk.submit_batch(&mut idle, &done)? as u64;
            if done.open() == 0 {
                // Others have filled the queue, and nothing of this task's is on its way.
                let Some(request) = idle.pop_front() else { break };
                disk.submit(request, &done, IfFull::Wait)?;
                submitted += 1;
            }
            let Some(first) = reaper.next() else { break };
            progress::made();
            now = ostd::arch::read_tsc();
            if done.open() > 0 {
                done.take_all(&mut answers);
            }
            let mut answer = Some(first);
            while let Some(Completion { tag, request, result }) = answer {
                result?;
                let since = submitted_at.get(tag as usize).copied().unwrap_or(now);
                measured.latency.record(now - since);
                measured.requests += 1;
                if let Some(request) = request {
                    idle.push_back(request);
                }
                answer = answers.pop_front();
            }
        }
        measured.ticks = ostd::arch::read_tsc() - start;
        Ok(measured)
    }
}

/// The places on the disk to which the requests go.
struct Places {
    random: Option<Rng>,
    /// In requests.
    next: u64,
    count: u64,
    sectors: u64,
}

impl Places {
    fn new(load: &Load, capacity: u64, seed: u64) -> Result<Self, Error> {
        let sectors = (load.block / SECTOR_SIZE) as u64;
        let count = capacity / sectors.max(1);
        if !load.block.is_multiple_of(SECTOR_SIZE) {
            return Err(Error::Misaligned { block_size: SECTOR_SIZE as u32 });
        }
        if count == 0 {
            return Err(Error::OutOfRange { sector: 0, sectors, capacity });
        }
        let random = load.random.then(|| Rng::with_seed(seed));
        Ok(Self { random, next: 0, count, sectors })
    }

    fn next(&mut self) -> u64 {
        let place = match &mut self.random {
            Some(random) => random.u64(0..self.count),
            None => {
                let place = self.next;
                self.next = (place + 1) % self.count;
                place
            }
        };
        place * self.sectors
    }
}
