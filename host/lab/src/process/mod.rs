//! Programs with a time limit, their output kept in a log file.

mod error;
mod family;
mod log;

use std::{
    fmt,
    fs::File,
    io::{self, Read as _, Write as _},
    mem,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use wait_timeout::ChildExt as _;

pub use self::{
    error::ProcessError,
    log::{append, describe, new_log},
};
use crate::text;

/// More output than this is a program gone wild: it is ended.
const OUTPUT_LIMIT: usize = 64 << 20;

/// The time between two looks at the output of a program that is waited for. Its end is noticed at once.
const CHECK: Duration = Duration::from_millis(500);

/// The time between two looks at the output of a program that is watched.
const GLANCE: Duration = Duration::from_millis(1);

/// The lines of output in a message about a failure.
const TAIL: usize = 12;

/// The end of a program.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// By itself, with this exit status (a signal counts as 128 + its number).
    Exited(i32),
    /// It was killed after this long because it had not ended.
    TimedOut(Duration),
    /// It was killed because it had written more than 64 MiB.
    TooMuchOutput,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "exit status {status}"),
            Self::TimedOut(limit) => write!(f, "no end after {} s, killed", limit.as_secs()),
            Self::TooMuchOutput => {
                write!(f, "more than {} MiB of output, killed", OUTPUT_LIMIT >> 20)
            }
        }
    }
}

/// The end of a program, and its output.
#[derive(Debug)]
pub struct Finished {
    /// Its end.
    pub end: End,
    /// Its standard output and standard error, in the order they were written.
    pub output: String,
}

impl Finished {
    /// Fails, naming how it ended and showing the end of its output, unless the exit status is 0.
    ///
    /// # Errors
    ///
    /// [`ProcessError::Failed`].
    pub fn expect_success(&self) -> Result<(), ProcessError> {
        match self.end {
            End::Exited(0) => Ok(()),
            end => Err(ProcessError::Failed { end, tail: text::tail(&self.output, TAIL) }),
        }
    }
}

/// Runs `command` without standard input until it ends or `limit` is over.
///
/// The command line and everything the program writes are appended to the file `log`. When the
/// limit is over, the program and every process below it are killed, each by its own id.
///
/// # Errors
///
/// Only when the program cannot be started or the log cannot be written; a bad exit status is no
/// error here.
pub fn run(command: Command, limit: Duration, log: &Path) -> Result<Finished, ProcessError> {
    Process::start(command, limit, log)?.finish()
}

/// The first line that a program prints; it must end with exit status 0 by itself.
///
/// # Errors
///
/// It cannot be started, fails, or prints nothing.
pub fn first_line(mut command: Command) -> Result<String, ProcessError> {
    let output = command.output().map_err(|source| cannot_start(&command, source))?;
    match String::from_utf8_lossy(&output.stdout).lines().next() {
        Some(line) if output.status.success() => Ok(line.to_owned()),
        _ => Err(ProcessError::Failed {
            end: End::Exited(exit_code(output.status)),
            tail: text::tail(&String::from_utf8_lossy(&output.stderr), TAIL),
        }),
    }
}

/// A running program. Dropping it kills it, and every process below it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// The log, read from where this program's output begins.
    output: File,
    printed: Vec<u8>,
    limit: Duration,
    deadline: Instant,
    log: PathBuf,
}

impl Process {
    /// Starts `command` without standard input; see [`run`] for the log. After `limit`, whoever waits
    /// for the program gives up.
    ///
    /// # Errors
    ///
    /// The program cannot be started, or the log cannot be written.
    pub fn start(command: Command, limit: Duration, log: &Path) -> Result<Self, ProcessError> {
        Self::start_with(Stdio::null(), command, limit, log)
    }

    /// The same with a standard input, for [`Self::type_in`].
    ///
    /// # Errors
    ///
    /// Those of [`Self::start`].
    pub fn start_to_type(
        command: Command,
        limit: Duration,
        log: &Path,
    ) -> Result<Self, ProcessError> {
        Self::start_with(Stdio::piped(), command, limit, log)
    }

    fn start_with(
        input: Stdio,
        mut command: Command,
        limit: Duration,
        log: &Path,
    ) -> Result<Self, ProcessError> {
        // A file takes everything at once: what the program has printed is in it when the program dies.
        let (writer, output) = log::begin(log, &command)?;
        let errors = writer
            .try_clone()
            .map_err(|source| ProcessError::Log { path: log.to_owned(), source })?;
        let child = command
            .stdin(input)
            .stdout(writer)
            .stderr(errors)
            .spawn()
            .map_err(|source| cannot_start(&command, source))?;
        let deadline = Instant::now() + limit;
        Ok(Self { child, output, printed: Vec::new(), limit, deadline, log: log.to_owned() })
    }

    /// Writes to the program's standard input, and returns when it has been taken, by the program or by the pipe
    /// to it.
    ///
    /// # Errors
    ///
    /// The program has ended, or was started without standard input.
    pub fn type_in(&mut self, bytes: &[u8]) -> Result<(), ProcessError> {
        let input = self.child.stdin.as_mut();
        let written = input.ok_or(io::ErrorKind::BrokenPipe.into()).and_then(|input| {
            input.write_all(bytes)?;
            input.flush()
        });
        written.map_err(|source| ProcessError::Input { source, tail: self.tail() })
    }

