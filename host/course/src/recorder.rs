//! A disk that keeps a record of every chain that it is given: the grader's witness.
//!
//! It runs outside of the virtual machine, so nothing that the kernel prints or believes changes what it
//! writes down. It is honest, and does what QEMU's own disk does with a request that makes no sense: it fails
//! it where there is room for a status.

use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use hostile::{
    device::{
        config::{Config, SERIAL_BYTES},
        disk::{IO_ERROR, OK, UNSUPPORTED},
        request::Span,
        used::UsedRing,
    },
    session::Served,
    wire::Wire,
};
use lab::image::SECTOR;
use vhost_user_backend::{VringRwLock, VringT};
use virtio_queue::QueueT;
use vm_memory::{
    Address, Bytes, GuestAddressSpace, GuestMemoryAtomic, GuestMemoryError, GuestMemoryMmap,
};

use crate::request::{Kind, Request, Segment};

/// The bytes of a request header.
const HEADER: usize = 16;
/// A run with more requests is not recorded to its end.
const MOST_RECORDED: usize = 50_000;
/// The most bytes that a request may make the device read.
const MOST_READ: usize = 16 << 20;
/// The longest that a driver may take to ask for an interrupt, on the busiest host.
const WISH_LIMIT: Duration = Duration::from_secs(2);
/// An eager disk looks for the next request for so long.
const LOOKS_FOR: Duration = Duration::from_millis(20);

/// The manner in which the disk answers.
#[derive(Clone, Debug)]
pub struct Manner {
    /// Its description of itself.
    pub config: Config,
    /// It takes so long for each answer.
    pub delay: Duration,
    /// It looks into the queue only so long after it was notified.
    pub late: Duration,
    /// It answers only when so many requests wait, or when no more have come for a while.
    pub gather: usize,
    /// It answers the request that came last first.
    pub reverse: bool,
    /// It fails this request that moves data, counted from 0.
    pub fails: Option<u64>,
    /// It does not tell its serial number, and leaves garbage where that should stand.
    pub nameless: bool,
    /// It moves data only for a driver that has asked for an interrupt, unless that takes too long.
    pub until_wished: bool,
    /// It looks for requests itself, without a notification, and so may answer before it is notified.
    pub eager: bool,
    /// It has this capacity, in sectors, as soon as so many requests have moved data, and tells the driver.
    pub grows: Option<(u64, u64)>,
}

impl Manner {
    /// At once and in order.
    pub fn prompt(config: Config) -> Self {
        Self {
            config,
            delay: Duration::ZERO,
            late: Duration::ZERO,
            gather: 1,
            reverse: false,
            fails: None,
            nameless: false,
            until_wished: false,
            eager: false,
            grows: None,
        }
    }
}

/// Everything that the disk has seen.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// The number of times that the driver set the queue up.
    pub starts: u64,
    /// The notifications that arrived; two that come close together may count as one.
    pub notifications: u64,
    /// The requests, in the order in which they were taken.
    pub requests: Vec<Request>,
    /// The chains that the driver made available and the disk never looked at, for want of a notification.
    pub unseen: u16,
    /// The answers for which the driver had asked to be interrupted.
    pub interrupts: u64,
    /// An answer for which the disk has waited in vain for that.
    pub unwished: Option<Unwished>,
    /// At the end, with nothing on its way, the driver asks for an interrupt for the next answer.
    pub still_wished: bool,
    /// The features that the driver acknowledged, as far as QEMU passes them on.
    pub acknowledged: u64,
    /// The most requests that waited at the same time.
    pub most_waiting: usize,
    /// Chains that are broken, in words.
    pub complaints: Vec<String>,
}

