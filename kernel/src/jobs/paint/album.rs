//! The file of the picture.

use alloc::{format, string::String};

use super::{
    super::{Failure, Files, FilesDisk, Output, failure, text::Name},
    bmp::Picture,
};
use crate::{
    fs::{Error, Inode},
    progress,
};

/// The file system that pictures are saved to, and the path there.
pub(super) struct Album {
    /// The disk, or the reason for which there is none.
    disk: Result<FilesDisk, String>,
    /// Mounted when a picture is saved for the first time.
    files: Option<Files>,
    path: String,
}

impl Album {
    /// Nothing is done yet with the disk.
    pub fn new(disk: Result<FilesDisk, String>, path: String) -> Self {
        Self { disk, files: None, path }
    }

    /// The path of the file.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Saves a picture, and returns a message that says where. An earlier file of this path is replaced when all of the
    /// new one is there.
    ///
    /// # Errors
    ///
    /// There is no file system, or it cannot take the picture; an earlier file is as it was. Or the work was stopped.
    pub fn save(&mut self, picture: &Picture<'_>) -> Result<String, Failure> {
        let _open = progress::begin("saving the picture");
        if picture.height() == 0 {
            return Err(Failure::Other("the screen is too small for a picture".into()));
        }
        let path = &self.path;
        let files = match &mut self.files {
            Some(files) => files,
            none => {
                let disk = self.disk.as_ref().map_err(|reason| Failure::Other(reason.clone()))?;
                none.insert(disk.mount()?)
            }
        };
        let parent = files.resolve_parent(&files.root(), path);
        let (directory, name) = parent.map_err(failure::file(path))?;
        let new = format!("{name}.new");
        let result = write(&directory, &new, picture, path)
            .and_then(|()| directory.rename(&new, &directory, name).map_err(failure::file(path)));
        if result.is_err() {
            // What is left of it is of no use, and may fill the disk.
            let _ = directory.unlink(&new);
        }
        files.sync().map_err(failure::file(path))?;
        result?;
        let (width, height) = (picture.width, picture.height());
        Ok(format!("saved {}, {width}x{height} pixels", Name(path)))
    }
}

/// Makes a file with a picture; one of this name that an earlier run has left is replaced. `path` is for messages.
fn write(directory: &Inode, name: &str, picture: &Picture<'_>, path: &str) -> Result<(), Failure> {
    match directory.unlink(name) {
        Ok(()) | Err(Error::NotFound) => {}
        Err(error) => return Err(failure::file(path)(error)),
    }
    let file = directory.create(name).map_err(failure::file(path))?;
    let mut out = Output::file(path, file, 0);
    out.bytes(&picture.header())?;
    picture.rows().try_for_each(|row| out.bytes(&row))
}
