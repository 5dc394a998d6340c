//! Reading and writing a running machine's memory and registers from outside, past its processor: QEMU's protocol
//! for its own tests of devices, qtest, which works beside a guest.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use super::escaped;

/// The machine cannot be reached past its processor.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Nobody answers at the socket.
    #[error("QEMU's probe is not there")]
    NotThere(#[source] io::Error),
    /// It said nothing in time, or the connection broke.
    #[error("QEMU's probe does not answer")]
    Silent(#[source] io::Error),
    /// It does not do what it was told to.
    #[error("QEMU's probe answers {answer:?} to {command:?}")]
    Refused {
        /// The command.
        command: String,
        /// The answer.
        answer: String,
    },
}

type Result<T> = std::result::Result<T, ProbeError>;

/// A way to the physical addresses of one virtual machine.
#[derive(Debug)]
pub struct Probe {
    stream: BufReader<UnixStream>,
}

impl Probe {
    /// QEMU's options for a probe at the Unix socket `path`.
    pub fn options(path: &Path) -> Vec<String> {
        let server = format!("unix:{},server=on,wait=off", escaped(path));
        ["-accel", "tcg", "-qtest-log", "none", "-qtest", &server].map(str::to_owned).to_vec()
    }

    /// Connects to the socket, and waits at most `patience` for each answer.
    ///
    /// # Errors
    ///
    /// Nobody is there.
    pub fn connect(socket: &Path, patience: Duration) -> Result<Self> {
        Self::over(UnixStream::connect(socket).map_err(ProbeError::NotThere)?, patience)
    }

    fn over(stream: UnixStream, patience: Duration) -> Result<Self> {
        let limited = stream
            .set_read_timeout(Some(patience))
            .and_then(|()| stream.set_write_timeout(Some(patience)));
        limited.map_err(ProbeError::NotThere)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Reads two bytes.
    ///
    /// # Errors
    ///
    /// QEMU does not answer.
    pub fn read_u16(&mut self, address: u64) -> Result<u16> {
        let command = format!("readw {address:#x}");
        let answer = self.execute(&command)?;
        let value = answer.trim().strip_prefix("0x").map(|digits| u16::from_str_radix(digits, 16));
        match value {
            Some(Ok(value)) => Ok(value),
            _ => Err(ProbeError::Refused { command, answer }),
        }
    }

    /// Writes two bytes.
    ///
    /// # Errors
    ///
    /// QEMU does not answer.
    pub fn write_u16(&mut self, address: u64, value: u16) -> Result<()> {
        self.execute(&format!("writew {address:#x} {value:#x}")).map(|_| ())
    }

    /// Writes four bytes; to a register, if one is there.
    ///
    /// # Errors
    ///
    /// QEMU does not answer.
    pub fn write_u32(&mut self, address: u64, value: u32) -> Result<()> {
        self.execute(&format!("writel {address:#x} {value:#x}")).map(|_| ())
    }

    /// Has a command carried out; returns what stands behind the word OK.
    fn execute(&mut self, command: &str) -> Result<String> {
        let sent = self.stream.get_mut().write_all(format!("{command}\n").as_bytes());
        sent.map_err(ProbeError::Silent)?;
        let mut answer = String::new();
        self.stream.read_line(&mut answer).map_err(ProbeError::Silent)?;
        match answer.strip_prefix("OK") {
            Some(rest) => Ok(rest.to_owned()),
            None => Err(ProbeError::Refused { command: command.to_owned(), answer }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn commands_and_answers_are_lines() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let qemu = thread::spawn(move || {
            let mut commands = BufReader::new(&theirs).lines().map(|line| line.unwrap());
            for (command, answer) in [
                ("readw 0x80001000", "OK 0x000000000000beef"),
                ("writew 0x80001000 0x7", "OK"),
                ("writel 0x10008050 0x0", "OK"),
                ("readw 0x0", "FAIL Unknown command"),
                ("readw 0x2", "OK 0x12345"),
            ] {
                assert_eq!(commands.next().unwrap(), command);
                writeln!(&theirs, "{answer}").unwrap();
            }
        });
        let mut probe = Probe::over(ours, Duration::from_secs(60)).unwrap();
        assert_eq!(probe.read_u16(0x8000_1000).unwrap(), 0xbeef);
        probe.write_u16(0x8000_1000, 7).unwrap();
        probe.write_u32(0x1000_8050, 0).unwrap();
        for address in [0, 2] {
            assert!(matches!(probe.read_u16(address), Err(ProbeError::Refused { .. })));
        }
        qemu.join().unwrap();
        assert!(matches!(
            probe.read_u16(0),
            Err(ProbeError::Silent(_) | ProbeError::Refused { .. })
        ));
    }
}
