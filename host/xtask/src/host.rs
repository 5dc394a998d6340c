//! The unit tests of the host-side programs, and of the crates of the kernel that build for the host too.

use std::fs;

use anyhow::{Result, anyhow};
use lab::{process, text, workspace::Workspace};

use crate::report::Suite;

/// Runs `cargo test` for every member of the workspace that builds for the host.
pub fn run(workspace: &Workspace, suite: &mut Suite) -> Result<()> {
    let log = workspace.log("host", "cargo-test");
    process::new_log(&log)?;
    let mut cargo = workspace.cargo();
    cargo.args(["test", "--color=never", "--no-fail-fast"]);
    cargo.args(workspace.choose(|member| !member.needs_ostd));
    let finished = process::run(cargo, workspace.limit(1200), &log)?;

    let tests = parse(&text::plain(&finished.output));
    for (name, passed) in &tests {
        println!("{name} ... {}", if *passed { "ok" } else { "FAILED" });
        // The log is one for all tests, so it is none of those that passed.
        let (log, result) = if *passed {
            (None, Ok(()))
        } else {
            (Some(&*log), Err(anyhow!("the unit test failed")))
        };
        suite.record(name, log, result);
    }
    if tests.iter().all(|test| test.1) {
        // Every test may have passed and another program not have compiled.
        match finished.expect_success() {
            Ok(()) => drop(fs::remove_file(&log)),
            Err(error) => suite.record("cargo-test", Some(&log), Err(error.into())),
        }
    }
    Ok(())
}

/// The tests in the output of `cargo test`, with true for those that passed. Ignored ones are left
/// out.
fn parse(output: &str) -> Vec<(String, bool)> {
    output
        .lines()
        .filter_map(|line| {
            let (name, verdict) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
            match verdict {
                "ok" => Some((name.to_owned(), true)),
                "FAILED" => Some((name.to_owned(), false)),
                _ => None,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libtest_output_is_understood() {
        let output = "running 3 tests\ntest a::b ... ok\ntest c - should panic ... FAILED\n\
                      test d ... ignored\n\ntest result: FAILED. 1 passed; 1 failed";
        assert_eq!(
            parse(output),
            [("a::b".to_owned(), true), ("c - should panic".to_owned(), false)]
        );
    }
}
