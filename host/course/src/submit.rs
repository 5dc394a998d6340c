//! Packs the exercise files of a tree for submission, and reads what was packed.
//!
//! A packed submission is a zip file with the exercise files and a note, `submission.toml`, on the version of
//! the tree. The same files give the same bytes.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use lab::workspace::Workspace;
use serde::{Deserialize, Serialize};
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter, write::SimpleFileOptions};

use crate::{
    exercise::{Course, Exercise},
    language::{Language, text},
    stage::{Files, tracked_and_new},
    submission::{self, MOST_BYTES, MOST_IGNORED, Refusal, Submission},
    untrusted,
};

/// The note beside the files.
pub const NOTE: &str = "submission.toml";
/// The file in a student's tree with the version of the tree that it was exported from.
pub const VERSION: &str = "exercises/version";
/// The ending of a packed submission.
pub const ENDING: &str = ".zip";
/// A packed submission with more entries than this is refused.
const MOST_ENTRIES: usize = 1000;
/// The longest packed submission, in bytes.
const MOST_PACKED: u64 = 16 << 20;

/// The versions of the tree of a packed submission.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Packed {
    /// The version that it was packed with.
    pub version: String,
    /// The version of the grader's own tree.
    pub grader: String,
}

impl Packed {
    /// The versions of a submission that was packed, for a grader with the version `grader`.
    pub fn new(submission: &Submission, grader: &str) -> Option<Self> {
        let version = submission.packed.clone()?;
        Some(Self { version, grader: grader.to_owned() })
    }
}

/// The contents of [`NOTE`].
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Note {
    /// The version of the tree.
    version: String,
    /// The numbers of the exercises that were begun.
    begun: Vec<u32>,
}

/// The version of a tree: the commit that it was exported from, or is.
pub fn version(root: &Path) -> String {
    let exported = fs::read_to_string(root.join(VERSION)).ok();
    let version = exported.or_else(|| {
        let mut git = Command::new("git");
        let output = git.current_dir(root).args(["rev-parse", "HEAD"]).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    });
    version.as_deref().and_then(known).unwrap_or_else(|| "unknown".to_owned())
}

/// A version that looks like one.
fn known(text: &str) -> Option<String> {
    let text = text.trim();
    let is_hash = (7..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
    is_hash.then(|| text.chars().take(12).collect())
}

/// Packs the exercise files of the tree into a file below `target`, named after the student if a name is given.
///
/// # Errors
///
/// An exercise file cannot be taken, nothing was begun, or the file cannot be written.
pub fn submit(
    workspace: &Workspace,
    course: &Course,
    name: Option<&str>,
    language: Language,
) -> Result<()> {
    let base = tracked_and_new(&workspace.root)?;
    let submission = Submission::read(&workspace.root, course, &base)?;
    if let Some((path, refusal)) = submission.refused.iter().next() {
        bail!("{}: {refusal}", path.display());
    }
    let (open, begun): (Vec<_>, Vec<_>) =
        course.exercises.iter().partition(|exercise| submission.is_open(exercise));
    ensure!(
        !begun.is_empty(),
        "{}",
        language.of(
            "nothing has been written in any exercise yet: there is nothing to submit",
            "还没有动手做任何练习：没有可以提交的内容"
        )
    );
    let note = Note {
        version: version(&workspace.root),
        begun: begun.iter().map(|exercise| exercise.number).collect(),
    };
    let stem = match name {
        Some(name) => {
            let file = untrusted::file_names([name].into_iter()).concat();
            format!("submission-{file}")
        }
        None => "submission".to_owned(),
    };
    let path = workspace.target.join(format!("{stem}{ENDING}"));
    fs::create_dir_all(&workspace.target)?;
    let bytes = pack(&submission.files, &note)?;
    fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    let numbers = |exercises: &[&Exercise]| {
        let numbers: Vec<String> = exercises.iter().map(|e| e.number.to_string()).collect();
        numbers.join(", ")
    };
    let words = text!(
        "packed {} files of the tree {}, with exercises {}",
        "已打包 {} 个文件，代码树 {}，练习 {}",
        submission.files.len(),
        note.version,
        numbers(&begun)
    );
    println!("{}", words.in_language(language));
    if !open.is_empty() {
        let words = text!("not begun: {}", "尚未开始：{}", numbers(&open));
        println!("{}", words.in_language(language));
    }
    let words = text!("hand in {}", "请提交 {}", path.display());
    println!("{}", words.in_language(language));
    Ok(())
}

/// The packed submission; the same files give the same bytes.
fn pack(files: &BTreeMap<PathBuf, String>, note: &Note) -> Result<Vec<u8>> {
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644);
    zip.start_file(NOTE, options)?;
    zip.write_all(toml::to_string(note)?.as_bytes())?;
    for (path, text) in files {
        zip.start_file_from_path(path, options)?;
        zip.write_all(text.as_bytes())?;
    }
    Ok(zip.finish()?.into_inner())
}

