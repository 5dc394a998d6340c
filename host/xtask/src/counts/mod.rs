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
//! Each guard is checked on virtio-mmio, over PCI, where an I/O may cost [`PCI_SHARE`] of the instructions, and on a
//! PC. There the guest knows no number of its instructions but by its clock, which goes on while it sleeps.
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
    board::Board,
    process,
    qemu::{
        Guest, Stack,
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
    /// On a PC; `None` where it sleeps.
    instructions_pc: Option<f64>,
    notifications: f64,
    interrupts: f64,
    registers: f64,
    registers_on_pci: f64,
}

const GUARDS: &[Guard] = &[
    Guard {
        name: "read-4k-depth-1",
        depth: 1,
        requests: 5_000,
        latency_ns: 0,
        recorded: true,
        instructions: 2_080.0,
        instructions_pc: Some(1_890.0),
        notifications: 1.0,
        interrupts: 0.5,
        registers: 3.5,
        registers_on_pci: 3.0,
    },
    Guard {
        name: "read-4k-depth-1-interrupts",
        depth: 1,
        requests: 5_000,
        latency_ns: 200_000,
        recorded: false,
        instructions: 4_400.0,
        instructions_pc: None,
        notifications: 1.0,
        interrupts: 1.0,
        // Notification, interrupt status, acknowledgement; two claims and a completion at the PLIC.
        registers: 6.0,
        // The interrupt's cause is acknowledged by reading it.
        registers_on_pci: 5.0,
    },
    Guard {
        name: "read-4k-depth-32",
        depth: 32,
        requests: 20_000,
        latency_ns: 0,
        recorded: true,
        instructions: 810.0,
        instructions_pc: Some(875.0),
        notifications: 1.0 / 30.0,
        interrupts: 0.0,
        registers: 1.0 / 30.0,
        registers_on_pci: 1.0 / 30.0,
    },
    Guard {
        name: "read-4k-depth-32-interrupts",
        depth: 32,
        requests: 20_000,
        latency_ns: 0,
        recorded: false,
        instructions: 900.0,
        instructions_pc: None,
        notifications: 1.0 / 30.0,
        interrupts: 0.06,
        registers: 0.4,
        registers_on_pci: 0.34,
    },
];

/// The instructions of an I/O over PCI, as a part of those that are allowed on virtio-mmio.
const PCI_SHARE: f64 = 1.05;

/// Builds the release kernel and checks every guard on a board.
pub fn run(workspace: &Workspace, suite: &mut Suite, board: Board) -> Result<()> {
    let Some(kernel) = suite.build_kernel_for(workspace, board, Profile::Release)? else {
        return Ok(());
    };
    for guard in GUARDS {
        let name = board.name(guard.name);
        let log = workspace.log("counts", &name);
        process::new_log(&log)?;
        suite.check(&name, Some(&log), || guard.check(workspace, &kernel, board, &log));
    }
    // What files cost has nothing to do with the way to the disk.
    if board == Board::LAB {
        files::run(workspace, &kernel, suite)?;
        screen::run(workspace, &kernel, suite)?;
    }
    Ok(())
}

impl Guard {
    fn check(&self, workspace: &Workspace, kernel: &Path, board: Board, log: &Path) -> Result<()> {
        let Self { depth, requests, latency_ns, .. } = self;
        let disk = format!("driver=null-co,size=1073741824,latency-ns={latency_ns}");
        let machine = board
            .machine(false)
            .icount(if self.recorded { RECORD } else { "shift=0" })
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
        let (instructions, most_registers) = match board {
            Board::LAB => (Some(self.instructions), self.registers),
            Board::LAB_PCI => (Some(self.instructions * PCI_SHARE), self.registers_on_pci),
            // An interrupt by message needs no register of the device.
            _ => (self.instructions_pc, self.notifications),
        };
        for (what, cost, limit) in [
            ("instructions", figure("instructions")?, instructions),
            ("notifications", figure("notifies")?, Some(self.notifications)),
            ("interrupts", figure("irqs")?, Some(self.interrupts)),
            ("register accesses", registers, Some(most_registers)),
        ] {
            let Some(limit) = limit else { continue };
            println!("  an I/O costs {cost:.3} {what}, the limit is {limit:.3}");
            // The odd request more, at the beginning and at the end; a limit of 0 means 0.
            ensure!(cost <= limit * 1.01, "an I/O costs {cost} {what}, the limit is {limit}");
        }
        Ok(())
    }
}
