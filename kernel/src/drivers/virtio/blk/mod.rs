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
mod setup;

#[cfg(ktest)]
mod tests;

use alloc::{boxed::Box, collections::VecDeque, sync::Arc, vec, vec::Vec};
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use ostd::{
    cpu::CpuId,
    mm::dma::{DmaCoherent, DmaStream},
    sync::Waker,
    util::id_set::Id,
};

pub use self::config::{BlkConfig, BlkFeatures};
use self::{
    channel::Channel,
    recovery::{Health, Reason},
    request::RangeToClear,
};
use super::{
    VirtioDevice,
    init::Features,
    transport::{DeviceStatus, InterruptStatus, Transport},
};
use crate::{
    block::{
        BlockDevice, Buffer, CompletionQueue, DiskInfo, Error, IfFull, Operation, Rejected,
        Request, SECTOR_SIZE, Sector, Statistics,
    },
    dma::DmaSliceAlloc,
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
