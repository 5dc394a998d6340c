//! Running a program with a time limit, its output kept in a log file.

use std::{
    fmt::Write as _,
    fs::{self, File, OpenOptions},
    io::{Read, Seek, SeekFrom},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use wait_timeout::ChildExt;

/// More output than this is a program gone wild: it is ended.
const OUTPUT_LIMIT: u64 = 64 << 20;

/// How a program ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// By itself, with this exit status (a signal counts as 128 + its number).
    Exited(i32),
    /// It was killed after this long because it had not ended.
    TimedOut(Duration),
    /// It was killed because it had written more than 64 MiB.
    TooMuchOutput,
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "exit status {status}"),
            Self::TimedOut(limit) => write!(f, "no end after {} s, killed", limit.as_secs()),
            Self::TooMuchOutput => {
                write!(f, "more than {} MiB of output, killed", OUTPUT_LIMIT >> 20)
            }
        }
    }
}

/// What a program left behind.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub end: End,
    /// Its standard output and standard error, in the order they were written.
    pub output: String,
}

impl Finished {
    /// Fails, naming how it ended and showing the end of its output, unless the exit status is 0.
    pub fn expect_success(&self) -> Result<()> {
        if self.end != End::Exited(0) {
            bail!("{}{}", self.end, crate::text::tail(&self.output, 12));
        }
        Ok(())
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
pub fn run(mut command: Command, limit: Duration, log: &Path) -> Result<Finished> {
    let mut output = open_log(log)?;
    std::io::Write::write_all(&mut output, describe(&command).as_bytes())?;
    let start = output.seek(SeekFrom::End(0))?;

    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output.try_clone()?);
    let mut child = command.spawn().with_context(|| {
        format!(
            "cannot start {}; `make doctor` says what is missing",
            command.get_program().display()
        )
    })?;
    let end = wait(&mut child, limit, &output, start)?;

    output.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    output.take(OUTPUT_LIMIT).read_to_end(&mut bytes)?;
    Ok(Finished { end, output: String::from_utf8_lossy(&bytes).into_owned() })
}

/// Makes an empty log file at `path`, with the folders above it.
pub fn new_log(path: &Path) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(())
}

fn open_log(path: &Path) -> Result<File> {
    // Appending keeps the writes of a program that shares the file from overwriting each other.
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))
}

/// The command as one could type it, as the first line of its part of the log.
fn describe(command: &Command) -> String {
    let mut line = String::from("\n$");
    for word in std::iter::once(command.get_program()).chain(command.get_args()) {
        let word = word.to_string_lossy();
        let needs_quotes = word.is_empty()
            || word.contains(|c: char| c.is_whitespace() || "\"'\\$&;|<>*?".contains(c));
        let _ = if needs_quotes {
            write!(line, " '{}'", word.replace('\'', r"'\''"))
        } else {
            write!(line, " {word}")
        };
    }
    line.push('\n');
    line
}

fn wait(child: &mut Child, limit: Duration, output: &File, start: u64) -> Result<End> {
    // Often enough to stop a program gone wild before it fills the disk; the end itself is noticed
    // at once.
    const CHECK: Duration = Duration::from_millis(500);
    let begin = Instant::now();
    loop {
        let left = limit.saturating_sub(begin.elapsed());
        if let Some(status) = child.wait_timeout(left.min(CHECK))? {
            return Ok(End::Exited(exit_code(status)));
        }
        let end = if output.metadata()?.len().saturating_sub(start) > OUTPUT_LIMIT {
            End::TooMuchOutput
        } else if begin.elapsed() >= limit {
            End::TimedOut(limit)
        } else {
            continue;
        };
        kill_tree(child)?;
        return Ok(end);
    }
}

fn exit_code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
}

/// Kills `child` and every process below it, and waits for `child`.
fn kill_tree(child: &mut Child) -> Result<()> {
    // The ids are collected before the first kill: an orphan no longer tells whose child it was.
    for pid in descendants(child.id()) {
        if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
            // It may have ended by itself meanwhile.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    child.kill()?;
    child.wait()?;
    Ok(())
}

/// The processes below `root`, from Linux's `/proc`; none on a system without it.
fn descendants(root: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pairs: Vec<(u32, u32)> = entries
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let parent = parent_in_stat(&fs::read_to_string(entry.path().join("stat")).ok()?)?;
            Some((pid, parent))
        })
        .collect();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        next += 1;
        found.extend(pairs.iter().filter(|pair| pair.1 == parent).map(|pair| pair.0));
    }
    found.split_off(1)
}

/// The parent's id in the text of `/proc/PID/stat`: `pid (name) state parent ...`, where the name
/// may hold anything.
fn parent_in_stat(stat: &str) -> Option<u32> {
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> (Finished, String) {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let finished = run(command, limit, &log).unwrap();
        (finished, fs::read_to_string(log).unwrap())
    }

    #[test]
    fn output_and_status_come_back_and_are_logged() {
        let (finished, log) = shell("echo out; echo err >&2; exit 3", Duration::from_secs(60));
        assert_eq!(finished.end, End::Exited(3));
        assert_eq!(finished.output, "out\nerr\n");
        assert_eq!(log, "\n$ sh -c 'echo out; echo err >&2; exit 3'\nout\nerr\n");
    }

    #[test]
    fn the_time_limit_ends_the_whole_family() {
        let (finished, _) = shell("sleep 1000 & echo $!; wait", Duration::from_millis(300));
        assert_eq!(finished.end, End::TimedOut(Duration::from_millis(300)));
        let orphan = finished.output.trim();
        // It dies when it is next scheduled, and may linger as a zombie until its new parent
        // collects it.
        let dead = || {
            let stat = fs::read_to_string(format!("/proc/{orphan}/stat")).unwrap_or_default();
            stat.is_empty() || stat.contains(") Z ")
        };
        for _ in 0..1000 {
            if dead() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("process {orphan} lives on");
    }

    #[test]
    fn the_parent_is_found_behind_any_name() {
        assert_eq!(parent_in_stat("12 (a) b) S 7 12 12"), Some(7));
        assert_eq!(parent_in_stat("12"), None);
    }
}
