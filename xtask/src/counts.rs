//! The guard of the fast path: it counts what a request costs, and does not time it.
//!
//! The release kernel reads from a disk that does nothing (null-co) under `-icount`, where QEMU
//! counts the guest's instructions exactly. While QEMU also records what comes from outside, the disk's
//! answers fall at the same instructions every time, so these counts are the same on every host; but they
//! come so early that no read sleeps. So two guards let the disk answer when it will, and at depth 1 make it
//! take its time: then every read sleeps and is woken.
//!
//! The limits are a little above what was measured when they were set: raise one only with a reason, and
//! lower it when the driver gets better.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{
    bench::qmp,
    command,
    report::Suite,
    workspace::{Profile, Workspace},
};

/// One run, and the most that an I/O of it may cost.
struct Guard {
    name: &'static str,
    depth: u32,
    /// Enough of them for the beginning and the end of the run not to count.
    requests: u32,
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
        instructions: 2_300.0,
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
        instructions: 4_750.0,
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
        instructions: 1_200.0,
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
        instructions: 1_380.0,
        notifications: 1.0 / 30.0,
        interrupts: 0.06,
        registers: 0.4,
    },
];

/// Builds the release kernel and checks every guard.
pub fn run(workspace: &Workspace, suite: &mut Suite) -> Result<()> {
    let log = workspace.log("counts", "build");
    command::new_log(&log)?;
    let mut kernel = None;
    suite.check("build", Some(&log), || {
        kernel = Some(workspace.build_kernel("counts", Profile::Release, &log)?);
        Ok(())
    });
    if let Some(kernel) = kernel {
        for guard in GUARDS {
            let log = workspace.log("counts", guard.name);
            command::new_log(&log)?;
            suite.check(guard.name, Some(&log), || guard.check(workspace, &kernel, &log));
        }
    }
    Ok(())
}

impl Guard {
    fn check(&self, workspace: &Workspace, kernel: &Path, log: &Path) -> Result<()> {
        let mut qemu = Command::new("qemu-system-riscv64");
        qemu.args(["-machine", "virt", "-m", "256M", "-nographic", "-no-reboot"]);
        qemu.args(["-icount", if self.recorded { qmp::RECORD } else { "shift=0" }]);
        qemu.args(["-global", "virtio-mmio.force-legacy=false"]);
        qemu.arg("-kernel").arg(kernel);
        qemu.arg("-append").arg(format!(
            "job=bench mode=randread bs=4096 qd={} count={} complete=irq icount=on",
            self.depth, self.requests
        ));
        qemu.arg("-blockdev").arg(format!(
            "driver=null-co,node-name=d,size=1073741824,latency-ns={}",
            self.latency_ns
        ));
        qemu.args(["-device", "virtio-blk-device,drive=d"]);
        let finished = command::run(qemu, workspace.limit(120), log)?;
        finished.expect_success()?;
        let line = finished
            .output
            .lines()
            .find_map(|line| line.trim().strip_prefix("job bench: {"))
            .context("the kernel printed no figures")?;
        let figures: Value = serde_json::from_str(&format!("{{{line}"))?;
        let figure = |key: &str| figures[key].as_f64().with_context(|| format!("no figure {key}"));
        println!(
            "  an I/O costs {} instructions, {} notifications, {} interrupts, {} register accesses",
            figure("instructions")?,
            figure("notifies")?,
            figure("irqs")?,
            figure("mmio")?
        );
        for (key, limit) in [
            ("instructions", self.instructions),
            ("notifies", self.notifications),
            ("irqs", self.interrupts),
            ("mmio", self.registers),
        ] {
            let cost = figure(key)?;
            // The odd request more, at the beginning and at the end; a limit of 0 means 0.
            ensure!(cost <= limit * 1.01, "{key}: an I/O costs {cost}, the limit is {limit}");
        }
        Ok(())
    }
}
