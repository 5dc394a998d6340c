//! The course: the program `course` grades variants of the solution that are known to be wrong or right, the
//! tree that a student gets, and a class with attacks on the grader. This suite runs a part of them and enters
//! the verdicts.

use anyhow::{Result, anyhow, ensure};
use lab::{process, text, workspace::Workspace};

use crate::report::Suite;

/// Grades a part of the variants and a part of the attacks.
pub fn run(workspace: &Workspace, suite: &mut Suite) -> Result<()> {
    for command in ["selftest", "trial"] {
        run_part(command, workspace, suite)?;
    }
    Ok(())
}

fn run_part(command: &str, workspace: &Workspace, suite: &mut Suite) -> Result<()> {
    let log = workspace.log("course", command);
    process::new_log(&log)?;
    let mut cargo = workspace.cargo();
    cargo.args(["run", "--quiet", "--package", "course", "--", command, "--part"]);
    let finished = process::run(cargo, workspace.limit(1200), &log)?;
    let output = text::plain(&finished.output);
    let verdicts: Vec<_> = output.lines().filter_map(verdict).collect();
    ensure!(!verdicts.is_empty(), "course {command} has graded nothing:\n{output}");
    for (name, failure) in &verdicts {
        println!("{name} ... {}", if failure.is_none() { "ok" } else { "FAILED" });
        let result = failure.map_or(Ok(()), |why| Err(anyhow!("{why}")));
        suite.record(name, failure.map(|_| &*log), result);
    }
    if verdicts.iter().all(|(_, failure)| failure.is_none()) {
        suite.record(command, Some(&log), finished.expect_success().map_err(Into::into));
    }
    Ok(())
}

/// The name in a line of the program, and the reason for which it failed.
fn verdict(line: &str) -> Option<(&str, Option<&str>)> {
    if let Some(name) = line.strip_suffix(" ... ok") {
        return Some((name, None));
    }
    let (name, why) = line.split_once(" ... FAILED: ")?;
    Some((name, Some(why)))
}

#[cfg(test)]
mod tests {
    use super::verdict;

    #[test]
    fn verdicts_are_read() {
        assert_eq!(verdict("1-x/wrong/y ... ok"), Some(("1-x/wrong/y", None)));
        assert_eq!(verdict("all-stubs ... FAILED: why"), Some(("all-stubs", Some("why"))));
        assert_eq!(verdict("3 passed, 0 failed"), None);
    }
}
