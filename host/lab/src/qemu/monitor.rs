//! QEMU's monitor protocol: commands to a running virtual machine, and events from it.

use std::{
    collections::VecDeque,
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use serde_json::{Value, json};

/// The conversation with the monitor does not go on.
#[derive(Debug, thiserror::Error)]
pub enum MonitorError {
    /// Nobody answers at the socket.
    #[error("QEMU's monitor is not there")]
    NotThere(#[source] io::Error),
    /// It says something else at first than a monitor does.
    #[error("QEMU's monitor does not greet")]
    NoGreeting,
    /// It said nothing in time, or the connection broke.
    #[error("QEMU's monitor is silent")]
    Silent(#[source] io::Error),
    /// QEMU has ended.
    #[error("QEMU ended before it answered the monitor's command {0}")]
    Ended(String),
    /// QEMU does not do what it was told to.
    #[error("QEMU refuses the monitor's command {command}: {reason}")]
    Refused {
        /// The command.
        command: String,
        /// The reason, in QEMU's words.
        reason: String,
    },
    /// It speaks another language than it should.
    #[error("QEMU's monitor sent no JSON")]
    NoJson(#[source] serde_json::Error),
    /// An answer came where an event was expected.
    #[error("QEMU's monitor answers what nobody asked: {0}")]
    Unasked(String),
    /// An answer lacks what was asked for.
    #[error("QEMU's monitor does not tell {0}")]
    Untold(&'static str),
}

type Result<T> = std::result::Result<T, MonitorError>;

/// A connection to the monitor of one virtual machine.
#[derive(Debug)]
pub struct Monitor {
    stream: BufReader<UnixStream>,
    /// Events that came while an answer was awaited.
    events: VecDeque<Value>,
}

impl Monitor {
    /// Connects to the socket, and waits at most `patience` for whatever is to come.
    ///
    /// # Errors
    ///
    /// Nobody is there, or it is no monitor.
    pub fn connect(socket: &Path, patience: Duration) -> Result<Self> {
        Self::over(UnixStream::connect(socket).map_err(MonitorError::NotThere)?, patience)
    }

    /// Begins the conversation on a connection that is there.
    ///
    /// # Errors
    ///
    /// It is no monitor.
    pub fn over(stream: UnixStream, patience: Duration) -> Result<Self> {
        let limited = stream
            .set_read_timeout(Some(patience))
            .and_then(|()| stream.set_write_timeout(Some(patience)));
        limited.map_err(MonitorError::NotThere)?;
        let mut monitor = Self { stream: BufReader::new(stream), events: VecDeque::new() };
        if monitor.receive()?.is_none_or(|hello| hello.get("QMP").is_none()) {
            return Err(MonitorError::NoGreeting);
        }
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
        let ended = || MonitorError::Ended(command.to_owned());
        self.stream.get_mut().write_all(line.as_bytes()).map_err(|_| ended())?;
        loop {
            let mut message = self.receive()?.ok_or_else(ended)?;
            if let Some(error) = message.get("error") {
                let (command, reason) = (command.to_owned(), error.to_string());
                return Err(MonitorError::Refused { command, reason });
            }
            if message.get("event").is_some() {
                self.events.push_back(message);
            } else {
                return Ok(message["return"].take());
            }
        }
    }

    /// Waits for the next event and returns its name; `None` if QEMU has ended.
    ///
    /// # Errors
    ///
    /// None comes in time, or something else does.
    pub fn next_event(&mut self) -> Result<Option<String>> {
        let event = match self.events.pop_front() {
            Some(event) => event,
            None => match self.receive()? {
                Some(event) => event,
                None => return Ok(None),
            },
        };
        match event["event"].as_str() {
            Some(name) => Ok(Some(name.to_owned())),
            None => Err(MonitorError::Unasked(event.to_string())),
        }
    }

    /// The number of writes that all disks together have done.
    ///
    /// # Errors
    ///
    /// QEMU does not count them, or has ended.
    pub fn writes_done(&mut self) -> Result<u64> {
        let answer = self.execute("query-blockstats", json!({}))?;
        let disks = answer.as_array().ok_or(MonitorError::Untold("the accesses to disks"))?;
        Ok(disks.iter().filter_map(|disk| disk["stats"]["wr_operations"].as_u64()).sum())
    }

    /// One message; `None` at the end of the connection.
    fn receive(&mut self) -> Result<Option<Value>> {
        let mut line = String::new();
        match self.stream.read_line(&mut line) {
            Ok(0) => Ok(None),
            Ok(_) => serde_json::from_str(&line).map(Some).map_err(MonitorError::NoJson),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(None),
            Err(error) => Err(MonitorError::Silent(error)),
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

    #[test]
    fn who_does_not_greet_is_no_monitor() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        writeln!(&theirs, "{}", json!({ "hello": 1 })).unwrap();
        let error = Monitor::over(ours, Duration::from_secs(60)).unwrap_err();
        assert!(matches!(error, MonitorError::NoGreeting), "{error}");
        let (ours, theirs) = UnixStream::pair().unwrap();
        writeln!(&theirs, "hello").unwrap();
        let error = Monitor::over(ours, Duration::from_secs(60)).unwrap_err();
        assert!(matches!(error, MonitorError::NoJson(_)), "{error}");
    }

    #[test]
    fn writes_of_all_disks_are_added() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        for answer in [
            json!({ "QMP": {} }),
            json!({ "return": {} }),
            json!({ "return": [
                { "stats": { "wr_operations": 3 } },
                { "stats": { "wr_operations": 4, "rd_operations": 9 } },
            ] }),
            json!({ "return": 7 }),
        ] {
            writeln!(&theirs, "{answer}").unwrap();
        }
        let mut monitor = Monitor::over(ours, Duration::from_secs(60)).unwrap();
        assert_eq!(monitor.writes_done().unwrap(), 7);
        assert!(matches!(monitor.writes_done().unwrap_err(), MonitorError::Untold(_)));
    }
}
