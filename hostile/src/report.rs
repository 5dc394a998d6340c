//! The table on the console, and the same as JSON.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::{mode::Mode, modes::NOT_PLAYABLE};

/// How the modes that were played came out.
#[derive(Default)]
pub struct Report {
    rows: Vec<Value>,
    passed: usize,
    failed: usize,
}

impl Report {
    /// Prints a line about a mode, and keeps it.
    pub fn add(&mut self, mode: &Mode, result: &Result<String>, facts: Value, elapsed: Duration) {
        let (word, why) = match result {
            Ok(summary) => ("pass", summary.clone()),
            Err(error) => ("FAIL", format!("{error:#}")),
        };
        match result {
            Ok(_) => self.passed += 1,
            Err(_) => self.failed += 1,
        }
        let seconds = elapsed.as_secs_f64();
        println!("{:>3} {:<22} {word}  {why} ({seconds:.1} s)", row(mode.row), mode.name);
        self.rows.push(json!({
            "row": mode.row,
            "mode": mode.name,
            "what": mode.what,
            "expected": format!("{:?}", mode.ends),
            "result": word.to_lowercase(),
            "why": why,
            "seconds": seconds,
            "facts": facts,
        }));
    }

    /// Prints the rest of the table, if it is `whole`, and writes all of it to `path`; says whether all went
    /// well.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn finish(self, whole: bool, path: &Path) -> Result<bool> {
        for it in NOT_PLAYABLE.iter().filter(|_| whole) {
            println!("{:>3} {:<22} not playable here (ktest): {}", it.row, "-", it.why);
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
