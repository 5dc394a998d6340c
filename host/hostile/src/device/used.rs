//! The used ring, VIRTIO 1.3 section 2.7.8, written raw: whatever number is asked for goes in.

use std::sync::atomic::{Ordering, fence};

use virtio_bindings::virtio_ring::{VRING_AVAIL_F_NO_INTERRUPT, VRING_DESC_F_INDIRECT};
use virtio_queue::{Queue, QueueT};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

use super::request::Span;

/// The addresses of a running queue, and how far its used ring has come.
#[derive(Clone, Debug)]
pub struct UsedRing {
    address: GuestAddress,
    /// The available ring, which says whether the driver wants an interrupt.
    available: GuestAddress,
    /// The descriptor table.
    descriptors: GuestAddress,
    size: u16,
    event_idx: bool,
    /// The number of entries ever written, modulo 65,536 as the ring counts.
    next: u16,
    /// `next` when an interrupt was last considered.
    considered: u16,
}

type Result<T> = std::result::Result<T, vm_memory::GuestMemoryError>;

impl UsedRing {
    /// The ring of a queue that the driver has just set up.
    pub fn of(queue: &Queue) -> Self {
        let next = queue.next_used();
        Self {
            address: GuestAddress(queue.used_ring()),
            available: GuestAddress(queue.avail_ring()),
            descriptors: GuestAddress(queue.desc_table()),
            size: queue.size(),
            event_idx: queue.event_idx_enabled(),
            next,
            considered: next,
        }
    }

    /// The number of entries.
    pub fn size(&self) -> u16 {
        self.size
    }

    /// The index behind the last entry.
    pub fn next(&self) -> u16 {
        self.next
    }

    /// The address of the available ring.
    pub fn available(&self) -> GuestAddress {
        self.available
    }

    /// The address of the descriptor table.
    pub fn descriptors(&self) -> GuestAddress {
        self.descriptors
    }

    /// The table that a descriptor refers to, if it is an indirect one (section 2.7.5.3).
    pub fn table(&self, memory: &GuestMemoryMmap, number: u16) -> Result<Option<Span>> {
        let at = |offset| GuestAddress(self.descriptors.0 + u64::from(number) * 16 + offset);
        let flags = u16::from_le(memory.read_obj(at(12))?);
        if u32::from(flags) & VRING_DESC_F_INDIRECT == 0 {
            return Ok(None);
        }
        let address = GuestAddress(u64::from_le(memory.read_obj(at(0))?));
        Ok(Some(Span { address, length: u32::from_le(memory.read_obj(at(8))?) }))
    }

    /// Writes an entry, which the driver does not see before [`Self::publish`].
    pub fn put(&mut self, memory: &GuestMemoryMmap, id: u32, written: u32) -> Result<()> {
        self.overwrite(memory, self.next, id, written)?;
        self.next = self.next.wrapping_add(1);
        Ok(())
    }

    /// Goes on from this index, as if all entries before it had been written.
    pub fn go_on_from(&mut self, index: u16) {
        (self.next, self.considered) = (index, index);
    }

    /// Writes an entry anew.
    pub fn overwrite(
        &self,
        memory: &GuestMemoryMmap,
        index: u16,
        id: u32,
        written: u32,
    ) -> Result<()> {
        let entry = self.address.0 + 4 + u64::from(index % self.size) * 8;
        memory.write_obj(id.to_le(), GuestAddress(entry))?;
        memory.write_obj(written.to_le(), GuestAddress(entry + 4))
    }

    /// Shows the driver all entries written so far.
    pub fn publish(&self, memory: &GuestMemoryMmap) -> Result<()> {
        self.publish_index(memory, self.next)
    }

    /// Shows the driver this index, whatever entries there are.
    pub fn publish_index(&self, memory: &GuestMemoryMmap, index: u16) -> Result<()> {
        memory.store(index.to_le(), GuestAddress(self.address.0 + 2), Ordering::Release)
    }

