//! The queue in memory: what the kernel has written there, and the chain that it makes.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

/// Flags of a descriptor (VIRTIO 1.3 section 2.7.5).
const NEXT: u64 = 1;
const WRITE: u64 = 2;
const INDIRECT: u64 = 4;

/// The bytes of a descriptor.
pub const DESCRIPTOR: u64 = 16;

/// All that the kernel has written by the functions that are watched.
#[derive(Default)]
pub struct Memory(BTreeMap<u64, u8>);

/// The places and the size of a queue, as its registers were told (section 4.2.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    pub index: u64,
    pub size: u64,
    /// The descriptor table.
    pub table: u64,
    /// The available ring.
    pub available: u64,
    /// The used ring.
    pub used: u64,
}

/// One piece of memory in a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    pub address: u64,
    pub length: u64,
    pub device_writes: bool,
}

/// A chain that was made available.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The number of its first descriptor in the table.
    pub head: u64,
    /// The indirect table: address and bytes.
    pub indirect: Option<(u64, u64)>,
    pub segments: Vec<Segment>,
    /// The places of the descriptors of the segments.
    pub descriptors: Vec<u64>,
}

impl Memory {
    pub fn store(&mut self, address: u64, bytes: u64, value: u64) {
        let places = (address..).zip(value.to_le_bytes());
        self.0.extend(places.take(bytes.min(8) as usize));
    }

    /// The number of so many bytes, 8 at the most, if all of them were written.
    pub fn number(&self, address: u64, bytes: u64) -> Option<u64> {
        let mut value = [0; 8];
        for (place, byte) in (address..).zip(value.iter_mut().take(bytes.min(8) as usize)) {
            *byte = *self.0.get(&place)?;
        }
        Some(u64::from_le_bytes(value))
    }

    /// Follows the chain that begins with this descriptor.
    pub fn chain(&self, queue: &Queue, head: u64) -> Result<Chain> {
        let first = self.descriptor(queue.table + head * DESCRIPTOR)?;
        let indirect = (first.flags & INDIRECT != 0).then_some((first.address, first.length));
        let (table, entries, mut number) = match indirect {
            Some((address, bytes)) => (address, bytes / DESCRIPTOR, 0),
            None => (queue.table, queue.size, head),
        };
        let (mut segments, mut descriptors) = (Vec::new(), Vec::new());
        loop {
            ensure!(
                number < entries && (segments.len() as u64) < entries,
                "descriptor {number} of a chain lies beyond its table of {entries}"
            );
            let place = table + number * DESCRIPTOR;
            let Descriptor { address, length, flags, next } = self.descriptor(place)?;
            segments.push(Segment { address, length, device_writes: flags & WRITE != 0 });
            descriptors.push(place);
            if flags & NEXT == 0 {
                return Ok(Chain { head, indirect, segments, descriptors });
            }
            number = next;
        }
    }

    fn descriptor(&self, place: u64) -> Result<Descriptor> {
        let read = || {
            Some(Descriptor {
                address: self.number(place, 8)?,
                length: self.number(place + 8, 4)?,
                flags: self.number(place + 12, 2)?,
                next: self.number(place + 14, 2)?,
            })
        };
        read().with_context(|| format!("the kernel has written no descriptor at {place:#x}"))
    }
}

struct Descriptor {
    address: u64,
    length: u64,
    flags: u64,
    next: u64,
}

impl Queue {
    /// Takes in what one of its registers was told.
    pub fn tell(&mut self, register: u64, value: u64) {
        let (field, high) = match register {
            0x038 => (&mut self.size, false),
            0x080 => (&mut self.table, false),
            0x084 => (&mut self.table, true),
            0x090 => (&mut self.available, false),
            0x094 => (&mut self.available, true),
            0x0a0 => (&mut self.used, false),
            0x0a4 => (&mut self.used, true),
            _ => return,
        };
        *field = if high { *field & 0xffff_ffff | value << 32 } else { value };
    }

    /// The available index.
    pub fn available_index(&self) -> u64 {
        self.available + 2
    }

    /// The entry of the available ring for the chain of this number.
    pub fn available_entry(&self, position: u64) -> u64 {
        self.available + 4 + 2 * (position % self.size)
    }

    /// The used index at which the driver wants an interrupt, behind the available ring.
    pub fn used_event(&self) -> u64 {
        self.available + 4 + 2 * self.size
    }

    /// The used index.
    pub fn used_index(&self) -> u64 {
        self.used + 2
    }

    /// The entry of the used ring for the chain of this number.
    pub fn used_entry(&self, position: u64) -> u64 {
        self.used + 4 + 8 * (position % self.size)
    }

    /// The available index at which the device wants a notification, behind the used ring.
    pub fn available_event(&self) -> u64 {
        self.used + 4 + 8 * self.size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUEUE: Queue =
        Queue { index: 0, size: 8, table: 0x1000, available: 0x2000, used: 0x3000 };

    fn put(memory: &mut Memory, place: u64, address: u64, length: u64, flags: u64, next: u64) {
        memory.store(place, 8, address);
        memory.store(place + 8, 8, length | flags << 32 | next << 48);
    }

    #[test]
    fn a_chain_in_the_ring_is_followed() {
        let mut memory = Memory::default();
        put(&mut memory, 0x1030, 0xa0, 16, NEXT, 1);
        put(&mut memory, 0x1010, 0xb0, 512, NEXT | WRITE, 7);
        put(&mut memory, 0x1070, 0xc0, 1, WRITE, 0);
        let chain = memory.chain(&QUEUE, 3).unwrap();
        let of = |segment: &Segment| (segment.address, segment.length, segment.device_writes);
        let segments: Vec<_> = chain.segments.iter().map(of).collect();
        assert_eq!(segments, [(0xa0, 16, false), (0xb0, 512, true), (0xc0, 1, true)]);
        assert_eq!((chain.indirect, chain.descriptors), (None, vec![0x1030, 0x1010, 0x1070]));
    }

    #[test]
    fn a_chain_in_an_indirect_table_is_followed() {
        let mut memory = Memory::default();
        put(&mut memory, 0x1000, 0x9000, 32, INDIRECT, 0);
        put(&mut memory, 0x9000, 0xa0, 16, NEXT, 1);
        put(&mut memory, 0x9010, 0xc0, 1, WRITE, 0);
        let chain = memory.chain(&QUEUE, 0).unwrap();
        assert_eq!((chain.indirect, chain.segments.len()), (Some((0x9000, 32)), 2));
    }

    #[test]
    fn no_chain_leads_out_of_its_table_or_round() {
        let mut memory = Memory::default();
        put(&mut memory, 0x1000, 0xa0, 16, NEXT, 9);
        assert!(memory.chain(&QUEUE, 0).is_err());
        put(&mut memory, 0x1000, 0xa0, 16, NEXT, 0);
        assert!(memory.chain(&QUEUE, 0).is_err());
        assert!(memory.chain(&QUEUE, 1).unwrap_err().to_string().contains("0x1010"));
    }

    #[test]
    fn a_queue_is_what_its_registers_were_told() {
        let mut queue = Queue::default();
        for (register, value) in [(0x038, 8), (0x080, 0x1000), (0x084, 1), (0x0a0, 0x3000)] {
            queue.tell(register, value);
        }
        assert_eq!((queue.size, queue.table, queue.used), (8, 0x1_0000_1000, 0x3000));
        assert_eq!(QUEUE.available_entry(9), 0x2006);
        assert_eq!((QUEUE.used_event(), QUEUE.available_event()), (0x2014, 0x3044));
    }
}
