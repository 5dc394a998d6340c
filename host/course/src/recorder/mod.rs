//! A disk that keeps a record of every chain that it is given: the grader's witness.
//!
//! It runs outside of the virtual machine, so nothing that the kernel prints or believes changes what it
//! writes down. It is honest, and does what QEMU's own disk does with a request that makes no sense: it fails
//! it where there is room for a status.

mod answer;
mod manner;
mod recording;

use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Mutex, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use hostile::{
    device::{config::Config, request::Span, used::UsedRing},
    session::Served,
    wire::Wire,
};
use vhost_user_backend::{VringRwLock, VringT};
use virtio_queue::QueueT;
use vm_memory::{
    Address, Bytes, GuestAddressSpace, GuestMemoryAtomic, GuestMemoryError, GuestMemoryMmap,
};

pub use self::{
    manner::Manner,
    recording::{Recording, Unwished},
};
use crate::request::{Kind, Request, Segment};

/// The bytes of a request header.
const HEADER: usize = 16;
/// A run with more requests is not recorded to its end.
const MOST_RECORDED: usize = 50_000;
/// The most bytes of data that are recorded, and the most that may wait.
const MOST_KEPT: usize = 64 << 20;
/// The most bytes that a request may make the device read.
const MOST_READ: usize = 16 << 20;
/// An eager disk looks for the next request for so long.
const LOOKS_FOR: Duration = Duration::from_millis(20);

/// The disk.
pub struct Recorder {
    manner: Manner,
    config: Arc<Mutex<Config>>,
    bytes: Vec<u8>,
    memory: GuestMemoryAtomic<GuestMemoryMmap>,
    wire: Wire,
    ring: Option<UsedRing>,
    /// The queue that runs, to look at when the machine has ended.
    vring: Option<VringRwLock>,
    waiting: VecDeque<Waiting>,
    /// The bytes of data that were to be recorded, so far.
    kept: usize,
    /// The requests that were to move data, so far.
    moves: u64,
    /// The time of the last request.
    last: Instant,
    recording: Recording,
}

/// A request that has not been answered.
struct Waiting {
    head: u16,
    /// Its place among the recorded ones.
    place: Option<usize>,
    kind: Kind,
    sector: u64,
    data: Vec<u8>,
    room: Vec<Span>,
}

impl Recorder {
    /// A disk with these contents that has not met its driver.
    pub fn new(
        manner: Manner,
        bytes: Vec<u8>,
        memory: GuestMemoryAtomic<GuestMemoryMmap>,
        wire: Wire,
    ) -> Self {
        let config = Arc::new(Mutex::new(manner.config.clone()));
        Self {
            manner,
            config,
            bytes,
            memory,
            wire,
            ring: None,
            vring: None,
            waiting: VecDeque::new(),
            kept: 0,
            moves: 0,
            last: Instant::now(),
            recording: Recording::default(),
        }
    }

    fn try_work(
        &mut self,
        vring: &VringRwLock,
        memory: &GuestMemoryMmap,
    ) -> Result<(), GuestMemoryError> {
        if self.ring.is_none() {
            let state = vring.get_ref();
            if !state.get_queue().ready() {
                return Ok(());
            }
            self.ring = Some(UsedRing::of(state.get_queue()));
            self.vring = Some(vring.clone());
            self.recording.starts += 1;
        }
        if !self.manner.late.is_zero() {
            thread::sleep(self.manner.late);
        }
        let (mut seen_last, mut told_in_vain) = (Instant::now(), false);
        loop {
            let mut fetched = self.fetch(vring, memory);
            fetched += self.gather(vring, memory);
            if fetched > 0 {
                seen_last = Instant::now();
            }
            while let Some(request) = self.next() {
                if !self.manner.delay.is_zero() {
                    thread::sleep(self.manner.delay);
                }
                self.answer(&request, vring, memory)?;
                fetched += self.fetch(vring, memory);
            }
            if self.manner.eager && seen_last.elapsed() < LOOKS_FOR {
                std::hint::spin_loop();
                continue;
            }
            // What came since the last look is not notified. A ring that announces what is not there is left
            // alone when that has been tried once.
            let more = vring.enable_notification().unwrap_or(false);
            if !more || fetched == 0 && told_in_vain {
                return Ok(());
            }
            told_in_vain = fetched == 0;
        }
    }

    fn next(&mut self) -> Option<Waiting> {
        if self.manner.reverse { self.waiting.pop_back() } else { self.waiting.pop_front() }
    }

    /// Waits for more requests, as the manner asks; gives up when none has come for a while.
    fn gather(&mut self, vring: &VringRwLock, memory: &GuestMemoryMmap) -> usize {
        let (mut fetched, mut rounds_without) = (0, 0);
        while !self.waiting.is_empty()
            && self.waiting.len() < self.manner.gather
            && rounds_without < 20
        {
            thread::sleep(Duration::from_millis(2));
            match self.fetch(vring, memory) {
                0 => rounds_without += 1,
                more => (fetched, rounds_without) = (fetched + more, 0),
            }
        }
        fetched
    }

