//! The folder of a made-up student.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use super::attacks::Deed;
use crate::{exercise::Course, place, stage::Files};

/// The file of exercise 1 with the place of `write_block`.
pub const WRITE_BLOCK: &str = "crates/virtio/src/device/blk/mod.rs";
/// Its other file.
pub const SUBMIT: &str = "crates/virtio/src/device/blk/submit.rs";
const BODY: &str = "exercise-1-write_block";
const ROW: &str = "exercise-1-row";

/// A submission in the making: the student's tree, in a folder of its own.
pub struct Student<'a> {
    /// The folder.
    pub folder: PathBuf,
    /// The tree of the solution.
    pub solution: &'a Path,
    /// The files of the solution.
    pub base: &'a Files,
    /// A file that no submission may read.
    pub secret: &'a Path,
}

impl Student<'_> {
    /// Writes the exercise files as they stand in a student's tree.
    pub fn begin(&self, course: &Course, stubbed: &Files) -> Result<()> {
        for path in course.exercises.iter().flat_map(|exercise| &exercise.files) {
            let text = stubbed.get(path).context("an exercise file that is not there")?;
            self.write(&path.to_string_lossy(), text)?;
        }
        Ok(())
    }

    /// Writes a file, and the folders above it.
    pub fn write(&self, path: &str, contents: &[u8]) -> Result<()> {
        let full = self.folder.join(path);
        if let Some(parent) = full.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&full, contents).with_context(|| format!("cannot write {}", full.display()))
    }

    /// Does what an attack does.
    pub fn attack(&self, deed: &Deed) -> Result<()> {
        match deed {
            Deed::Body(text) => self.put_body(text),
            Deed::Behind(text) => {
                self.solve()?;
                let file = fs::read_to_string(self.folder.join(WRITE_BLOCK))?;
                let text = text.replace("SECRET", &self.secret.to_string_lossy());
                self.write(WRITE_BLOCK, format!("{file}\n{text}\n").as_bytes())
            }
            Deed::Folder(deed) => deed(self),
        }
    }

    /// Solves exercise 1.
    pub fn solve(&self) -> Result<()> {
        self.put_body("SOLUTION")?;
        self.put(SUBMIT, ROW, &self.solved(SUBMIT, ROW)?)
    }

    /// Makes `text` the body of `write_block`.
    pub fn put_body(&self, text: &str) -> Result<()> {
        let text = text.replace("SECRET", &self.secret.to_string_lossy());
        let text = text.replace("SOLUTION", &self.solved(WRITE_BLOCK, BODY)?);
        self.put(WRITE_BLOCK, BODY, &format!("{text}\n"))
    }

    fn solved(&self, file: &str, anchor: &str) -> Result<String> {
        let bytes = self.base.get(Path::new(file)).context("there is no such file")?;
        Ok(place::content(&String::from_utf8_lossy(bytes), anchor)?.to_owned())
    }

    fn put(&self, file: &str, anchor: &str, text: &str) -> Result<()> {
        let before = fs::read_to_string(self.folder.join(file))?;
        self.write(file, place::replace(&before, anchor, text)?.as_bytes())
    }
}
