//! Booting the unit tests with one mutant on.

use std::{
    cell::RefCell,
    fmt, fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use lab::{
    process::{self, Process, ProcessError},
    qemu::{Guest, Machine, Transport},
    workspace::Workspace,
};

use crate::ktest::output::{self, Verdict};

/// A test that takes longer than this has a boot of its own, after the others.
const SLOW: Duration = Duration::from_millis(400);

/// The time that the unit tests may take with no mutant on.
const BASELINE_SECONDS: u64 = 600;

/// With a mutant on, a boot may take so much longer than without one before it hangs.
const LIMIT_FACTOR: u32 = 5;
const LIMIT_EXTRA: Duration = Duration::from_secs(5);

/// The end of a test kernel runs so.
const END: &str = "[ktest runner] All crates tested.";
const PANIC: &str = "An uncaught panic occurred:";

/// What the tests say about a mutant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A test failed, or the kernel did not come to the end of it: this one.
    Caught(String),
    /// A test came to no end in time: this one.
    Hung(String),
    /// All tests passed.
    Survived,
}

/// Some of the tests.
#[derive(Clone, Copy, Debug)]
pub enum Tests {
    /// All that take little time, in one boot.
    Quick,
    /// The others, each in a boot of its own.
    Slow,
}

impl fmt::Display for Tests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Quick => "quick",
            Self::Slow => "slow",
        })
    }
}

/// The unit tests of a crate, as some boots of one kernel.
pub struct Trial {
    kernel: PathBuf,
    /// The first one is of the quick tests.
    boots: Vec<Boot>,
    patience: u32,
}

/// A boot of some tests.
struct Boot {
    /// The words of the command line that choose them.
    choice: String,
    /// The time that it may take.
    limit: Duration,
}

impl Trial {
    /// Runs all tests with no mutant on, to see that they pass and how long they take.
    pub fn prepare(workspace: &Workspace, kernel: PathBuf, log: &Path) -> Result<Self> {
        process::new_log(log)?;
        let mut trial = Self { kernel, boots: Vec::new(), patience: workspace.patience };
        let times = trial.times(workspace.limit(BASELINE_SECONDS), log)?;
        let mut slow: Vec<_> = times.iter().filter(|(_, time)| *time > SLOW).collect();
        slow.sort_by_key(|(_, time)| *time);
        let names: Vec<_> = slow.iter().map(|(name, _)| &**name).collect();
        let mut choices = vec![format!("leave_out={}", names.join(","))];
        choices.extend(names.iter().map(|name| format!("only={name}")));
        for choice in choices {
            let begin = Instant::now();
            match trial.boot(&choice, 0, workspace.limit(BASELINE_SECONDS), log)? {
                Outcome::Survived => {}
                bad => bail!("without a mutant, the tests of {choice} do not pass: {bad:?}"),
            }
            let limit = (begin.elapsed() * LIMIT_FACTOR + LIMIT_EXTRA) * trial.patience;
            trial.boots.push(Boot { choice, limit });
        }
        fs::remove_file(log).with_context(|| format!("cannot remove {}", log.display()))?;
        Ok(trial)
    }

    /// The time that each test takes.
    fn times(&self, limit: Duration, log: &Path) -> Result<Vec<(String, Duration)>> {
        let mut process = self.start("mutant=0", limit, log)?;
        let (mut times, mut last) = (Vec::new(), Instant::now());
        loop {
            let seen = RefCell::default();
            let news = |text: &str| {
                let tests = output::tests(text);
                let ended = text.lines().any(|line| line == END);
                let done = tests.iter().filter(|test| test.verdict != Verdict::Unfinished).count();
                *seen.borrow_mut() = tests;
                done > times.len() || ended
            };
            process.wait_until("the tests had ended", news)?;
            let tests: Vec<output::Test> = seen.into_inner();
            let Some(test) = tests.get(times.len()) else { break };
            if test.verdict != Verdict::Ok {
                // The reason is printed behind all tests.
                process.finish()?;
                let log = log.display();
                bail!("without a mutant, {} does not pass; the log is {log}", test.name);
            }
            times.push((test.name.clone(), last.elapsed()));
            last = Instant::now();
        }
        ensure!(!times.is_empty(), "no test ran");
        Ok(times)
    }

    /// Runs some of the tests with a mutant on, until one notices.
    pub fn judge(&self, number: u32, tests: Tests, log: &Path) -> Result<Outcome> {
        let (quick, slow) = self.boots.split_at(1);
        let boots = match tests {
            Tests::Quick => quick,
            Tests::Slow => slow,
        };
        for boot in boots {
            match self.boot(&boot.choice, number, boot.limit, log)? {
                Outcome::Survived => {}
                noticed => return Ok(noticed),
            }
        }
        Ok(Outcome::Survived)
    }

    fn boot(&self, choice: &str, number: u32, limit: Duration, log: &Path) -> Result<Outcome> {
        let mut process = self.start(&format!("mutant={number} {choice}"), limit, log)?;
        let seen = RefCell::default();
        let enough = |text: &str| {
            let tests = output::tests(text);
            let failed = tests.iter().any(|test| matches!(test.verdict, Verdict::Failed(_)));
            let last = tests.last().map_or("no test", |test| &test.name).to_owned();
            *seen.borrow_mut() = (last, failed);
            failed || text.lines().any(|line| line == END || line.starts_with(PANIC))
        };
        let watched = process.wait_until("the tests had ended", enough);
        let (last, failed) = seen.into_inner();
        match watched {
            Ok(()) if failed => Ok(Outcome::Caught(last)),
            Ok(()) => {
                let finished = process.finish()?;
                let good = finished.output.contains(END);
                Ok(if good { Outcome::Survived } else { Outcome::Caught(last) })
            }
            Err(ProcessError::EndedBefore { .. }) => Ok(Outcome::Caught(last)),
            Err(ProcessError::LateFor { .. }) => Ok(Outcome::Hung(last)),
            Err(error) => Err(error.into()),
        }
    }

    fn start(&self, command_line: &str, limit: Duration, log: &Path) -> Result<Process> {
        let guest = Guest::new(&self.kernel, command_line);
        // The same as in OSDK.toml.
        let machine = Machine::new(Transport::Legacy).option("-cpu", "rv64,zicbom=false");
        Ok(Process::start(machine.command(&guest), limit, log)?)
    }
}
