//! The meaning of single events: which access is which step.

use std::{mem, ops::Range};

use anyhow::{Context, Result};
use lab::qemu::count::Seen;

use super::{
    chain::{Chain, DESCRIPTOR, Memory, Queue},
    events::{Event, What},
    record::Marks,
    steps::{
        Act,
        Lane::{self, Device, Driver, Host, Queue as Shared},
    },
};

/// Registers of a virtio-mmio device (VIRTIO 1.3 section 4.2.2), by the last three digits of their addresses.
pub mod register {
    pub const QUEUE_SEL: u64 = 0x030;
    pub const QUEUE_NOTIFY: u64 = 0x050;
    pub const INTERRUPT_STATUS: u64 = 0x060;
    pub const INTERRUPT_ACK: u64 = 0x064;
    pub const ALL: u64 = 0xfff;
}

/// The registers of virtio devices on QEMU's board `virt`.
pub const DEVICES: Range<u64> = 0x1000_1000..0x1000_9000;
/// The registers of its interrupt controller.
const INTERRUPT_CONTROLLER: Range<u64> = 0x0c00_0000..0x1000_0000;

/// From, to and kind of a step.
type Found = Option<(Lane, Lane, Act)>;

/// The state while the events are read.
pub struct Reader<'a> {
    pub marks: &'a Marks,
    pub chain: &'a Chain,
    pub queue: Queue,
    /// The addresses of the first and the last segment.
    pub header: u64,
    pub response: u64,
    /// The used index before, and as the driver saw it last.
    pub used: u64,
    pub seen_used: u64,
    /// The first half of the used entry.
    pub id: u64,
    pub memory: Memory,
    pub writes: bool,
}

impl Reader<'_> {
    /// The step that an event is, if it is one.
    pub fn read(&mut self, event: &Event) -> Result<Found> {
        Ok(match &event.what {
            What::Guest(seen @ Seen::Enter(look)) => {
                let act = match look.address {
                    address if self.marks.wake.start == address => Act::Woke,
                    _ if self.marks.begins(seen) => {
                        self.writes = self.marks.write.start == look.address;
                        Act::Called
                    }
                    _ if self.marks.sleeps(seen) => Act::Slept,
                    _ => return Ok(None),
                };
                // Others are woken, too: by a timer, for instance, which has not found the used index moved.
                let is_ours = act != Act::Woke || self.seen_used != self.used;
                is_ours.then_some((Driver, Driver, act))
            }
            What::Guest(seen @ Seen::Leave(address)) => {
                if self.marks.ends(seen) {
                    Some((Driver, Driver, Act::Ended))
                } else if self.marks.sleep.contains(address) && self.seen_used != self.used {
                    Some((Driver, Driver, Act::Resumed))
                } else {
                    None
                }
            }
            What::Guest(Seen::Access { store: true, address, bytes, value, .. }) => {
                self.memory.store(*address, *bytes, *value);
                self.stored(*address, *value)
            }
            What::Guest(Seen::Access { address, value, .. }) => self.loaded(*address, *value),
            What::Qemu { name, .. } => self.qemu(name, event)?,
        })
    }

    fn stored(&self, address: u64, value: u64) -> Found {
        let Self { queue, chain, .. } = self;
        // A descriptor is written by two stores.
        let last = chain.descriptors.last().map(|place| place + DESCRIPTOR / 2);
        let act = match address {
            _ if address == self.response => {
                let request_type = self.memory.number(self.header, 4)?;
                let sector = self.memory.number(self.header + 8, 8)?;
                Act::Prepared { request_type, sector, response: value }
            }
            _ if Some(address) == last => Act::Linked,
            _ if address == queue.table + chain.head * DESCRIPTOR + DESCRIPTOR / 2 => {
                let (table, bytes) = chain.indirect?;
                Act::Pointed { head: chain.head, table, bytes }
            }
            _ if address == queue.available_index() => {
                let entry = (value.wrapping_sub(1) & 0xffff) % queue.size;
                Act::Published { entry, head: chain.head, index: value }
            }
            // Later it is about other chains.
            _ if address == queue.used_event() && self.seen_used == self.used => {
                Act::Armed { event: value }
            }
            _ if DEVICES.contains(&address) => match address & register::ALL {
                register::QUEUE_NOTIFY => {
                    return Some((Driver, Device, Act::Notified { queue: value }));
                }
                register::INTERRUPT_ACK => {
                    return Some((Driver, Device, Act::Acknowledged { causes: value }));
                }
                _ => return None,
            },
            _ => return None,
        };
        Some((Driver, Shared, act))
    }

    fn loaded(&mut self, address: u64, value: u64) -> Found {
        let queue = self.queue;
        let act = match address {
            _ if address == queue.available_event() => Act::Asked { event: value },
            _ if address == queue.used_index() && value != self.seen_used => {
                let old = mem::replace(&mut self.seen_used, value);
                Act::Found { old, new: value }
            }
            _ if address == queue.used_index() && value == self.used => {
                Act::Looked { index: value, times: 1 }
            }
            _ if address == queue.used_entry(self.used) => {
                self.id = value;
                return None;
            }
            _ if address == queue.used_entry(self.used) + 4 => {
                Act::Took { id: self.id, length: value }
            }
            _ if address == self.response => Act::Checked { status: value },
            _ if INTERRUPT_CONTROLLER.contains(&address) && value != 0 => {
                return Some((Driver, Driver, Act::Claimed { line: value }));
            }
            _ if DEVICES.contains(&address)
                && address & register::ALL == register::INTERRUPT_STATUS =>
            {
                return Some((Device, Driver, Act::Inquired { causes: value }));
            }
            _ => return None,
        };
        Some((Shared, Driver, act))
    }

    fn qemu(&self, name: &str, event: &Event) -> Result<Found> {
        let value = |key| {
            event.value(key).with_context(|| format!("QEMU's event {name} has no number {key}"))
        };
        let entry = self.used % self.queue.size;
        Ok(Some(match name {
            "virtqueue_pop" => {
                let (reads, writes) = (value("out_num")?, value("in_num")?);
                (Shared, Device, Act::Popped { reads, writes })
            }
            "virtio_blk_handle_read" | "virtio_blk_handle_write" => {
                let (sector, sectors) = (value("sector")?, value("nsectors")?);
                (Device, Host, Act::Submitted { sector, sectors })
            }
            "bdrv_co_preadv_part" | "bdrv_co_pwritev_part" => {
                let (offset, bytes) = (value("offset")?, value("bytes")?);
                (Host, Host, Act::Accessed { offset, bytes })
            }
            "thread_pool_complete_aio" => (Host, Device, Act::Done { result: value("ret")? }),
            "virtio_blk_req_complete" => {
                (Device, Shared, Act::Responded { status: value("status")? })
            }
            "virtqueue_fill" => (Device, Shared, Act::Filled { entry, length: value("len")? }),
            "virtqueue_flush" => {
                let index = (self.used + value("count")?) & 0xffff;
                (Device, Shared, Act::Returned { index })
            }
            "virtio_mmio_setting_irq" if value("IRQ")? == 1 => (Device, Driver, Act::Raised),
            _ => return Ok(None),
        }))
    }
}
