//! The device: takes requests from the queue, and answers them honestly or otherwise.

pub mod cache;
pub mod config;
pub mod disk;
mod lies;
mod plan;
pub mod request;
pub mod used;

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use vhost_user_backend::{VringRwLock, VringT};
use virtio_queue::QueueT;
use vm_memory::{
    Bytes, GuestAddressSpace, GuestMemoryAtomic, GuestMemoryError, GuestMemoryLoadGuard,
    GuestMemoryMmap,
};

pub use self::plan::{Schedule, Told};
use self::{
    cache::Cache,
    config::Config,
    disk::{Answer, Disk},
    plan::Plan,
    request::{Kind, Request},
    used::UsedRing,
};
use crate::{
    mode::{Lie, Mode},
    session::Served,
    wire::Wire,
};

type Memory = GuestMemoryLoadGuard<GuestMemoryMmap>;

/// More complaints than this say nothing new.
const MOST_COMPLAINTS: usize = 100;

/// The device's account of a run, for the judge.
#[derive(Clone, Debug, Default)]
pub struct Diary {
    /// The number of times that the driver set the queue up.
    pub starts: u64,
    /// The requests taken from the queue.
    pub taken: u64,
    /// Those that were answered honestly.
    pub answered: u64,
    /// Those that were answered honestly after the last lie.
    pub answered_since: u64,
    /// The lies told.
    pub lies: u64,
    /// Those of a script.
    pub told: Vec<Told>,
    /// The requests that read sectors.
    pub reads: u64,
    /// The most requests in flight when a lie was told.
    pub in_flight: u64,
    /// The features that the driver acknowledged, as far as QEMU passes them on.
    pub acknowledged: u64,
    /// The sectors that have lost their last write, if the disk has a cache.
    pub undone: u64,
    /// Acts of the driver that no correct driver does, in words; the first hundred.
    pub complaints: Vec<String>,
}

/// The device's state. [`super::session`] calls it from the library's threads, one at a time.
pub struct Device {
    plan: Plan,
    /// Also used by threads that change it while the driver reads it.
    config: Arc<Mutex<Config>>,
    disk: Disk,
    memory: GuestMemoryAtomic<GuestMemoryMmap>,
    wire: Wire,
    /// The running queue.
    ring: Option<UsedRing>,
    /// Taken from the queue and not answered.
    pending: VecDeque<Request>,
    /// Takes requests and does nothing with them until it is reset.
    mute: bool,
    /// Never interrupts until it is reset.
    quiet: bool,
    /// Interrupts always, as it has destroyed what the driver said about that.
    eager: bool,
    /// The value that the device itself wrote over the available index.
    scribbled: Option<u16>,
    /// The requests taken when the last lie was told.
    taken_at_lie: u64,
    diary: Diary,
    threads: Vec<JoinHandle<()>>,
    ended: Arc<AtomicBool>,
}

impl Served for Device {
    type Account = Diary;

    fn config(&self) -> Arc<Mutex<Config>> {
        self.config.clone()
    }

    fn acknowledged(&mut self, features: u64) {
        self.diary.acknowledged |= features;
    }

    fn complain(&mut self, complaint: &str) {
        if self.diary.complaints.len() < MOST_COMPLAINTS {
            self.diary.complaints.push(complaint.into());
        }
    }

    fn stop(&mut self) {
        self.ring = None;
        self.pending.clear();
        (self.mute, self.quiet, self.eager) = (false, false, false);
        self.scribbled = None;
    }

    fn finish(&mut self) -> (Diary, Vec<u8>) {
        self.ended.store(true, Ordering::Relaxed);
        for thread in mem::take(&mut self.threads) {
            if thread.join().is_err() {
                self.complain("a thread of the device panicked");
            }
        }
        let (bytes, undone) = self.disk.cut();
        self.diary.undone = undone;
        (self.diary.clone(), bytes)
    }

