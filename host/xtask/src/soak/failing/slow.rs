//! Disks that take their time: everything is answered, and nothing is taken for lost.

use anyhow::{Result, ensure};
use lab::{console::counts, qemu::Stack};

use super::{Case, Figures, Trial};

pub const CASES: &[Case] =
    &[Case { name: "throttled", run: throttled }, Case { name: "latency-50-ms", run: latency }];

/// Few operations a second are let through, with many more waiting.
fn throttled(trial: &Trial) -> Result<Figures> {
    let workload = trial.workload(25, 32);
    let disk = trial
        .disk(&workload)?
        .object("throttle-group,id=slowly,x-iops-total=400")
        .under("driver=throttle,throttle-group=slowly")
        .under("driver=raw")
        .device("");
    let outcome = trial.run(disk, &workload.command_line())?;
    trial.flawless(&workload, &outcome)
}

/// Every access takes 50 ms, also at depth 1. The disk keeps nothing, so this is about coming to an
/// end by itself.
fn latency(trial: &Trial) -> Result<Figures> {
    let disk = || {
        Stack::bottom("driver=null-co,size=8388608,latency-ns=50000000,read-zeroes=on")
            .under("driver=raw")
            .device("")
    };
    let seed = trial.seed;
    let count = trial.requests.div_ceil(50);
    let mut figures = Figures::default();
    for (depth, count) in [(1, count.div_ceil(32)), (32, count)] {
        let ledger =
            format!("job=ledger seed={seed} count={count} qd={depth} max=8 flush_every=16");
        let outcome = trial.run(disk(), &ledger)?;
        let counts = counts(outcome.expect_ok("ledger")?);
        let done = |key: &str| counts.get(key).copied().unwrap_or_default();
        ensure!(
            done("writes") > 0 && done("flushes") > 0,
            outcome.complaint("something should have been written and flushed")
        );
        figures.requests += done("writes") + done("flushes");

        let bench =
            format!("job=bench mode=randread bs=4096 qd={depth} count={count} complete=irq");
        trial.run(disk(), &bench)?.expect_ok("bench")?;
        figures.requests += u64::from(count);
    }
    Ok(figures)
}
