//! The block device, section 5.2: requests to a disk become descriptor chains.
//!
//! A request goes through five steps, which [`VirtioBlk::read_block`] and [`VirtioBlk::write_block`] show
//! from top to bottom:
//!
//! 1. take a chain with its slices of DMA memory for request header and response;
//! 2. link header, data and response, each with its direction;
//! 3. put the chain into the queue, and notify the device if it asks for that;
//! 4. wait until the device has returned it;
//! 5. check the response.
//!
//! [`VirtioBlk::submit`] does the first three for requests that nobody waits for (`submit.rs`); the other
//! two follow when somebody looks at the device.

mod config;
mod cut;
mod request;
mod setup;
mod submit;

#[cfg(ktest)]
mod tests;

use alloc::{boxed::Box, collections::VecDeque, string::String, sync::Arc};
use core::sync::atomic::{AtomicU64, Ordering};

use block::{
    BlockDevice, CompletionQueue, DiskInfo, Error, Geometry, IfFull, Rejected, Request, Statistics,
    waiting,
};
use ostd::sync::Waker;
use spin::Once;
use wait::Waiting;

pub use self::config::{BlkConfig, BlkFeatures};
use self::request::RequestType;
use super::{
    super::{driver::DeviceError, handshake::InitError, queue::ChainError, transport::Transport},
    Device, VirtioDevice,
};

/// The virtio device id of a block device (section 5).
pub const DEVICE_ID: u32 = 2;

/// The segments of the shortest chain that moves data: header, data, response.
const MIN_SEGMENTS: usize = 3;

/// A virtio block device.
pub struct VirtioBlk {
    device: Arc<Device<Blk>>,
}

/// The particulars of a block device, below the shared floor.
struct Blk {
    config: BlkConfig,
    features: BlkFeatures,
    /// The parts of [`VirtioBlk::geometry`] that do not change; its capacity is always 0 here.
    geometry: Geometry,
    /// The most bytes that the waiting calls move in one chain.
    longest: usize,
    /// In sectors; the device may change it at run time.
    capacity: AtomicU64,
    serial: Once<String>,
}

impl BlockDevice for VirtioBlk {
    // ANCHOR: read_block
    fn read_block(&self, sector: u64, data: &mut [u8]) -> Result<(), Error> {
        // One segment holds a page of data; a longer call becomes a submitted request.
        if data.len() > self.device.driver.longest {
            return waiting::read(self, sector, data);
        }
        self.geometry().check(sector, data.len() as u64)?;

        // Step 1: take a spare chain, with memory for header, data and response; fill in
        // the header, and the response with a status that no device gives.
        let mut spare = self.device.take()?;
        let chain = spare.chain()?;
        let memory = chain.memory_mut();
        memory.prepare(RequestType::In, sector);
        memory.data.resize(data.len())?;

        // Step 2: the chain, in the order in which the device uses it.
        chain.link(|memory, segments| {
            segments.device_reads(&memory.header);
            segments.device_writes(&memory.data);
            segments.device_writes(&memory.response);
        })?;

        // Step 3: into the queue; the device is notified if it asks for that.
        let in_flight = spare.send()?;

        // Step 4: wait until the device has returned the chain.
        let answer = in_flight.wait()?;

        // Step 5: check the response; only if it is OK does the data count.
        let expected = data.len() as u32 + 1; // the data, and one byte of response
        answer.check(|memory, written| {
            memory.check_status(written, expected)?;
            Ok(memory.data.read(0, data)?)
        })
    }
    // ANCHOR_END: read_block

    fn write_block(&self, sector: u64, data: &[u8]) -> Result<(), Error> {
        // The data stands in one segment of a page at most; a longer call becomes a submitted request.
        if data.len() > self.device.driver.longest {
            return waiting::write(self, sector, data);
        }
        self.writable()?.check(sector, data.len() as u64)?;

        // ANCHOR: exercise-1-write_block
        // Step 1: take a spare chain, with its slices for request header and response and its memory for the
        // data, and fill in header and data. The response is set to a status that no device gives.
        let mut spare = self.device.take()?;
        let chain = spare.chain()?;
        let memory = chain.memory_mut();
        memory.prepare(RequestType::Out, sector);
        memory.data.fill(data)?;

        // Step 2: the chain, in the order in which the device uses it.
        chain.link(|memory, segments| {
            segments.device_reads(&memory.header);
            segments.device_reads(&memory.data);
            segments.device_writes(&memory.response);
        })?;

        // Step 3: into the queue; the device is notified if it asks for that.
        let in_flight = spare.send()?;

        // Step 4: wait until the device has returned the chain.
        let answer = in_flight.wait()?;

        // Step 5: check the response, the one byte that was written. The chain is to spare again.
        answer.check(|memory, written| memory.check_status(written, 1))
        // ANCHOR_END: exercise-1-write_block
    }

