//! Booting the unit tests with one mutant on.

use std::{
    cell::RefCell,
    fmt, fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
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

/// With a mutant on, a test may take so much longer than without one before it hangs.
const LIMIT_FACTOR: u32 = 5;
const LIMIT_EXTRA: Duration = Duration::from_secs(5);

/// The end of a test kernel runs so.
const END: &str = "[ktest runner] All crates tested.";
const PANIC: &str = "An uncaught panic occurred:";

/// The verdict of the tests about a mutant.
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

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Caught(test) => write!(f, "{test} fails"),
            Self::Hung(test) => write!(f, "{test} comes to no end"),
            Self::Survived => f.write_str("all tests pass"),
        }
    }
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
}

/// A boot of some tests.
struct Boot {
    /// The words of the command line that choose them.
    choice: String,
    /// The time that each of them may take.
    limit: Duration,
}

impl Trial {
    /// Runs all tests with no mutant on, to see that they pass and how long they take.
    pub fn prepare(workspace: &Workspace, kernel: PathBuf, log: &Path) -> Result<Self> {
        process::new_log(log)?;
        let mut trial = Self { kernel, boots: Vec::new() };
        let mut times = Vec::new();
        let mut last = Instant::now();
        let all = Boot { choice: String::new(), limit: workspace.limit(BASELINE_SECONDS) };
        let outcome = trial.boot(&all, 0, log, |test| {
            times.push((last.elapsed(), test.to_owned()));
            last = Instant::now();
        })?;
        ensure!(outcome == Outcome::Survived, "{outcome} without a mutant; see {}", log.display());
        times.sort_unstable();
        let (quick, slow) = times.split_at(times.partition_point(|(time, _)| *time <= SLOW));
        let limit =
            |(time, _): &(Duration, _)| (*time * LIMIT_FACTOR + LIMIT_EXTRA) * workspace.patience;
        let names: Vec<_> = slow.iter().map(|(_, name)| &**name).collect();
        let choice = format!("leave_out={}", names.join(","));
        let longest = quick.last().map_or(LIMIT_EXTRA, limit);
        trial.boots.push(Boot { choice, limit: longest });
        let alone = |test: &(Duration, String)| Boot {
            choice: format!("only={}", test.1),
            limit: limit(test),
        };
        trial.boots.extend(slow.iter().map(alone));
        for boot in &trial.boots {
            let outcome = trial.boot(boot, 0, log, |_| ())?;
            let (choice, log) = (&boot.choice, log.display());
            ensure!(
                outcome == Outcome::Survived,
                "{outcome} without a mutant, {choice}; see {log}"
            );
        }
        fs::remove_file(log).with_context(|| format!("cannot remove {}", log.display()))?;
        Ok(trial)
    }

    /// Runs some of the tests with a mutant on, until one notices.
    pub fn judge(&self, number: u32, tests: Tests, log: &Path) -> Result<Outcome> {
        let (quick, slow) = self.boots.split_at(1);
        let boots = match tests {
            Tests::Quick => quick,
            Tests::Slow => slow,
        };
        for boot in boots {
            match self.boot(boot, number, log, |_| ())? {
                Outcome::Survived => {}
                noticed => return Ok(noticed),
            }
        }
        Ok(Outcome::Survived)
    }

    /// Runs a boot until the first test fails; tells `passed` of each that does not.
    fn boot(
        &self,
        boot: &Boot,
        number: u32,
        log: &Path,
        mut passed: impl FnMut(&str),
    ) -> Result<Outcome> {
        let guest = Guest::new(&self.kernel, &format!("mutant={number} {}", boot.choice));
        // The same as in OSDK.toml.
        let machine = Machine::new(Transport::Legacy).option("-cpu", "rv64,zicbom=false");
        let mut process = Process::start(machine.command(&guest), boot.limit, log)?;
        let mut done = 0;
        loop {
            let seen = RefCell::default();
            let news = |text: &str| {
                let tests = output::tests(text);
                let more = tests.get(done).is_some_and(|test| test.verdict != Verdict::Unfinished);
                let ended = text.lines().any(|line| line == END);
                let panicked = text.lines().any(|line| line.starts_with(PANIC));
                *seen.borrow_mut() = (tests, ended, panicked);
                more || ended || panicked
            };
            let watched = process.wait_until("the next test had passed", news);
            let (tests, ended, panicked): (Vec<output::Test>, bool, bool) = seen.into_inner();
            let running = tests.get(done).or(tests.last());
            let running = running.map_or("before the first test", |test| &test.name).to_owned();
            match watched {
                Err(ProcessError::LateFor { .. }) => return Ok(Outcome::Hung(running)),
                Err(ProcessError::EndedBefore { .. }) => return Ok(Outcome::Caught(running)),
                Err(error) => return Err(error.into()),
                Ok(()) => {}
            }
            while let Some(test) = tests.get(done)
                && test.verdict == Verdict::Ok
            {
                passed(&test.name);
                done += 1;
            }
            let failed = tests.get(done).is_some_and(|test| test.verdict != Verdict::Unfinished);
            if failed || panicked {
                if number == 0 {
                    // For the log: the reason is printed behind all tests.
                    process.finish()?;
                }
                return Ok(Outcome::Caught(running));
            }
            if ended {
                return Ok(Outcome::Survived);
            }
            process.renew();
        }
    }
}
