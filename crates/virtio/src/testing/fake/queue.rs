//! The device's side of a split virtqueue, written from the specification and not from the driver.

use alloc::{vec, vec::Vec};

use ostd::mm::PAGE_SIZE;

use super::{super::queue::QueueAddresses, DeviceMemory};

/// One buffer of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceBuffer {
    pub address: u64,
    pub length: u32,
    pub writable: bool,
}

/// A chain that the driver has made available.
#[derive(Clone, Debug)]
pub struct DeviceChain {
    pub head: u16,
    pub indirect: bool,
    pub buffers: Vec<DeviceBuffer>,
}

impl DeviceChain {
    /// All that the device may read.
    pub fn readable(&self) -> Vec<u8> {
        let mut all = Vec::new();
        for buffer in self.buffers.iter().filter(|buffer| !buffer.writable) {
            let mut bytes = vec![0; buffer.length as usize];
            assert!(DeviceMemory::read(buffer.address, &mut bytes));
            all.extend(bytes);
        }
        all
    }

    /// How many bytes the device may write.
    pub fn writable_length(&self) -> u32 {
        self.buffers.iter().filter(|buffer| buffer.writable).map(|buffer| buffer.length).sum()
    }

    /// How many bytes the device may read.
    pub fn readable_length(&self) -> u32 {
        self.buffers.iter().filter(|buffer| !buffer.writable).map(|buffer| buffer.length).sum()
    }

    /// Reads from byte `offset` of what the device may read on; `out` lies within one buffer.
    pub fn read_at(&self, offset: u32, out: &mut [u8]) {
        self.read_of(false, offset, out);
    }

    /// Reads from byte `offset` of what the device may write on; `out` lies within one buffer.
    pub fn read_written(&self, offset: u32, out: &mut [u8]) {
        self.read_of(true, offset, out);
    }

    fn read_of(&self, writable: bool, mut offset: u32, out: &mut [u8]) {
        for buffer in self.buffers.iter().filter(|buffer| buffer.writable == writable) {
            if offset < buffer.length {
                assert!(offset as usize + out.len() <= buffer.length as usize);
                assert!(DeviceMemory::read(buffer.address + u64::from(offset), out));
                return;
            }
            offset -= buffer.length;
        }
        panic!("the chain ends {offset} bytes before that");
    }

    /// Writes over what the device is only to read, from the second buffer on.
    pub fn overwrite(&self, byte: u8) {
        for buffer in self.buffers.iter().skip(1).filter(|buffer| !buffer.writable) {
            assert!(DeviceMemory::write(buffer.address, &[byte; 8]));
        }
    }

    /// Checks that all of the chain is DMA memory in use.
    ///
    /// # Panics
    ///
    /// Where it is not.
    pub fn check_memory(&self) {
        for DeviceBuffer { address, length, .. } in &self.buffers {
            let last = address + u64::from(*length) - 1;
            for at in (*address..last).step_by(PAGE_SIZE).chain([last]) {
                assert!(DeviceMemory::read(at, &mut [0]), "no DMA memory at {at:#x}");
            }
        }
    }

    /// Writes `data` from byte `offset` of what the device may write on.
    pub fn write(&self, offset: usize, data: &[u8]) {
        let mut start = 0;
        for buffer in self.buffers.iter().filter(|buffer| buffer.writable) {
            let end = start + buffer.length as usize;
            let from = offset.max(start);
            let to = (offset + data.len()).min(end);
            if from < to {
                let part = &data[from - offset..to - offset];
                assert!(DeviceMemory::write(buffer.address + (from - start) as u64, part));
            }
            start = end;
        }
    }
}

/// A queue as the device knows it.
#[derive(Debug)]
pub struct DeviceQueue {
    pub size: u16,
    pub descriptors: u64,
    pub driver_area: u64,
    pub device_area: u64,
    event_idx: bool,
    next_available: u16,
    pub next_used: u16,
    /// The used index when interrupts were last considered.
    signalled: u16,
}

impl DeviceQueue {
    pub fn new(addresses: &QueueAddresses, event_idx: bool) -> Self {
        let place = [
            addresses.descriptor_table() as u64,
            addresses.driver_area() as u64,
            addresses.device_area() as u64,
        ];
        Self::at(addresses.size(), place, event_idx)
    }

    /// A queue at the device addresses of its descriptor table, driver area and device area.
    pub fn at(
        size: u16,
        [descriptors, driver_area, device_area]: [u64; 3],
        event_idx: bool,
    ) -> Self {
        Self {
            size,
            descriptors,
            driver_area,
            device_area,
            event_idx,
            next_available: 0,
            next_used: 0,
            signalled: 0,
        }
    }

    fn entry(&self, index: u16) -> u64 {
        u64::from(index % self.size)
    }

    /// The driver's available index.
    pub fn available_index(&self) -> u16 {
        DeviceMemory::u16(self.driver_area + 2)
    }

    /// The head of the chain that was made available last.
    pub fn newest(&self) -> u16 {
        let index = self.available_index().wrapping_sub(1);
        DeviceMemory::u16(self.driver_area + 4 + 2 * self.entry(index))
    }