/// The version in the text of a note.
pub fn noted_version(note: &str) -> Option<String> {
    known(&toml::from_str::<Note>(note).ok()?.version)
}

/// Reads a packed submission, of which nothing is written anywhere: only the files that exercises name are
/// unpacked, each up to its longest length.
///
/// # Errors
///
/// It is no zip file, or too large.
pub fn unpack(path: &Path, course: &Course, base: &Files) -> Result<Submission> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let length = file.metadata()?.len();
    ensure!(length <= MOST_PACKED, "it has {length} bytes, at most {MOST_PACKED} are taken");
    unpack_from(file, course, base)
}

fn unpack_from(file: impl Read + Seek, course: &Course, base: &Files) -> Result<Submission> {
    let mut zip = ZipArchive::new(file).context("it is no zip file")?;
    ensure!(
        zip.len() <= MOST_ENTRIES,
        "it holds {} files, at most {MOST_ENTRIES} are taken",
        zip.len()
    );
    let wanted: Vec<&PathBuf> = course.exercises.iter().flat_map(|e| &e.files).collect();
    let (mut files, mut ignored, mut packed) = (BTreeMap::new(), Vec::new(), None);
    for number in 0..zip.len() {
        let name = zip.name_for_index(number).and_then(|name| Some(name.ok()?.into_owned()));
        let path = PathBuf::from(name.unwrap_or_else(|| format!("file {number}")));
        let is_note = path == Path::new(NOTE);
        if !is_note && !wanted.contains(&&path) {
            // What is not wanted need not be in a form that can be read.
            if !path.as_os_str().as_encoded_bytes().ends_with(b"/") {
                ignored.push(path);
            }
            continue;
        }
        let mut entry = zip.by_index(number).context("it is a broken zip file")?;
        if is_note {
            packed = read(&mut entry).ok().and_then(|note| noted_version(&note));
        } else {
            let is_file = !entry.is_symlink() && !entry.is_dir();
            files.insert(path, if is_file { read(&mut entry) } else { Err(Refusal::NotAFile) });
        }
    }
    ensure!(!files.is_empty(), "it holds no file of an exercise; `make submit` packs them");
    ignored.sort();
    ignored.truncate(MOST_IGNORED);
    let read = |path: &Path| files.get(path).cloned().unwrap_or(Err(Refusal::Missing));
    Ok(Submission { ignored, packed, ..Submission::new(course, base, read) })
}

