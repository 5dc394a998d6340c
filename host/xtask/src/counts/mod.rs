//! The guard of the fast path: it counts what a request costs, and does not time it.
//!
//! The release kernel reads from a disk that does nothing (null-co) under `-icount`, where QEMU
//! counts the guest's instructions exactly. While QEMU also records what comes from outside, the disk's
//! answers fall at the same instructions every time, so these counts are the same on every host; but they
//! come so early that no read sleeps. So two guards let the disk answer when it will, and at depth 1 make it
//! take its time: then every read sleeps and is woken.
//!
//! The kernel tells instructions, notifications and interrupts. The accesses to registers are counted by QEMU, as
//! the difference to a shorter run.
//!
//! Each guard is checked on virtio-mmio, and over PCI, where an I/O may cost [`PCI_SHARE`] more instructions.
//!
//! The same for what files cost (`files`), and changes of a picture (`screen`).
//!
//! The limits are a little above what was measured when they were set: raise one only with a reason, and
//! lower it when the driver gets better.

mod files;
mod screen;

use std::path::Path;

use anyhow::{Context, Result, ensure};
use lab::{
    process,
    qemu::{
        Guest, Machine, Stack, Transport,
        count::{self, RECORD},
    },
    workspace::{Profile, Workspace},
};

use crate::{
    bench::{figures, issued},
    report::Suite,
};

/// One run, and the most that an I/O of it may cost.
struct Guard {
    name: &'static str,
    depth: u32,
    /// The number of requests, so many that the beginning and the end of the run do not count.
    requests: u64,
    latency_ns: u64,
    recorded: bool,
    instructions: f64,
    notifications: f64,
    interrupts: f64,
    registers: f64,
}

const GUARDS: &[Guard] = &[
    Guard {
        name: "read-4k-depth-1",
        depth: 1,
        requests: 5_000,
        latency_ns: 0,
        recorded: true,
        instructions: 2_080.0,
        notifications: 1.0,
        interrupts: 0.5,
        registers: 3.5,
    },
    Guard {
        name: "read-4k-depth-1-interrupts",
        depth: 1,
        requests: 5_000,
        latency_ns: 200_000,
        recorded: false,
        instructions: 4_400.0,
        notifications: 1.0,
        interrupts: 1.0,
        // Notification, interrupt status, acknowledgement; two claims and a completion at the PLIC.
        registers: 6.0,
    },
    Guard {
        name: "read-4k-depth-32",
        depth: 32,
        requests: 20_000,
        latency_ns: 0,
        recorded: true,
        instructions: 810.0,
        notifications: 1.0 / 30.0,
        interrupts: 0.0,
        registers: 1.0 / 30.0,
    },
    Guard {
        name: "read-4k-depth-32-interrupts",
        depth: 32,
        requests: 20_000,
        latency_ns: 0,
        recorded: false,
        instructions: 900.0,
        notifications: 1.0 / 30.0,
        interrupts: 0.06,
        registers: 0.4,
    },
];

/// The instructions of an I/O over PCI, as a part of those that are allowed on virtio-mmio.
const PCI_SHARE: f64 = 1.05;

/// The ways to the disk, and the part of the instructions that an I/O may cost.
const WAYS: &[(Transport, &str, f64)] =
    &[(Transport::Modern, "", 1.0), (Transport::Pci, "-pci", PCI_SHARE)];

/// Builds the release kernel and checks every guard.
pub fn run(workspace: &Workspace, suite: &mut Suite) -> Result<()> {
    if let Some(kernel) = suite.build_kernel(workspace, Profile::Release)? {
        for (guard, way) in GUARDS.iter().flat_map(|guard| WAYS.iter().map(move |way| (guard, way)))
        {
            let name = format!("{}{}", guard.name, way.1);
            let log = workspace.log("counts", &name);
            process::new_log(&log)?;
            suite.check(&name, Some(&log), || guard.check(workspace, &kernel, way, &log));
        }
        files::run(workspace, &kernel, suite)?;
        screen::run(workspace, &kernel, suite)?;
    }
    Ok(())
}

impl Guard {
    fn check(
        &self,
        workspace: &Workspace,
        kernel: &Path,
        (transport, _, share): &(Transport, &str, f64),
        log: &Path,
    ) -> Result<()> {
        let Self { depth, requests, latency_ns, .. } = self;
        let disk = format!("driver=null-co,size=1073741824,latency-ns={latency_ns}");
        let machine = Machine::new(*transport)
            .option("-icount", if self.recorded { RECORD } else { "shift=0" })
            .options(Stack::bottom(&disk).device_without_serial(""));
        let run = |requests: u64| {
            let job = format!(
                "job=bench mode=randread bs=4096 qd={depth} count={requests} complete=irq icount=on"
            );
            count::accesses(&machine, &Guest::new(kernel, &job), workspace.limit(120), log)
        };
        let (some, _) = run(requests / 5)?;
        let (all, outcome) = run(*requests)?;
        let between = issued(*requests, *depth) - issued(requests / 5, *depth);
        let registers = ((all - some) / between as f64).sum();
        let figures = figures("bench", outcome.console())?;
        let figure = |key: &str| figures[key].as_f64().with_context(|| format!("no figure {key}"));
        for (what, cost, limit) in [
            ("instructions", figure("instructions")?, self.instructions * share),
            ("notifications", figure("notifies")?, self.notifications),
            ("interrupts", figure("irqs")?, self.interrupts),
            ("register accesses", registers, self.registers),
        ] {
            println!("  an I/O costs {cost:.3} {what}, the limit is {limit:.3}");
            // The odd request more, at the beginning and at the end; a limit of 0 means 0.
            ensure!(cost <= limit * 1.01, "an I/O costs {cost} {what}, the limit is {limit}");
        }
        Ok(())
    }
}
