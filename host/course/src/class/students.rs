//! The submissions of a class, as they lie in a folder.

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::{GradeAll, exercise::Course, stage::Files, submission::Submission, submit, untrusted};

/// A submission of the class.
pub struct Student {
    /// The name of the folder or file, and so the student's.
    pub name: String,
    /// The submission, or the words on why it cannot be read.
    pub submission: std::result::Result<Submission, String>,
    /// Names what is graded: the same for identical submissions.
    pub key: String,
}

/// The submissions in a folder with their names, in the order of these.
///
/// # Errors
///
/// The folder cannot be read.
pub fn submissions(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let entries = fs::read_dir(folder)
        .with_context(|| format!("cannot read the folder {}", folder.display()))?;
    let (mut found, mut packed) = (BTreeMap::new(), Vec::new());
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type()?;
        // A link could lead anywhere.
        if kind.is_dir() {
            match only_packed(&entry.path()) {
                Some((stem, path)) => packed.push((stem, name, path)),
                None => _ = found.insert(name, entry.path()),
            }
        } else if let Some(stem) = stem(&name).filter(|_| kind.is_file()) {
            packed.push((stem, name, entry.path()));
        } else {
            println!("no submission, and not looked at: {}", untrusted::line(&name));
        }
    }
    packed.sort();
    for (stem, name, path) in packed {
        // Whoever has handed in twice is graded twice, the second time under the whole name.
        let name = if found.contains_key(&stem) { name } else { stem };
        found.insert(name, path);
    }
    Ok(found.into_iter().collect())
}

/// The student's name in that of a packed submission, which a learning platform may have put something before.
fn stem(name: &str) -> Option<String> {
    let stem = name.strip_suffix(submit::ENDING)?;
    Some(stem.rsplit_once("submission-").map_or(stem, |(_, name)| name).to_owned())
}

/// The packed submission of a folder in which nothing else stands: so Moodle gives them out.
fn only_packed(folder: &Path) -> Option<(String, PathBuf)> {
    let mut entries = fs::read_dir(folder).ok()?.flatten();
    let (Some(entry), None) = (entries.next(), entries.next()) else { return None };
    let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
    let name = entry.file_name().to_string_lossy().into_owned();
    let stem = stem(&name)?;
    is_file.then_some((stem, entry.path()))
}

/// The students with their submissions in a folder, in the order of their names.
///
/// # Errors
///
/// The folder cannot be read.
pub fn students(
    folder: &Path,
    course: &Course,
    base: &Files,
    arguments: &GradeAll,
) -> Result<Vec<Student>> {
    let tree = fingerprint(base.iter().map(|(path, bytes)| (path, &bytes[..])));
    let mut students = Vec::new();
    for (name, path) in submissions(folder)? {
        let submission =
            Submission::read(&path, course, base).map_err(|error| format!("{error:#}"));
        let own = submission.as_ref().map_or_else(
            |error| error.clone(),
            |submission| {
                let files = submission.files.iter().map(|(path, text)| (path, text.as_bytes()));
                format!("{}{:?}{:?}", fingerprint(files), submission.refused, submission.ignored)
            },
        );
        let GradeAll { seed, exercises, .. } = arguments;
        let key = Sha256::digest(format!("{seed} {exercises:?} {tree} {own}"));
        students.push(Student { name, submission, key: hexadecimal(&key) });
    }
    Ok(students)
}

fn fingerprint<'a>(files: impl Iterator<Item = (&'a PathBuf, &'a [u8])>) -> String {
    let mut hash = Sha256::new();
    for (path, bytes) in files {
        hash.update(path.as_os_str().as_encoded_bytes());
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    }
    hexadecimal(&hash.finalize())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_files_have_different_fingerprints() {
        let (a, b) = (PathBuf::from("a"), PathBuf::from("b"));
        let of = |path, bytes: &'static [u8]| fingerprint([(path, bytes)].into_iter());
        assert_eq!(of(&a, b"x"), of(&a, b"x"));
        assert_ne!(of(&a, b"x"), of(&b, b"x"));
        assert_ne!(of(&a, b"x"), of(&a, b"y"));
    }

    #[test]
    fn folders_and_packed_files_are_submissions_and_links_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["li", "zhou"] {
            fs::create_dir(at(name)).unwrap();
        }
        for name in ["submission-wang.zip", "wang.zip", "zhou.zip", "notes.txt"] {
            fs::write(at(name), "").unwrap();
        }
        std::os::unix::fs::symlink("/etc", at("link")).unwrap();
        fs::create_dir(at("Lidia Rossi_42_assignsubmission_file")).unwrap();
        let inside = "Lidia Rossi_42_assignsubmission_file/submission-lidia.zip";
        fs::write(at(inside), "").unwrap();
        fs::write(at("gao_101_98_submission-gao.zip"), "").unwrap();
        let found = submissions(folder.path()).unwrap();
        let names: Vec<&str> = found.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["gao", "li", "lidia", "wang", "wang.zip", "zhou", "zhou.zip"]);
    }
}
