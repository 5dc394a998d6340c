//! The hostile device: the program `hostile` boots the kernel on a disk that lies, once for each way
//! to lie, and judges it. This suite runs the program and enters its verdicts.

use anyhow::{Result, anyhow, ensure};
use lab::{
    board::Board,
    process, text,
    workspace::{Profile, Workspace},
};

use crate::report::Suite;

/// The modes that are played on the boards beside the lab's own: of each way in which a driver notices a lie
/// one, and those with many interrupts, or other ones than for requests.
const PART: &[&str] = &[
    "honest",
    "id-twice",
    "index-ahead",
    "no-status-read",
    "spurious-interrupts",
    "silence",
    "early-interrupts",
    "scribble",
    "config-storm",
    "no-version-1",
    "shrink",
];

/// Plays every mode on the lab's own board, and a part of them on another one.
pub fn run(workspace: &Workspace, suite: &mut Suite, board: Board) -> Result<()> {
    let modes: &[&str] = if board == Board::LAB { &[] } else { PART };
    let Some(kernel) = suite.build_kernel_for(workspace, board, Profile::Dev)? else {
        return Ok(());
    };
    let log = workspace.log("hostile", &board.name("run"));
    process::new_log(&log)?;
    let mut cargo = workspace.cargo();
    cargo.args(["run", "--quiet", "--package", "hostile", "--", "run", "--kernel"]).arg(kernel);
    cargo.args(board.arguments()).args(modes);
    let finished = process::run(cargo, workspace.limit(1200), &log)?;
    let output = text::plain(&finished.output);
    let verdicts = verdicts(&output);
    ensure!(!verdicts.is_empty(), "no mode was played:\n{output}");
    for verdict in &verdicts {
        let name = board.name(verdict.mode);
        println!("{name} ... {}", if verdict.passed { "ok" } else { "FAILED" });
        let log = workspace.log("hostile", &name);
        let (log, result) = match verdict.passed {
            true => (None, Ok(())),
            false => {
                let console: String =
                    verdict.console.iter().map(|line| format!("\n{line}")).collect();
                (Some(&*log), Err(anyhow!("{}{console}", verdict.why)))
            }
        };
        suite.record(&name, log, result);
    }
    if verdicts.iter().all(|verdict| verdict.passed) {
        suite.record(
            &board.name("hostile"),
            Some(&log),
            finished.expect_success().map_err(Into::into),
        );
    }
    Ok(())
}

struct Verdict<'a> {
    mode: &'a str,
    passed: bool,
    why: &'a str,
    /// The end of the kernel's console, which follows a failure.
    console: Vec<&'a str>,
}

fn verdicts(output: &str) -> Vec<Verdict<'_>> {
    let mut verdicts: Vec<Verdict> = Vec::new();
    for line in output.lines() {
        if let Some(verdict) = verdict(line) {
            verdicts.push(verdict);
        } else if let (Some(last), true) = (verdicts.last_mut(), line.starts_with("    | ")) {
            last.console.push(line);
        }
    }
    verdicts
}

/// A line of the table: row, mode, verdict, and the reason.
fn verdict(line: &str) -> Option<Verdict<'_>> {
    let mut rest = line.trim_start();
    let mut word = || {
        let (word, behind) = rest.split_once(' ')?;
        rest = behind.trim_start();
        Some(word)
    };
    let (row, mode, verdict) = (word()?, word()?, word()?);
    let passed = match verdict {
        "pass" => true,
        "FAIL" => false,
        _ => return None,
    };
    let is_row = row == "-" || row.parse::<u8>().is_ok();
    is_row.then_some(Verdict { mode, passed, why: rest, console: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_table_are_told_from_others() {
        let line = verdict("  4 index-ahead            pass  8 of 400 failed, resets: 1 (0.6 s)");
        let line = line.unwrap();
        assert_eq!((line.mode, line.passed), ("index-ahead", true));
        let line = verdict("  - seg-max-0  FAIL  hangs (30.0 s)").unwrap();
        assert_eq!((line.mode, line.passed, line.why), ("seg-max-0", false, "hangs (30.0 s)"));
        assert!(verdict(" 20 -    not playable here (ktest): QEMU's register").is_none());
        assert!(verdict("47 passed, 0 failed").is_none());
    }

    #[test]
    fn the_console_belongs_to_the_failure_before_it() {
        let output = "building the kernel\n  - one  FAIL  hangs (30.0 s)\n    | disk 0: x\n    \
                      | 4 more  pass\n    log: one.log\n  4 two  pass  0 of 4 (0.1 s)\n";
        let verdicts = verdicts(output);
        let found: Vec<_> = verdicts.iter().map(|v| (v.mode, v.console.len())).collect();
        assert_eq!(found, [("one", 2), ("two", 0)]);
        assert_eq!(verdicts[0].console, ["    | disk 0: x", "    | 4 more  pass"]);
    }
}
