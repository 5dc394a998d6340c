//! From events to steps: the last call of `read_block` or `write_block` in a recording.
//!
//! Nothing here knows a line of the kernel. A step is an access to a register or to a place in the queue, whose
//! addresses the kernel has told the device; the functions that led to it are in its stack.

use std::path::Path;

use Lane::{Device, Driver, Host, Queue as Shared};
use anyhow::{Context, Result, bail, ensure};
use lab::qemu::count::{Look, Seen};

use super::{
    chain::{Chain, DESCRIPTOR, Memory, Queue},
    events::{Event, What},
    record::{Marks, Recording},
    steps::{Act, Lane, Step, Trace},
};
use crate::symbols::{Frame, Kernel};

/// Registers of a virtio-mmio device (VIRTIO 1.3 section 4.2.2), by the last three digits of their addresses.
mod register {
    pub const QUEUE_SEL: u64 = 0x030;
    pub const QUEUE_NOTIFY: u64 = 0x050;
    pub const INTERRUPT_STATUS: u64 = 0x060;
    pub const INTERRUPT_ACK: u64 = 0x064;
    pub const ALL: u64 = 0xfff;
}

/// The registers of virtio devices on QEMU's board `virt`.
const DEVICES: std::ops::Range<u64> = 0x1000_1000..0x1000_9000;
/// The registers of its interrupt controller.
const INTERRUPT_CONTROLLER: std::ops::Range<u64> = 0x0c00_0000..0x1000_0000;

/// From, to and kind of a step.
type Found = Option<(Lane, Lane, Act)>;

/// Finds the steps of the last request; `root` is the repository.
pub fn understand(
    recording: &Recording,
    kernel: &Kernel,
    marks: &Marks,
    root: &Path,
) -> Result<Trace> {
    let events = last_request(&recording.events, marks)?;
    let (Some(first), Some(last)) = (events.first(), events.last()) else {
        bail!("the recording is empty");
    };
    let until = recording.events.get(..=last.number).unwrap_or_default();
    let queue = queue(until, events)?;
    let (chain, position) = chain(&queue, events)?;
    if let Some(seen) = &recording.seen_by_device {
        let written = &chain.segments;
        ensure!(seen == written, "the driver wrote {written:x?} and the device sees {seen:x?}");
    }
    let (Some(header), Some(response)) = (chain.segments.first(), chain.segments.last()) else {
        bail!("the chain has no segments");
    };
    let before = until.get(..first.number).unwrap_or_default();
    let used = loads(before, queue.used_index()).last().unwrap_or(0);
    let mut reader = Reader {
        marks,
        chain: &chain,
        queue,
        header: header.address,
        response: response.address,
        used,
        seen_used: used,
        id: 0,
        memory: Memory::default(),
        writes: false,
    };
    let mut steps: Vec<Step> = Vec::new();
    for event in events {
        let Some((from, to, act)) = reader.read(event)? else { continue };
        let frames = match &event.what {
            // OSTD's own business.
            _ if matches!(act, Act::Claimed { .. }) => Vec::new(),
            _ if act == Act::Resumed => {
                let slept = steps.iter().find(|step| step.act == Act::Slept);
                slept.map(|step| step.frames.clone()).unwrap_or_default()
            }
            What::Guest(Seen::Enter(look) | Seen::Access { look, .. }) => {
                stack(look, kernel, root)?
            }
            What::Guest(Seen::Leave(address)) => kernel.frames(*address, root)?,
            What::Qemu { .. } => Vec::new(),
        };
        let evidence = event.evidence();
        add(&mut steps, Step { at: event.at - first.at, from, to, act, evidence, frames });
    }
    notify_first(&mut steps);
    let data = chain.segments.get(1..chain.segments.len() - 1).unwrap_or_default();
    let bytes = data.iter().map(|segment| segment.length).sum();
    let sector = reader.memory.number(reader.header + 8, 8);
    let sector = sector.context("the kernel has filled in no header")?;
    let writes = reader.writes;
    Ok(Trace { writes, sector, bytes, queue, chain, available: position, used, steps })
}

/// The events from the beginning of the last call to its end.
fn last_request<'a>(events: &'a [Event], marks: &Marks) -> Result<&'a [Event]> {
    let guest = |event: &Event, is: &dyn Fn(&Seen) -> bool| matches!(&event.what, What::Guest(seen) if is(seen));
    let begin = events.iter().rposition(|event| guest(event, &|seen| marks.begins(seen)));
    let begin = begin.context(
        "the job has made no blocking read or write of a disk; try JOB=\"read sector=3\" or \
         JOB=\"write sector=5 text=hello\"",
    )?;
    let events = events.get(begin..).unwrap_or_default();
    let end = events.iter().position(|event| guest(event, &|seen| marks.ends(seen)));
    events.get(..=end.context("the request has not ended")?).context("the request has no events")
}