    fn work(&mut self, vring: &VringRwLock) {
        let memory = self.memory.memory();
        if let Err(error) = self.try_work(vring, &memory) {
            self.complain(&format!("the driver's memory cannot be reached: {error}"));
        }
    }
}

impl Device {
    /// A device that has not met its driver.
    pub fn new(
        mode: Mode,
        schedule: Schedule,
        memory: GuestMemoryAtomic<GuestMemoryMmap>,
        wire: Wire,
    ) -> Self {
        let mut config = Config::honest();
        (mode.config)(&mut config);
        let disk = Disk::new(config::SECTORS, config.serial);
        let mut device = Self::make(Plan::Mode(mode, schedule), config, disk, memory, wire);
        if mode.lie == Lie::EarlyInterrupts {
            device.wire.interrupt_early();
            device.diary.lies = 1;
        }
        device
    }

    /// A device with these contents that lies about reads, by their number; the first is number 0.
    pub fn scripted(
        script: BTreeMap<u64, Lie>,
        config: Config,
        bytes: Vec<u8>,
        memory: GuestMemoryAtomic<GuestMemoryMmap>,
        wire: Wire,
    ) -> Self {
        let disk = Disk::with(bytes, config.serial);
        Self::make(Plan::Script(script), config, disk, memory, wire)
    }

    /// An honest device with these contents and a cache, which is lost with the power at the end of the session.
    pub fn volatile(
        cache: Cache,
        config: Config,
        bytes: Vec<u8>,
        memory: GuestMemoryAtomic<GuestMemoryMmap>,
        wire: Wire,
    ) -> Self {
        let disk = Disk::volatile(bytes, config.serial, cache);
        Self::make(Plan::Script(BTreeMap::new()), config, disk, memory, wire)
    }

    fn make(
        plan: Plan,
        config: Config,
        disk: Disk,
        memory: GuestMemoryAtomic<GuestMemoryMmap>,
        wire: Wire,
    ) -> Self {
        Self {
            disk,
            plan,
            config: Arc::new(Mutex::new(config)),
            memory,
            wire,
            ring: None,
            pending: VecDeque::new(),
            mute: false,
            quiet: false,
            eager: false,
            scribbled: None,
            taken_at_lie: 0,
            diary: Diary::default(),
            threads: Vec::new(),
            ended: Arc::default(),
        }
    }

    fn try_work(&mut self, vring: &VringRwLock, memory: &Memory) -> Result<(), GuestMemoryError> {
        if self.ring.is_none() {
            let state = vring.get_ref();
            if !state.get_queue().ready() {
                return Ok(());
            }
            self.ring = Some(UsedRing::of(state.get_queue()));
            self.diary.starts += 1;
            if let Some(told) = self.diary.told.last_mut() {
                told.reset |= self.diary.taken == self.taken_at_lie;
            }
        }
        loop {
            let fetched = self.fetch(vring, memory);
            while let Some(request) = self.pending.pop_front() {
                if self.mute {
                    continue;
                }
                // The request at hand has been counted.
                let number = self.diary.taken - 1 - self.pending.len() as u64;
                let lie = self.plan.lie_about(&request, number, &self.diary);
                self.diary.reads += u64::from(request.kind == Kind::Read);
                if let Some(lie) = lie {
                    self.diary.lies += 1;
                    self.diary.answered_since = 0;
                    self.taken_at_lie = self.diary.taken;
                    self.tell(lie, request, vring, memory)?;
                } else {
                    let answer = self.disk.execute(&request);
                    self.deliver(&request, &answer, memory)?;
                    self.diary.answered += 1;
                    self.diary.answered_since += 1;
                }
            }
            self.interrupt_if_wanted(vring, memory)?;
            // Asks for the next notification, and looks once more for what came before that.
            let more = vring.enable_notification().unwrap_or(false);
            if !more || fetched == 0 {
                return Ok(());
            }
        }
    }

