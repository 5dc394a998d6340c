//! The device's side of a split virtqueue, written from the specification and not from the driver.

use alloc::{vec, vec::Vec};

use super::{DeviceBuffer, DeviceChain, DeviceMemory, Notifications};
use crate::queue::QueueAddresses;

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
    /// Set once the device has written over descriptors, and may find any nonsense there.
    scribbled: bool,
    /// The wish that the driver has to notify by: the available index that is to pass (EVENT_IDX), or
    /// `None` for no notifications.
    wish: Option<u16>,
    /// The available index up to which notifications are accounted for.
    accounted: u16,
    pub notifications: Notifications,
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
            scribbled: false,
            wish: Some(0),
            accounted: 0,
            notifications: Notifications::default(),
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
    ///
    /// # Panics
    ///
    /// Its descriptors break a rule, unless the device has written over descriptors itself.
    pub fn take(&mut self) -> Option<DeviceChain> {
        self.account();
        let head = self.waiting().next()?;
        self.next_available = self.next_available.wrapping_add(1);
        if self.event_idx {
            // Notify for the one after those taken so far.
            self.set_avail_event(self.next_available);
        }
        let mut chain = DeviceChain { head, table: None, buffers: Vec::new() };
        if let Err(mistake) = self.walk(&mut chain, self.descriptors, head, self.size) {
            assert!(self.scribbled, "the chain from descriptor {head}: {mistake}");
            chain.buffers.clear();
        }
        Some(chain)
    }

    fn walk(
        &self,
        chain: &mut DeviceChain,
        table: u64,
        first: u16,
        entries: u16,
    ) -> Result<(), &'static str> {
        let mut number = first;
        for _ in 0..entries {
            if number >= entries {
                return Err("a descriptor beyond the end of the table");
            }
            let at = table + 16 * u64::from(number);
            let (address, length) = (DeviceMemory::u64(at), DeviceMemory::u32(at + 8));
            let (flags, next) = (DeviceMemory::u16(at + 12), DeviceMemory::u16(at + 14));
            if flags & !7 != 0 {
                return Err("flags that there are not");
            }
            if flags & 4 != 0 {
                if chain.table.is_some() || flags != 4 || length % 16 != 0 {
                    return Err("an indirect table where none can be");
                }
                let entries = (length / 16) as u16;
                chain.table = Some((address, entries));
                self.walk(chain, address, 0, entries)?;
            } else {
                chain.buffers.push(DeviceBuffer { address, length, writable: flags & 2 != 0 });
            }
            if flags & 1 == 0 {
                return Ok(());
            }
            number = next;
        }
        Err("it does not end")
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

    /// A used entry: the number of a descriptor, and the number of bytes written.
    pub fn used_entry(&self, index: u16) -> (u32, u32) {
        let at = self.device_area + 4 + 8 * self.entry(index);
        (DeviceMemory::u32(at), DeviceMemory::u32(at + 4))
    }

    /// The used index as it stands in the ring.
    pub fn used_index(&self) -> u16 {
        DeviceMemory::u16(self.device_area + 2)
    }

    /// Writes the used index, whatever it says.
    pub fn write_used_index(&self, index: u16) {
        assert!(DeviceMemory::write(self.device_area + 2, &index.to_le_bytes()));
    }

    /// Asks to be notified when the available index passes `event` (EVENT_IDX).
    pub fn set_avail_event(&mut self, event: u16) {
        self.account();
        self.wish = Some(event);
        let at = self.device_area + 4 + 8 * u64::from(self.size);
        assert!(DeviceMemory::write(at, &event.to_le_bytes()));
    }

    /// Asks for no notifications, or for them again (without EVENT_IDX).
    pub fn set_no_notify(&mut self, no_notify: bool) {
        self.account();
        if !self.event_idx {
            self.wish = if no_notify { None } else { Some(0) };
        }
        assert!(DeviceMemory::write(self.device_area, &u16::from(no_notify).to_le_bytes()));
    }

    /// Returns true if the chains that were made available since the last call are worth a
    /// notification, by the wish of the device (sections 2.7.10 and 2.7.13.4).
    fn is_owed(&mut self) -> bool {
        let (new, old) = (self.available_index(), self.accounted);
        if new.wrapping_sub(old) > self.size {
            // The device has written over the index.
            return false;
        }
        self.accounted = new;
        match self.wish {
            None => false,
            Some(_) if !self.event_idx => new != old,
            Some(event) => event.wrapping_sub(old) < new.wrapping_sub(old),
        }
    }

    /// The driver notifies.
    pub fn notified(&mut self) {
        if !self.is_owed() {
            self.notifications.not_owed += 1;
        }
    }

    /// The device finds by itself what is new. The driver, which does nothing at this moment, must have
    /// notified for it.
    pub fn account(&mut self) {
        if self.is_owed() {
            self.notifications.missed += 1;
        }
    }

    /// The used index whose passing the driver wants to be interrupted for (EVENT_IDX).
    pub fn used_event(&self) -> u16 {
        DeviceMemory::u16(self.driver_area + 4 + 2 * u64::from(self.size))
    }

    /// Returns true if the driver wants an interrupt for the chains returned since the last call.
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

    /// Overwrites everything that the driver wrote to the rings: descriptors and available ring.
    pub fn scribble(&mut self) {
        self.account();
        let junk = vec![0xa5; 16 * usize::from(self.size)];
        assert!(DeviceMemory::write(self.descriptors, &junk));
        assert!(DeviceMemory::write(self.driver_area, &junk[..4 + 2 * usize::from(self.size)]));
    }

    /// Changes the entries of the indirect table of a chain that it had.
    pub fn scribble_table(&mut self, chain: &DeviceChain, change: impl FnOnce(&mut [[u8; 16]])) {
        self.scribbled = true;
        chain.change_table(change);
    }

    /// Returns true if the device has written over descriptors.
    pub fn has_scribbled(&self) -> bool {
        self.scribbled
    }
}
