//! The results of the suites, and the summary at the end.

use std::{
    fs,
    io::{Write as _, stdout},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use lab::{
    arch::Arch,
    board::Board,
    process,
    workspace::{Member, Profile, Workspace},
};

/// One check and its result.
#[derive(Debug)]
struct CaseResult {
    name: String,
    failure: Option<Failure>,
}

/// The reason for which a check failed.
#[derive(Debug)]
struct Failure {
    /// In words, one line or more.
    reason: String,
    /// The file with everything that was printed.
    log: Option<PathBuf>,
}

/// A group of checks.
#[derive(Debug)]
pub struct Suite {
    name: &'static str,
    /// In the order in which they ended.
    cases: Vec<CaseResult>,
    begin: Instant,
    elapsed: Duration,
}

/// Runs the checks of a suite and enters them in it. An error means that it could not go on.
pub type Run<'a> = &'a dyn Fn(&mut Suite) -> Result<()>;

impl Suite {
    fn begin(name: &'static str) -> Self {
        println!("\n== {name}");
        Self { name, cases: Vec::new(), begin: Instant::now(), elapsed: Duration::ZERO }
    }

    /// Runs one check: prints its name before, and how it went and how long it took after. The file
    /// `log` is removed if the check passed.
    pub fn check(&mut self, name: &str, log: Option<&Path>, run: impl FnOnce() -> Result<()>) {
        print!("{name} ... ");
        // Without it the name would only appear together with the result.
        let _ = stdout().flush();
        let begin = Instant::now();
        let result = run();
        println!(
            "{} ({:.1} s)",
            if result.is_ok() { "ok" } else { "FAILED" },
            begin.elapsed().as_secs_f64()
        );
        self.record(name, log, result);
    }

    /// Builds the kernel, as a check named `build`, unless another suite has built it already; `None` if it
    /// does not build. No later build changes the file.
    ///
    /// # Errors
    ///
    /// There is no kernel, or no log can be written.
    pub fn build_kernel(
        &mut self,
        workspace: &Workspace,
        profile: Profile,
    ) -> Result<Option<PathBuf>> {
        self.build_kernel_for(workspace, Board::LAB, profile)
    }

    /// The same for a board. The check has the board in its name unless it is the lab's own.
    ///
    /// # Errors
    ///
    /// Those of [`Self::build_kernel`].
    pub fn build_kernel_for(
        &mut self,
        workspace: &Workspace,
        board: Board,
        profile: Profile,
    ) -> Result<Option<PathBuf>> {
        self.build(workspace, board.arch(), workspace.kernel()?, profile, &board.name("build"))
    }

    /// The same for the kernel of any package and for any architecture, as a check with a name of its own.
    ///
    /// # Errors
    ///
    /// No log can be written.
    pub fn build(
        &mut self,
        workspace: &Workspace,
        arch: Arch,
        package: &Member,
        profile: Profile,
        check: &str,
    ) -> Result<Option<PathBuf>> {
        let log = workspace.log(self.name, check);
        process::new_log(&log)?;
        let mut kernel = None;
        let suite = self.name;
        self.check(check, Some(&log), || {
            kernel = Some(workspace.build_for(arch, package, profile, suite, &log)?);
            Ok(())
        });
        Ok(kernel)
    }

    /// Runs one check for each of `items`, so many at a time, and by default one for each processor, two at
    /// most. `name` gives a check its name, `log` the file that is kept if it fails.
    pub fn check_all<T: Sync>(
        &mut self,
        items: &[T],
        at_a_time: Option<usize>,
        name: impl Fn(&T) -> String + Sync,
        log: impl Fn(&str) -> PathBuf + Sync,
        run: impl Fn(&T, &Path) -> Result<()> + Sync,
    ) {
        let processors = || thread::available_parallelism().map_or(1, |found| found.get().min(2));
        let next = AtomicUsize::new(0);
        let suite = Mutex::new(self);
        thread::scope(|scope| {
            for _ in 0..at_a_time.unwrap_or_else(processors) {
                scope.spawn(|| {
                    while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let name = name(item);
                        let log = log(&name);
                        let begin = Instant::now();
                        let result = run(item, &log);
                        let verdict = if result.is_ok() { "ok" } else { "FAILED" };
                        let mut suite = suite.lock().unwrap_or_else(PoisonError::into_inner);
                        println!("{name} ... {verdict} ({:.1} s)", begin.elapsed().as_secs_f64());
                        suite.record(&name, Some(&log), result);
                    }
                });
            }
        });
    }

    /// Enters a result that came about elsewhere; prints the reason of a failure only. The file
    /// `log` is removed if there is none.
    pub fn record(&mut self, name: &str, log: Option<&Path>, result: Result<()>) {
        let failure = match result {
            Ok(()) => {
                // A log that cannot be removed does no harm.
                let _ = log.map(fs::remove_file);
                None
            }
            Err(error) => {
                Some(Failure { reason: format!("{error:#}"), log: log.map(Path::to_owned) })
            }
        };
        if let Some(failure) = &failure {
            println!("{failure}");
        }
        self.cases.push(CaseResult { name: name.to_owned(), failure });
    }

    /// Ends a suite. One that could not go on, or in which nothing ran, has failed.
    fn end(mut self, result: Result<()>) -> Self {
        let result = result.and_then(|()| {
            ensure!(!self.cases.is_empty(), "nothing ran");
            Ok(())
        });
        if result.is_err() {
            self.record("(the suite itself)", None, result);
        }
        self.elapsed = self.begin.elapsed();
        self
    }

    fn counts(&self) -> (usize, usize) {
        let failed = self.cases.iter().filter(|case| case.failure.is_some()).count();
        (self.cases.len() - failed, failed)
    }
}