    /// Returns true if the driver wants an interrupt for the next entry.
    pub fn is_interrupt_wished(&self, memory: &GuestMemoryMmap) -> Result<bool> {
        let mut ahead = self.clone();
        ahead.next = ahead.next.wrapping_add(1);
        ahead.wants_interrupt(memory)
    }

    /// The entry for which the driver wants an interrupt, counted from the next one (section 2.7.7); `None`
    /// where it says by flags whether it wants any.
    pub fn wished_entry(&self, memory: &GuestMemoryMmap) -> Result<Option<i16>> {
        if !self.event_idx {
            return Ok(None);
        }
        let event = u16::from_le(memory.load(self.used_event(), Ordering::Relaxed)?);
        Ok(Some(event.wrapping_sub(self.next) as i16))
    }

    fn used_event(&self) -> GuestAddress {
        GuestAddress(self.available.0 + 4 + u64::from(self.size) * 2)
    }

    /// Returns true if the driver wants an interrupt for the entries published since the last call
    /// (section 2.7.7).
    pub fn wants_interrupt(&mut self, memory: &GuestMemoryMmap) -> Result<bool> {
        let (old, new) = (self.considered, self.next);
        self.considered = new;
        // Publish first, then look: the driver does it the other way round.
        fence(Ordering::SeqCst);
        if old == new {
            return Ok(false);
        }
        if self.event_idx {
            let event = u16::from_le(memory.load(self.used_event(), Ordering::Relaxed)?);
            return Ok(new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old));
        }
        let flags = u16::from_le(memory.load(self.available, Ordering::Relaxed)?);
        Ok(u32::from(flags) & VRING_AVAIL_F_NO_INTERRUPT == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(event_idx: bool) -> (UsedRing, GuestMemoryMmap) {
        let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), 0x3000)]).unwrap();
        let ring = UsedRing {
            address: GuestAddress(0x2000),
            available: GuestAddress(0x1000),
            descriptors: GuestAddress(0),
            size: 4,
            event_idx,
            next: u16::MAX,
            considered: u16::MAX,
        };
        (ring, memory)
    }

    #[test]
    fn entries_go_round_the_ring() {
        let (mut ring, memory) = ring(false);
        ring.put(&memory, 7, 513).unwrap();
        ring.put(&memory, 9999, u32::MAX).unwrap();
        assert_eq!(
            memory.read_obj::<u64>(GuestAddress(0x2000 + 4 + 3 * 8)).unwrap(),
            513 << 32 | 7
        );
        let second = memory.read_obj::<u64>(GuestAddress(0x2004)).unwrap();
        assert_eq!(second, 0xffff_ffff << 32 | 9999);
        assert_eq!(memory.read_obj::<u16>(GuestAddress(0x2002)).unwrap(), 0);
        ring.publish(&memory).unwrap();
        assert_eq!(memory.read_obj::<u16>(GuestAddress(0x2002)).unwrap(), 1);
    }

    #[test]
    fn interrupts_are_a_matter_of_the_driver() {
        let (mut ring, memory) = ring(true);
        memory.write_obj(u16::MAX, GuestAddress(0x1000 + 4 + 8)).unwrap();
        assert!(!ring.wants_interrupt(&memory).unwrap());
        assert!(ring.is_interrupt_wished(&memory).unwrap());
        assert_eq!(ring.wished_entry(&memory).unwrap(), Some(0));
        ring.put(&memory, 0, 0).unwrap();
        assert!(ring.wants_interrupt(&memory).unwrap());
        assert!(!ring.is_interrupt_wished(&memory).unwrap());
        ring.put(&memory, 0, 0).unwrap();
        assert!(!ring.wants_interrupt(&memory).unwrap());

        ring.event_idx = false;
        ring.put(&memory, 0, 0).unwrap();
        assert!(ring.wants_interrupt(&memory).unwrap());
        memory.write_obj(1u16, GuestAddress(0x1000)).unwrap();
        ring.put(&memory, 0, 0).unwrap();
        assert!(!ring.wants_interrupt(&memory).unwrap());
    }
}
