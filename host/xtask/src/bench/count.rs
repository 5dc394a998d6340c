//! Counting instead of timing: guest instructions and device accesses per request.
//!
//! Both kernels are counted from outside, by QEMU, in the same way. A guest is run twice from power
//! on to power off with different numbers of requests; the difference divided by the difference of
//! the numbers is the cost of one, free of booting and warming up. Under `-icount shift=0` every
//! instruction takes a nanosecond of the guest's time, so the figures hardly depend on the host.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
};

use anyhow::{Context, Result};
use lab::qemu::{self, Guest};

use super::{
    linux::{Linux, Scheduler},
    load::{Complete, Load},
    machine::Machine,
    ours::{self, Amount, Ours},
};

/// The numbers of requests of the two runs.
///
/// The bench job warms up for a tenth of the requests, 2000 at most: the same for both.
const FEW: u64 = 20_000;
const MANY: u64 = 60_000;
/// The number of runs of each.
const TRIES: u32 = 3;
/// The larger number where every access leaves a line in a file.
const MANY_TRACED: u64 = 24_000;

/// Costs of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counts {
    /// Guest instructions.
    pub instructions: f64,
    /// Reads and writes of the device's registers.
    pub registers: f64,
    /// Reads and writes of the interrupt controller's registers.
    pub interrupt_controller: f64,
    /// The notifications among the writes of the device's registers.
    pub notifications: f64,
}

/// A system under a counted load.
#[derive(Clone, Copy)]
pub enum Counted<'a> {
    /// The kernel under test.
    Ours(&'a Ours, Complete),
    /// Linux.
    Linux(&'a Linux, Scheduler),
}

impl<'a> Counted<'a> {
    fn guest(self, load: Load, requests: u64) -> Guest<'a> {
        match self {
            Self::Ours(kernel, complete) => {
                kernel.guest(load, complete, Amount::Requests(requests), true)
            }
            Self::Linux(linux, scheduler) => {
                linux.guest(load, Amount::Requests(requests), scheduler)
            }
        }
    }

    /// Counts under `load`. For the kernel under test the second figure is how many instructions
    /// a request takes by its own account.
    pub fn count(self, machine: &Machine, load: Load) -> Result<(Counts, Option<f64>)> {
        let mut own = None;
        let mut once = |requests| -> Result<f64> {
            let guest = self.guest(load, requests);
            let qemu = machine.qemu(load.medium);
            let (count, output) =
                qemu::instructions(&qemu, &guest, machine.limit(180), &machine.log)?;
            if let Self::Ours(..) = self {
                own = ours::figures(&output)?["instructions"].as_f64();
            }
            Ok(count as f64)
        };
        // A guest waits actively for a busy host now and then, when it switches off for instance.
        // That only ever adds instructions: the least of a few runs is without it.
        let mut instructions = |requests| -> Result<f64> {
            let mut least = once(requests)?;
            for _ in 1..TRIES {
                least = least.min(once(requests)?);
            }
            Ok(least)
        };
        let instructions = (instructions(MANY)? - instructions(FEW)?) / (MANY - FEW) as f64;

        let accesses = |requests| -> Result<Counts> {
            let folder = tempfile::tempdir()?;
            let trace = folder.path().join("trace");
            let guest = self.guest(load, requests);
            let qemu = machine
                .qemu(load.medium)
                .option("-icount", qemu::RECORD)
                .option("-trace", "memory_region_ops_*")
                .option("-D", trace.to_string_lossy());
            qemu.run(&guest, machine.limit(180), &machine.log)?.expect_success()?;
            read_trace(&trace)
        };
        let (few, many) = (accesses(FEW)?, accesses(MANY_TRACED)?);
        let per_request = |figure: fn(&Counts) -> f64| {
            (figure(&many) - figure(&few)) / (MANY_TRACED - FEW) as f64
        };
        let counts = Counts {
            instructions,
            registers: per_request(|counts| counts.registers),
            interrupt_controller: per_request(|counts| counts.interrupt_controller),
            notifications: per_request(|counts| counts.notifications),
        };
        Ok((counts, own))
    }
}

/// Sums up a trace of QEMU's events `memory_region_ops_*`.
fn read_trace(path: &Path) -> Result<Counts> {
    let file = fs::File::open(path).context("QEMU wrote no trace; is it built with `log`?")?;
    let mut counts = Counts::default();
    for line in BufReader::new(file).split(b'\n') {
        add_access(&String::from_utf8_lossy(&line?), &mut counts);
    }
    Ok(counts)
}

/// Adds the access that a line of the trace tells.
fn add_access(line: &str, counts: &mut Counts) {
    /// QueueNotify (specification 4.2.2) in each device's page of registers.
    const QUEUE_NOTIFY: &str = "050";
    if line.contains("name 'virtio-mmio'") {
        counts.registers += 1.0;
        let address = line.split(" addr ").nth(1).and_then(|rest| rest.split(' ').next());
        if address.is_some_and(|address| address.ends_with(QUEUE_NOTIFY)) {
            counts.notifications += 1.0;
        }
    } else if line.contains(".plic'") {
        counts.interrupt_controller += 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trace_is_understood() {
        let mut counts = Counts::default();
        for line in [
            "memory_region_ops_write cpu 0 mr 0x1 addr 0x10000001 value 0x0 size 1 name 'serial'",
            "memory_region_ops_write cpu 0 mr 0x1 addr 0x10008050 value 0x0 size 4 name 'virtio-mmio'",
            "memory_region_ops_read cpu 0 mr 0x1 addr 0x10008060 value 0x1 size 4 name 'virtio-mmio'",
            "memory_region_ops_read cpu 0 mr 0x1 addr 0xc201004 value 0x8 size 4 name 'riscv.sifive.plic'",
        ] {
            add_access(line, &mut counts);
        }
        let (registers, interrupt_controller, notifications) = (2.0, 1.0, 1.0);
        let expected = Counts { instructions: 0.0, registers, interrupt_controller, notifications };
        assert_eq!(counts, expected);
    }
}