impl Failure {
    /// The first line of the reason, and the log.
    fn summary(&self) -> String {
        let first = self.reason.lines().next().unwrap_or_default();
        match &self.log {
            Some(log) => format!("{first}\n    log: {}", log.display()),
            None => first.to_owned(),
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "    {}", self.reason.replace('\n', "\n    "))?;
        if let Some(log) = &self.log {
            write!(f, "\n    log: {}", log.display())?;
        }
        Ok(())
    }
}

/// All suites of one run.
#[derive(Debug)]
pub struct Report {
    /// In the order in which they ran.
    suites: Vec<Suite>,
}

impl Report {
    /// Runs the suites one after the other, whatever becomes of each.
    pub fn of(suites: &[(&'static str, Run)]) -> Self {
        let run = |(name, run): &(&'static str, Run)| {
            let mut suite = Suite::begin(name);
            let result = run(&mut suite);
            suite.end(result)
        };
        Self { suites: suites.iter().map(run).collect() }
    }

    /// Returns true if something ran and nothing failed.
    pub fn passed(&self) -> bool {
        let (passed, failed) = self.counts();
        passed > 0 && failed == 0
    }

    /// Prints counts per suite, the failures with their logs, and as the very last line `N passed,
    /// N failed`.
    pub fn print(&self) {
        println!("\n{:<10}{:>8}{:>8}{:>10}", "suite", "passed", "failed", "time");
        for suite in &self.suites {
            let (passed, failed) = suite.counts();
            println!(
                "{:<10}{passed:>8}{failed:>8}{:>8.1} s",
                suite.name,
                suite.elapsed.as_secs_f64()
            );
        }
        let (passed, failed) = self.counts();
        if failed > 0 {
            println!("\nFailed:");
        }
        for suite in &self.suites {
            for case in &suite.cases {
                if let Some(failure) = &case.failure {
                    println!("  {} {}: {}", suite.name, case.name, failure.summary());
                }
            }
        }
        println!("\n{passed} passed, {failed} failed");
    }

    fn counts(&self) -> (usize, usize) {
        self.suites
            .iter()
            .map(Suite::counts)
            .fold((0, 0), |sum, counts| (sum.0 + counts.0, sum.1 + counts.1))
    }
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[test]
    fn a_suite_without_checks_fails() {
        let report = Report::of(&[("empty", &|_| Ok(()))]);
        assert_eq!(report.counts(), (0, 1));
        assert!(!report.passed());
    }

    #[test]
    fn a_suite_that_cannot_go_on_fails_and_the_next_one_runs() {
        let good: Run = &|suite| {
            suite.check("good", None, || Ok(()));
            Ok(())
        };
        let report = Report::of(&[("bad", &|_| bail!("cannot go on")), ("good", good)]);
        assert_eq!(report.counts(), (1, 1));
        assert!(!report.passed());
        assert!(Report::of(&[("good", good)]).passed());
    }

    #[test]
    fn the_log_is_kept_for_failures_only() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("case.log");
        let mut suite = Suite::begin("example");

        fs::write(&log, "text").unwrap();
        suite.check("good", Some(&log), || Ok(()));
        assert!(!log.exists());

        fs::write(&log, "text").unwrap();
        suite.check("bad", Some(&log), || bail!("because"));
        let suite = suite.end(Ok(()));
        assert_eq!(suite.counts(), (1, 1));
        let failure = suite.cases[1].failure.as_ref().unwrap();
        assert_eq!(failure.to_string(), format!("    because\n    log: {}", log.display()));
        assert!(!Report { suites: vec![suite] }.passed());
    }
}
