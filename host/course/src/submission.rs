//! The files of a submission: what is taken from it, and what is not.

use std::{
    collections::BTreeMap,
    fmt,
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use ra_ap_rustc_lexer::{FrontmatterAllowed, TokenKind, tokenize};
use walkdir::WalkDir;

use crate::{
    exercise::{Course, Exercise, Place},
    place,
    stage::Files,
    submit, untrusted,
};

/// Files and folders in the tree of any student, which say nothing.
const OF_EVERY_TREE: [&str; 7] =
    [".git", "target", "blk.img", "sfs.img", "qemu.log", submit::NOTE, submit::VERSION];
/// Words with which a source file makes the compiler read other files or the environment. No exercise needs
/// one of them; the walls around the compiler are the second line of defence.
const REACHING: [&str; 6] =
    ["include", "include_str", "include_bytes", "env", "option_env", "path"];
/// No exercise file is larger.
pub const MOST_BYTES: u64 = 256 << 10;
/// A submission with more files than this is not looked through for those that are ignored.
const MOST_FILES: usize = 20_000;

/// The files of a submission that count.
#[derive(Debug, Default)]
pub struct Submission {
    /// The exercise files that were there and can be read.
    pub files: BTreeMap<PathBuf, String>,
    /// Exercise files that cannot be taken, with the reason.
    pub refused: BTreeMap<PathBuf, Refusal>,
    /// Other files that differ from the tree and are not used, or the first ones of them.
    pub ignored: Vec<PathBuf>,
    /// The version of the tree with which `make submit` packed it, as far as it says so.
    pub packed: Option<String>,
}

/// No more of the ignored files are named.
pub const MOST_IGNORED: usize = 100;

/// The reason for which an exercise file is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is a link, a folder or a device.
    NotAFile,
    /// It has so many bytes.
    TooLong(u64),
    /// It is no text in UTF-8.
    NotUtf8,
    /// It cannot be read.
    Unreadable,
    /// It is not there.
    Missing,
    /// It has a word that makes the compiler read other files or the environment.
    Reaches(&'static str),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAFile => f.write_str("is no regular file"),
            Self::TooLong(bytes) => write!(f, "has {bytes} bytes, at most {MOST_BYTES} are taken"),
            Self::NotUtf8 => f.write_str("is no text in UTF-8"),
            Self::Unreadable => f.write_str("cannot be read"),
            Self::Missing => f.write_str("is not in the submission"),
            Self::Reaches(word) => {
                write!(f, "has the word `{word}`: a submission may not reach other files")
            }
        }
    }
}

impl Submission {
    /// Takes the exercise files as `read` gives them.
    pub fn new(
        course: &Course,
        base: &Files,
        read: impl Fn(&Path) -> std::result::Result<String, Refusal>,
    ) -> Self {
        let mut submission = Self::default();
        for path in course.exercises.iter().flat_map(|exercise| &exercise.files) {
            match read(path) {
                Ok(text) => _ = submission.files.insert(path.clone(), text),
                // In a student's own tree the compiler says it.
                Err(Refusal::Missing) if !base.contains_key(path) => {}
                Err(refusal) => _ = submission.refused.insert(path.clone(), refusal),
            }
        }
        submission
    }

