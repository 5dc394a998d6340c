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

use ostd::{
    Error,
    mm::{
        HasDaddr, HasSize, Infallible, PAGE_SIZE, PodOnce, VmIoFill, VmIoOnce, VmWriter,
        dma::DmaCoherent, io::util::HasVmReaderWriter,
    },
};

use super::{
    MAX_SEGMENTS,
    chain::Segment,
    layout::{DESCRIPTOR_BYTES, Layout, QueueAddresses, descriptor, ring},
};
use crate::dma::CACHE_COHERENT;

/// The bytes of one indirect descriptor table.
const INDIRECT_TABLE_BYTES: usize = MAX_SEGMENTS * DESCRIPTOR_BYTES;

/// Descriptor table, available ring and used ring, and one indirect table per descriptor.
#[derive(Debug)]
pub(super) struct Rings {
    layout: Layout,
    memory: DmaCoherent,
    /// Made once, so that no chain has to allocate one.
    indirect_tables: Option<DmaCoherent>,
}

impl Rings {
    /// Allocates zeroed rings for `size` entries.
    pub fn alloc(size: u16, indirect: bool) -> Result<Self, Error> {
        let alloc = |bytes: usize| DmaCoherent::alloc(bytes.div_ceil(PAGE_SIZE), CACHE_COHERENT);
        let layout = Layout::new(size);
        Ok(Self {
            layout,
            memory: alloc(layout.bytes)?,
            indirect_tables: if indirect {
                Some(alloc(usize::from(size) * INDIRECT_TABLE_BYTES)?)
            } else {
                None
            },
        })
    }

    pub fn size(&self) -> u16 {
        self.layout.size
    }

    pub fn has_indirect_tables(&self) -> bool {
        self.indirect_tables.is_some()
    }

    pub fn addresses(&self) -> QueueAddresses {
        QueueAddresses { layout: self.layout, base: self.memory.daddr() }
    }

    /// Makes everything zero again, for a device that does not know of the rings.
    pub fn clear(&self) {
        // Cannot fail: it is all of the memory and no more.
        let _ = self.memory.fill_zeros(0, self.memory.size());
    }

    /// Writes descriptor `number` of the ring.
    pub fn write_descriptor(&self, number: u16, segment: &Segment, next: Option<u16>) {
        let mut writer = self.memory.writer();
        put_segment(at(&mut writer, usize::from(number) * DESCRIPTOR_BYTES), segment, next);
    }

    /// Writes `list` to the indirect table of descriptor `number`, and the descriptor that points
    /// to it (section 2.7.5.3). `list` has at most [`MAX_SEGMENTS`] entries.
    #[inline]
    pub fn write_indirect(&self, number: u16, list: &[Segment]) {
        let Some(tables) = &self.indirect_tables else { return };
        let table = usize::from(number) * INDIRECT_TABLE_BYTES;
        let mut writer = tables.writer();
        let entry = at(&mut writer, table);
        for (next, segment) in (1u16..).zip(list) {
            put_segment(entry, segment, (usize::from(next) < list.len()).then_some(next));
        }
        let address = (tables.daddr() + table) as u64;
        let length = (list.len() * DESCRIPTOR_BYTES) as u32;
        let mut writer = self.memory.writer();
        let place = at(&mut writer, usize::from(number) * DESCRIPTOR_BYTES);
        put_descriptor(place, address, length, descriptor::F_INDIRECT, None);
    }

    /// Puts the chain that starts at descriptor `head` into the available ring as number
    /// `position`, and tells that there is one more.
    #[inline]
    pub fn publish(&self, position: u16, head: u16) {
        put(&self.memory, self.layout.available_entry(position), head);
        // Publish: the device must not see the index before what it announces.
        fence(Ordering::Release);
        let index = position.wrapping_add(1);
        put(&self.memory, self.layout.available + ring::INDEX, index);
    }

    /// The used index: how many chains the device has returned, ever. The entries that it
    /// announces may be read after this.
    pub fn used_index(&self) -> u16 {
        let index = get(&self.memory, self.layout.used + ring::INDEX);
        // Take: the device wrote the entries and the data before the index.
        fence(Ordering::Acquire);
        index
    }

    /// Used entry number `position`: the head of the chain, and the bytes written to it.
    pub fn used_entry(&self, position: u16) -> (u32, u32) {
        let mut reader = self.memory.reader();
        let entry = reader.skip(self.layout.used_entry(position));
        (entry.read_once().unwrap_or(u32::MAX), entry.read_once().unwrap_or(u32::MAX))
    }

    /// The available index whose passing the device wants to be notified of (EVENT_IDX).
    pub fn avail_event(&self) -> u16 {
        // Ask: our available index before the device's wish.
        fence(Ordering::SeqCst);
        get(&self.memory, self.layout.avail_event())
    }

    /// Whether the device wants no notifications (without EVENT_IDX).
    pub fn notifications_suppressed(&self) -> bool {
        // Ask: our available index before the device's wish.
        fence(Ordering::SeqCst);
        let flags: u16 = get(&self.memory, self.layout.used + ring::FLAGS);
        flags & ring::USED_F_NO_NOTIFY != 0
    }

    /// Asks for an interrupt: with EVENT_IDX, when used entry number `used_event` is written.
    pub fn request_interrupt(&self, used_event: Option<u16>) {
        match used_event {
            Some(position) => put(&self.memory, self.layout.used_event(), position),
            None => put(&self.memory, self.layout.available + ring::FLAGS, 0u16),
        }
        // Ask: our wish before the device's used index, which is read next.
        fence(Ordering::SeqCst);
    }

    /// Asks for no interrupts: with EVENT_IDX, by asking for one at entry number `used_event`,
    /// which is as far away as can be.
    pub fn suppress_interrupt(&self, used_event: Option<u16>) {
        match used_event {
            Some(position) => put(&self.memory, self.layout.used_event(), position),
            None => put(
                &self.memory,
                self.layout.available + ring::FLAGS,
                ring::AVAILABLE_F_NO_INTERRUPT,
            ),
        }
    }
}

// Every offset is computed from the layout and a number below the size, so it lies in the memory
// and is aligned; none of the following can fail, whatever the device does.

type Writer<'a> = VmWriter<'a, Infallible>;

fn at<'w, 'a>(writer: &'w mut Writer<'a>, offset: usize) -> &'w mut Writer<'a> {
    writer.skip(offset)
}

/// Writes a descriptor for `segment`, and leaves `place` behind it.
fn put_segment(place: &mut Writer<'_>, segment: &Segment, next: Option<u16>) {
    let flags = if segment.device_writes { descriptor::F_WRITE } else { 0 };
    put_descriptor(place, segment.address, segment.length, flags, next);
}

fn put_descriptor(
    place: &mut Writer<'_>,
    address: u64,
    length: u32,
    flags: u16,
    next: Option<u16>,
) {
    let flags = if next.is_some() { flags | descriptor::F_NEXT } else { flags };
    // Length, flags and next share one word: two stores instead of four.
    let rest = u64::from(length)
        | u64::from(flags) << descriptor::FLAGS_SHIFT
        | u64::from(next.unwrap_or(0)) << descriptor::NEXT_SHIFT;
    let _ = place.write_once(&address).and_then(|()| place.write_once(&rest));
}

fn get<V: PodOnce>(memory: &DmaCoherent, offset: usize) -> V {
    memory.read_once(offset).unwrap_or_else(|_| V::new_zeroed())
}

fn put<V: PodOnce>(memory: &DmaCoherent, offset: usize, value: V) {
    let _ = memory.write_once(offset, &value);
}