    /// The heads of the chains that are available and not taken, oldest first.
    ///
    /// There are none where the available index says more than the ring can hold: then it was
    /// written over, or the device has returned chains that it never took.
    pub fn waiting(&self) -> impl Iterator<Item = u16> {
        let count = self.available_index().wrapping_sub(self.next_available);
        let count = if count > self.size { 0 } else { count };
        (0..count).map(|ahead| {
            let index = self.next_available.wrapping_add(ahead);
            DeviceMemory::u16(self.driver_area + 4 + 2 * self.entry(index))
        })
    }

    /// Passes over the next available chain without a look at it.
    pub fn skip(&mut self) {
        self.next_available = self.next_available.wrapping_add(1);
    }

    /// Takes the next available chain.
    pub fn take(&mut self) -> Option<DeviceChain> {
        let head = self.waiting().next()?;
        self.next_available = self.next_available.wrapping_add(1);
        if self.event_idx {
            // Notify for the one after those taken so far.
            self.set_avail_event(self.next_available);
        }
        let mut chain = DeviceChain { head, indirect: false, buffers: Vec::new() };
        self.walk(&mut chain, self.descriptors, head, self.size);
        Some(chain)
    }

    fn walk(&self, chain: &mut DeviceChain, table: u64, first: u16, entries: u16) {
        let mut number = first;
        for _ in 0..entries {
            assert!(number < entries, "descriptor {number} of {entries}");
            let at = table + 16 * u64::from(number);
            let (address, length) = (DeviceMemory::u64(at), DeviceMemory::u32(at + 8));
            let (flags, next) = (DeviceMemory::u16(at + 12), DeviceMemory::u16(at + 14));
            if flags & 4 != 0 {
                assert!(!chain.indirect, "a table within a table");
                assert_eq!((flags, length % 16), (4, 0));
                chain.indirect = true;
                self.walk(chain, address, 0, (length / 16) as u16);
            } else {
                chain.buffers.push(DeviceBuffer { address, length, writable: flags & 2 != 0 });
            }
            if flags & 1 == 0 {
                return;
            }
            number = next;
        }
        panic!("the chain from descriptor {first} does not end");
    }

    /// Returns a chain; the driver sees it when it reads the used index.
    pub fn give_back(&mut self, head: u16, written: u32) {
        self.write_used(self.next_used, head.into(), written);
        self.next_used = self.next_used.wrapping_add(1);
        self.write_used_index(self.next_used);
    }

    /// Writes a used entry, whatever it says.
    pub fn write_used(&self, index: u16, id: u32, written: u32) {
        let at = self.device_area + 4 + 8 * self.entry(index);
        assert!(DeviceMemory::write(at, &id.to_le_bytes()));
        assert!(DeviceMemory::write(at + 4, &written.to_le_bytes()));
    }

    /// What a used entry says: the number of a descriptor, and how much was written.
    pub fn used_entry(&self, index: u16) -> (u32, u32) {
        let at = self.device_area + 4 + 8 * self.entry(index);
        (DeviceMemory::u32(at), DeviceMemory::u32(at + 4))
    }

    /// What the used index says.
    pub fn used_index(&self) -> u16 {
        DeviceMemory::u16(self.device_area + 2)
    }

    /// Writes the used index, whatever it says.
    pub fn write_used_index(&self, index: u16) {
        assert!(DeviceMemory::write(self.device_area + 2, &index.to_le_bytes()));
    }

    /// Asks to be notified when the available index passes `event` (EVENT_IDX).
    pub fn set_avail_event(&self, event: u16) {
        let at = self.device_area + 4 + 8 * u64::from(self.size);
        assert!(DeviceMemory::write(at, &event.to_le_bytes()));
    }

    /// Asks for no notifications, or for them again (without EVENT_IDX).
    pub fn set_no_notify(&self, no_notify: bool) {
        assert!(DeviceMemory::write(self.device_area, &u16::from(no_notify).to_le_bytes()));
    }

    /// The used index whose passing the driver wants to be interrupted for (EVENT_IDX).
    pub fn used_event(&self) -> u16 {
        DeviceMemory::u16(self.driver_area + 4 + 2 * u64::from(self.size))
    }

    /// Whether the driver is to be interrupted for what was returned since this was last asked.
    pub fn should_interrupt(&mut self) -> bool {
        let (new, old) = (self.next_used, self.signalled);
        self.signalled = new;
        if self.event_idx {
            // One of the indices from `old` to before `new` is the one asked for (section 2.7.7).
            let event = self.used_event();
            (0..new.wrapping_sub(old)).any(|step| old.wrapping_add(step) == event)
        } else {
            new != old && DeviceMemory::u16(self.driver_area) & 1 == 0
        }
    }

    /// Overwrites everything that the driver wrote: descriptors and available ring.
    pub fn scribble(&self) {
        let junk = vec![0xa5; 16 * usize::from(self.size)];
        assert!(DeviceMemory::write(self.descriptors, &junk));
        assert!(DeviceMemory::write(self.driver_area, &junk[..4 + 2 * usize::from(self.size)]));
    }
}
