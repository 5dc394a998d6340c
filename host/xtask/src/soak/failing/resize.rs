//! A disk that gets another size while it is in use: the device tells by an interrupt, and the
//! driver goes by the new size.

use anyhow::{Result, ensure};
use lab::{
    image::SECTOR,
    outcome::Outcome,
    qemu::Monitor,
    replay::{Fate, Workload},
};
use serde_json::json;

use super::{Case, Figures, Trial};

pub const CASES: &[Case] =
    &[Case { name: "disk-grows", run: grows }, Case { name: "disk-shrinks", run: shrinks }];

/// The number of writes that show that the work has begun.
const BEGUN: u64 = 50;

/// Runs the workload, and has the disk resized to these numbers of sectors one after the other
/// while it runs.
fn run(trial: &Trial, workload: &Workload, sizes: &[u64]) -> Result<Outcome> {
    let stack = trial.disk(workload)?.under("driver=raw");
    let node = stack.top();
    let command_line = format!("{} ostd.log_level=info", workload.command_line());
    let mut guest = trial.boot(stack.device(""), &command_line)?;
    guest.wait_for_disk()?;
    let mut monitor = guest.monitor()?;
    for sectors in sizes {
        let writes = monitor.writes_done()?;
        wait_for_writes(&mut monitor, writes + BEGUN)?;
        let bytes = sectors * SECTOR as u64;
        monitor.execute("block_resize", json!({ "node-name": node, "size": bytes }))?;
        let line = format!("has {sectors} sectors now");
        guest.wait_until("the kernel had noticed the new size", |text| text.contains(&line))?;
    }
    Ok(guest.finish()?)
}

fn wait_for_writes(monitor: &mut Monitor, writes: u64) -> Result<()> {
    while monitor.writes_done()? < writes {
        std::thread::yield_now();
    }
    Ok(())
}

/// Growing, and shrinking back to where all operations still have room, fails no operation.
fn grows(trial: &Trial) -> Result<Figures> {
    let workload = trial.workload(2, 32);
    let outcome = run(trial, &workload, &[workload.span * 4, workload.span + 1, workload.span])?;
    trial.flawless(&workload, &outcome)
}

/// After shrinking, the operations that reach over the new end fail: those that the kernel sends no
/// more as out of range, those that were under way with an I/O error. All others go on.
fn shrinks(trial: &Trial) -> Result<Figures> {
    let workload = trial.workload(2, 32);
    let end = workload.span / 2;
    let outcome = run(trial, &workload, &[end])?;
    let account = workload.account(&outcome, &["out_of_range", "io_error"])?;
    ensure!(account.errors > 0, outcome.complaint("something beyond the end should have failed"));
    for operation in workload.failures(&outcome)? {
        ensure!(operation.range().end > end, "this should not have failed: {operation:?}");
    }

    // One that reaches over the end is done if it came before the change.
    let mut shadow = workload.shadow(|write| match write.range().end <= end {
        true => Fate::Done,
        false => Fate::Possible,
    })?;
    let (kept, sectors) = (end as usize * SECTOR, end as usize);
    shadow.truncate(sectors);
    let findings = shadow.look(&workload.noise()[..kept], &trial.contents()?)?;
    findings.expect_good()?;
    Ok((account, findings).into())
}