    fn info(&self) -> DiskInfo {
        self.describe()
    }

    fn submit(
        &self,
        request: Box<Request>,
        done: &Arc<CompletionQueue>,
        if_full: IfFull,
    ) -> Result<(), Rejected> {
        self.submit_one(request, done, if_full)
    }

    fn submit_batch(
        &self,
        requests: &mut VecDeque<Box<Request>>,
        done: &Arc<CompletionQueue>,
    ) -> Result<usize, Rejected> {
        match self.submit_from(done, &mut || requests.pop_front()) {
            (submitted, Err(Rejected { error: Error::WouldBlock, request })) => {
                requests.push_front(request);
                Ok(submitted)
            }
            (submitted, result) => result.map(|()| submitted),
        }
    }

    fn poll(&self) -> usize {
        self.device.poll()
    }

    fn before_sleep(&self, queue: &CompletionQueue, waker: Arc<Waker>) -> bool {
        let sleeps = queue.fall_asleep(waker, self.device.waiting());
        if sleeps {
            self.device.arm();
        }
        sleeps
    }

    fn waiting(&self) -> &Arc<Waiting> {
        self.device.waiting()
    }

    fn statistics(&self) -> Statistics {
        let (counts, waiting) = (self.device.counts(), self.device.waiting());
        Statistics {
            interrupts: counts.interrupts.load(Ordering::Relaxed),
            notifications: counts.notifications.load(Ordering::Relaxed),
            looks: waiting.looks(),
            sleeps: waiting.sleeps(),
        }
    }
}

impl VirtioBlk {
    /// The device, for whoever leads its interrupt to it. It works as long as this is kept.
    pub fn device(&self) -> Arc<dyn VirtioDevice> {
        self.device.clone()
    }

    /// The part of what is known about the disk that requests are checked against.
    #[inline]
    fn geometry(&self) -> Geometry {
        let blk = &self.device.driver;
        Geometry { capacity: blk.capacity.load(Ordering::Relaxed), ..blk.geometry }
    }

    /// As [`Self::geometry`], of a disk that can be written.
    fn writable(&self) -> Result<Geometry, Error> {
        let geometry = self.geometry();
        if geometry.read_only { Err(Error::ReadOnly) } else { Ok(geometry) }
    }
}

impl Blk {
    /// Reads the configuration of a device that was reset. Only the capacity may have changed.
    fn read_configuration_again(&self, transport: &dyn Transport) -> Result<(), InitError> {
        if BlkConfig::read(transport, self.features)? != self.config {
            return Err(InitError::Changed { field: "configuration" });
        }
        self.capacity.store(BlkConfig::read_capacity(transport)?, Ordering::Relaxed);
        Ok(())
    }

    /// Reads the capacity of a device whose configuration has changed.
    fn read_capacity_again(&self, device: &Device<Self>) {
        let serial = self.serial.get().map_or("", |serial| serial);
        match BlkConfig::read_capacity(device.transport()) {
            Ok(capacity) => {
                let before = self.capacity.swap(capacity, Ordering::Relaxed);
                if before != capacity && device.log_again() {
                    log::info!(
                        "block device \"{serial}\" has {capacity} sectors now, it had {before}"
                    );
                }
            }
            Err(error) if device.log_again() => {
                log::warn!("block device \"{serial}\": {error}");
            }
            Err(_) => {}
        }
    }
}

impl From<ChainError> for Error {
    fn from(error: ChainError) -> Self {
        match error {
            ChainError::TooManySegments => Self::TooManyBuffers,
            rule => Self::Driver(rule.as_str()),
        }
    }
}

impl From<DeviceError> for Error {
    fn from(error: DeviceError) -> Self {
        match error {
            DeviceError::Violation(violation) => Self::Violation(violation.as_str()),
            DeviceError::NeedsReset => Self::NeedsReset,
            DeviceError::TimedOut => Self::TimedOut,
            DeviceError::Dead => Self::Dead,
            DeviceError::Chain(error) => error.into(),
        }
    }
}
