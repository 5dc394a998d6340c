//! A folder of the host, listed before anything of it is packed.

use std::{
    collections::HashMap,
    fs::{self, FileType, Metadata},
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use sfs::{FILE_MAX, NAME_MAX};
use walkdir::WalkDir;

use crate::{space, words::Counts};

/// The content of a folder: each folder stands before what it holds, names in the order of their bytes.
#[derive(Debug, Default)]
pub struct Source {
    /// The folder itself comes first.
    pub items: Vec<Item>,
    /// The paths that cannot be in an image, each with a word for its kind.
    pub skipped: Vec<(PathBuf, &'static str)>,
}

/// One name in the folder.
#[derive(Debug)]
pub struct Item {
    /// The place of the folder that holds it in [`Source::items`]; 0 for the first item itself.
    pub parent: usize,
    /// The name there.
    pub name: String,
    /// The path on the host.
    pub path: PathBuf,
    /// The kind, and what belongs to it.
    pub what: What,
}

/// The kinds of things that an image can hold.
#[derive(Debug)]
pub enum What {
    /// A folder with so many names in it.
    Folder { names: u64 },
    /// A file of so many bytes.
    File { size: u64 },
    /// A symlink, and where it points to.
    Symlink { target: String },
    /// Another name of the item at this place.
    Link { first: usize },
}

impl Source {
    /// Lists a folder. Symlinks are listed, not followed.
    ///
    /// # Errors
    ///
    /// Something cannot be read, or has a name or size that no image can hold.
    pub fn list(folder: &Path) -> Result<Self> {
        let metadata = fs::metadata(folder)
            .with_context(|| format!("cannot pack the folder {}", folder.display()))?;
        if !metadata.is_dir() {
            bail!("{} is no folder; what is packed is a folder", folder.display());
        }
        let mut source = Self::default();
        // The folders on the way to where the walk is, and files that have other names.
        let (mut way, mut names) = (Vec::new(), HashMap::new());
        for entry in WalkDir::new(folder).sort_by_file_name() {
            let entry = entry.context("cannot list the folder")?;
            let path = entry.path();
            let metadata = entry.metadata().with_context(|| path.display().to_string())?;
            way.truncate(entry.depth());
            let parent = way.last().copied().unwrap_or(0);
            let place = source.items.len();
            let what = if entry.depth() == 0 {
                What::Folder { names: 0 }
            } else {
                match source.what(path, &metadata, place, &mut names)? {
                    Ok(what) => what,
                    Err(kind) => {
                        source.skipped.push((path.to_owned(), kind));
                        continue;
                    }
                }
            };
            let name = if entry.depth() == 0 { String::new() } else { name(path)? };
            if matches!(what, What::Folder { .. }) {
                way.push(place);
            }
            source.items.push(Item { parent, name, path: path.to_owned(), what });
            if place > 0
                && let Some(Item { what: What::Folder { names }, .. }) =
                    source.items.get_mut(parent)
            {
                *names += 1;
            }
        }
        Ok(source)
    }

    /// Finds the kind of a path, or a word on why it cannot be packed.
    fn what(
        &self,
        path: &Path,
        metadata: &Metadata,
        place: usize,
        names: &mut HashMap<(u64, u64), usize>,
    ) -> Result<Result<What, &'static str>> {
        let kind = metadata.file_type();
        if kind.is_dir() {
            return Ok(Ok(What::Folder { names: 0 }));
        }
        if let Some(word) = special(kind) {
            return Ok(Err(word));
        }
        if metadata.nlink() > 1 {
            let first = *names.entry((metadata.dev(), metadata.ino())).or_insert(place);
            if first != place {
                return Ok(Ok(What::Link { first }));
            }
        }
        if kind.is_symlink() {
            let target = fs::read_link(path).with_context(|| path.display().to_string())?;
            let Ok(target) = target.into_os_string().into_string() else {
                bail!("{}: the target of this symlink is not UTF-8", path.display());
            };
            return Ok(Ok(What::Symlink { target }));
        }
        let size = metadata.len();
        if size > u64::from(FILE_MAX) {
            bail!("{} has {size} bytes; a file in an image has at most {FILE_MAX}", path.display());
        }
        Ok(Ok(What::File { size }))
    }

    /// The blocks that all of it takes: inodes, contents and pointers. The superblock and the map come on top.
    pub fn blocks(&self) -> u64 {
        self.items.iter().map(|item| item.what.blocks()).sum()
    }

    /// Counts what is in the folder.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for item in self.items.iter().skip(1) {
            match item.what {
                What::Folder { .. } => counts.folders += 1,
                What::File { size } => {
                    counts.files += 1;
                    counts.bytes += size;
                }
                What::Symlink { .. } => counts.symlinks += 1,
                What::Link { .. } => counts.links += 1,
            }
        }
        counts
    }
}

impl What {
    fn blocks(&self) -> u64 {
        match self {
            Self::Folder { names } => space::of_folder(*names),
            Self::File { size } => space::of_file(*size),
            Self::Symlink { target } => space::of_file(target.len() as u64),
            Self::Link { .. } => 0,
        }
    }
}

/// The word for what an image cannot hold.
fn special(kind: FileType) -> Option<&'static str> {
    let kinds = [
        (kind.is_socket(), "a socket"),
        (kind.is_fifo(), "a named pipe"),
        (kind.is_char_device() || kind.is_block_device(), "a device"),
    ];
    kinds.into_iter().find_map(|(is, word)| is.then_some(word))
}

fn name(path: &Path) -> Result<String> {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .with_context(|| format!("{}: the name is not UTF-8; rename it", path.display()))?;
    if name.len() > NAME_MAX {
        bail!(
            "{}: the name has {} bytes, and in an image at most {NAME_MAX}; rename it",
            path.display(),
            name.len()
        );
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::{fs::symlink, net::UnixListener};

    use super::*;

    #[test]
    fn names_are_sorted_and_folders_come_first() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("b")).unwrap();
        fs::write(at("b/x"), "1").unwrap();
        fs::write(at("a"), "22").unwrap();
        fs::hard_link(at("a"), at("c")).unwrap();
        symlink("../out", at("Z")).unwrap();
        let _socket = UnixListener::bind(at("s")).unwrap();
        let source = Source::list(dir.path()).unwrap();
        let names: Vec<_> = source.items.iter().map(|item| (&*item.name, item.parent)).collect();
        assert_eq!(names, [("", 0), ("Z", 0), ("a", 0), ("b", 0), ("x", 3), ("c", 0)]);
        assert!(matches!(source.items[0].what, What::Folder { names: 4 }));
        assert!(matches!(source.items[5].what, What::Link { first: 2 }));
        assert_eq!(source.skipped, [(at("s"), "a socket")]);
        assert_eq!(source.counts().bytes, 3);
        // Two folders with one block each, two files with one each, a symlink with one.
        assert_eq!(source.blocks(), 10);
    }

    #[test]
    fn what_no_image_can_hold_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = fs::File::create(dir.path().join("large")).unwrap();
        file.set_len(1 << 32).unwrap();
        let error = Source::list(dir.path()).unwrap_err().to_string();
        assert!(error.contains("large has 4294967296 bytes"), "{error}");
    }
}