    /// Waits until the complete lines printed so far satisfy `enough`; `what` says in a message what
    /// that means.
    ///
    /// # Errors
    ///
    /// The program has ended, or the time is over.
    pub fn wait_until(
        &mut self,
        what: &str,
        enough: impl Fn(&str) -> bool,
    ) -> Result<(), ProcessError> {
        // What was printed during another wait is not news, and may be enough.
        let mut first = true;
        loop {
            let ended = self.child.try_wait()?;
            let news = self.look()? || mem::replace(&mut first, false) || ended.is_some();
            if news && enough(&self.complete_lines()) {
                return Ok(());
            }
            if let Some(status) = ended {
                return Err(self.ended_before(what, status));
            }
            if Instant::now() >= self.deadline {
                return Err(ProcessError::LateFor { what: what.to_owned(), tail: self.tail() });
            }
            thread::sleep(GLANCE);
        }
    }

    /// Waits until `look` has found something outside of the program's output; `what` says in a message what.
    ///
    /// # Errors
    ///
    /// The program has ended, or the time is over.
    pub fn wait_for<T>(
        &mut self,
        what: &str,
        mut look: impl FnMut() -> Option<T>,
    ) -> Result<T, ProcessError> {
        loop {
            // Before the look: what the program did last is found.
            let ended = self.child.try_wait()?;
            if let Some(found) = look() {
                return Ok(found);
            }
            self.look()?;
            if let Some(status) = ended {
                return Err(self.ended_before(what, status));
            }
            if Instant::now() >= self.deadline {
                return Err(ProcessError::LateFor { what: what.to_owned(), tail: self.tail() });
            }
            thread::sleep(GLANCE);
        }
    }

    /// Starts the time limit anew, for a program that has shown that it goes on.
    pub fn renew(&mut self) {
        self.deadline = Instant::now() + self.limit;
    }

    /// Kills the program with SIGKILL, at once and alone. Returns the complete lines that it had
    /// printed.
    ///
    /// # Errors
    ///
    /// It had ended by itself already.
    pub fn kill(mut self) -> Result<String, ProcessError> {
        self.child.kill()?;
        let status = self.child.wait()?;
        self.look()?;
        match status.code() {
            None => Ok(self.complete_lines()),
            Some(_) => Err(self.ended_before("it was killed", status)),
        }
    }

    /// Tries again and again, until it works or the program has ended or the time is over.
    ///
    /// # Errors
    ///
    /// The last error of `work`, or the program cannot be asked how it is.
    pub fn retry<T, E: From<ProcessError>>(
        &mut self,
        mut work: impl FnMut(Duration) -> Result<T, E>,
    ) -> Result<T, E> {
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            // Before the attempt: what works at last may end the program.
            let ended = self.child.try_wait().map_err(ProcessError::from)?.is_some();
            match work(left.max(GLANCE)) {
                Err(_) if !ended && !left.is_zero() => thread::sleep(GLANCE),
                result => return result,
            }
        }
    }

    /// Waits for the end. A program that overruns its time or writes too much is killed.
    ///
    /// # Errors
    ///
    /// The operating system does not tell how the program is, or the log cannot be read.
    pub fn finish(mut self) -> Result<Finished, ProcessError> {
        let end = loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            let ended = self.child.wait_timeout(left.min(CHECK))?;
            self.look()?;
            if let Some(status) = ended {
                break End::Exited(exit_code(status));
            }
            let end = if self.printed.len() > OUTPUT_LIMIT {
                End::TooMuchOutput
            } else if left.is_zero() {
                End::TimedOut(self.limit)
            } else {
                continue;
            };
            family::kill(&mut self.child)?;
            self.look()?;
            break end;
        };
        self.printed.truncate(OUTPUT_LIMIT);
        Ok(Finished { end, output: String::from_utf8_lossy(&self.printed).into_owned() })
    }

    /// Takes in what has been printed since the last call; returns true if that was anything.
    fn look(&mut self) -> Result<bool, ProcessError> {
        // One byte more than allowed shows that it was too much.
        let room = (OUTPUT_LIMIT + 1).saturating_sub(self.printed.len());
        let more = (&self.output).take(room as u64).read_to_end(&mut self.printed);
        let more = more.map_err(|source| ProcessError::Log { path: self.log.clone(), source })?;
        Ok(more > 0)
    }

    /// The complete lines printed so far: one without its end may have lost digits of a number.
    fn complete_lines(&self) -> String {
        let end = self.printed.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        text::plain(&String::from_utf8_lossy(&self.printed[..end]))
    }

    fn ended_before(&self, what: &str, status: ExitStatus) -> ProcessError {
        let end = End::Exited(exit_code(status));
        ProcessError::EndedBefore { what: what.to_owned(), end, tail: self.tail() }
    }

    fn tail(&self) -> String {
        text::tail(&text::plain(&String::from_utf8_lossy(&self.printed)), TAIL)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            let _ = family::kill(&mut self.child);
        }
    }
}

fn cannot_start(command: &Command, source: io::Error) -> ProcessError {
    ProcessError::Start { program: command.get_program().display().to_string(), source }
}

fn exit_code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
}

#[cfg(test)]
mod tests;
