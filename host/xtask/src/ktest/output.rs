//! The output of `cargo osdk test`: for each crate, between two lines of `tools/qemu-test.sh`, that
//! of OSTD's test runner.

use std::fmt;

use anyhow::{Result, anyhow};

/// The first words of a boot, before the name of the package.
const BEGIN: &str = "==> unit tests of the crate ";
/// The reason for which a boot is bad.
const COMPLAINT: &str = "cargo osdk test: ";

/// The tests of one crate.
#[derive(Debug, Eq, PartialEq)]
pub struct Boot {
    /// The name of its package.
    pub package: String,
    /// The tests that were started.
    pub tests: Vec<Test>,
    /// The numbers of passed and failed tests, if the boot came to its end.
    counts: Option<(usize, usize)>,
    /// The reason for which it is bad, if it names one.
    complaint: Option<String>,
}

/// One test.
#[derive(Debug, Eq, PartialEq)]
pub struct Test {
    /// Its path, beginning with the crate.
    pub name: String,
    /// Its verdict.
    pub verdict: Verdict,
}

/// The verdict of a test.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It passed.
    Ok,
    /// It failed, for this reason.
    Failed(String),
    /// It was started, and nothing more was heard of it.
    Unfinished,
}

impl Verdict {
    /// The same as a result.
    pub fn result(&self) -> Result<()> {
        match self {
            Self::Ok => Ok(()),
            Self::Failed(reason) => Err(anyhow!("{reason}")),
            Self::Unfinished => Err(anyhow!("the test came to no end")),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Failed(_) => "FAILED",
            Self::Unfinished => "UNFINISHED",
        })
    }
}

impl Boot {
    /// Checks that the boot came to a good end and is counted as its tests say; returns the number
    /// of tests that passed.
    pub fn check(&self) -> Result<usize, String> {
        if let Some(complaint) = &self.complaint {
            return Err(complaint.clone());
        }
        let passed = self.tests.iter().filter(|test| test.verdict == Verdict::Ok).count();
        match self.counts {
            None => Err("its tests came to no end".to_owned()),
            Some((0, _)) => Err("no test ran".to_owned()),
            Some((counted, 0)) if counted == passed => Ok(passed),
            Some((counted, failed)) => Err(format!(
                "{counted} passed and {failed} failed are counted, but {passed} are seen to have passed"
            )),
        }
    }

    /// Returns true if nothing is wrong with it.
    pub fn is_good(&self) -> bool {
        self.check().is_ok()
    }
}

/// The boots, in their order.
pub fn boots(output: &str) -> Vec<Boot> {
    let mut parts = output.split(BEGIN);
    // The build's output comes before the first.
    parts.next();
    parts.map(boot).collect()
}

fn boot(output: &str) -> Boot {
    let (package, output) = output.split_once('\n').unwrap_or((output, ""));
    let (sum, complaint) = (format!("ktest {package}: "), format!("{COMPLAINT}{package}: "));
    let said = |start: &str| output.lines().find_map(|line| line.strip_prefix(start));
    Boot {
        package: package.to_owned(),
        tests: tests(output),
        counts: said(&sum).and_then(counts),
        complaint: said(&complaint).map(str::to_owned),
    }
}

/// `3 passed, 0 failed`.
fn counts(sum: &str) -> Option<(usize, usize)> {
    let (passed, failed) = sum.strip_suffix(" failed")?.split_once(" passed, ")?;
    Some((passed.parse().ok()?, failed.parse().ok()?))
}

/// The tests in what the test runner printed: `test NAME ... ok`, where the test's own output may
/// stand before `ok`.
pub fn tests(output: &str) -> Vec<Test> {
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
        let Some(test) = tests.last_mut().filter(|test| test.verdict == Verdict::Unfinished) else {
            continue;
        };
        match rest.rsplit(' ').next() {
            Some("ok") => test.verdict = Verdict::Ok,
            Some("FAILED") => test.verdict = Verdict::Failed(reason(output, &test.name)),
            _ => {}
        }
    }
    tests
}

/// The reason for which a test failed. Behind all tests the runner prints for each that failed
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

    fn failed(reason: &str) -> Verdict {
        Verdict::Failed(reason.to_owned())
    }

    #[test]
    fn runner_output_is_understood() {
        let output = "\nrunning 3 tests in crate \"kernel\"\n\n\
                      test kernel::a::one ... ok\ntest kernel::a::two ... FAILED\n\
                      test kernel::b::three ...said this\nand that ok\n\n\
                      test result: FAILED. 2 passed; 1 failed; 0 filtered out.\n";
        assert_eq!(
            tests(output),
            [
                test("kernel::a::one", Verdict::Ok),
                test("kernel::a::two", failed("the runner gives no reason")),
                test("kernel::b::three", Verdict::Ok),
            ]
        );
    }

    #[test]
    fn a_test_that_hangs_is_unfinished() {
        let output = "test kernel::a::one ... ok\ntest kernel::a::two ...";
        assert_eq!(
            tests(output),
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

    #[test]
    fn each_crate_has_its_own_tests_and_end() {
        let good =
            "==> unit tests of the crate one\ntest one::a ... ok\nktest one: 1 passed, 0 failed\n";
        let bad = "==> unit tests of the crate two\ntest two::a ... FAILED\n\
                   ---- b.rs:1:1 - a ----\n\nno\n\ncargo osdk test: two: 1 of 1 tests failed.\n\
                   ktest two: 0 passed, 1 failed\n";
        let boots = boots(&format!("Compiling one\n{good}Compiling two\n{bad}"));
        let names: Vec<_> = boots.iter().map(|boot| &*boot.package).collect();
        assert_eq!(names, ["one", "two"]);
        assert_eq!(boots[0].check(), Ok(1));
        assert_eq!(boots[1].tests, [test("two::a", failed("no (b.rs:1:1)"))]);
        assert_eq!(boots[1].check(), Err("1 of 1 tests failed.".to_owned()));
    }

    #[test]
    fn a_boot_is_good_only_with_a_good_end() {
        let check = |rest: &str| boot(&format!("one\n{rest}")).check();
        let passed = "test one::a ... ok\n";
        assert_eq!(check(&format!("{passed}ktest one: 1 passed, 0 failed\n")), Ok(1));
        assert!(check(passed).is_err());
        assert!(check("ktest one: 0 passed, 0 failed\n").is_err());
        assert!(check(&format!("{passed}ktest one: 2 passed, 0 failed\n")).is_err());
        assert!(check(&format!("{passed}ktest one: 1 passed, 1 failed\n")).is_err());
        // What another crate says is none of its.
        assert!(check(&format!("{passed}ktest two: 1 passed, 0 failed\n")).is_err());
    }
}
