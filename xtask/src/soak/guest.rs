//! The kernel in a virtual machine that is watched while it runs, and can be killed at any moment.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use wait_timeout::ChildExt as _;

use super::{outcome::Outcome, place::Place};
use crate::{monitor::Monitor, text, transport::Transport};

/// How often what is printed is looked at.
const GLANCE: Duration = Duration::from_millis(1);
/// More output than this is a kernel gone wild.
const OUTPUT_LIMIT: usize = 64 << 20;

/// A running virtual machine. Dropping it kills QEMU.
pub struct Guest<'a> {
    place: &'a Place,
    child: Child,
    /// The log, read from where this machine's output begins.
    output: File,
    printed: Vec<u8>,
    command_line: String,
    socket: PathBuf,
    deadline: Instant,
}

impl<'a> Guest<'a> {
    /// Boots the kernel. `disk` are QEMU's options for it; after `seconds`, whoever waits for the
    /// machine gives up.
    pub fn boot(
        place: &'a Place,
        transport: Transport,
        disk: &[String],
        command_line: &str,
        seconds: u64,
    ) -> Result<Self> {
        let socket = place.file("qmp");
        let mut qemu = Command::new("qemu-system-riscv64");
        qemu.args(["-machine", "virt", "-m", "256M", "-nographic", "-no-reboot"]);
        qemu.args(transport.arguments());
        qemu.arg("-kernel").arg(&place.kernel).args(["-append", command_line]).args(disk);
        qemu.arg("-qmp").arg(format!("unix:{},server=on,wait=off", socket.display()));

        // A file takes everything at once: what the kernel has printed is in it when QEMU dies.
        let mut output = OpenOptions::new().read(true).append(true).open(&place.log)?;
        writeln!(output, "\n$ {qemu:?}")?;
        output.seek(SeekFrom::End(0))?;
        let (stdout, stderr) = (output.try_clone()?, output.try_clone()?);
        let reader = File::open(&place.log)?;
        (&reader).seek(SeekFrom::Start(output.stream_position()?))?;
        let child = qemu
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .context("cannot start qemu-system-riscv64; `make doctor` says what is missing")?;
        Ok(Self {
            place,
            child,
            output: reader,
            printed: Vec::new(),
            command_line: command_line.to_owned(),
            socket,
            deadline: Instant::now() + place.limit(seconds),
        })
    }

    /// Waits until the complete lines printed so far satisfy `enough`.
    ///
    /// # Errors
    ///
    /// QEMU has ended, or the time is over.
    pub fn wait_until(&mut self, what: &str, enough: impl Fn(&str) -> bool) -> Result<()> {
        loop {
            let ended = self.child.try_wait()?;
            if self.look()? || ended.is_some() {
                let lines = self.complete_lines();
                if enough(&lines) {
                    return Ok(());
                }
            }
            if let Some(status) = ended {
                bail!("QEMU ended before {what}: {}", self.outcome(Some(status)).tail());
            }
            if Instant::now() >= self.deadline {
                bail!("the time is over before {what}: {}", self.outcome(None).tail());
            }
            thread::sleep(GLANCE);
        }
    }

    /// Waits until the kernel has found its disk, which is right before its job begins.
    pub fn wait_for_disk(&mut self) -> Result<()> {
        self.wait_until("the kernel had found its disk", |text| {
            text.lines().any(|line| line.starts_with("disk 0: "))
        })
    }

    /// Cuts the power: kills QEMU with SIGKILL. Returns the complete lines that the kernel had
    /// printed.
    ///
    /// # Errors
    ///
    /// QEMU had ended by itself already.
    pub fn cut_power(mut self) -> Result<String> {
        self.child.kill()?;
        let status = self.child.wait()?;
        self.look()?;
        ensure!(
            status.code().is_none(),
            "QEMU ended by itself: {}",
            self.outcome(Some(status)).tail()
        );
        Ok(self.complete_lines())
    }

    /// A connection to QEMU's monitor.
    pub fn monitor(&mut self) -> Result<Monitor> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        loop {
            match Monitor::connect(&self.socket, left.max(GLANCE)) {
                Ok(monitor) => return Ok(monitor),
                Err(error) if Instant::now() >= self.deadline => return Err(error),
                // QEMU makes the socket soon after its start.
                Err(_) if self.child.try_wait()?.is_none() => thread::sleep(GLANCE),
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits for the end; after the time limit QEMU is killed.
    pub fn finish(mut self) -> Result<Outcome> {
        const CHECK: Duration = Duration::from_millis(200);
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            let status = self.child.wait_timeout(left.min(CHECK))?;
            self.look()?;
            if status.is_some() || left.is_zero() {
                return Ok(self.outcome(status));
            }
        }
    }

    fn outcome(&self, status: Option<ExitStatus>) -> Outcome {
        let printed = text::plain(&String::from_utf8_lossy(&self.printed));
        Outcome::new(&self.command_line, status.and_then(|status| status.code()), printed)
    }

    /// Takes in what has been printed since the last time; says whether that was anything.
    fn look(&mut self) -> Result<bool> {
        let more = self.output.read_to_end(&mut self.printed)?;
        ensure!(
            self.printed.len() <= OUTPUT_LIMIT,
            "QEMU printed more than {} MiB; see {}",
            OUTPUT_LIMIT >> 20,
            self.place.log.display()
        );
        Ok(more > 0)
    }

    /// A line whose end is missing may have lost digits of a number.
    fn complete_lines(&self) -> String {
        let end = self.printed.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        text::plain(&String::from_utf8_lossy(&self.printed[..end]))
    }
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        // Neither does anything to a process that has ended and been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
