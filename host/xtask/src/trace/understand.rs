//! From events to steps: the last call of `read_block` or `write_block` in a recording.
//!
//! Nothing here knows a line of the kernel. A step is an access to a register or to a place in the queue, whose
//! addresses the kernel has told the device; the functions that led to it are in its stack.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use lab::qemu::count::{Look, Seen};

use super::{
    chain::{Chain, Memory, Queue},
    events::{Event, What},
    reader::{DEVICES, Reader, register},
    record::{Marks, Recording},
    steps::{Act, Lane::Driver, Step, Trace},
};
use crate::symbols::{Frame, Kernel};

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
