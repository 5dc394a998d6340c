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
//! [`VirtioBlk::submit`] does the first three and returns. The last two happen in
//! [`VirtioBlk::drain`], which the interrupt handler runs, or whoever polls.
//!
//! Locks are taken in this order: the queue, then a completion queue or a pool of slices. None is
//! held while the device is notified.

mod config;
mod in_flight;
mod request;

#[cfg(ktest)]
mod tests;

use alloc::{collections::VecDeque, string::String, sync::Arc, vec, vec::Vec};
use core::{
    fmt,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use ostd::{
    mm::dma::{DmaCoherent, DmaStream},
    sync::{LocalIrqDisabled, SpinLock, WaitQueue},
};
use ostd_pod::Pod;

pub use self::config::{BlkConfig, BlkFeatures};
use self::{
    in_flight::Reason,
    request::{RangeToClear, RequestChain, RequestHeader, Ticket},
};
use super::{
    VirtioDevice,
    init::{Features, Init, InitError},
    options::Options,
    queue::Queue,
    transport::{DeviceStatus, InterruptStatus, Transport},
};
use crate::{
    block::{
        BlockDevice, Buffer, CompletionQueue, DiskInfo, Error, IfFull, Operation, Rejected,
        Request, SECTOR_SIZE, Sector,
    },
    dma::{CACHE_COHERENT, DmaSliceAlloc},
};

/// The virtio device id of a block device (section 5).
pub const DEVICE_ID: u32 = 2;

/// The only queue that this driver uses.
const REQUEST_QUEUE: u16 = 0;

/// The segments of the longest chain with one data segment: header, data, response.
const MIN_SEGMENTS: usize = 3;

/// Sectors that wait in a pool for the blocking calls.
const POOLED_SECTORS: usize = 64;

type RequestQueue = Queue<RequestChain, Ticket>;

/// A virtio block device.
pub struct VirtioBlk {
    transport: Arc<dyn Transport>,
    config: BlkConfig,
    ring_features: Features,
    features: BlkFeatures,
    serial: String,
    /// In sectors; the device may change it at run time.
    capacity: AtomicU64,
    queue_size: u16,
    max_segments: usize,
    /// Until interrupts reach this driver, or for good.
    must_poll: AtomicBool,
    /// `None` once the device is out of use.
    queue: SpinLock<Option<RequestQueue>, LocalIrqDisabled>,
    /// Tasks that wait for room in the queue.
    waiting_for_room: WaitQueue,
    headers: DmaSliceAlloc<RequestHeader, DmaCoherent>,
    ranges: DmaSliceAlloc<RangeToClear, DmaCoherent>,
    responses: DmaSliceAlloc<u8, DmaCoherent>,
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
    /// [`InitError`]; the device is left reset with FAILED set in its status.
    pub fn new(transport: Arc<dyn Transport>, options: &Options) -> Result<Self, InitError> {
        let mut init = Init::begin(transport.clone())?;
        let negotiated = init.negotiate(Self::supported_features(options))?;
        let features = BlkFeatures::from_bits_truncate(negotiated);
        let ring_features = Features::from_bits_truncate(negotiated);

        let config = BlkConfig::read(&*transport, features)?;
        let queue =
            RequestQueue::new(transport.clone(), REQUEST_QUEUE, ring_features, options.queue_size)
                .map_err(InitError::Queue)?;
        let max_segments = queue.max_segments().saturating_sub(2).min(config.max_segments as usize);
        if max_segments == 0 {
            return Err(InitError::QueueTooSmall {
                entries: queue.size().into(),
                needed: MIN_SEGMENTS,
            });
        }
        let slots = usize::from(queue.size());
        let mut disk = Self {
            capacity: AtomicU64::new(config.capacity),
            queue_size: queue.size(),
            max_segments,
            must_poll: AtomicBool::new(true),
            serial: String::new(),
            queue: SpinLock::new(Some(queue)),
            waiting_for_room: WaitQueue::new(),
            headers: coherent_slices(slots)?,
            ranges: coherent_slices(slots)?,
            responses: coherent_slices(slots)?,
            sectors: stream_slices(POOLED_SECTORS)?,
            transport,
            config,
            ring_features,
            features,
        };
        if let Some(queue) = disk.queue.get_mut() {
            queue.disable_interrupts();
        }
        init.finish();
        disk.serial = disk.read_serial()?;
        Ok(disk)
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

    fn read_serial(&self) -> Result<String, InitError> {
        let fail = InitError::FirstRequest;
        let buffer = Buffer::alloc(1).map_err(fail)?;
        let request = Request::new(Operation::GetSerial, 0, vec![buffer]);
        let answer = match self.wait_for(request) {
            Ok(request) => request,
            // GET_ID is optional (section 5.2.6.1): such a disk has no name.
            Err(Error::Unsupported | Error::Io) => return Ok(String::new()),
            Err(error) => return Err(fail(error)),
        };
        let mut serial = [0; Operation::SERIAL_BYTES];
        answer.buffers.first().ok_or(fail(Error::Empty))?.read(0, &mut serial).map_err(fail)?;
        let name = serial.split(|byte| *byte == 0).next().unwrap_or_default();
        Ok(String::from_utf8_lossy(name).chars().filter(|c| !c.is_control()).collect())
    }

    /// What [`Request::check`] needs to know, without the strings.
    fn limits(&self) -> DiskInfo {
        DiskInfo {
            serial: String::new(),
            capacity: self.capacity.load(Ordering::Relaxed),
            block_size: self.config.block_size,
            physical_block_size: self.config.physical_block_size,
            read_only: self.features.contains(BlkFeatures::BLK_RO),
            writeback: self.config.writeback,
            max_segments: self.max_segments,
            max_segment_bytes: self.config.max_segment_bytes,
            discard: self.features.contains(BlkFeatures::BLK_DISCARD),
            write_zeroes: self.features.contains(BlkFeatures::BLK_WRITE_ZEROES),
            queue_size: self.queue_size,
        }
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
        match self.sectors.alloc() {
            Some(slot) if bytes == SECTOR_SIZE => Ok(slot.into()),
            _ => Buffer::alloc(bytes / SECTOR_SIZE),
        }
    }
}

impl BlockDevice for VirtioBlk {
    fn read_block(&self, sector: u64, data: &mut [u8]) -> Result<(), Error> {
        let request = Request::new(Operation::Read, sector, vec![self.buffer(data.len())?]);
        let done = CompletionQueue::new(1);
        // Step 1: slices for the request header and the response.
        let slices = self.slices(Operation::Read, IfFull::Wait)?;
        // Step 2: the chain request -> data -> response.
        let (chain, ticket) = self.chain(slices, request, &done)?;
        // Step 3: send it, and notify the device if it asks for that.
        self.send(chain, ticket, IfFull::Wait)?;
        // Step 4: wait until the device has returned the chain.
        let completion = done.reaper(self).next().ok_or(Error::Broken)?;
        // Step 5: only if the response says so is there data.
        completion.result?;
        completion.request.buffers.first().ok_or(Error::Empty)?.read(0, data)
    }

    fn write_block(&self, sector: u64, data: &[u8]) -> Result<(), Error> {
        let buffer = self.buffer(data.len())?;
        buffer.write(0, data)?;
        let request = Request::new(Operation::Write, sector, vec![buffer]);
        let done = CompletionQueue::new(1);
        // Step 1: slices for the request header and the response.
        let slices = self.slices(Operation::Write, IfFull::Wait)?;
        // Step 2: the chain request -> data -> response.
        let (chain, ticket) = self.chain(slices, request, &done)?;
        // Step 3: send it, and notify the device if it asks for that.
        self.send(chain, ticket, IfFull::Wait)?;
        // Step 4: wait until the device has returned the chain.
        let completion = done.reaper(self).next().ok_or(Error::Broken)?;
        // Step 5: the response says whether the disk has the data.
        completion.result
    }

    fn submit(
        &self,
        request: Request,
        done: &Arc<CompletionQueue>,
        if_full: IfFull,
    ) -> Result<(), Rejected> {
        self.stage(request, done, if_full)?;
        self.kick();
        Ok(())
    }

    fn submit_batch(
        &self,
        requests: &mut VecDeque<Request>,
        done: &Arc<CompletionQueue>,
    ) -> Result<usize, Rejected> {
        let mut submitted = 0;
        let result = loop {
            let Some(request) = requests.pop_front() else { break Ok(submitted) };
            match self.stage(request, done, IfFull::Fail) {
                Ok(()) => submitted += 1,
                Err(Rejected { error: Error::WouldBlock, request }) => {
                    requests.push_front(request);
                    break Ok(submitted);
                }
                Err(rejected) => break Err(rejected),
            }
        };
        self.kick();
        result
    }

    fn poll(&self) -> usize {
        self.drain()
    }

    fn must_poll(&self) -> bool {
        self.must_poll.load(Ordering::Relaxed)
    }

    fn info(&self) -> DiskInfo {
        DiskInfo { serial: self.serial.clone(), ..self.limits() }
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
        // Asks for interrupts, and takes care of what came before they were asked for.
        self.drain();
    }

    fn handle_interrupt(&self) {
        let causes = self.transport.interrupt_status();
        // Acknowledge first: what the device does from here on raises the interrupt again.
        self.transport.acknowledge_interrupt(causes);
        if causes.contains(InterruptStatus::USED_BUFFER) {
            self.drain();
        }
        if causes.contains(InterruptStatus::CONFIGURATION_CHANGE) {
            self.configuration_changed();
        }
    }
}

impl VirtioBlk {
    fn configuration_changed(&self) {
        if self.transport.status().contains(DeviceStatus::DEVICE_NEEDS_RESET) {
            self.give_up(&Reason::NeedsReset);
            return;
        }
        match BlkConfig::read_capacity(&*self.transport) {
            Ok(capacity) => {
                let before = self.capacity.swap(capacity, Ordering::Relaxed);
                if before != capacity {
                    log::info!(
                        "block device \"{}\" has {capacity} sectors now, it had {before}",
                        self.serial
                    );
                }
            }
            Err(error) => log::warn!("block device \"{}\": {error}", self.serial),
        }
    }
}

impl Drop for VirtioBlk {
    fn drop(&mut self) {
        // No request can be outstanding in a caller's name, as they borrow the device; those
        // submitted and never waited for end here.
        self.give_up(&Reason::Dropped);
    }
}

fn coherent_slices<T: Pod>(slots: usize) -> Result<DmaSliceAlloc<T, DmaCoherent>, InitError> {
    let no_memory = InitError::Memory(ostd::Error::NoMemory);
    let pages = DmaSliceAlloc::<T, DmaCoherent>::pages_for(slots).ok_or(no_memory)?;
    let dma = DmaCoherent::alloc(pages, CACHE_COHERENT).map_err(InitError::Memory)?;
    Ok(DmaSliceAlloc::new(dma))
}

fn stream_slices<T: Pod>(slots: usize) -> Result<DmaSliceAlloc<T, DmaStream>, InitError> {
    let no_memory = InitError::Memory(ostd::Error::NoMemory);
    let pages = DmaSliceAlloc::<T, DmaStream>::pages_for(slots).ok_or(no_memory)?;
    let dma = DmaStream::alloc(pages, CACHE_COHERENT).map_err(InitError::Memory)?;
    Ok(DmaSliceAlloc::new(dma))
}
