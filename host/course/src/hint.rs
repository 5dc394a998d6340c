//! Hints, one level more at each asking.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use lab::workspace::Workspace;

use crate::{exercise::Exercise, language::Language};

/// Shows the hints that were asked for before, and the next one.
///
/// # Errors
///
/// The hints cannot be read, or how many were shown cannot be noted.
pub fn next(workspace: &Workspace, exercise: &Exercise, language: Language) -> Result<()> {
    let hints = levels(&exercise.text("hints", language)?);
    let shown = (shown(workspace, exercise) + 1).min(hints.len());
    for hint in hints.iter().take(shown) {
        println!("{hint}\n");
    }
    let left = hints.len() - shown;
    let number = exercise.number;
    println!(
        "{}",
        match (language, left) {
            (Language::En, 0) => format!("These are all hints for exercise {number}."),
            (Language::En, left) => {
                format!("{left} more for exercise {number}: make hint EX={number}")
            }
            (Language::Zh, 0) => format!("练习 {number} 的提示到此为止。"),
            (Language::Zh, left) => {
                format!("练习 {number} 还有 {left} 条提示：make hint EX={number}")
            }
        }
    );
    let note = note(workspace, exercise);
    let folder = note.parent().context("a file without a folder")?;
    fs::create_dir_all(folder)?;
    fs::write(&note, shown.to_string())?;
    Ok(())
}

/// The number of hints that have been shown.
fn shown(workspace: &Workspace, exercise: &Exercise) -> usize {
    let note = fs::read_to_string(note(workspace, exercise));
    note.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

fn note(workspace: &Workspace, exercise: &Exercise) -> PathBuf {
    workspace.target.join("course/hints").join(exercise.name())
}

/// The sections of a file of hints, each with its heading.
pub fn levels(text: &str) -> Vec<String> {
    let mut levels: Vec<String> = Vec::new();
    for line in text.lines() {
        if line.starts_with("## ") {
            levels.push(String::new());
        }
        if let Some(level) = levels.last_mut() {
            level.push_str(line);
            level.push('\n');
        }
    }
    levels.iter().map(|level| level.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_are_the_sections() {
        let text = "# Title\n\n## One\na\n\n## Two\nb\nc\n";
        assert_eq!(levels(text), ["## One\na", "## Two\nb\nc"]);
    }
}