/// Reads an entry up to the longest length, whatever it says of itself.
fn read(entry: &mut impl Read) -> std::result::Result<String, Refusal> {
    let mut bytes = Vec::new();
    entry.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(|_| Refusal::Unreadable)?;
    submission::text(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::report::tests::course;

    fn example() -> BTreeMap<PathBuf, String> {
        let course = course();
        let paths = course.exercises.iter().flat_map(|exercise| &exercise.files);
        paths.map(|path| (path.clone(), format!("// {}\n", path.display()))).collect()
    }

    fn note() -> Note {
        Note { version: "0123456789ab".into(), begun: vec![1, 3] }
    }

    /// A base with all exercise files.
    fn base() -> Files {
        example().into_iter().map(|(path, text)| (path, text.into_bytes())).collect()
    }

    fn read(bytes: Vec<u8>) -> Result<Submission> {
        unpack_from(Cursor::new(bytes), &course(), &base())
    }

    fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, contents) in entries {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(contents).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    const FILE: &str = "crates/virtio/src/device/blk/mod.rs";

    #[test]
    fn what_is_packed_is_unpacked_and_the_same_files_give_the_same_bytes() {
        let bytes = pack(&example(), &note()).unwrap();
        assert_eq!(pack(&example(), &note()).unwrap(), bytes);
        let submission = read(bytes).unwrap();
        assert_eq!(submission.files, example());
        assert_eq!(submission.packed.as_deref(), Some("0123456789ab"));
        assert!(submission.refused.is_empty() && submission.ignored.is_empty());
    }

    #[test]
    fn only_files_of_exercises_are_unpacked() {
        let submission = read(zip(&[
            (FILE, b"// mine"),
            ("../../etc/passwd", b"x"),
            ("/etc/passwd", b"x"),
            ("Makefile", b"x"),
        ]))
        .unwrap();
        assert_eq!(submission.files.len(), 1);
        assert_eq!(submission.ignored.len(), 3);
        // All others are missing, which is told.
        assert_eq!(submission.refused.len(), base().len() - 1);
        assert!(submission.refused.values().all(|refusal| *refusal == Refusal::Missing));
    }

    #[test]
    fn a_file_that_unfolds_to_much_is_cut_off_and_refused() {
        let bytes = zip(&[(FILE, &vec![b' '; 64 << 20])]);
        assert!(bytes.len() < 1 << 20, "{}", bytes.len());
        let refused = read(bytes).unwrap().refused;
        assert_eq!(refused.get(Path::new(FILE)), Some(&Refusal::TooLong(MOST_BYTES + 1)));
    }

    #[test]
    fn what_a_folder_may_not_hold_a_file_may_not_either() {
        let refused = |contents: &[u8]| {
            read(zip(&[(FILE, contents)])).unwrap().refused.remove(Path::new(FILE))
        };
        assert_eq!(refused(b"\xff"), Some(Refusal::NotUtf8));
        assert_eq!(refused(b"include!(\"/etc/passwd\");"), Some(Refusal::Reaches("include")));
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        zip.add_symlink(FILE, "/etc/passwd", SimpleFileOptions::default()).unwrap();
        let refused = read(zip.finish().unwrap().into_inner()).unwrap().refused;
        assert_eq!(refused.get(Path::new(FILE)), Some(&Refusal::NotAFile));
    }

    #[test]
    fn what_is_no_submission_is_an_error() {
        assert!(read(b"no zip file".to_vec()).is_err());
        assert!(read(zip(&[("Makefile", b"x")])).is_err());
        let mut cut = zip(&[(FILE, b"// mine")]);
        cut.truncate(cut.len() / 2);
        assert!(read(cut).is_err());
        let names: Vec<String> = (0..=MOST_ENTRIES).map(|number| number.to_string()).collect();
        let many: Vec<(&str, &[u8])> = names.iter().map(|name| (&**name, &b""[..])).collect();
        assert!(read(zip(&many)).is_err());
    }

    #[test]
    fn a_note_says_a_version_or_nothing() {
        let noted = |version: &str| noted_version(&format!("version = {version:?}\nbegun = [1]\n"));
        assert_eq!(noted("0123456789abcdef"), Some("0123456789ab".into()));
        for bad in ["", "main", "<b>0123456", &"a".repeat(65)] {
            assert_eq!(noted(bad), None, "{bad}");
        }
        assert_eq!(noted_version("no toml"), None);
    }
}
