//! The file system on the host: the program `sfs-proof` tries to break it. This suite runs its commands and enters what
//! came of them.

use std::{collections::BTreeMap, fs};

use anyhow::{Context, Result};
use lab::{process, text, workspace::Workspace};
use serde_json::json;

use crate::report::Suite;

/// A command of the program.
struct Command {
    name: &'static str,
    /// The cases of a part, which is what `xtask test` has time for.
    part: u64,
    /// The most seconds that all cases may take.
    limit: u64,
}

const COMMANDS: [Command; 6] = [
    Command { name: "cuts", part: 50, limit: 7200 },
    Command { name: "pairs", part: 400, limit: 7200 },
    Command { name: "errors", part: 100, limit: 7200 },
    Command { name: "mutate", part: 30_000, limit: 7200 },
    Command { name: "model", part: 100, limit: 7200 },
    Command { name: "threads", part: 3, limit: 1200 },
];

/// The command that compiles the program.
pub fn build(workspace: &Workspace) -> std::process::Command {
    cargo(workspace, "build")
}

/// A command of cargo for the program.
fn cargo(workspace: &Workspace, command: &str) -> std::process::Command {
    let mut cargo = workspace.cargo();
    cargo.args([command, "--quiet", "--profile", "proof", "--package", "sfs-proof"]);
    cargo
}

/// The amount that is tried.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Extent {
    /// A part, always the same.
    Part,
    /// All that the book's figures tell of.
    Whole,
}

/// Runs every command of the program. Of a whole run its counts are kept, as JSON in `target/files-proof/report.json`.
pub fn run(workspace: &Workspace, suite: &mut Suite, extent: Extent) -> Result<()> {
    let mut figures = BTreeMap::new();
    for Command { name, part, limit } in COMMANDS {
        let log = workspace.log("files-proof", name);
        process::new_log(&log)?;
        suite.check(name, Some(&log), || {
            let mut cargo = cargo(workspace, "run");
            cargo.args(["--", name]);
            if extent == Extent::Part {
                cargo.args(["--count", &part.to_string()]);
            }
            let finished = process::run(cargo, workspace.limit(limit), &log)?;
            let output = text::plain(&finished.output);
            finished.expect_success().context(output.clone())?;
            let line =
                output.lines().last().and_then(|line| line.strip_prefix(name)?.strip_prefix(": "));
            figures.insert(name, line.context("it printed no counts")?.to_owned());
            Ok(())
        });
        if let Some(counts) = figures.get(name) {
            println!("    {counts}");
        }
    }
    if extent == Extent::Whole {
        let path = workspace.target.join("files-proof/report.json");
        let passed = figures.len() == COMMANDS.len();
        fs::write(&path, format!("{:#}\n", json!({ "passed": passed, "counts": figures })))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
