//! QEMU's monitor protocol, for the one question that only QEMU can answer: how many instructions a
//! guest has executed from power on to power off.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    process::Command,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::{command, text};

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
                break ask(&stream);
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
fn ask(stream: &UnixStream) -> Result<u64> {
    let mut lines = BufReader::new(stream).lines();
    let mut next = || -> Result<Value> {
        let line = lines.next().context("QEMU ended before the guest switched off")??;
        serde_json::from_str(&line).context("QEMU's monitor sent no JSON")
    };
    let say = |command: &str| -> Result<()> {
        let mut stream = stream;
        // In one piece: QEMU acts on the closing brace, and may be gone before a newline follows.
        let line = format!("{}\n", json!({ "execute": command }));
        stream.write_all(line.as_bytes()).context("QEMU's monitor is gone")
    };
    say("qmp_capabilities")?;
    while next()?["event"] != "SHUTDOWN" {}
    say("query-replay")?;
    let answer = loop {
        let message = next()?;
        ensure!(message.get("error").is_none(), "QEMU's monitor says {}", message["error"]);
        if let Some(answer) = message.get("return") {
            break answer.clone();
        }
    };
    say("quit")?;
    // Hanging up first could make QEMU miss it.
    while next().is_ok() {}
    answer["icount"].as_u64().context("QEMU tells no number of instructions")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_conversation_with_the_monitor() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let monitor = thread::spawn(move || {
            let mut commands = BufReader::new(&theirs).lines().map(|line| line.unwrap());
            let say = |line: &str| writeln!(&theirs, "{line}").unwrap();
            say(r#"{"QMP": {}}"#);
            assert_eq!(commands.next().unwrap(), r#"{"execute":"qmp_capabilities"}"#);
            say(r#"{"return": {}}"#);
            say(r#"{"event": "SHUTDOWN", "data": {"guest": true}}"#);
            assert_eq!(commands.next().unwrap(), r#"{"execute":"query-replay"}"#);
            say(r#"{"event": "STOP"}"#);
            say(r#"{"return": {"mode": "record", "icount": 4711}}"#);
            assert_eq!(commands.next().unwrap(), r#"{"execute":"quit"}"#);
        });
        assert_eq!(ask(&ours).unwrap(), 4711);
        monitor.join().unwrap();
    }

    #[test]
    fn an_early_end_is_told() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        assert!(ask(&ours).is_err());
    }
}
