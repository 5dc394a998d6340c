//! The block device, VIRTIO 1.3 section 5.2: requests to the disk become descriptor chains.
//!
//! The life of a request has five steps, which [`VirtioBlk::read_block`] and
//! [`VirtioBlk::write_block`] show one after the other:
//!
//! 1. take slices of DMA memory for the request header and the response;
//! 2. link request, data and response to a chain;
//! 3. send the chain, and notify the device if it asks for that;
//! 4. wait until the device has returned the chain;
//! 5. check the response.
//!
//! [`VirtioBlk::submit`] does the first three and returns. The device is looked at, and responses
//! are checked, in [`VirtioBlk::drain`]: by the interrupt handler, or by whoever polls.

mod answers;
mod channel;
mod config;
mod recovery;
mod request;

#[cfg(ktest)]
mod tests;

use alloc::{boxed::Box, collections::VecDeque, string::String, sync::Arc, vec, vec::Vec};
use core::{
    fmt,
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

use ostd::{
    cpu::{CpuId, num_cpus},
    mm::dma::{DmaCoherent, DmaStream},
    sync::Waker,
    util::id_set::Id,
};

pub use self::config::{BlkConfig, BlkFeatures};
use self::{
    channel::Channel,
    recovery::{Health, Reason},
    request::{RangeToClear, coherent_slices},
};
use super::{
    VirtioDevice,
    init::{Features, Init, InitError},
    options::Options,
    transport::{DeviceStatus, InterruptStatus, Transport},
};
use crate::{
    block::{
        BlockDevice, Buffer, CompletionQueue, DiskInfo, Error, IfFull, Operation, Rejected,
        Request, SECTOR_SIZE, Sector, Statistics,
    },
    dma::{CACHE_COHERENT, DmaSliceAlloc},
};

/// The virtio device id of a block device (section 5).
pub const DEVICE_ID: u32 = 2;

/// The segments of the shortest chain that moves data: header, data, response.
const MIN_SEGMENTS: usize = 3;

/// Discards that can be in flight at once.
const RANGES: usize = 64;

/// Pages of sectors that wait for the blocking calls.
const SECTOR_PAGES: usize = 8;

/// A virtio block device.
pub struct VirtioBlk {
    transport: Arc<dyn Transport>,
    config: BlkConfig,
    /// All features agreed on, as the device was told.
    negotiated: u64,
    ring_features: Features,
    features: BlkFeatures,
    info: DiskInfo,
    /// In sectors; the device may change it at run time.
    capacity: AtomicU64,
    /// Whether interrupts do not reach this driver: until it is told so, or for good.
    must_poll: AtomicBool,
    /// How many tasks sleep, or are about to, until the device interrupts.
    sleepers: Arc<AtomicUsize>,
    health: Health,
    interrupts: AtomicU64,
    notifications: AtomicU64,
    channels: Box<[Channel]>,
    ranges: DmaSliceAlloc<RangeToClear, DmaCoherent>,
    sectors: DmaSliceAlloc<Sector, DmaStream>,
}

impl VirtioBlk {
    /// The features of block devices and of queues that this driver implements.
    pub fn supported_features(options: &Options) -> u64 {
        BlkFeatures::all().bits() | options.ring_features().bits()
    }

    /// Initialises the device. IRQs must be enabled.
    ///
    /// # Errors
    ///
    /// [`InitError`]; the device keeps no memory of this driver's, or what it may keep is leaked.
    pub fn new(transport: Arc<dyn Transport>, options: &Options) -> Result<Self, InitError> {
        let mut init = Init::begin(transport.clone())?;
        let negotiated = init.negotiate(Self::supported_features(options))?;
        let features = BlkFeatures::from_bits_truncate(negotiated);
        let ring_features = Features::from_bits_truncate(negotiated);

        let config = BlkConfig::read(&*transport, features)?;
        let ranges = coherent_slices(RANGES)?;
        let sectors = DmaStream::alloc(SECTOR_PAGES, CACHE_COHERENT).map_err(InitError::Memory)?;
        let channels = Self::channels(&transport, ring_features, &config, options)?;
        let (queue_size, segments) = channels.iter().map(Channel::limits).min().unwrap_or((0, 2));
        let has = |feature| features.contains(feature);
        let mut disk = Self {
            info: DiskInfo {
                serial: String::new(),
                capacity: config.capacity,
                block_size: config.block_size,
                physical_block_size: config.physical_block_size,
                read_only: has(BlkFeatures::BLK_RO),
                writeback: config.writeback,
                max_segments: (segments - 2).min(config.max_segments as usize),
                max_segment_bytes: has(BlkFeatures::BLK_SIZE_MAX)
                    .then_some(config.max_segment_bytes),
                discard: has(BlkFeatures::BLK_DISCARD),
                write_zeroes: has(BlkFeatures::BLK_WRITE_ZEROES),
                queue_size,
                queues: channels.len(),
            },
            capacity: AtomicU64::new(config.capacity),
            must_poll: AtomicBool::new(true),
            sleepers: Arc::default(),
            health: Health::new(options.timeout_ms),
            interrupts: AtomicU64::new(0),
            notifications: AtomicU64::new(0),
            channels,
            ranges,
            sectors: DmaSliceAlloc::new(sectors),
            transport,
            config,
            negotiated,
            ring_features,
            features,
        };
        init.finish();
        match disk.read_serial() {
            Ok(serial) => disk.info.serial = serial,
            Err(error) => {
                disk.shut_down();
                disk.transport.set_status(DeviceStatus::FAILED);
                return Err(InitError::FirstRequest(error));
            }
        }
        Ok(disk)
    }

    /// Sets up a request queue for each CPU, as far as the device has so many.
    fn channels(
        transport: &Arc<dyn Transport>,
        features: Features,
        config: &BlkConfig,
        options: &Options,
    ) -> Result<Box<[Channel]>, InitError> {
        let cpus = u16::try_from(num_cpus()).unwrap_or(u16::MAX);
        let mut channels = Vec::new();
        for index in 0..config.queues.min(cpus) {
            match Channel::new(transport, index, features, options.queue_size) {
                Ok(channel) => channels.push(channel),
                Err(error) => {
                    channels.into_iter().for_each(Channel::discard);
                    return Err(error);
                }
            }
        }
        Ok(channels.into_boxed_slice())
    }

    /// The names of the negotiated features, separated by blanks.
    pub fn feature_names(&self) -> impl fmt::Display {
        let (ring, device) = (self.ring_features, self.features);
        fmt::from_fn(move |f| {
            let names = ring.iter_names().map(|(name, _)| name);
            let mut names = names.chain(device.iter_names().map(|(name, _)| name));
            f.write_str(names.next().unwrap_or("(none)"))?;
            names.try_for_each(|name| write!(f, " {name}"))
        })
    }

    /// The disk's name. A disk that answers and has none is a disk all the same.
    fn read_serial(&self) -> Result<String, Error> {
        let request = Request::new(Operation::GetSerial, 0, vec![Buffer::alloc(1)?]);
        let answer = match self.wait_for(request) {
            Ok(answer) => answer,
            Err(
                error @ (Error::Violation(_) | Error::NeedsReset | Error::TimedOut | Error::Dead),
            ) => return Err(error),
            Err(_) => return Ok(String::new()),
        };
        let mut serial = [0; Operation::SERIAL_BYTES];
        answer.buffers.first().ok_or(Error::Empty)?.read(0, &mut serial)?;
        let name = serial.split(|byte| *byte == 0).next().unwrap_or_default();
        Ok(String::from_utf8_lossy(name).chars().filter(|c| !c.is_control()).collect())
    }

    /// Submits a request and waits for its end.
    fn wait_for(&self, request: Box<Request>) -> Result<Box<Request>, Error> {
        let done = CompletionQueue::new(1);
        self.submit(request, &done, IfFull::Wait)?;
        // The queue holds a place for the one completion, and every request gets one.
        let completion = done.reaper(self).next().ok_or(Error::Dead)?;
        completion.result.map(|()| completion.request)
    }

    /// The request queue for the current CPU. It is as good as any other one, should the task be
    /// moved meanwhile.
    fn channel(&self) -> Result<&Channel, Error> {
        let cpu = CpuId::current_racy().as_usize();
        let number = cpu.checked_rem(self.channels.len()).unwrap_or(0);
        self.channels.get(number).ok_or(Error::Dead)
    }

    fn polls(&self) -> bool {
        self.must_poll.load(Ordering::Relaxed)
    }

    /// Without FLUSH there is no volatile cache to flush (section 5.2.5.1).
    fn has_flush(&self) -> bool {
        self.features.contains(BlkFeatures::BLK_FLUSH)
    }

    /// A buffer for whole sectors: a slot of the pool for one, pages for more.
    fn buffer(&self, bytes: usize) -> Result<Buffer, Error> {
        if bytes == 0 || !bytes.is_multiple_of(self.config.block_size as usize) {
            return Err(Error::Misaligned { block_size: self.config.block_size });
        }
        let pooled = (bytes == SECTOR_SIZE).then(|| self.sectors.alloc()).flatten();
        match pooled {
            Some(slot) => Ok(slot.into()),
            None => Buffer::alloc(bytes / SECTOR_SIZE),
        }
    }
}

impl BlockDevice for VirtioBlk {
    fn read_block(&self, sector: u64, data: &mut [u8]) -> Result<(), Error> {
        let mut request = Request::new(Operation::Read, sector, vec![self.buffer(data.len())?]);
        let (channel, done) = (self.channel()?, CompletionQueue::new(1));
        // Step 1: slices for the request header and the response.
        let chain = self.slices(channel, Operation::Read)?;
        // Step 2: the chain request -> data -> response.
        let chain = self.link(channel, chain, &mut request, &done)?;
        // Step 3: send it, and notify the device if it asks for that.
        self.send(channel, chain, request)?;
        // Step 4: wait until the device has returned the chain.
        let completion = done.reaper(self).next().ok_or(Error::Dead)?;
        // Step 5: only if the response says so is there data.
        completion.result?;
        completion.request.buffers.first().ok_or(Error::Empty)?.read(0, data)
    }

    fn write_block(&self, sector: u64, data: &[u8]) -> Result<(), Error> {
        let buffer = self.buffer(data.len())?;
        buffer.write(0, data)?;
        let mut request = Request::new(Operation::Write, sector, vec![buffer]);
        let (channel, done) = (self.channel()?, CompletionQueue::new(1));
        // Step 1: slices for the request header and the response.
        let chain = self.slices(channel, Operation::Write)?;
        // Step 2: the chain request -> data -> response.
        let chain = self.link(channel, chain, &mut request, &done)?;
        // Step 3: send it, and notify the device if it asks for that.
        self.send(channel, chain, request)?;
        // Step 4: wait until the device has returned the chain.
        let completion = done.reaper(self).next().ok_or(Error::Dead)?;
        // Step 5: the response says whether the disk has the data.
        completion.result
    }

    fn submit(
        &self,
        request: Box<Request>,
        done: &Arc<CompletionQueue>,
        if_full: IfFull,
    ) -> Result<(), Rejected> {
        let channel = match self.channel() {
            Ok(channel) => channel,
            Err(error) => return Err(Rejected { error, request }),
        };
        self.enqueue(channel, request, done, if_full)?;
        self.kick(channel);
        Ok(())
    }

    fn submit_batch(
        &self,
        requests: &mut VecDeque<Box<Request>>,
        done: &Arc<CompletionQueue>,
    ) -> Result<usize, Rejected> {
        match self.channel() {
            Ok(channel) => self.enqueue_batch(channel, requests, done),
            Err(error) => match requests.pop_front() {
                Some(request) => Err(Rejected { error, request }),
                None => Ok(0),
            },
        }
    }

    fn poll(&self) -> usize {
        let completed = self.channels.iter().map(|channel| self.drain(channel)).sum();
        if completed == 0 {
            self.check_deadlines();
        }
        completed
    }

    fn must_poll(&self) -> bool {
        self.polls()
    }

    fn statistics(&self) -> Statistics {
        Statistics {
            interrupts: self.interrupts.load(Ordering::Relaxed),
            notifications: self.notifications.load(Ordering::Relaxed),
            register_accesses: self.transport.register_accesses(),
        }
    }

    fn before_sleep(&self, queue: &CompletionQueue, waker: Arc<Waker>) -> bool {
        let sleeps = queue.fall_asleep(waker, self.sleepers.clone());
        if sleeps {
            for channel in &self.channels {
                self.drain_and_arm(channel);
            }
        }
        sleeps
    }

    fn info(&self) -> DiskInfo {
        DiskInfo { capacity: self.capacity.load(Ordering::Relaxed), ..self.info.clone() }
    }

    fn flush(&self) -> Result<(), Error> {
        self.wait_for(Request::new(Operation::Flush, 0, Vec::new())).map(|_| ())
    }

    fn discard(&self, sector: u64, sectors: u32) -> Result<(), Error> {
        let operation = Operation::Discard { sectors };
        self.wait_for(Request::new(operation, sector, Vec::new())).map(|_| ())
    }

    fn write_zeroes(&self, sector: u64, sectors: u32) -> Result<(), Error> {
        let operation = Operation::WriteZeroes { sectors };
        self.wait_for(Request::new(operation, sector, Vec::new())).map(|_| ())
    }
}

impl VirtioDevice for VirtioBlk {
    fn use_interrupts(&self) {
        self.must_poll.store(false, Ordering::Relaxed);
    }

    fn tick(&self) {
        self.check_deadlines();
    }

    fn handle_interrupt(&self) {
        self.interrupts.fetch_add(1, Ordering::Relaxed);
        let causes = self.transport.interrupt_status();
        // Acknowledge first: what the device does from here on raises the interrupt again.
        self.transport.acknowledge_interrupt(causes);
        if causes.contains(InterruptStatus::USED_BUFFER) {
            for channel in &self.channels {
                self.used_buffers(channel);
            }
        }
        if causes.contains(InterruptStatus::CONFIGURATION_CHANGE) {
            self.configuration_changed();
        }
    }
}

impl VirtioBlk {
    fn configuration_changed(&self) {
        let needs_reset = || self.transport.status().contains(DeviceStatus::DEVICE_NEEDS_RESET);
        if needs_reset() {
            self.trouble(Reason::NeedsReset, needs_reset);
            return;
        }
        let log = self.health.log_again();
        match BlkConfig::read_capacity(&*self.transport) {
            Ok(capacity) => {
                let before = self.capacity.swap(capacity, Ordering::Relaxed);
                if before != capacity && log {
                    log::info!(
                        "block device \"{}\" has {capacity} sectors now, it had {before}",
                        self.info.serial
                    );
                }
            }
            Err(error) if log => log::warn!("block device \"{}\": {error}", self.info.serial),
            Err(_) => {}
        }
    }
}

impl Drop for VirtioBlk {
    fn drop(&mut self) {
        // Nobody waits, as those who do borrow the device; what was submitted and never waited for
        // ends here.
        self.shut_down();
    }
}