    /// Takes the exercise files from `folder`, and notes which other files differ from `base`. A file that
    /// `make submit` has packed may stand in the folder's place.
    ///
    /// Links are not followed, neither of a file nor of a folder above it.
    ///
    /// # Errors
    ///
    /// The folder cannot be looked at, or the file was not packed so.
    pub fn read(folder: &Path, course: &Course, base: &Files) -> Result<Self> {
        if folder.is_file() {
            return submit::unpack(folder, course, base)
                .with_context(|| format!("cannot read the submission {}", folder.display()));
        }
        fs::read_dir(folder)
            .with_context(|| format!("cannot read the submission {}", folder.display()))?;
        let mut submission = Self::new(course, base, |path| read_file(folder, path));
        if let Ok(note) = read_file(folder, Path::new(submit::NOTE)) {
            submission.packed = submit::noted_version(&note);
        } else if let Ok(version) = read_file(folder, Path::new(submit::VERSION)) {
            submission.packed = Some(untrusted::line(version.trim()));
        }
        let of_every_tree = |entry: &walkdir::DirEntry| {
            let path = entry.path().strip_prefix(folder).unwrap_or(entry.path());
            OF_EVERY_TREE.iter().any(|name| path == Path::new(name))
        };
        let entries = WalkDir::new(folder).into_iter().filter_entry(|entry| !of_every_tree(entry));
        for entry in entries.flatten().take(MOST_FILES) {
            let Ok(path) = entry.path().strip_prefix(folder) else { continue };
            let taken =
                submission.files.contains_key(path) || submission.refused.contains_key(path);
            if entry.file_type().is_dir() || taken {
                continue;
            }
            let same = base.get(path).is_some_and(|contents| {
                entry.file_type().is_file()
                    && entry.metadata().is_ok_and(|data| data.len() == contents.len() as u64)
                    && fs::read(entry.path()).is_ok_and(|found| found == *contents)
            });
            if !same {
                submission.ignored.push(path.to_owned());
            }
        }
        submission.ignored.sort();
        submission.ignored.truncate(MOST_IGNORED);
        Ok(submission)
    }

    /// The files to lay over the grader's tree so that only `exercise` is the submission's: in the places of
    /// all other exercises stands what `base` has there. Where the marks of a place are gone, the submission's
    /// text stays: an export leaves them out for exercises that are closed.
    pub fn alone(
        &self,
        exercise: &Exercise,
        course: &Course,
        base: &Files,
    ) -> BTreeMap<PathBuf, String> {
        let mut overlay = BTreeMap::new();
        for path in &exercise.files {
            let Some(text) = self.files.get(path) else { continue };
            let solved = base.get(path).map(|bytes| String::from_utf8_lossy(bytes));
            let mut text = text.clone();
            for other in course.exercises.iter().filter(|other| other.number != exercise.number) {
                for place in other.places.iter().filter(|place| place.file == *path) {
                    let solved = solved.as_deref().unwrap_or_default();
                    let replaced = place::content(solved, &place.anchor)
                        .and_then(|content| place::replace(&text, &place.anchor, content));
                    text = replaced.unwrap_or(text);
                }
            }
            overlay.insert(path.clone(), text);
        }
        overlay
    }

    /// Returns `true` if nothing in the places of the exercise is different from the stubs.
    pub fn is_open(&self, exercise: &Exercise) -> bool {
        exercise.places.iter().all(|place| self.is_stub(exercise, place))
    }

    /// The places of an exercise that are still stubs, each as its file and the name of its marks.
    pub fn untouched(&self, exercise: &Exercise) -> Vec<String> {
        let stubs = exercise.places.iter().filter(|place| self.is_stub(exercise, place));
        stubs.map(|place| format!("{} ({})", place.file.display(), place.anchor)).collect()
    }

    fn is_stub(&self, exercise: &Exercise, place: &Place) -> bool {
        let Some(text) = self.files.get(&place.file) else { return true };
        let stub = exercise.stub(place).unwrap_or_default();
        place::content(text, &place.anchor).is_ok_and(|content| content == stub)
    }
}

/// Reads a file below `folder`.
fn read_file(folder: &Path, path: &Path) -> std::result::Result<String, Refusal> {
    let mut full = folder.to_owned();
    for part in path.components() {
        full.push(part);
        let Ok(metadata) = fs::symlink_metadata(&full) else { return Err(Refusal::Missing) };
        if metadata.is_symlink() {
            return Err(Refusal::NotAFile);
        }
    }
    let metadata = fs::symlink_metadata(&full).map_err(|_| Refusal::Unreadable)?;
    if !metadata.is_file() {
        return Err(Refusal::NotAFile);
    }
    if metadata.len() > MOST_BYTES {
        return Err(Refusal::TooLong(metadata.len()));
    }
    let mut bytes = Vec::new();
    let file = File::open(&full).map_err(|_| Refusal::Unreadable)?;
    // It may have grown meanwhile.
    file.take(MOST_BYTES).read_to_end(&mut bytes).map_err(|_| Refusal::Unreadable)?;
    text(bytes)
}

