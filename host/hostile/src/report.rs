//! The table on the console, and the same as JSON.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use lab::text;
use serde_json::{Value, json};

use crate::{
    mode::Mode,
    modes::NOT_PLAYABLE,
    words::{self, Ended},
};

/// The lines of the console that are shown when a run has failed.
const TAIL: usize = 40;

/// The traces of a run besides its verdict.
#[derive(Debug)]
pub struct Trace {
    /// The file with everything.
    pub log: PathBuf,
    /// The console, if it came so far.
    pub console: String,
    /// Figures for the report's JSON.
    pub facts: Value,
}

/// A mode that was played.
pub struct Played {
    /// The mode.
    pub mode: Mode,
    /// How the run ended, if it did as it must.
    pub result: Result<Ended>,
    /// Its other traces.
    pub trace: Trace,
    /// The time that it took.
    pub elapsed: Duration,
}

/// The results of the modes that were played.
#[derive(Default)]
pub struct Report {
    rows: Vec<Value>,
    passed: usize,
    failed: usize,
}

impl Report {
    /// Prints a line about a mode, and keeps it. Below a failure stand the end of the console, and where
    /// the log is.
    pub fn add(&mut self, played: &Played) {
        let Played { mode, result, trace, elapsed } = played;
        let (word, why) = match result {
            Ok(ended) => (words::PASS, ended.to_string()),
            // On one line, as the table has it.
            Err(error) => (words::FAIL, format!("{error:#}").replace('\n', "; ")),
        };
        match result {
            Ok(_) => self.passed += 1,
            Err(_) => self.failed += 1,
        }
        let seconds = elapsed.as_secs_f64();
        println!("{:>3} {:<22} {word}  {why} ({seconds:.1} s)", row(mode.row), mode.name);
        if result.is_err() {
            let console = text::tail(&text::plain(&trace.console), TAIL);
            println!("{}\n    log: {}", console.trim_start_matches('\n'), trace.log.display());
        }
        self.rows.push(json!({
            "row": mode.row,
            "mode": mode.name,
            "what": mode.what,
            "expected": format!("{:?}", mode.ends),
            "result": word.to_lowercase(),
            "why": why,
            "seconds": seconds,
            "facts": trace.facts,
        }));
    }

    /// Prints the rest of the table, if it is `whole`, and writes all of it to `path`; returns true
    /// if no mode failed.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn finish(self, whole: bool, path: &Path) -> Result<bool> {
        for it in NOT_PLAYABLE.iter().filter(|_| whole) {
            println!("{:>3} {:<22} {}: {}", it.row, "-", words::NOT_PLAYABLE, it.why);
        }
        let not_playable: Vec<Value> =
            NOT_PLAYABLE.iter().map(|it| json!({ "row": it.row, "why": it.why })).collect();
        let report = json!({
            "all_modes": whole,
            "passed": self.passed,
            "failed": self.failed,
            "modes": self.rows,
            "not_playable": not_playable,
        });
        fs::write(path, format!("{report:#}\n"))
            .with_context(|| format!("cannot write {}", path.display()))?;
        println!("{} passed, {} failed", self.passed, self.failed);
        Ok(self.failed == 0)
    }
}

/// A row's number, for people to read.
pub fn row(row: Option<u8>) -> String {
    row.map_or("-".into(), |row| row.to_string())
}
