//! Where the parts of a split virtqueue lie in memory, VIRTIO 1.3 section 2.7.
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

/// One entry of a descriptor table: 16 bytes.
pub(super) const DESCRIPTOR_BYTES: usize = 16;

/// Fields of one descriptor (section 2.7.5).
pub(super) mod descriptor {
    // The first 8 bytes are the address. The other 8, as a number, hold the length in their lower
    // half, and above it
    /// the flags (byte 12)
    pub const FLAGS_SHIFT: u32 = 32;
    /// and the next descriptor (byte 14).
    pub const NEXT_SHIFT: u32 = 48;

    /// Another descriptor of the chain follows.
    pub const F_NEXT: u16 = 1;
    /// The device writes this buffer; without it, it reads.
    pub const F_WRITE: u16 = 2;
    /// The buffer is a table of descriptors.
    pub const F_INDIRECT: u16 = 4;
}

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
    pub available: usize,
    pub used: usize,
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
        let available = entries * DESCRIPTOR_BYTES;
        let available_bytes = ring::ENTRIES + entries * ring::AVAILABLE_ENTRY_BYTES + 2;
        let used = (available + available_bytes).next_multiple_of(PAGE_SIZE);
        let used_bytes = ring::ENTRIES + entries * ring::USED_ENTRY_BYTES + 2;
        Self { size, available, used, bytes: used + used_bytes }
    }

    /// Where `used_event` lies: behind the entries of the available ring (section 2.7.7).
    pub const fn used_event(&self) -> usize {
        self.available + ring::ENTRIES + self.size as usize * ring::AVAILABLE_ENTRY_BYTES
    }

    /// Where `avail_event` lies: behind the entries of the used ring (section 2.7.10).
    pub const fn avail_event(&self) -> usize {
        self.used + ring::ENTRIES + self.size as usize * ring::USED_ENTRY_BYTES
    }

    /// Where entry `position` of the available ring lies; `position` counts on past the size.
    pub const fn available_entry(&self, position: u16) -> usize {
        let entry = (position & (self.size - 1)) as usize;
        self.available + ring::ENTRIES + entry * ring::AVAILABLE_ENTRY_BYTES
    }

    /// Where entry `position` of the used ring lies; `position` counts on past the size.
    pub const fn used_entry(&self, position: u16) -> usize {
        let entry = (position & (self.size - 1)) as usize;
        self.used + ring::ENTRIES + entry * ring::USED_ENTRY_BYTES
    }
}

/// What a transport tells the device about a queue.
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

/// Whether the index that the other side asked to be told about, `event`, was passed when the
/// index moved from `old` to `new`; indices wrap at 65,536 (sections 2.7.7.2 and 2.7.10).
pub(super) const fn event_passed(event: u16, new: u16, old: u16) -> bool {
    new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
}
