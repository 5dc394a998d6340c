//! The kernel's unit tests, which run inside QEMU.

use std::fs;

use anyhow::{Context, Result, anyhow};
use lab::{process, text, workspace::Workspace};
use serde_json::json;

use crate::report::Suite;

/// Seconds; read by tools/qemu-test.sh.
const TIME_LIMIT: &str = "KTEST_TIMEOUT";

/// Runs `cargo osdk test` once and enters every test that it started.
pub fn run(workspace: &Workspace, suite: &mut Suite) -> Result<()> {
    let log = workspace.log("ktest", "cargo-osdk-test");
    process::new_log(&log)?;
    let mut cargo = workspace.cargo();
    cargo.args(["osdk", "test", "--target-arch=riscv64"]);
    if std::env::var_os(TIME_LIMIT).is_none() {
        cargo.env(TIME_LIMIT, workspace.limit(300).as_secs().to_string());
    }
    // The wrapper around QEMU has a limit of its own, which is the better one: it knows which test
    // hung.
    let finished = process::run(cargo, workspace.limit(900), &log)?;

    let output = text::plain(&finished.output);
    let tests = parse(&output);
    for test in &tests {
        println!("{} ... {}", test.name, test.verdict);
        // The log is one for all tests, so it is none of those that passed.
        let (log, result) = match test.verdict {
            Verdict::Ok => (None, Ok(())),
            Verdict::Failed => (Some(&*log), Err(anyhow!("{}", reason(&output, &test.name)))),
            Verdict::Unfinished => (Some(&*log), Err(anyhow!("the test came to no end"))),
        };
        suite.record(&test.name, log, result);
    }
    keep(workspace, &tests, &output)?;
    if tests.iter().all(|test| test.verdict == Verdict::Ok) {
        // Every test may have passed and the run still be bad: it did not compile, none ran, or the
        // runner died.
        match finished.expect_success() {
            Ok(()) => drop(fs::remove_file(&log)),
            Err(error) => suite.record("cargo-osdk-test", Some(&log), Err(error.into())),
        }
    }
    Ok(())
}

/// Writes `target/ktest/report.json`: the tests, and what the fuzzer says of itself.
fn keep(workspace: &Workspace, tests: &[Test], output: &str) -> Result<()> {
    let fuzz = output.lines().rev().find_map(|line| line.strip_prefix("fuzz: "));
    let tests: Vec<_> = tests
        .iter()
        .map(|test| json!({ "name": test.name, "verdict": test.verdict.to_string() }))
        .collect();
    let report = json!({ "tests": tests, "fuzz": fuzz });
    let path = workspace.target.join("ktest/report.json");
    fs::create_dir_all(workspace.target.join("ktest"))?;
    fs::write(&path, format!("{report:#}\n"))
        .with_context(|| format!("cannot write {}", path.display()))
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Verdict {
    Ok,
    Failed,
    /// It was started, and nothing more was heard of it.
    Unfinished,
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Failed => "FAILED",
            Self::Unfinished => "UNFINISHED",
        })
    }
}

#[derive(Debug, Eq, PartialEq)]
struct Test {
    name: String,
    verdict: Verdict,
}

/// The tests in what the test runner printed: `test NAME ... ok`, where the test's own output may
/// stand before `ok`.
fn parse(output: &str) -> Vec<Test> {
    let mut tests: Vec<Test> = Vec::new();
    for line in output.lines() {
        let started = line.strip_prefix("test ").and_then(|rest| rest.split_once(" ..."));
        let rest = match started {
            Some((name, rest)) if !name.contains(' ') => {
                tests.push(Test { name: name.to_owned(), verdict: Verdict::Unfinished });
                rest
            }
            _ => line,
        };
        let verdict = match rest.rsplit(' ').next() {
            Some("ok") => Verdict::Ok,
            Some("FAILED") => Verdict::Failed,
            _ => continue,
        };
        if let Some(test) = tests.last_mut()
            && test.verdict == Verdict::Unfinished
        {
            test.verdict = verdict;
        }
    }
    tests
}

/// Why a test failed. Behind all tests the runner prints for each that failed
/// `---- FILE:LINE:COLUMN - FUNCTION ----`, an empty line, and the reason.
fn reason(output: &str, name: &str) -> String {
    let function = name.rsplit("::").next().unwrap_or(name);
    let end = format!(" - {function} ----");
    let mut lines = output.lines().skip_while(|line| !line.ends_with(&end));
    let place = lines.next().and_then(|line| line.strip_prefix("---- ")?.strip_suffix(&end));
    let reason = lines.find(|line| !line.is_empty());
    match (place, reason) {
        (Some(place), Some(reason)) => format!("{reason} ({place})"),
        _ => "the runner gives no reason".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(name: &str, verdict: Verdict) -> Test {
        Test { name: name.to_owned(), verdict }
    }

    #[test]
    fn runner_output_is_understood() {
        let output = "\nrunning 3 tests in crate \"kernel\"\n\n\
                      test kernel::a::one ... ok\ntest kernel::a::two ... FAILED\n\
                      test kernel::b::three ...said this\nand that ok\n\n\
                      test result: FAILED. 2 passed; 1 failed; 0 filtered out.\n";
        assert_eq!(
            parse(output),
            [
                test("kernel::a::one", Verdict::Ok),
                test("kernel::a::two", Verdict::Failed),
                test("kernel::b::three", Verdict::Ok),
            ]
        );
    }

    #[test]
    fn a_test_that_hangs_is_unfinished() {
        let output = "test kernel::a::one ... ok\ntest kernel::a::two ...";
        assert_eq!(
            parse(output),
            [test("kernel::a::one", Verdict::Ok), test("kernel::a::two", Verdict::Unfinished)]
        );
    }

    #[test]
    fn the_reason_is_found() {
        let output = "test kernel::a::two ... FAILED\n\nfailures:\n\n\
                      ---- kernel/src/a.rs:7:4 - other ----\n\n[caught panic] no\n\
                      ---- kernel/src/a.rs:9:4 - two ----\n\n[caught panic] left == right\n";
        assert_eq!(
            reason(output, "kernel::a::two"),
            "[caught panic] left == right (kernel/src/a.rs:9:4)"
        );
        assert_eq!(reason(output, "kernel::a::three"), "the runner gives no reason");
    }
}
