//! A machine that is sent events by QEMU's monitor, and what it prints of them.

use std::{cell::Cell, fs, io, path::PathBuf};

use anyhow::{Context, Result, bail, ensure};
use lab::{
    outcome::Outcome,
    qemu::{Monitor, Vm},
};
use serde_json::{Value, json};

use super::super::lab::Lab;

/// The trace event by which QEMU says that it throws a group of events away.
const QUEUE_FULL: &str = "virtio_input_queue_full";

/// The end of a group.
pub const REPORT: &str = "EV_SYN SYN_REPORT 0";

/// A machine in which the kernel prints events.
pub struct Listener {
    vm: Vm,
    monitor: Monitor,
    trace: PathBuf,
    /// The events that were found on the console.
    seen: usize,
}

impl Listener {
    /// Boots with these devices.
    pub fn start(lab: &Lab, devices: &[&str], parameters: &str) -> Result<Self> {
        let trace = lab.file("trace");
        let machine = lab.machine().trace(QUEUE_FULL, &trace);
        let machine = devices.iter().fold(machine, |machine, device| machine.device(device));
        let mut vm = machine.start(&format!("job=events {parameters}"))?;
        vm.wait_until("it listens", |text| text.lines().any(is_ready))?;
        let monitor = vm.monitor()?;
        Ok(Self { vm, monitor, trace, seen: 0 })
    }

    /// Sends a group of events.
    pub fn send(&mut self, events: &[Value]) -> Result<()> {
        self.monitor.execute("input-send-event", json!({ "events": events }))?;
        Ok(())
    }

    /// Waits until so many events have been printed.
    pub fn wait_for(&mut self, count: usize) -> Result<()> {
        // What has been found already is not looked at again.
        if self.seen < count {
            let seen = Cell::new(0);
            self.vm.wait_until(&format!("{count} events were printed"), |text| {
                seen.set(printed(text).count());
                seen.get() >= count
            })?;
            self.seen = seen.get();
        }
        Ok(())
    }

    /// Sends groups, each as soon as there are buffers for all that may be on its way then.
    pub fn send_all(&mut self, groups: &[Vec<Value>], buffers: usize) -> Result<()> {
        let mut sent = 0;
        for group in groups {
            sent += group.len() + 1;
            self.wait_for(sent.saturating_sub(buffers))?;
            self.send(group)?;
        }
        Ok(())
    }

    /// The chains that the first device has taken from this queue so far, by QEMU's account.
    pub fn chains_taken(&mut self, queue: u16) -> Result<u64> {
        let devices = self.monitor.execute("x-query-virtio", json!({}))?;
        let arguments = json!({ "path": devices[0]["path"], "queue": queue });
        let status = self.monitor.execute("x-query-virtio-queue-status", arguments)?;
        status["last-avail-idx"].as_u64().context("QEMU does not tell what a queue is like")
    }

    /// The groups of events that QEMU has thrown away so far, by its own word.
    pub fn dropped(&self) -> Result<usize> {
        let text = match fs::read_to_string(&self.trace) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            text => text.context("cannot read QEMU's trace")?,
        };
        Ok(text.lines().filter(|line| line.contains(QUEUE_FULL)).count())
    }

    /// Waits for the end of a job that prints these events. Checks them, and how many groups QEMU has thrown away.
    pub fn finish(mut self, expected: &[String], dropped: usize) -> Result<Outcome> {
        self.wait_for(expected.len())?;
        let found = self.dropped()?;
        let outcome = self.vm.finish()?;
        let details = outcome.expect_ok("events")?;
        let account = format!("{} events, missing=0 malformed=0", expected.len());
        ensure!(details == account, "the details are {details:?} instead of {account:?}");
        compare(&outcome, expected)?;
        ensure!(found == dropped, "QEMU has thrown {found} groups away instead of {dropped}");
        Ok(outcome)
    }

    /// Presses Ctrl-C, and returns what was printed.
    pub fn interrupt(mut self) -> Result<Outcome> {
        self.vm.type_in(b"\x03")?;
        let outcome = self.vm.finish()?;
        outcome.expect_failed_with("events", &["interrupted"])?;
        Ok(outcome)
    }
}

fn is_ready(line: &str) -> bool {
    line.starts_with("events of ")
}

/// The events that were printed, each behind the number of its device.
pub fn printed(console: &str) -> impl Iterator<Item = &str> {
    let lines = console.lines().skip_while(|line| !is_ready(line));
    lines.filter_map(|line| line.strip_prefix("input "))
}

/// Checks that these events were printed, and no others.
pub fn compare(outcome: &Outcome, expected: &[String]) -> Result<()> {
    let printed: Vec<&str> = printed(outcome.console()).collect();
    let places = 0..printed.len().max(expected.len());
    let pairs = places.map(|place| (place, printed.get(place), expected.get(place)));
    for (place, found, wanted) in pairs {
        if found.copied() != wanted.map(String::as_str) {
            bail!("event {place} is {found:?} instead of {wanted:?}");
        }
    }
    Ok(())
}
