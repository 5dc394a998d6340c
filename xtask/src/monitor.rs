//! QEMU's monitor protocol: commands to a running virtual machine, and events from it.

use std::{
    collections::VecDeque,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

/// A connection to the monitor of one virtual machine.
pub struct Monitor {
    stream: BufReader<UnixStream>,
    /// Events that came while an answer was awaited.
    events: VecDeque<Value>,
}

impl Monitor {
    /// Connects to the socket, and waits at most `patience` for whatever is to come.
    pub fn connect(socket: &Path, patience: Duration) -> Result<Self> {
        let stream = UnixStream::connect(socket).context("QEMU's monitor is not there")?;
        Self::over(stream, patience)
    }

    /// Begins the conversation on a connection that is there.
    pub fn over(stream: UnixStream, patience: Duration) -> Result<Self> {
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        let mut monitor = Self { stream: BufReader::new(stream), events: VecDeque::new() };
        ensure!(monitor.receive()?.is_some_and(|hello| hello.get("QMP").is_some()), "no greeting");
        monitor.execute("qmp_capabilities", json!({}))?;
        Ok(monitor)
    }

    /// Has a command carried out, and returns the answer.
    ///
    /// # Errors
    ///
    /// QEMU refuses, or has ended.
    pub fn execute(&mut self, command: &str, arguments: Value) -> Result<Value> {
        let message = json!({ "execute": command, "arguments": arguments });
        // In one piece: QEMU acts on the closing brace, and may be gone before a newline follows.
        let line = format!("{message}\n");
        self.stream
            .get_mut()
            .write_all(line.as_bytes())
            .with_context(|| format!("QEMU ended before the monitor's command {command}"))?;
        loop {
            let Some(mut message) = self.receive()? else {
                bail!("QEMU ended before it answered the monitor's command {command}");
            };
            if let Some(error) = message.get("error") {
                bail!("QEMU refuses the monitor's command {command}: {error}");
            }
            if message.get("event").is_some() {
                self.events.push_back(message);
            } else {
                return Ok(message["return"].take());
            }
        }
    }

    /// Waits for the next event and returns its name; `None` if QEMU has ended.
    pub fn next_event(&mut self) -> Result<Option<String>> {
        let event = match self.events.pop_front() {
            Some(event) => event,
            None => match self.receive()? {
                Some(event) => event,
                None => return Ok(None),
            },
        };
        let name = event["event"].as_str().context("QEMU's monitor answers what nobody asked")?;
        Ok(Some(name.to_owned()))
    }

    /// The number of writes that all disks together have done.
    pub fn writes_done(&mut self) -> Result<u64> {
        let answer = self.execute("query-blockstats", json!({}))?;
        let disks = answer.as_array().context("QEMU counts no accesses to disks")?;
        Ok(disks.iter().filter_map(|disk| disk["stats"]["wr_operations"].as_u64()).sum())
    }

    /// One message; `None` at the end of the connection.
    fn receive(&mut self) -> Result<Option<Value>> {
        let mut line = String::new();
        match self.stream.read_line(&mut line) {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some(serde_json::from_str(&line).context("QEMU's monitor sent no JSON")?)),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Ok(None),
            Err(error) => Err(error).context("QEMU's monitor is silent"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn events_between_command_and_answer_are_kept() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let qemu = thread::spawn(move || {
            let mut commands = BufReader::new(&theirs).lines().map(|line| line.unwrap());
            let say = |line: &str| writeln!(&theirs, "{line}").unwrap();
            say(r#"{"QMP": {}}"#);
            assert!(commands.next().unwrap().contains("qmp_capabilities"));
            say(r#"{"return": {}}"#);
            assert!(commands.next().unwrap().contains(r#""execute":"stop""#));
            say(r#"{"event": "STOP"}"#);
            say(r#"{"return": {"a": 1}}"#);
            assert!(commands.next().unwrap().contains("nonsense"));
            say(r#"{"error": {"desc": "what?"}}"#);
        });
        let mut monitor = Monitor::over(ours, Duration::from_secs(60)).unwrap();
        assert_eq!(monitor.execute("stop", json!({})).unwrap(), json!({ "a": 1 }));
        assert!(monitor.execute("nonsense", json!({})).unwrap_err().to_string().contains("what?"));
        assert_eq!(monitor.next_event().unwrap().as_deref(), Some("STOP"));
        qemu.join().unwrap();
        assert_eq!(monitor.next_event().unwrap(), None);
    }
}
