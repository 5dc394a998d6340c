//! The machine stands still for a while and goes on: nothing is lost, and nothing is done twice.

use std::{thread, time::Duration};

use anyhow::{Result, ensure};
use fastrand::Rng;
use serde_json::json;

use super::{Case, Figures, Trial};

pub const CASES: &[Case] = &[
    Case { name: "stop-on-error", run: on_error },
    Case { name: "stop-and-continue", run: at_will },
];

/// An error does not reach the kernel but stops the machine. Once the fault is gone and the machine
/// told to continue, QEMU tries again, and the kernel notices nothing.
fn on_error(trial: &Trial) -> Result<Figures> {
    let workload = trial.workload(20, 16);
    let mut figures = Figures::default();
    // One machine for each kind of access: errors that come together would stop it only once.
    for (event, access) in
        [("read_aio", "read"), ("write_aio", "write"), ("flush_to_disk", "flush")]
    {
        // In the midst of the work, after a flush.
        let (set, inject) = (",set-state.0", ",inject-error.0");
        let rule = format!(
            "{set}.event=flush_to_disk{set}.state=1{set}.new_state=2\
             {inject}.event={event}{inject}.state=2{inject}.iotype={access}{inject}.once=on\
             {inject}.errno=28"
        );
        let disk = trial
            .disk(&workload)?
            .under(&format!("driver=blkdebug{rule}"))
            .under("driver=raw")
            .device(",werror=stop,rerror=stop");
        let mut guest = trial.boot(disk, &workload.command_line())?;
        let mut monitor = guest.monitor()?;
        let (mut errors, mut stops) = (0, 0);
        while let Some(event) = monitor.next_event()? {
            match event.as_str() {
                "BLOCK_IO_ERROR" => errors += 1,
                "STOP" => {
                    stops += 1;
                    monitor.execute("cont", json!({}))?;
                }
                _ => {}
            }
        }
        let outcome = guest.finish()?;
        ensure!(
            (errors, stops) == (1, 1),
            outcome.complaint(&format!(
                "one {access} error should have stopped the machine, but there were {errors} errors \
                 and {stops} stops"
            ))
        );
        figures.add(&trial.flawless(&workload, &outcome)?);
    }
    Ok(figures)
}

/// Stopped and continued again and again, for random times.
fn at_will(trial: &Trial) -> Result<Figures> {
    let workload = trial.workload(1, 32);
    let pauses = if workload.count > 100_000 { 200 } else { 10 };
    let mut random = Rng::with_seed(trial.seed);
    let mut pause = || thread::sleep(Duration::from_micros(random.u64(0..15_000)));
    let mut guest = trial
        .boot(trial.disk(&workload)?.under("driver=raw").device(""), &workload.command_line())?;
    guest.wait_for_disk()?;
    let mut monitor = guest.monitor()?;
    // The writes done at each stop, to be sure that it fell into the work.
    let mut progress = Vec::new();
    for _ in 0..pauses {
        monitor.execute("stop", json!({}))?;
        progress.push(monitor.writes_done()?);
        pause();
        monitor.execute("cont", json!({}))?;
        pause();
    }
    let outcome = guest.finish()?;
    progress.dedup();
    ensure!(progress.len() >= 3, "the stops came too late or too early: writes {progress:?}");
    trial.flawless(&workload, &outcome)
}
