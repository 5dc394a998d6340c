//! Disks, whatever drives them.
//!
//! This floor knows no virtio: a driver implements [`BlockDevice`] and calls [`register`]; a job or a file
//! system looks a disk up here and uses the trait.
//!
//! There are two ways to use a disk. [`BlockDevice::submit`] puts a [`Request`] in flight and
//! returns; the answer arrives in a [`CompletionQueue`], from which a [`Reaper`] takes it.
//! [`BlockDevice::read_block`], [`BlockDevice::write_block`] and [`BlockDevice::flush`] wait for the answer.
//!
//! [`cache::Cache`] keeps blocks of a disk in memory, for file systems.
//!
//! A test disk implements two methods, [`BlockDevice::info`] and [`BlockDevice::submit`]; the
//! others are provided on top of them. A driver of a device that interrupts implements those that look at
//! the device as well, and may have shorter ways for the waiting calls.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod cache;
mod error;
mod info;
mod reaper;
mod registry;
mod request;
pub mod waiting;

#[cfg(ktest)]
mod tests;

use alloc::{boxed::Box, collections::VecDeque, sync::Arc};

pub use dma::Buffer;
use ostd::sync::Waker;
use spin::Once;
pub use wait::Patience;
use wait::Waiting;

pub use self::{
    error::{Error, Rejected},
    info::{DiskInfo, Geometry, Statistics},
    reaper::{Completion, CompletionQueue, Reaper},
    registry::{all, register},
    request::{Operation, Request},
};

/// The unit of all positions and lengths on a disk, in bytes. A disk may have larger blocks, but
/// never smaller ones.
pub const SECTOR_SIZE: usize = 512;

/// The choice of a caller when a disk cannot take another request now.
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
    /// All that is known about the disk. The capacity may change while the kernel runs.
    fn info(&self) -> DiskInfo;

    /// Puts a request in flight. Its completion will arrive in `done`, exactly once.
    ///
    /// Requests may overtake each other; one that must come after another is submitted when that
    /// one has completed.
    ///
    /// # Errors
    ///
    /// Mistakes in the request itself, [`Error::Dead`], and [`Error::WouldBlock`] (also where only the
    /// completion queue is full, which is not waited for), are told here, with the
    /// request given back; everything else is told by the completion.
    fn submit(
        &self,
        request: Box<Request>,
        done: &Arc<CompletionQueue>,
        if_full: IfFull,
    ) -> Result<(), Rejected>;

    /// Puts requests in flight from the front of `requests` while there is room, and tells the
    /// device of all of them at once. Returns their number.
    ///
    /// # Errors
    ///
    /// The first request that cannot be taken for a reason other than room comes back; those
    /// before it are in flight.
    fn submit_batch(
        &self,
        requests: &mut VecDeque<Box<Request>>,
        done: &Arc<CompletionQueue>,
    ) -> Result<usize, Rejected> {
        let mut submitted = 0;
        while let Some(request) = requests.pop_front() {
            match self.submit(request, done, IfFull::Fail) {
                Ok(()) => submitted += 1,
                Err(Rejected { error: Error::WouldBlock, request }) => {
                    requests.push_front(request);
                    break;
                }
                Err(rejected) => return Err(rejected),
            }
        }
        Ok(submitted)
    }

    /// Looks for answers of the device without waiting for an interrupt. Returns the number of
    /// requests that it completed.
    fn poll(&self) -> usize {
        0
    }

    /// Prepares for a task that takes from `queue` to sleep: when this returns `true`, completions
    /// that have arrived are delivered, and the next one calls `waker`.
    ///
    /// Returns `false` if there is something to take already. A disk may keep its interrupt off
    /// while nobody sleeps.
    fn before_sleep(&self, queue: &CompletionQueue, waker: Arc<Waker>) -> bool {
        queue.fall_asleep(waker, self.waiting())
    }

    /// The state of waiting for this disk; one for all disks that have none of their own.
    fn waiting(&self) -> &Arc<Waiting> {
        static COMMON: Once<Arc<Waiting>> = Once::new();

        COMMON.call_once(|| {
            let waiting = Waiting::new();
            waiting.use_interrupts();
            waiting
        })
    }

    /// The cost of driving the disk so far.
    fn statistics(&self) -> Statistics {
        Statistics::default()
    }

    /// Reads whole blocks from `sector` on into `data`, and waits for them.
    ///
    /// # Errors
    ///
    /// [`Error`]; `data` is unchanged then.
    fn read_block(&self, sector: u64, data: &mut [u8]) -> Result<(), Error> {
        waiting::read(self, sector, data)
    }

    /// Writes whole blocks from `sector` on, and waits until the device has taken them. They
    /// survive a power cut only after a [`Self::flush`].
    ///
    /// # Errors
    ///
    /// [`Error`]; the disk may hold the old data, the new, or some of each then.
    fn write_block(&self, sector: u64, data: &[u8]) -> Result<(), Error> {
        waiting::write(self, sector, data)
    }

    /// Waits until all writes that have completed before are safe from a power cut.
    ///
    /// # Errors
    ///
    /// [`Error`]; nothing is known about those writes then.
    fn flush(&self) -> Result<(), Error> {
        waiting::without_data(self, Operation::Flush, 0)
    }

    /// Tells the disk that the content of some blocks is not needed any more.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] if the disk has no use for that.
    fn discard(&self, sector: u64, sectors: u32) -> Result<(), Error> {
        waiting::without_data(self, Operation::Discard { sectors }, sector)
    }

    /// Fills some blocks with zeros.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] if the disk cannot do that without being sent the zeros.
    fn write_zeroes(&self, sector: u64, sectors: u32) -> Result<(), Error> {
        waiting::without_data(self, Operation::WriteZeroes { sectors }, sector)
    }
}