/// The text of an exercise file, if it can be taken.
///
/// # Errors
///
/// It is too long, no UTF-8, or reaches other files.
pub fn text(bytes: Vec<u8>) -> std::result::Result<String, Refusal> {
    let length = bytes.len() as u64;
    if length > MOST_BYTES {
        return Err(Refusal::TooLong(length));
    }
    let text = String::from_utf8(bytes).map_err(|_| Refusal::NotUtf8)?;
    match reaching(&text) {
        Some(word) => Err(Refusal::Reaches(word)),
        None => Ok(text),
    }
}

/// The first word in the source that lets the compiler read what is not the submission's.
///
/// The words count wherever they stand but in comments and literals: a macro can put an attribute together
/// from its parts, but it cannot make a name.
fn reaching(source: &str) -> Option<&'static str> {
    words(source).find_map(|word| {
        let name = word.strip_prefix("r#").unwrap_or(word);
        REACHING.into_iter().find(|reaching| *reaching == name)
    })
}

/// The tokens of the source but for comments and literals. The lexer takes any text, however deep it is
/// nested.
fn words(source: &str) -> impl Iterator<Item = &str> {
    let mut at = 0;
    tokenize(source, FrontmatterAllowed::No).filter_map(move |token| {
        let start = at;
        at += token.len as usize;
        match token.kind {
            TokenKind::LineComment { .. }
            | TokenKind::BlockComment { .. }
            | TokenKind::Literal { .. } => None,
            _ => source.get(start..at),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::course;

    #[test]
    fn words_that_reach_out_are_found_in_any_disguise() {
        for (source, word) in [
            ("fn f() { include!(\"/etc/passwd\") }", "include"),
            ("const S: &str = core::include_str ! (\"x\");", "include_str"),
            ("use core::include_bytes as harmless;", "include_bytes"),
            ("r#env!(\"HOME\");", "env"),
            ("#[cfg_attr(all(), path = \"x.rs\")] mod x;", "path"),
            ("macro_rules! m { ($p:ident) => { #[$p = \"x\"] mod x; } } m!(path);", "path"),
            ("fn f( { option_env!(\"HOME\") }", "option_env"),
            (&format!("{} env!(\"HOME\")", "(".repeat(200_000)), "env"),
        ] {
            assert_eq!(reaching(source), Some(word), "{source}");
        }
    }

    #[test]
    fn an_exercise_is_graded_where_others_have_no_marks() {
        let course = course();
        let exercise = course.exercise(2).unwrap();
        let root = exercise.folder.ancestors().nth(2).unwrap();
        let read = |path: &Path| fs::read_to_string(root.join(path)).unwrap();
        let files = course.exercises.iter().flat_map(|exercise| &exercise.files);
        let base: Files = files.map(|path| (path.clone(), read(path).into_bytes())).collect();
        // As in an export in which only this exercise is open.
        let submission = Submission::new(&course, &base, |path| {
            let others = course.exercises.iter().filter(|other| other.number != 2);
            let places = others.flat_map(|other| &other.places).filter(|place| place.file == *path);
            Ok(places.fold(read(path), |text, place| place::without_marks(&text, &place.anchor)))
        });
        let overlay = submission.alone(exercise, &course, &base);
        assert_eq!(overlay.len(), exercise.files.len());
        for place in &exercise.places {
            assert!(place::find(&overlay[&place.file], &place.anchor).is_ok());
        }
    }

    #[test]
    fn comments_and_other_names_reach_nothing() {
        let source = "/// The path of env.\nfn includes(paths: &str) { let x = \"include!\"; }";
        assert_eq!(reaching(source), None);
    }
}
