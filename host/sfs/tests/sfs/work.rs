//! A folder to work in, and the program.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

/// A folder that is gone after the test.
pub struct Work(TempDir);

/// The end of a run of the program.
#[derive(Debug)]
pub struct Ended {
    pub good: bool,
    pub out: Vec<u8>,
    pub errors: String,
}

impl Work {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The program, to be run in the folder.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sfs"));
        command.args(arguments).current_dir(self.0.path());
        command
    }

    /// Runs the program in the folder.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Ended {
        let output = self.command(arguments).output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        Ended { good: output.status.success(), out: output.stdout, errors }
    }

    /// Runs the program with the words of a line, expects it to succeed, and returns what it printed.
    pub fn good(&self, line: &str) -> String {
        let ended = self.run(line.split(' '));
        assert!(ended.good, "{line}: {ended:?}");
        String::from_utf8(ended.out).unwrap()
    }

    /// Runs the program with the words of a line, expects it to fail, and returns what it complained about.
    pub fn bad(&self, line: &str) -> String {
        let ended = self.run(line.split(' '));
        assert!(!ended.good, "{line}: {ended:?}");
        ended.errors
    }

    pub fn write(&self, name: &str, data: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, data).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// The names in the folder itself.
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// A thing that has a name below a folder.
#[derive(Debug, PartialEq, Eq)]
pub enum Thing {
    Folder,
    File(Vec<u8>),
    Symlink(PathBuf),
    /// The same file as the one of this name, which comes first.
    Link(String),
}

/// All that is below a folder, by path. Symlinks are not followed.
pub fn list(folder: &Path) -> BTreeMap<String, Thing> {
    let (mut things, mut firsts) = (BTreeMap::new(), BTreeMap::new());
    for entry in walkdir::WalkDir::new(folder).min_depth(1).sort_by_file_name() {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        let path = entry.path();
        let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
        let first = firsts.entry((metadata.dev(), metadata.ino())).or_insert(name.clone());
        let thing = if metadata.is_dir() {
            Thing::Folder
        } else if *first != name {
            Thing::Link(first.clone())
        } else if metadata.is_symlink() {
            Thing::Symlink(fs::read_link(path).unwrap())
        } else {
            Thing::File(fs::read(path).unwrap())
        };
        things.insert(name, thing);
    }
    things
}
