//! Variants of the solution, kept as small patches.
//!
//! Above the patch of a wrong variant stand two lines: `check: NAME`, the check that must fail first, and
//! `cause: NAME`, the diagnosis that must be made there. `undone-by: N` below them says that a mistake in exercise
//! N can make up for this one. A right variant is a solution written otherwise.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{exercise::Exercise, stage::Files};

/// A variant of the solution.
pub struct Variant {
    /// `1-write-block/wrong/type-in`.
    pub name: String,
    /// The check and the cause that must be told; none if it is right.
    pub wrong: Option<(String, String)>,
    /// A mistake in the exercise of this number can make up for the one here.
    pub undone_by: Option<u32>,
    /// The patch to the solution.
    pub patch: String,
}

/// The variants of an exercise, the right ones first.
///
/// # Errors
///
/// One cannot be read, or does not name what it must.
pub fn variants(exercise: &Exercise) -> Result<Vec<Variant>> {
    let mut variants = Vec::new();
    for kind in ["right", "wrong"] {
        let folder = exercise.folder.join(kind);
        // A student's tree has none.
        if !folder.is_dir() {
            continue;
        }
        let mut paths: Vec<PathBuf> = fs::read_dir(&folder)
            .with_context(|| format!("cannot read {}", folder.display()))?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()?;
        paths.sort();
        for path in paths {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let text = fs::read_to_string(&path)?;
            let line = |key: &str| {
                let line = text.lines().find_map(|line| line.strip_prefix(key));
                line.map(|value| value.trim().to_owned())
            };
            let wrong = match kind {
                "wrong" => {
                    let lines = (line("check:"), line("cause:"));
                    let (Some(check), Some(cause)) = lines else {
                        bail!("{} names no check or no cause", path.display());
                    };
                    ensure!(
                        exercise.checks.iter().any(|known| known.name == check),
                        "{} names the check {check}, which does not exist",
                        path.display()
                    );
                    Some((check, cause))
                }
                _ => None,
            };
            let undone_by = line("undone-by:").map(|number| number.parse()).transpose();
            let undone_by = undone_by.with_context(|| format!("{}: undone-by", path.display()))?;
            let name = format!("{}/{kind}/{stem}", exercise.name());
            variants.push(Variant { name, wrong, undone_by, patch: text });
        }
    }
    Ok(variants)
}

/// The files that a patch changes, changed.
///
/// # Errors
///
/// It does not fit.
pub fn apply(text: &str, base: &Files) -> Result<BTreeMap<PathBuf, String>> {
    let mut files = BTreeMap::new();
    let start = text.find("--- a/").context("there is no patch")?;
    let parts = text[start..].split("--- a/").filter(|part| !part.is_empty());
    for part in parts {
        let patch = format!("--- a/{part}");
        // Git writes a line about modes and hashes between the files of a patch.
        let patch = patch.split("\ndiff --git").next().unwrap_or_default();
        let patch = format!("{}\n", patch.trim_end_matches('\n'));
        let path = part.lines().next().context("a patch without a file")?;
        let path = Path::new(path.trim()).to_owned();
        let before = base.get(&path).with_context(|| format!("there is no {}", path.display()))?;
        let before = String::from_utf8_lossy(before);
        let parsed = diffy::Patch::from_str(&patch).context("it is no patch")?;
        let after = diffy::apply(&before, &parsed)
            .with_context(|| format!("it does not fit {}", path.display()))?;
        files.insert(path, after);
    }
    Ok(files)
}
