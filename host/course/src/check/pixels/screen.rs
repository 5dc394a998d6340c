//! One boot with a screen, which is taken when the kernel has switched the machine off.

use std::{path::Path, time::Duration};

use anyhow::Result;
use lab::{
    picture::Picture,
    place::Place,
    process::{End, Process, ProcessError},
    qemu::{
        Gpu, Guest, Machine, Monitor, Probe, Transport, escaped,
        gpu_trace::{self, Told},
    },
};
use serde_json::json;

use super::super::{QEMU_LOG, SHUTDOWN, STATES, Stand, beginning_of, end_of};

/// The device status of the only device, which is in the last slot (VIRTIO 1.3, section 4.2.2).
const STATUS: u64 = 0x1000_8070;
/// The beginning of the line by which the job says that it waits.
const WAITING: &str = "rects: waiting";
/// The beginning of its last line.
const VERDICT: &str = "job rects: ";
/// QEMU answers at once, but for what the host makes it wait for.
const PATIENCE: Duration = Duration::from_secs(60);

/// QEMU's exit status when it finds itself in a state that cannot be: 128 and the number of SIGABRT.
const ABORTED: i32 = 134;
/// QEMU's words where a transfer starts behind the end of its backing. Its device does not check that.
const BEHIND_THE_END: &str = "offset == 0";

/// The evidence of a run.
pub enum Seen {
    /// The machine has ended in order, or was stopped.
    Screen {
        /// The end of the machine.
        end: End,
        /// The picture on the screen at that time.
        picture: Picture,
        /// All that the device was told.
        told: Vec<Told>,
    },
    /// A transfer from behind the end of its backing was the end of QEMU.
    Died,
}

/// Boots a machine that has a screen of this size with the kernel command line `line`. If `forgets`, the device is
/// reset behind the driver's back while the job waits.
///
/// # Errors
///
/// The host is to blame.
pub fn boot(
    stand: &Stand<'_>,
    place: &Place,
    size: (u32, u32),
    line: &str,
    forgets: bool,
) -> Result<Seen> {
    let (log, socket, probe) = (place.file(QEMU_LOG), place.file("monitor"), place.file("probe"));
    let machine = Machine::new(Transport::Modern)
        .options(Gpu::new(size.0, size.1).options())
        .options(gpu_trace::options(&log))
        .options(Probe::options(&probe))
        .option("-trace", STATES)
        .option("-d", "guest_errors")
        .option("-qmp", format!("unix:{},server=on,wait=off", escaped(&socket)))
        // A kernel may end by itself, or fail, and its screen can be taken all the same.
        .options(["-no-shutdown".to_owned()]);
    let qemu = machine.command(&Guest::new(stand.kernel, line));
    let qemu = stand.sandbox.wrap(qemu, &[stand.kernel], &[place.folder()]);
    let limit = stand.limit();
    let mut process = Process::start_to_type(qemu, limit, &place.log)?;
    let mut monitor =
        process.retry(|_| -> Result<Monitor> { Ok(Monitor::connect(&socket, PATIENCE)?) })?;

    let ended = run(&mut process, forgets, &probe, || end_of(&log).contains(SHUTDOWN));
    let is_late = match ended {
        Ok(()) => false,
        Err(error) => match error.downcast_ref() {
            Some(ProcessError::LateFor { .. }) => true,
            // No kernel chooses an exit status here: QEMU does not end when it is switched off.
            Some(ProcessError::EndedBefore { end: End::Exited(ABORTED), tail, .. })
                if tail.contains(BEHIND_THE_END) =>
            {
                return Ok(Seen::Died);
            }
            _ => return Err(error),
        },
    };
    let picture = monitor.screen(0, &place.file("screen.png"))?;
    monitor.execute("quit", json!({}))?;
    process.finish()?;
    if is_late {
        stand.overran(limit)?;
    }
    let end = if is_late { End::TimedOut(limit) } else { End::Exited(0) };
    Ok(Seen::Screen { end, picture, told: gpu_trace::parse(&beginning_of(&log)?) })
}

/// Waits until the kernel has switched the machine off.
fn run(
    process: &mut Process,
    forgets: bool,
    probe: &Path,
    is_off: impl Fn() -> bool,
) -> Result<()> {
    if forgets {
        // A kernel that fails does not come to that.
        process.wait_until("the job waited", |text| {
            text.lines().any(|line| line.starts_with(WAITING) || line.starts_with(VERDICT))
        })?;
        Probe::connect(probe, PATIENCE)?.write_u32(STATUS, 0)?;
        process.type_in(b"\n")?;
    }
    process.wait_for("the kernel had switched the machine off", || is_off().then_some(()))?;
    Ok(())
}
