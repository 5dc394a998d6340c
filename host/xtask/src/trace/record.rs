//! One run of the kernel with QEMU's traces, and those of our plugin, in one file.
//!
//! **The disk waits for the driver.** The driver looks at the used ring for a while before it sleeps, and most disks
//! answer meanwhile: there would be no interrupt to see. So the disk holds each request until its caller sleeps. QEMU's
//! driver `blkdebug` does that, told by the monitor.

use std::{
    fs,
    ops::Range,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use lab::{
    place::Place,
    process::ProcessError,
    qemu::{
        Guest, Machine, Monitor, Stack, Transport, Vm,
        count::{Seen, Watch},
    },
};
use serde_json::{Value, json};

use super::{
    chain::Segment,
    events::{self, Event, What},
};
use crate::symbols::Kernel;

/// The calls that a trace is about.
const READ: &str = "<virtio::device::blk::VirtioBlk as block::BlockDevice>::read_block";
const WRITE: &str = "<virtio::device::blk::VirtioBlk as block::BlockDevice>::write_block";
/// The caller of either sleeps in this, and is woken by that.
const SLEEP: &str = "<ostd::sync::wait::Waiter>::wait";
const WAKE: &str = "<ostd::sync::wait::Waker>::wake_up";
/// The functions, one for each type of number, by which all accesses to registers and shared memory are made.
const ACCESSES: [&str; 2] = ["core::ptr::read_volatile::<u", "core::ptr::write_volatile::<u"];

/// The events that QEMU is asked for.
const TRACED: [&str; 11] = [
    "virtio_mmio_setting_irq",
    "virtqueue_pop",
    "virtqueue_fill",
    "virtqueue_flush",
    "virtio_blk_handle_read",
    "virtio_blk_handle_write",
    "virtio_blk_req_complete",
    "bdrv_co_preadv_part",
    "bdrv_co_pwritev_part",
    "thread_pool_submit_aio",
    "thread_pool_complete_aio",
];

/// A caller that never sleeps, because interrupts are off, gets its answer after so long.
const LONGEST_HOLD: Duration = Duration::from_secs(2);

/// The functions of the kernel by which a trace is understood.
#[derive(Clone, Debug)]
pub struct Marks {
    pub read: Range<u64>,
    pub write: Range<u64>,
    pub sleep: Range<u64>,
    pub wake: Range<u64>,
}

/// A run.
pub struct Recording {
    pub events: Vec<Event>,
    /// The last chain as the device saw it while it was held.
    pub seen_by_device: Option<Vec<Segment>>,
}

impl Marks {
    /// Finds them; a missing one is named.
    pub fn find(kernel: &Kernel) -> Result<Self> {
        Ok(Self {
            read: kernel.function(READ)?,
            write: kernel.function(WRITE)?,
            sleep: kernel.function(SLEEP)?,
            wake: kernel.function(WAKE)?,
        })
    }

    /// Returns true if a request begins with this.
    pub fn begins(&self, seen: &Seen) -> bool {
        matches!(seen, Seen::Enter(look) if [self.read.start, self.write.start].contains(&look.address))
    }

    /// Returns true if a request ends with this.
    pub fn ends(&self, seen: &Seen) -> bool {
        matches!(seen, Seen::Leave(address) if self.called(address))
    }

    /// Returns true if this lies in one of the functions that make a request.
    fn called(&self, address: &u64) -> bool {
        self.read.contains(address) || self.write.contains(address)
    }

    /// Returns true if the caller of a request goes to sleep with this.
    pub fn sleeps(&self, seen: &Seen) -> bool {
        let Seen::Enter(look) = seen else { return false };
        look.address == self.sleep.start && look.callers.iter().any(|caller| self.called(caller))
    }
}

/// Boots the kernel with a disk on this file.
pub fn record(
    kernel: &Kernel,
    marks: &Marks,
    place: &Place,
    disk: &Path,
    job: &str,
) -> Result<Recording> {
    let accesses = ACCESSES.iter().flat_map(|name| kernel.functions_beginning(name)).collect();
    let calls = [&marks.read, &marks.write, &marks.sleep, &marks.wake];
    let watch = Watch { calls: calls.into_iter().cloned().collect(), accesses };
    let trace = place.file("trace");
    let disk = Stack::file(disk).under("driver=blkdebug").under("driver=raw").device("");
    let mut machine = Machine::new(Transport::Modern)
        .option("-D", trace.to_string_lossy())
        .option("-msg", "timestamp=on")
        .options(["-S".to_owned()])
        .options(disk);
    for event in TRACED {
        machine = machine.option("-trace", event);
    }
    let machine = watch.attach(&machine, place.folder(), &place.log)?;
    let guest = Guest::new(&place.kernel, &format!("job={job}"));
    let mut vm = Vm::boot(&machine, &guest, place.limit(120), &place.log, place.file("monitor"))?;
    let mut hold = Hold::begin(vm.monitor()?)?;
    let mut requests = 0;
    let mut seen_by_device = None;
    loop {
        let mut since = None;
        let held = vm.wait_for("the disk had a request", || {
            let events = events::read(&fs::read_to_string(&trace).unwrap_or_default());
            held(&events, marks, requests, &mut since)
        });
        match held {
            Ok(access) => {
                seen_by_device = Some(hold.chain()?);
                hold.release(access)?;
                requests += 1;
            }
            Err(ProcessError::EndedBefore { .. }) => break,
            Err(error) => return Err(error.into()),
        }
    }
    vm.finish()?.expect_ok(job.split(' ').next().unwrap_or_default())?;
    let text = fs::read_to_string(&trace)
        .context("QEMU wrote no trace; it must be built with the trace backend `log`")?;
    Ok(Recording { events: events::read(&text), seen_by_device })
}

/// Returns the kind of access of the request that comes after so many others, once it is held and its caller sleeps.
fn held(
    events: &[Event],
    marks: &Marks,
    before: usize,
    since: &mut Option<Instant>,
) -> Option<Access> {
    let begins = |event: &&Event| matches!(&event.what, What::Guest(seen) if marks.begins(seen));
    let begin = events.iter().filter(begins).nth(before)?;
    let events = events.iter().skip_while(|event| event.number < begin.number);
    let access = events.clone().find_map(|event| match event.name()? {
        "bdrv_co_preadv_part" => Some(Access::Read),
        "bdrv_co_pwritev_part" => Some(Access::Write),
        _ => None,
    })?;
    let since = since.get_or_insert_with(Instant::now);
    let mut events = events;
    let asleep = events.any(|event| matches!(&event.what, What::Guest(seen) if marks.sleeps(seen)));
    (asleep || since.elapsed() > LONGEST_HOLD).then_some(access)
}

/// A kind of access, at which `blkdebug` can stop.
#[derive(Clone, Copy)]
enum Access {
    Read,
    Write,
}

/// A disk that holds its next read and its next write.
struct Hold {
    monitor: Monitor,
    device: String,
    /// The numbers of reads and of writes that were let go.
    released: [usize; 2],
}

impl Hold {
    /// Has a machine that has not started hold the first requests, and starts it.
    fn begin(mut monitor: Monitor) -> Result<Self> {
        let devices = monitor.execute("x-query-virtio", json!({}))?;
        let device = devices[0]["path"].as_str().context("QEMU knows of no virtio device")?;
        let mut hold = Self { device: device.to_owned(), monitor, released: [0; 2] };
        hold.hold_next(Access::Read)?;
        hold.hold_next(Access::Write)?;
        hold.monitor.execute("cont", json!({}))?;
        Ok(hold)
    }

    /// `blkdebug`'s event, and a name for the access at which it stops next.
    fn next(&self, access: Access) -> (&'static str, String) {
        let event = match access {
            Access::Read => "read_aio",
            Access::Write => "write_aio",
        };
        (event, format!("{event}-{}", self.released[access as usize]))
    }

    fn hold_next(&mut self, access: Access) -> Result<()> {
        let (event, name) = self.next(access);
        self.command(&format!("break {event} {name}"))
    }

    /// Lets the held request go, and holds the next one.
    fn release(&mut self, access: Access) -> Result<()> {
        let (_, name) = self.next(access);
        self.released[access as usize] += 1;
        self.hold_next(access)?;
        self.command(&format!("resume {name}"))
    }

    /// A command to the device's disk.
    fn command(&mut self, command: &str) -> Result<()> {
        let line = format!("qemu-io -d {} \"{command}\"", self.device);
        self.monitor.execute("human-monitor-command", json!({ "command-line": line }))?;
        Ok(())
    }

    /// The chain that was made available last, as the device reads it.
    fn chain(&mut self) -> Result<Vec<Segment>> {
        let newest = self.element(0)?["avail"]["idx"].as_u64().context("QEMU tells no index")?;
        let element = self.element(newest.wrapping_sub(1) & 0xffff)?;
        let descriptors = element["descs"].as_array().context("QEMU tells no descriptors")?;
        let segment = |descriptor: &Value| {
            let flags = descriptor["flags"].as_array()?;
            Some(Segment {
                address: descriptor["addr"].as_u64()?,
                length: descriptor["len"].as_u64()?,
                device_writes: flags.iter().any(|flag| flag == "write"),
            })
        };
        // QEMU tells the last one first.
        let segments: Option<Vec<_>> = descriptors.iter().rev().map(segment).collect();
        segments.context("QEMU tells of descriptors in an unknown form")
    }

    fn element(&mut self, index: u64) -> Result<Value> {
        let arguments = json!({ "path": self.device, "queue": 0, "index": index });
        Ok(self.monitor.execute("x-query-virtio-queue-element", arguments)?)
    }
}
