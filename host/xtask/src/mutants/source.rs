//! The driver core: its files, and everything in them that is to be changed.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use lab::workspace::Workspace;

use super::{
    find::{Mutation, find},
    splice::{Edit, Spliced, splice},
};
use crate::{files, syntax};

/// The files and folders that are changed.
const CORE: [&str; 9] = [
    "crates/virtio/src/queue",
    "crates/virtio/src/request_queue.rs",
    "crates/virtio/src/command.rs",
    "crates/virtio/src/recovery.rs",
    "crates/virtio/src/device/blk",
    "crates/virtio/src/device/mod.rs",
    "crates/virtio/src/device/rng.rs",
    "crates/dma/src",
    "crates/wait/src",
];

/// The crates whose unit tests judge a mutant. Those of a mutant's own crate are asked first; `virtio` depends
/// on the others.
pub const CRATES: [&str; 3] = ["dma", "wait", "virtio"];

/// A change to the driver core.
#[derive(Clone, Debug)]
pub struct Mutant {
    /// From 1, in the order of files and places.
    pub number: u32,
    /// From the repository's root on.
    pub file: PathBuf,
    pub line: usize,
    pub function: String,
    /// Names the change, uniquely within the function.
    pub change: String,
    pub edits: Vec<Edit>,
}

impl Mutant {
    /// The crates whose tests judge it, in their order.
    pub fn judges(&self) -> Vec<&'static str> {
        let own = self.file.iter().nth(1).unwrap_or_default();
        CRATES.into_iter().filter(|name| own == *name || *name == "virtio").collect()
    }

    /// Returns true if a filter means it: a part of its file's or its function's name.
    pub fn matches(&self, filter: &str) -> bool {
        self.file.to_string_lossy().contains(filter) || self.function.contains(filter)
    }
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, function, change, .. } = self;
        write!(f, "{}:{line}: {function}: {change}", file.display())
    }
}

/// A file of source with its changes.
pub struct File {
    /// From the repository's root on.
    pub path: PathBuf,
    pub text: String,
    /// Those that let unit tests be left out.
    gates: Vec<Edit>,
}

impl File {
    /// The source with the changes of those mutants that are in this file.
    pub fn with(&self, mutants: &[&Mutant]) -> Spliced {
        let here = mutants.iter().filter(|mutant| mutant.file == self.path);
        let changes = here.flat_map(|mutant| mutant.edits.iter().map(|edit| (mutant.number, edit)));
        splice(&self.text, changes.chain(self.gates.iter().map(|gate| (0, gate))))
    }
}

/// The files that have anything to be changed, and all mutants.
pub struct Source {
    pub files: Vec<File>,
    pub mutants: Vec<Mutant>,
}

/// Reads the driver core, and the unit tests of its crates.
pub fn read(workspace: &Workspace) -> Result<Source> {
    let mut paths = Vec::new();
    for name in CRATES {
        let folder = workspace.member(name)?.folder.join("src");
        files::list(&folder, |_| false, &mut paths)
            .with_context(|| format!("cannot list {}", folder.display()))?;
    }
    paths.sort();
    let mut texts = Vec::new();
    for path in paths {
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        texts.push((path.strip_prefix(&workspace.root)?.to_owned(), text));
    }
    number(texts, is_core)
}

fn is_core(path: &Path) -> bool {
    CORE.iter().any(|part| path.starts_with(part)) && !path.ancestors().any(syntax::is_for_tests)
}

/// Finds what is to be changed in those files that are meant, and gives each change a number.
pub fn number(texts: Vec<(PathBuf, String)>, is_meant: fn(&Path) -> bool) -> Result<Source> {
    let mut source = Source { files: Vec::new(), mutants: Vec::new() };
    for (path, text) in texts {
        let found = find(&text).with_context(|| format!("{} is not understood", path.display()))?;
        for mutation in found.mutations.into_iter().filter(|_| is_meant(&path)) {
            let Mutation { function, line, change, edits } = mutation;
            let (number, file) = (source.mutants.len() as u32 + 1, path.clone());
            source.mutants.push(Mutant { number, file, line, function, change, edits });
        }
        source.files.push(File { path, text, gates: found.gates });
    }
    Ok(source)
}
