//! The places of a split virtqueue's parts in memory, VIRTIO 1.3 section 2.7.
//!
//! ```text
//!   descriptor table          available ring (driver area)      used ring (device area)
//!   16 bytes an entry         the driver writes, the device     the device writes, the driver
//!                             reads                             reads
//!   +---------+-----+-...     +-------+-----+------...---+      +-------+-----+-------...---+
//!   | address | len |         | flags | idx | ring       |      | flags | idx | ring        |
//!   | u64     | u32 |         | u16   | u16 | u16 each   |      | u16   | u16 | 8 bytes each|
//!   +---------+-----+-...     +-------+-----+------...---+      +-------+-----+-------...---+
//!     flags u16, next u16       then used_event u16               then avail_event u16
//! ```

use ostd::mm::{Daddr, PAGE_SIZE};

use super::Descriptor;

/// Field offsets within either ring (sections 2.7.6 and 2.7.8).
pub(super) mod ring {
    pub const FLAGS: usize = 0;
    pub const INDEX: usize = 2;
    pub const ENTRIES: usize = 4;

    pub const AVAILABLE_ENTRY_BYTES: usize = 2;
    /// 4 bytes for the head of the chain, 4 for how much was written to it.
    pub const USED_ENTRY_BYTES: usize = 8;
    /// In the available ring: the driver asks not to be interrupted.
    pub const AVAILABLE_F_NO_INTERRUPT: u16 = 1;
    /// In the used ring: the device asks not to be notified.
    pub const USED_F_NO_NOTIFY: u16 = 1;
}

/// The largest queue that is asked for; QEMU's devices have no larger ones.
pub const MAX_QUEUE_SIZE: u16 = 1024;

/// The offsets of the three parts in one block of memory.
///
/// One layout serves both interfaces: the legacy one prescribes it, the modern one leaves the
/// places free as long as the parts are aligned to 16, 2 and 4 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub size: u16,
    /// The available ring.
    pub available: usize,
    /// `used_event`, behind the entries of the available ring (section 2.7.7).
    pub used_event: usize,
    /// The used ring.
    pub used: usize,
    /// `avail_event`, behind the entries of the used ring (section 2.7.10).
    pub avail_event: usize,
    /// All of it.
    pub bytes: usize,
}

impl Layout {
    /// The layout of a queue of `size` entries, where the used ring starts at a multiple of a
    /// page as a legacy device computes it (section 2.7.2).
    ///
    /// `size` is a power of two no larger than [`MAX_QUEUE_SIZE`], so nothing overflows.
    pub const fn new(size: u16) -> Self {
        let entries = size as usize;
        let available = entries * size_of::<Descriptor>();
        let used_event = available + ring::ENTRIES + entries * ring::AVAILABLE_ENTRY_BYTES;
        let used = (used_event + 2).next_multiple_of(PAGE_SIZE);
        let avail_event = used + ring::ENTRIES + entries * ring::USED_ENTRY_BYTES;
        Self { size, available, used_event, used, avail_event, bytes: avail_event + 2 }
    }
}

/// The places of a queue's parts, which a transport tells the device.
///
/// Only a queue makes one, for memory that it keeps until the device has been reset: a transport
/// cannot be made to point a device anywhere else.
#[derive(Debug)]
pub struct QueueAddresses {
    pub(super) layout: Layout,
    pub(super) base: Daddr,
}

impl QueueAddresses {
    /// The number of entries.
    pub fn size(&self) -> u16 {
        self.layout.size
    }

    /// The device address of the descriptor table, at the start of a page.
    pub fn descriptor_table(&self) -> Daddr {
        self.base
    }

    /// The device address of the driver area (available ring).
    pub fn driver_area(&self) -> Daddr {
        self.base + self.layout.available
    }

    /// The device address of the device area (used ring).
    pub fn device_area(&self) -> Daddr {
        self.base + self.layout.used
    }
}
