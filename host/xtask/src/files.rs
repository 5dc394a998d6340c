//! Folders and what is below them.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Adds the Rust files in a folder and below to a list, except for what is skipped.
pub fn list(folder: &Path, skip: fn(&Path) -> bool, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if skip(&path) {
            continue;
        }
        if path.is_dir() {
            list(&path, skip, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// Copies a file, or a folder with everything below it; makes the folders above it.
pub fn copy_all(from: &Path, to: &Path) -> io::Result<()> {
    if from.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let name = entry?.file_name();
            copy_all(&from.join(&name), &to.join(&name))?;
        }
        return Ok(());
    }
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::copy(from, to).map(|_| ())
}
