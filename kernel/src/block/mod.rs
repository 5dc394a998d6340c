//! Disks, whatever drives them.
//!
//! This floor knows no virtio: a driver implements [`BlockDevice`] and calls [`register`]; a job,
//! or later a file system, looks a disk up here and uses the trait.
//!
//! There are two ways to use a disk. [`BlockDevice::submit`] puts a [`Request`] in flight and
//! returns; the answer arrives in a [`CompletionQueue`]. [`BlockDevice::read_block`],
//! [`BlockDevice::write_block`] and [`BlockDevice::flush`] wait for the answer.

mod buffer;
mod completion;
mod error;
mod registry;
mod request;

#[cfg(ktest)]
mod tests;

use alloc::{boxed::Box, collections::VecDeque, string::String, sync::Arc};
use core::fmt;

use ostd::sync::Waker;

pub use self::{
    buffer::{Buffer, Sector},
    completion::{Completion, CompletionQueue, Patience, Reaper},
    error::{Error, Rejected},
    registry::{all, register},
    request::{Operation, Request},
};

/// The unit of all positions and lengths on a disk, in bytes. A disk may have larger blocks, but
/// never smaller ones.
pub const SECTOR_SIZE: usize = 512;

/// What to do when a disk cannot take another request now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfFull {
    /// Give the request back with [`Error::WouldBlock`].
    Fail,
    /// Wait until there is room: sleeping in a task, polling before tasks exist. Not allowed in
    /// interrupt context or while holding a spin lock.
    Wait,
}

/// A disk.
///
/// Every method may be called from several tasks at once, and before tasks exist. `submit` with
/// [`IfFull::Fail`], `submit_batch` and `poll` may be called from interrupt context too; the
/// others wait.
pub trait BlockDevice: Send + Sync {
    /// What is known about the disk. The capacity may change while the kernel runs.
    fn info(&self) -> DiskInfo;

    /// Puts a request in flight. Its completion will arrive in `done`, exactly once.
    ///
    /// Requests may overtake each other; one that must come after another is submitted when that
    /// one has completed.
    ///
    /// # Errors
    ///
    /// What is wrong with the request itself, and [`Error::WouldBlock`], are told here, with the
    /// request given back; everything else is told by the completion.
    fn submit(
        &self,
        request: Box<Request>,
        done: &Arc<CompletionQueue>,
        if_full: IfFull,
    ) -> Result<(), Rejected>;

    /// Puts requests in flight from the front of `requests` while there is room, and tells the
    /// device of all of them at once. Returns how many.
    ///
    /// # Errors
    ///
    /// The first request that cannot be taken for a reason other than room comes back; those
    /// before it are in flight.
    fn submit_batch(
        &self,
        requests: &mut VecDeque<Box<Request>>,
        done: &Arc<CompletionQueue>,
    ) -> Result<usize, Rejected>;

    /// Looks for answers of the device without waiting for an interrupt. Returns how many
    /// requests it completed.
    fn poll(&self) -> usize;

    /// Whether completions arrive only by [`Self::poll`].
    fn must_poll(&self) -> bool;

    /// What it has cost so far to drive the disk.
    fn statistics(&self) -> Statistics;

    /// Prepares for a task that takes from `queue` to sleep: when this returns `true`, completions
    /// that have arrived are delivered, and the next one calls `waker`.
    ///
    /// Returns `false` if there is something to take already. A disk may keep its interrupt off
    /// while nobody sleeps.
    fn before_sleep(&self, queue: &CompletionQueue, waker: Arc<Waker>) -> bool;

    /// Reads whole blocks from `sector` on into `data`, and waits for them.
    ///
    /// # Errors
    ///
    /// [`Error`]; `data` is unchanged then.
    fn read_block(&self, sector: u64, data: &mut [u8]) -> Result<(), Error>;

    /// Writes whole blocks from `sector` on, and waits until the device has taken them. They
    /// survive a power cut only after a [`Self::flush`].
    ///
    /// # Errors
    ///
    /// [`Error`]; the disk may hold the old data, the new, or some of each then.
    fn write_block(&self, sector: u64, data: &[u8]) -> Result<(), Error>;

    /// Waits until all writes that have completed before are safe from a power cut.
    ///
    /// # Errors
    ///
    /// [`Error`]; nothing is known about those writes then.
    fn flush(&self) -> Result<(), Error>;

    /// Tells the disk that the content of some blocks is not needed any more.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] if the disk has no use for that.
    fn discard(&self, sector: u64, sectors: u32) -> Result<(), Error>;

    /// Fills some blocks with zeros.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] if the disk cannot do that without being sent the zeros.
    fn write_zeroes(&self, sector: u64, sectors: u32) -> Result<(), Error>;
}

/// Counts since the driver started; each is only ever added to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Interrupts taken.
    pub interrupts: u64,
    /// Notifications sent to the device.
    pub notifications: u64,
    /// Device registers read or written.
    pub register_accesses: u64,
}

/// What is known about a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskInfo {
    /// What the disk says to be called; empty if it has no name.
    pub serial: String,
    /// The number of sectors of [`SECTOR_SIZE`] bytes.
    pub capacity: u64,
    /// Positions and lengths of requests are multiples of this, in bytes.
    pub block_size: u32,
    /// The block size that serves the disk best, in bytes; at least `block_size`.
    pub physical_block_size: u32,
    /// Whether writing is refused.
    pub read_only: bool,
    /// Whether writes stay in a volatile cache until a flush.
    pub writeback: bool,
    /// The most segments that the device takes in one request.
    pub max_segments: usize,
    /// The most bytes in one segment; `None` if the device does not limit them.
    pub max_segment_bytes: Option<u32>,
    /// Whether the disk knows [`Operation::Discard`].
    pub discard: bool,
    /// Whether the disk knows [`Operation::WriteZeroes`].
    pub write_zeroes: bool,
    /// The number of entries of a request queue.
    pub queue_size: u16,
    /// The number of request queues in use.
    pub queues: usize,
}

impl fmt::Display for DiskInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = self.capacity as f64 * SECTOR_SIZE as f64 / f64::from(1 << 20);
        write!(
            f,
            "serial \"{}\", {} sectors ({mib:.1} MiB), block size {}, {}, {}, \
             at most {} segments{}, {}queue {}",
            self.serial,
            self.capacity,
            self.block_size,
            if self.read_only { "read-only" } else { "read-write" },
            if self.writeback { "writeback cache" } else { "writethrough cache" },
            self.max_segments,
            fmt::from_fn(|f| match self.max_segment_bytes {
                Some(bytes) => write!(f, " of {bytes} bytes"),
                None => Ok(()),
            }),
            fmt::from_fn(|f| match self.queues {
                0 | 1 => Ok(()),
                queues => write!(f, "{queues} queues, "),
            }),
            self.queue_size,
        )
    }
}