    /// Takes all chains that are available; returns their number.
    fn fetch(&mut self, vring: &VringRwLock, memory: &GuestMemoryMmap) -> usize {
        let mut fetched = 0;
        loop {
            let mut state = vring.get_mut();
            let Some(chain) = state.get_queue_mut().pop_descriptor_chain(memory) else {
                return fetched;
            };
            drop(state);
            fetched += 1;
            let head = chain.head_index();
            let mut segments = Vec::new();
            let (mut bytes, mut room) = (Vec::new(), Vec::new());
            let waiting: usize = self.waiting.iter().map(|waiting| waiting.data.len()).sum();
            let most = MOST_READ.min(MOST_KEPT.saturating_sub(waiting));
            for descriptor in chain {
                let (address, length) = (descriptor.addr(), descriptor.len());
                let device_writes = descriptor.is_write_only();
                segments.push(Segment { device_writes, length, address: address.raw_value() });
                if device_writes {
                    room.push(Span { address, length });
                    continue;
                }
                let start = bytes.len();
                if start + length as usize > most {
                    self.complain(&format!("chain {head} has more to read than {most} bytes"));
                    continue;
                }
                bytes.resize(start + length as usize, 0);
                if let Err(error) = memory.read_slice(&mut bytes[start..], address) {
                    self.complain(&format!("chain {head} leaves the memory: {error}"));
                }
            }
            self.record(head, segments, bytes, room);
        }
    }

    fn record(&mut self, head: u16, segments: Vec<Segment>, mut bytes: Vec<u8>, room: Vec<Span>) {
        let data = bytes.split_off(bytes.len().min(HEADER));
        let word = |from: usize, count: usize| {
            let bytes = bytes.get(from..from + count)?;
            Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
        };
        // A header that is too short names no type.
        let kind = word(0, 4).map_or(Kind::None, |number| Kind::of(number as u32));
        let sector = word(8, 8).unwrap_or(0);
        let place = self.recording.requests.len();
        let recorded = place < MOST_RECORDED;
        if recorded {
            let kept_before = self.kept;
            self.kept += data.len();
            let fits = self.kept <= MOST_KEPT;
            if !fits && kept_before <= MOST_KEPT {
                self.complain(&format!(
                    "there are more than {MOST_KEPT} bytes of data: the rest is not recorded"
                ));
            }
            self.recording.requests.push(Request {
                head,
                kind,
                sector,
                segments,
                data: if fits { data.clone() } else { Vec::new() },
                status: None,
                others: self.waiting.iter().filter_map(|waiting| waiting.place).collect(),
                interrupts: false,
            });
        }
        self.last = Instant::now();
        let place = recorded.then_some(place);
        self.waiting.push_back(Waiting { head, place, kind, sector, data, room });
        self.recording.most_waiting = self.recording.most_waiting.max(self.waiting.len());
    }
}

impl Served for Recorder {
    type Account = Recording;

    fn config(&self) -> Arc<Mutex<Config>> {
        self.config.clone()
    }

    fn acknowledged(&mut self, features: u64) {
        self.recording.acknowledged |= features;
    }

    fn complain(&mut self, complaint: &str) {
        if self.recording.complaints.len() < 100 {
            self.recording.complaints.push(complaint.into());
        }
    }

    fn work(&mut self, vring: &VringRwLock) {
        self.recording.notifications += 1;
        let memory = self.memory.memory();
        if let Err(error) = self.try_work(vring, &memory) {
            self.complain(&format!("the driver's memory cannot be reached: {error}"));
        }
    }

    fn stop(&mut self) {
        self.look_at_the_rest();
        self.ring = None;
        self.vring = None;
        self.waiting.clear();
    }

    fn finish(&mut self) -> (Recording, Vec<u8>) {
        self.look_at_the_rest();
        self.recording.idle = self.last.elapsed();
        (mem::take(&mut self.recording), mem::take(&mut self.bytes))
    }
}

impl Recorder {
    /// Counts the chains that were made available and never fetched.
    fn look_at_the_rest(&mut self) {
        let (Some(vring), memory) = (&self.vring, self.memory.memory()) else { return };
        let state = vring.get_ref();
        let queue = state.get_queue();
        let ring = self.ring.as_ref().filter(|_| self.waiting.is_empty());
        let wished = ring.map(|ring| ring.is_interrupt_wished(&memory));
        self.recording.still_wished = matches!(wished, Some(Ok(true)));
        if let Ok(available) = queue.avail_idx(&*memory, Ordering::Acquire) {
            let unseen = available.0.wrapping_sub(queue.next_avail());
            self.recording.unseen = self.recording.unseen.max(unseen);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_has_a_limit() {
        let manner = Manner::prompt(Config::honest());
        let memory = GuestMemoryAtomic::new(GuestMemoryMmap::new());
        let mut disk = Recorder::new(manner, Vec::new(), memory, Wire::default());
        let fits = MOST_KEPT / MOST_READ;
        for _ in 0..fits + 3 {
            disk.record(0, Vec::new(), vec![0; HEADER + MOST_READ], Vec::new());
            disk.waiting.clear();
        }
        let lengths = disk.recording.requests.iter().map(|request| request.data.len());
        let expected = (0..fits + 3).map(|number| if number < fits { MOST_READ } else { 0 });
        assert!(lengths.eq(expected));
        assert_eq!(disk.recording.complaints.len(), 1);
    }
}