/// The queue that is notified in `events`, as its registers were told before.
fn queue(until: &[Event], events: &[Event]) -> Result<Queue> {
    let notified = stores(events).find(|(address, _)| {
        DEVICES.contains(address) && address & register::ALL == register::QUEUE_NOTIFY
    });
    let (address, index) = notified.context("the driver has notified no device")?;
    let base = address & !register::ALL;
    let mut queue = Queue { index, ..Queue::default() };
    let mut selected = 0;
    for (address, value) in stores(until).filter(|(address, _)| address & !register::ALL == base) {
        match address & register::ALL {
            register::QUEUE_SEL => selected = value,
            register if selected == index => queue.tell(register, value),
            _ => {}
        }
    }
    ensure!(
        queue.size > 0 && queue.table > 0 && queue.available > 0 && queue.used > 0,
        "the driver has not told the device where queue {index} is"
    );
    Ok(queue)
}

/// The chain that is made available in `events`, and the available index before.
fn chain(queue: &Queue, events: &[Event]) -> Result<(Chain, u64)> {
    let mut memory = Memory::default();
    for event in events {
        let What::Guest(Seen::Access { store: true, address, bytes, value, .. }) = &event.what
        else {
            continue;
        };
        memory.store(*address, *bytes, *value);
        if *address == queue.available_index() {
            let position = value.wrapping_sub(1) & 0xffff;
            let head = memory.number(queue.available_entry(position), 2);
            let head = head.context("the driver has moved the available index only")?;
            return Ok((memory.chain(queue, head)?, position));
        }
    }
    bail!("the driver has made no chain available")
}

/// The addresses and values of what the kernel writes.
fn stores(events: &[Event]) -> impl Iterator<Item = (u64, u64)> {
    events.iter().filter_map(|event| match &event.what {
        What::Guest(Seen::Access { store: true, address, value, .. }) => Some((*address, *value)),
        _ => None,
    })
}

/// The values that the kernel reads at an address.
fn loads(events: &[Event], from: u64) -> impl Iterator<Item = u64> {
    events.iter().filter_map(move |event| match &event.what {
        What::Guest(Seen::Access { store: false, address, value, .. }) => {
            (*address == from).then_some(*value)
        }
        _ => None,
    })
}

/// The functions of the repository in a stack, the innermost first. What is below the call, or was interrupted, does
/// not belong to the request.
fn stack(look: &Look, kernel: &Kernel, root: &Path) -> Result<Vec<Frame>> {
    let mut frames = Vec::new();
    for address in look.stack(kernel.beginning(look.address)) {
        frames.extend(kernel.frames(address, root)?);
    }
    let is_last = |frame: &Frame| {
        let mut names = ["::read_block", "::write_block", "::handle_interrupt"].iter();
        names.any(|name| frame.function.ends_with(*name))
    };
    if let Some(last) = frames.iter().position(is_last) {
        frames.truncate(last + 1);
    }
    Ok(frames)
}

/// Adds a step. Looks at the used ring without success become one, and of the accesses of a disk's layers only the
/// lowest one counts, which is the last.
fn add(steps: &mut Vec<Step>, step: Step) {
    match step.act {
        Act::Looked { .. } => {
            let of_driver = |step: &&mut Step| step.from == Driver || step.to == Driver;
            let last = steps.iter_mut().rev().find(of_driver);
            if let Some(Step { act: Act::Looked { times, .. }, .. }) = last {
                *times += 1;
                return;
            }
        }
        Act::Accessed { .. } => steps.retain(|step| !matches!(step.act, Act::Accessed { .. })),
        _ => {}
    }
    steps.push(step);
}

/// The device's thread may be faster than the one that tells of the notification.
fn notify_first(steps: &mut Vec<Step>) {
    let place =
        |steps: &[Step], is: &dyn Fn(&Act) -> bool| steps.iter().position(|step| is(&step.act));
    let popped = place(steps, &|act| matches!(act, Act::Popped { .. }));
    let notified = place(steps, &|act| matches!(act, Act::Notified { .. }));
    if let (Some(popped), Some(notified)) = (popped, notified)
        && popped < notified
    {
        let mut step = steps.remove(notified);
        step.at = step.at.min(steps.get(popped).map_or(step.at, |device| device.at));
        steps.insert(popped, step);
    }
}

/// What is known while the events are read.
struct Reader<'a> {
    marks: &'a Marks,
    chain: &'a Chain,
    queue: Queue,
    /// The addresses of the first and the last segment.
    header: u64,
    response: u64,
    /// The used index before, and as the driver saw it last.
    used: u64,
    seen_used: u64,
    /// The first half of the used entry.
    id: u64,
    memory: Memory,
    writes: bool,
}

impl Reader<'_> {
    fn read(&mut self, event: &Event) -> Result<Found> {
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
                let old = std::mem::replace(&mut self.seen_used, value);
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
