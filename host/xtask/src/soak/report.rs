//! The figures of a soak, as lines for people and as JSON in `target/soak/report.json`.

use std::{fmt, fs, process::Command, time::Instant};

use anyhow::{Context, Result};
use lab::{board::Board, process, workspace::Workspace};
use serde_json::{Value, json};

use super::{cuts::Totals, failing::Figures, file_cuts};

/// A soak that has ended.
pub struct Soak {
    /// The board that it was on.
    pub board: Board,
    /// The seed of all random choices.
    pub seed: u64,
    /// True if nothing failed.
    pub passed: bool,
    /// The time at which it began.
    pub begin: Instant,
    /// The findings of the power cuts.
    pub cuts: Totals,
    /// The findings of the power cuts while files were worked with.
    pub file_cuts: file_cuts::Totals,
    /// The counts of the failing disks.
    pub failing: Figures,
}

/// Writes the report, and says where it is.
pub fn write(workspace: &Workspace, soak: &Soak) -> Result<()> {
    let Soak { board, seed, passed, begin, cuts, file_cuts, failing } = soak;
    let report = json!({
        "board": board.to_string(),
        "passed": passed,
        "seed": seed,
        "seconds": begin.elapsed().as_secs(),
        "commit": first_line(workspace, "git", &["describe", "--always", "--dirty", "--abbrev=40", "--match="]),
        "qemu": first_line(workspace, board.arch().qemu(), &["--version"]),
        "power_cuts": {
            "cuts": cuts.cuts,
            "lost": cuts.lost,
            "foreign": cuts.foreign,
            "sectors_checked": cuts.sectors,
            "writes_flushed": cuts.flushed,
            "sectors_with_unflushed_writes_undone": cuts.undone,
        },
        "file_cuts": {
            "cuts": file_cuts.cuts,
            "bad": file_cuts.bad,
            "steps_synced": file_cuts.safe,
            "names_checked": file_cuts.names,
            "bytes_checked": file_cuts.bytes,
            "sectors_with_unflushed_writes_undone": file_cuts.undone,
        },
        "failing": {
            "requests": failing.requests,
            "errors": failing.errors,
            "sectors_checked": failing.sectors,
        },
    });
    let path = workspace.report("soak", *board);
    fs::create_dir_all(workspace.target.join("soak"))?;
    fs::write(&path, format!("{report:#}\n"))
        .with_context(|| format!("cannot write {}", path.display()))?;
    println!("\nfigures: {}", path.display());
    Ok(())
}

/// The first line that a program prints; null if it cannot be run here.
fn first_line(workspace: &Workspace, program: &str, arguments: &[&str]) -> Value {
    let mut command = Command::new(program);
    command.current_dir(&workspace.root).args(arguments);
    process::first_line(command).ok().into()
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} power cuts, {} sectors checked: of {} flushed writes {} sectors were lost, {} sectors \
             held what was never written; in {} an unflushed write was undone",
            self.cuts, self.sectors, self.flushed, self.lost, self.foreign, self.undone
        )
    }
}

impl fmt::Display for file_cuts::Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} power cuts while files were worked with, {} after which something was not as it must be: {} steps were \
             synced, {} names and {} bytes of files checked; {} sectors had lost an unflushed write",
            self.cuts, self.bad, self.safe, self.names, self.bytes, self.undone
        )
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} requests answered, {} of them with an error where there was one; {} sectors checked",
            self.requests, self.errors, self.sectors
        )
    }
}