/// The driver did not ask for an interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unwished {
    /// The request that was to be answered, by its place.
    pub place: Option<usize>,
    /// The entry of the used ring that it asked for instead, counted from the next one, as far as it names one.
    pub entry: Option<i16>,
}

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
    /// The requests that were to move data, so far.
    moves: u64,
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
            moves: 0,
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
        let mut seen_last = Instant::now();
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
            let more = vring.enable_notification().unwrap_or(false);
            if !more || fetched == 0 {
                return Ok(());
            }
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
            for descriptor in chain {
                let (address, length) = (descriptor.addr(), descriptor.len());
                let device_writes = descriptor.is_write_only();
                segments.push(Segment { device_writes, length, address: address.raw_value() });
                if device_writes {
                    room.push(Span { address, length });
                    continue;
                }
                let start = bytes.len();
                if start + length as usize > MOST_READ {
                    self.complain(&format!("chain {head} has more than {MOST_READ} bytes to read"));
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
            self.recording.requests.push(Request {
                head,
                kind,
                sector,
                segments,
                data: data.clone(),
                status: None,
                others: self.waiting.iter().filter_map(|waiting| waiting.place).collect(),
                interrupts: false,
            });
        }
        let place = recorded.then_some(place);
        self.waiting.push_back(Waiting { head, place, kind, sector, data, room });
        self.recording.most_waiting = self.recording.most_waiting.max(self.waiting.len());
    }

    /// Carries a request out, writes the answer, and interrupts if the driver wishes that.
    fn answer(
        &mut self,
        request: &Waiting,
        vring: &VringRwLock,
        memory: &GuestMemoryMmap,
    ) -> Result<(), GuestMemoryError> {
        let room: usize = request.room.iter().map(|span| span.length as usize).sum();
        // Without room for a status there is none for anything.
        if let Some(capacity) = room.checked_sub(1) {
            let (status, data) = self.execute(request, capacity);
            let mut bytes = data;
            bytes.resize(capacity, 0);
            bytes.push(status);
            let keeps = status != OK;
            let mut rest = &bytes[..];
            for span in &request.room {
                let (piece, behind) = rest.split_at(rest.len().min(span.length as usize));
                rest = behind;
                match (keeps, behind.is_empty()) {
                    (false, _) => memory.write_slice(piece, span.address)?,
                    // Of a request that failed, only the status is written.
                    (true, _) if self.manner.nameless => memory.write_slice(piece, span.address)?,
                    (true, true) if !piece.is_empty() => {
                        let last = span.address.unchecked_add(piece.len() as u64 - 1);
                        memory.write_obj(status, last)?;
                    }
                    (true, _) => {}
                }
            }
            if let Some(place) = request.place {
                self.recording.requests[place].status = Some(status);
            }
        }
        if matches!(request.kind, Kind::In | Kind::Out) {
            if self.manner.grows.is_some_and(|(moves, _)| self.moves == moves) {
                self.grow();
            }
            if self.manner.until_wished && self.recording.unwished.is_none() {
                self.wait_for_wish(request, memory)?;
            }
        }
        let Some(ring) = &mut self.ring else { return Ok(()) };
        ring.put(memory, request.head.into(), room as u32)?;
        ring.publish(memory)?;
        if ring.wants_interrupt(memory)? {
            self.recording.interrupts += 1;
            if let Some(place) = request.place {
                self.recording.requests[place].interrupts = true;
            }
            // Without a queue there is no one to interrupt.
            let _ = vring.signal_used_queue();
        }
        Ok(())
    }

    /// Waits until the driver has asked for an interrupt for this answer.
    fn wait_for_wish(
        &mut self,
        request: &Waiting,
        memory: &GuestMemoryMmap,
    ) -> Result<(), GuestMemoryError> {
        let Some(ring) = &self.ring else { return Ok(()) };
        let begin = Instant::now();
        while !ring.is_interrupt_wished(memory)? {
            if begin.elapsed() > WISH_LIMIT {
                let (place, entry) = (request.place, ring.wished_entry(memory)?);
                self.recording.unwished = Some(Unwished { place, entry });
                return Ok(());
            }
            thread::sleep(Duration::from_micros(50));
        }
        // Whoever has asked looks once more and goes to sleep.
        thread::sleep(Duration::from_millis(1));
        Ok(())
    }

    /// Takes its later capacity on, and waits until QEMU knows.
    fn grow(&mut self) {
        let Some((_, capacity)) = self.manner.grows else { return };
        let asked = |wire: &Wire| wire.log().iter().filter(|name| *name == "GET_CONFIG").count();
        let before = asked(&self.wire);
        self.config.lock().unwrap_or_else(PoisonError::into_inner).capacity = capacity;
        self.wire.config_changed();
        let begin = Instant::now();
        while asked(&self.wire) == before && begin.elapsed() < WISH_LIMIT {
            thread::sleep(Duration::from_micros(200));
        }
    }

    fn execute(&mut self, request: &Waiting, capacity: usize) -> (u8, Vec<u8>) {
        if matches!(request.kind, Kind::In | Kind::Out) {
            self.moves += 1;
            if self.manner.fails == Some(self.moves - 1) {
                return (IO_ERROR, Vec::new());
            }
        }
        let serial = self.manner.config.serial;
        let bytes = &mut self.bytes;
        let range = |length: usize| {
            let start = usize::try_from(request.sector).ok()?.checked_mul(SECTOR)?;
            let whole = length > 0 && length.is_multiple_of(SECTOR);
            whole.then_some(start..start.checked_add(length)?)
        };
        match request.kind {
            Kind::In => match range(capacity).and_then(|range| bytes.get(range)) {
                Some(sectors) => (OK, sectors.to_vec()),
                None => (IO_ERROR, Vec::new()),
            },
            Kind::Out => match range(request.data.len()).and_then(|range| bytes.get_mut(range)) {
                Some(sectors) => {
                    sectors.copy_from_slice(&request.data);
                    (OK, Vec::new())
                }
                None => (IO_ERROR, Vec::new()),
            },
            Kind::Flush => (OK, Vec::new()),
            Kind::GetId if self.manner.nameless => (UNSUPPORTED, vec![b'?'; capacity]),
            Kind::GetId => (OK, serial[..capacity.min(SERIAL_BYTES)].to_vec()),
            Kind::Other(_) => (UNSUPPORTED, Vec::new()),
            Kind::None => (IO_ERROR, Vec::new()),
        }
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
