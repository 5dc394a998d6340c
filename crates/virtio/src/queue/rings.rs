//! The memory that a queue shares with the device, and the order of accesses to it.
//!
//! Every access is one volatile load or store (`read_once`, `write_once`), so nothing is read
//! twice. Three fences order them, each the driver's half of a pair with the device:
//!
//! - **publish** (release): the descriptors and the ring entry before the available index.
//! - **take** (acquire): the used index before the used entries, and before the data.
//! - **ask** (full): one's own index before the other's wish. Driver and device each write an
//!   index and then read what the other one asked for; were the read to overtake the write, both
//!   could miss each other and sleep (sections 2.7.13.4.1 and 2.7.14).
//!
//! These order memory against memory. The notification is a store to a device register, and
//! RISC-V orders that against memory with `fence w,o`, for which OSTD has no safe function. QEMU
//! executes a register store after the stores before it; hardware would need that fence in
//! `IoMem::write_once`.

use core::sync::atomic::{Ordering, fence};

use dma::{DmaError, alloc_coherent};
use ostd::mm::{
    HasDaddr, HasSize, PAGE_SIZE, VmIoFill, VmIoOnce, dma::DmaCoherent, io::util::HasVmReaderWriter,
};

use super::{
    Descriptor,
    layout::{Layout, QueueAddresses, ring},
};

/// Descriptor table, available ring and used ring.
#[derive(Debug)]
pub(super) struct Rings {
    layout: Layout,
    memory: DmaCoherent,
}

// Every offset is computed from the layout and a number below the size, so it lies in the memory
// and is aligned; no access can fail, whatever the device does.
impl Rings {
    /// Allocates zeroed rings for `size` entries.
    pub fn alloc(size: u16) -> Result<Self, DmaError> {
        let layout = Layout::new(size);
        Ok(Self { layout, memory: alloc_coherent(layout.bytes.div_ceil(PAGE_SIZE))? })
    }

    pub fn size(&self) -> u16 {
        self.layout.size
    }

    pub fn addresses(&self) -> QueueAddresses {
        QueueAddresses { layout: self.layout, base: self.memory.daddr() }
    }

    /// Makes everything zero again, for a device that does not know of the rings.
    pub fn clear(&self) {
        let _ = self.memory.fill_zeros(0, self.memory.size());
    }

    /// Writes descriptor `number` of the ring.
    #[inline]
    pub fn write_descriptor(&self, number: u16, descriptor: Descriptor) {
        let mut ring = self.memory.writer();
        let entry = ring.skip(usize::from(number) * size_of::<Descriptor>());
        let _ = descriptor.write(entry);
    }

    /// Puts the chain that starts at descriptor `head` into the available ring as number
    /// `position`, which counts on past the size, and tells that there is one more.
    #[inline(always)]
    pub fn publish(&self, position: u16, head: u16) {
        let entry = usize::from(position & (self.layout.size - 1));
        let mut ring = self.memory.writer();
        let mut entries = ring.skip(self.layout.available).clone_exclusive();
        let offset = ring::ENTRIES + entry * ring::AVAILABLE_ENTRY_BYTES;
        let _ = entries.skip(offset).write_once(&head);
        // Publish: the device must not see the index before what it announces.
        fence(Ordering::Release);
        let _ = ring.skip(ring::INDEX).write_once(&position.wrapping_add(1));
    }

    /// The used index: how many chains the device has returned, ever. The entries that it
    /// announces may be read after this.
    #[inline]
    pub fn used_index(&self) -> u16 {
        let index = self.memory.read_once(self.layout.used + ring::INDEX).unwrap_or(0);
        // Take: the device wrote the entries and the data before the index.
        fence(Ordering::Acquire);
        index
    }

    /// Used entry number `position`: the head of the chain, and the bytes written to it.
    #[inline]
    pub fn used_entry(&self, position: u16) -> (u32, u32) {
        let entry = usize::from(position & (self.layout.size - 1));
        let mut reader = self.memory.reader();
        let offset = self.layout.used + ring::ENTRIES + entry * ring::USED_ENTRY_BYTES;
        let entry = reader.skip(offset);
        (entry.read_once().unwrap_or(u32::MAX), entry.read_once().unwrap_or(u32::MAX))
    }

    /// The available index whose passing the device wants to be notified of (EVENT_IDX).
    #[inline]
    pub fn avail_event(&self) -> u16 {
        // Ask: our available index before the device's wish.
        fence(Ordering::SeqCst);
        self.memory.read_once(self.layout.avail_event).unwrap_or(0)
    }

    /// Returns `true` if the device wants no notifications (without EVENT_IDX).
    pub fn notifications_suppressed(&self) -> bool {
        // Ask: our available index before the device's wish.
        fence(Ordering::SeqCst);
        let flags: u16 = self.memory.read_once(self.layout.used + ring::FLAGS).unwrap_or(0);
        flags & ring::USED_F_NO_NOTIFY != 0
    }

    /// Says when the device shall interrupt: with EVENT_IDX, when it writes used entry number
    /// `used_event`, otherwise as the flags of the available ring say.
    pub fn wish_interrupt(&self, used_event: Option<u16>, flags: u16) {
        let _ = match used_event {
            Some(position) => self.memory.write_once(self.layout.used_event, &position),
            None => self.memory.write_once(self.layout.available + ring::FLAGS, &flags),
        };
    }
}