    /// Takes all requests that are available from the queue; returns their number.
    fn fetch(&mut self, vring: &VringRwLock, memory: &Memory) -> usize {
        let mut fetched = 0;
        loop {
            let mut state = vring.get_mut();
            let queue = state.get_queue_mut();
            if self.scribbled.is_some() {
                let index = queue.avail_idx(&**memory, Ordering::Acquire).map(|index| index.0);
                if index.ok() == self.scribbled {
                    // The driver has not written it since.
                    return fetched;
                }
                self.scribbled = None;
            }
            let Some(chain) = queue.pop_descriptor_chain(memory.clone()) else { return fetched };
            drop(state);
            fetched += 1;
            match Request::read(chain) {
                Ok(mut request) => {
                    let ring = self.ring.as_ref();
                    request.table =
                        ring.and_then(|ring| ring.table(memory, request.head).ok()).flatten();
                    self.diary.taken += 1;
                    self.pending.push_back(request);
                }
                Err(complaint) => self.complain(&complaint.to_string()),
            }
        }
    }

    /// Waits until the driver has nothing more to send without an answer, so that a lie is told at a moment
    /// of which everything is known. The request at hand is not among the pending ones.
    fn gather(&mut self, vring: &VringRwLock, memory: &Memory) {
        let mut rounds_without = 0;
        // Requests that conflict wait for each other: then there are fewer, and patience tells.
        while rounds_without < 20 && self.pending.len() as u64 + 1 < self.plan.depth() {
            thread::sleep(Duration::from_millis(3));
            rounds_without = if self.fetch(vring, memory) == 0 { rounds_without + 1 } else { 0 };
        }
        self.diary.in_flight = self.diary.in_flight.max(self.pending.len() as u64 + 1);
    }

    /// Writes an answer and an entry for it, and shows it to the driver.
    fn deliver(
        &mut self,
        request: &Request,
        answer: &Answer,
        memory: &Memory,
    ) -> Result<(), GuestMemoryError> {
        self.write(request, answer, memory)?;
        if let Some(ring) = &mut self.ring {
            ring.put(memory, answer.id, answer.written)?;
            ring.publish(memory)?;
        }
        Ok(())
    }

    /// Writes data and status of an answer, which the driver is not told.
    fn write(
        &self,
        request: &Request,
        answer: &Answer,
        memory: &Memory,
    ) -> Result<(), GuestMemoryError> {
        let mut data = &answer.data[..];
        for span in request.data_room() {
            let (piece, rest) = data.split_at(data.len().min(span.length as usize));
            memory.write_slice(piece, span.address)?;
            data = rest;
        }
        match answer.status {
            Some(status) => memory.write_obj(status, request.status()),
            None => Ok(()),
        }
    }

    fn interrupt_if_wanted(
        &mut self,
        vring: &VringRwLock,
        memory: &Memory,
    ) -> Result<(), GuestMemoryError> {
        let Some(ring) = &mut self.ring else { return Ok(()) };
        let wanted = ring.wants_interrupt(memory)? || self.eager;
        if wanted && !self.quiet && !self.mute {
            interrupt(vring);
        }
        Ok(())
    }
}

/// Interrupts the driver, whether it wants that or not.
fn interrupt(vring: &VringRwLock) {
    // Without a queue there is no one to interrupt.
    let _ = vring.signal_used_queue();
}

/// Locks what a thread that panicked may have held: there is nothing in it that could be half done.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_have_an_end() {
        let (memory, wire) = (GuestMemoryAtomic::new(GuestMemoryMmap::new()), Wire::default());
        let config = Config::honest();
        let mut device = Device::scripted(BTreeMap::new(), config, Vec::new(), memory, wire);
        (0..2 * MOST_COMPLAINTS).for_each(|_| device.complain("nonsense"));
        assert_eq!(device.finish().0.complaints.len(), MOST_COMPLAINTS);
    }
}
