//! The number of instructions that a guest executes from power on to power off, which only QEMU
//! can tell.

use std::{path::Path, time::Duration};

use serde_json::json;

use crate::qemu::{Guest, Machine, Monitor, MonitorError, Vm, VmError};

/// Runs `guest` until it switches off; returns its number of instructions, and what it printed. The machine
/// has an option `-icount`: otherwise QEMU does not count.
///
/// # Errors
///
/// QEMU cannot be started, fails, or does not tell.
pub fn instructions(
    machine: &Machine,
    guest: &Guest<'_>,
    limit: Duration,
    log: &Path,
) -> Result<(u64, String), VmError> {
    // The machine stays for the question.
    let machine = machine.clone().option("-action", "shutdown=pause");
    let folder = tempfile::tempdir()?;
    let (vm, monitor) = Vm::boot_monitored(&machine, guest, limit, log, folder.path().join("qmp"))?;
    let answer = ask(monitor);
    let outcome = vm.finish()?;
    outcome.expect_success()?;
    Ok((answer?, outcome.console().to_owned()))
}

/// Waits for the guest's end, asks for the number of instructions, and ends QEMU.
fn ask(mut monitor: Monitor) -> Result<u64, MonitorError> {
    while monitor.next_event()?.ok_or(MonitorError::Ended("query-replay".into()))? != "SHUTDOWN" {}
    let answer = monitor.execute("query-replay", json!({}))?;
    // It may end without an answer. But hanging up first could make it miss the command.
    if monitor.execute("quit", json!({})).is_ok() {
        while monitor.next_event()?.is_some() {}
    }
    answer["icount"].as_u64().ok_or(MonitorError::Untold("the number of instructions"))
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader, Write as _},
        os::unix::net::UnixStream,
        thread,
    };

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
        assert_eq!(ask(Monitor::over(ours, PATIENCE).unwrap()).unwrap(), 4711);
        monitor.join().unwrap();
    }

    #[test]
    fn an_early_end_is_told() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        assert!(Monitor::over(ours, PATIENCE).and_then(ask).is_err());
    }
}
