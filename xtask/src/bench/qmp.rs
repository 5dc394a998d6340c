//! The one question that only QEMU can answer: how many instructions a guest has executed from power
//! on to power off.

use std::{os::unix::net::UnixStream, path::Path, process::Command, thread, time::Duration};

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::{command, monitor::Monitor, text};

/// QEMU's argument of `-icount` under which it counts instructions, and tells how many when asked.
///
/// That is what recording is good for; the record itself goes nowhere. It also makes every access
/// of the guest to a device an exit that QEMU's trace shows: otherwise notifications go past it.
pub const RECORD: &str = "shift=0,rr=record,rrfile=/dev/null";

/// Runs `qemu` until the guest switches off; returns its number of instructions, and what it
/// printed.
pub fn instructions(mut qemu: Command, limit: Duration, log: &Path) -> Result<(u64, String)> {
    let folder = tempfile::tempdir()?;
    let socket = folder.path().join("qmp");
    qemu.args(["-icount", RECORD]);
    // The machine stays for the question, and does not start before there is somebody to ask it.
    qemu.args(["-action", "shutdown=pause"]);
    qemu.arg("-qmp").arg(format!("unix:{},server=on,wait=on", socket.display()));
    thread::scope(|scope| {
        let running = scope.spawn(|| command::run(qemu, limit, log));
        let answer = loop {
            if let Ok(stream) = UnixStream::connect(&socket) {
                // When QEMU is ended by its time limit, so is the connection.
                break ask(stream, limit);
            }
            if running.is_finished() {
                break Err(anyhow::anyhow!("QEMU ended at once"));
            }
            thread::sleep(Duration::from_millis(20));
        };
        let finished = match running.join() {
            Ok(finished) => finished?,
            Err(_) => bail!("the thread that runs QEMU panicked"),
        };
        finished.expect_success()?;
        Ok((answer?, text::plain(&finished.output)))
    })
}

/// Waits for the guest's end, asks for the number of instructions, and ends QEMU.
fn ask(stream: UnixStream, patience: Duration) -> Result<u64> {
    let mut monitor = Monitor::over(stream, patience)?;
    loop {
        let event = monitor.next_event()?.context("QEMU ended before the guest switched off")?;
        if event == "SHUTDOWN" {
            break;
        }
    }
    let answer = monitor.execute("query-replay", json!({}))?;
    // It may end without an answer. But hanging up first could make it miss the command.
    if monitor.execute("quit", json!({})).is_ok() {
        while monitor.next_event()?.is_some() {}
    }
    answer["icount"].as_u64().context("QEMU tells no number of instructions")
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn the_conversation_with_the_monitor() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let monitor = thread::spawn(move || {
            let mut commands = BufReader::new(&theirs).lines().map(|line| line.unwrap());
            let mut expect = |command| assert!(commands.next().unwrap().contains(command));
            let say = |line: &str| writeln!(&theirs, "{line}").unwrap();
            say(r#"{"QMP": {}}"#);
            expect("qmp_capabilities");
            say(r#"{"return": {}}"#);
            say(r#"{"event": "SHUTDOWN", "data": {"guest": true}}"#);
            expect("query-replay");
            say(r#"{"event": "STOP"}"#);
            say(r#"{"return": {"mode": "record", "icount": 4711}}"#);
            expect("quit");
            say(r#"{"return": {}}"#);
        });
        assert_eq!(ask(ours, PATIENCE).unwrap(), 4711);
        monitor.join().unwrap();
    }

    #[test]
    fn an_early_end_is_told() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        assert!(ask(ours, PATIENCE).is_err());
    }
}
