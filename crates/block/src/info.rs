//! The properties of a disk, and the cost of driving it so far.

use alloc::string::String;
use core::fmt;

use super::{Error, SECTOR_SIZE};

/// The part of [`DiskInfo`] that each request is checked against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// The number of sectors of [`SECTOR_SIZE`] bytes.
    pub capacity: u64,
    /// Positions and lengths of requests are multiples of this, in bytes: a power of two from 512 on.
    pub block_size: u32,
    /// Writing is refused.
    pub read_only: bool,
    /// The disk knows [`super::Operation::Discard`].
    pub discard: bool,
    /// The disk knows [`super::Operation::WriteZeroes`].
    pub write_zeroes: bool,
}

impl Geometry {
    /// Checks that `bytes` bytes from `sector` on are whole blocks of the disk; gives `bytes`.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`], [`Error::Misaligned`], [`Error::OutOfRange`].
    #[inline]
    pub fn check(&self, sector: u64, bytes: u64) -> Result<u64, Error> {
        let (block_size, sectors) = (self.block_size, bytes / SECTOR_SIZE as u64);
        // Block sizes are powers of two.
        let within_block = u64::from(block_size) - 1;
        if bytes == 0 {
            return Err(Error::Empty);
        }
        if bytes & within_block != 0 || sector & (within_block / SECTOR_SIZE as u64) != 0 {
            return Err(Error::Misaligned { block_size });
        }
        match sector.checked_add(sectors) {
            Some(end) if end <= self.capacity => Ok(bytes),
            _ => Err(Error::OutOfRange { sector, sectors, capacity: self.capacity }),
        }
    }
}

/// Counts since the driver started; each is only ever added to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Interrupts taken.
    pub interrupts: u64,
    /// Notifications sent to the device.
    pub notifications: u64,
    /// Looks at the device by those who wait.
    pub looks: u64,
    /// Times that a task went to sleep until the device interrupts.
    pub sleeps: u64,
}

/// All that is known about a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskInfo {
    /// The name that the disk gives itself; empty if it has none.
    pub serial: String,
    /// The part that requests are checked against.
    pub geometry: Geometry,
    /// The block size that serves the disk best, in bytes; at least `block_size`.
    pub physical_block_size: u32,
    /// Writes stay in a volatile cache until a flush.
    pub writeback: bool,
    /// The most segments that the device takes in one request.
    pub max_segments: usize,
    /// The most bytes in one segment; `None` if the device does not limit them.
    pub max_segment_bytes: Option<u32>,
    /// The number of entries of a request queue.
    pub queue_size: u16,
    /// The number of request queues in use.
    pub queues: usize,
}

impl fmt::Display for DiskInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = self.geometry.capacity as f64 * SECTOR_SIZE as f64 / f64::from(1 << 20);
        write!(
            f,
            "serial \"{}\", {} sectors ({mib:.1} MiB), block size {}, {}, {}, \
             at most {} segments{}, {}queue {}",
            self.serial,
            self.geometry.capacity,
            self.geometry.block_size,
            if self.geometry.read_only { "read-only" } else { "read-write" },
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
