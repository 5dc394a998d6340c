//! Changes an image.

use std::{fs::File, path::Path};

use anyhow::{Context, Result, bail};
use sfs::{Error, Kind};

use crate::{
    copy,
    image::{self, Fs, HostError, Inode},
    look, space, words,
};

/// The name of a file until all of it is in the image.
const UNFINISHED: &str = ".sfs-put";

/// Puts a file of the host into an image: in the place of the file that has this path, or into the folder that has it.
///
/// A file that had the path before is lost in the same step in which all of the new one is there.
///
/// # Errors
///
/// The file cannot be read, there is no folder for it or no room, or the image cannot be written.
pub fn put(image: &Path, file: &Path, path: &str) -> Result<()> {
    let context = || format!("cannot read {}", file.display());
    let source = File::open(file).with_context(context)?;
    let metadata = source.metadata().with_context(context)?;
    if !metadata.is_file() {
        bail!("{} is no file; put takes one file, and pack a folder", file.display());
    }
    let fs = image::mount_for_writing(image)?;
    let (folder, name) = place(&fs, path, file)?;
    has_room(&fs, metadata.len())?;

    let new = match folder.create(UNFINISHED) {
        Err(Error::Exists) => bail!(
            "an earlier put was ended before its time and has left {UNFINISHED} in that folder; \
             remove it with `sfs rm`"
        ),
        new => new.with_context(|| cannot("put a file at", path))?,
    };
    let bar = copy::progress(metadata.len());
    let done = copy::copy_in(&source, metadata.len(), &new, &bar)
        .and_then(|()| Ok(folder.rename(UNFINISHED, &folder, &name)?));
    bar.finish_and_clear();
    if let Err(error) = done {
        drop(new);
        // If not even that works, the first error still says more.
        drop(folder.unlink(UNFINISHED).and_then(|()| fs.sync()));
        return Err(error.context(cannot("put a file at", path)));
    }
    fs.sync().context(cannot("put a file at", path))
}

/// Makes an empty folder in an image.
///
/// # Errors
///
/// The path is taken, there is no folder for it or no room, or the image cannot be written.
pub fn mkdir(image: &Path, path: &str) -> Result<()> {
    let fs = image::mount_for_writing(image)?;
    let make = || -> Result<(), Error<HostError>> {
        let (folder, name) = fs.resolve_parent(&fs.root(), path)?;
        folder.mkdir(name)?;
        fs.sync()
    };
    make().with_context(|| cannot("make the folder", path))
}

/// Removes a file, a symlink or an empty folder from an image.
///
/// # Errors
///
/// Nothing has this path, the folder is not empty, or the image cannot be written.
pub fn rm(image: &Path, path: &str) -> Result<()> {
    let fs = image::mount_for_writing(image)?;
    let remove = || -> Result<(), Error<HostError>> {
        let (folder, name) = fs.resolve_parent(&fs.root(), path)?;
        if folder.lookup(name)?.kind() == Kind::Directory {
            folder.rmdir(name)?;
        } else {
            folder.unlink(name)?;
        }
        fs.sync()
    };
    remove().with_context(|| cannot("remove", path))
}

/// The folder and the name that a file of the host gets at this path.
fn place(fs: &Fs, path: &str, file: &Path) -> Result<(Inode, String)> {
    match look::find(fs, path) {
        Ok(folder) if folder.kind() == Kind::Directory => {
            let name = file.file_name().and_then(|name| name.to_str()).with_context(|| {
                format!(
                    "the name of {} is not UTF-8; say the whole path in the image",
                    file.display()
                )
            })?;
            Ok((folder, name.to_owned()))
        }
        // Nothing has the path yet, or a file has it.
        _ => {
            let (folder, name) = fs
                .resolve_parent(&fs.root(), path)
                .with_context(|| cannot("put a file at", path))?;
            Ok((folder, name.to_owned()))
        }
    }
}

/// Refuses a file for which there is no room, beside the one that it may replace.
fn has_room(fs: &Fs, size: u64) -> Result<()> {
    let statfs = fs.statfs();
    let (needed, room) = (space::of_file(size), u64::from(statfs.available));
    if needed <= room {
        return Ok(());
    }
    let advice = if statfs.claimed > statfs.blocks {
        "the image says to be larger than it is: unpack it and pack it again"
    } else {
        "remove something from the image, or unpack it and pack it again with a larger --size"
    };
    bail!(
        "it does not fit: {needed} blocks are needed, there is room for {room}, {} are missing ({}); {advice}",
        needed - room,
        words::size((needed - room) * words::bytes(1)),
    );
}

fn cannot(what: &str, path: &str) -> String {
    format!("cannot {what} {} in the image", words::name(path))
}
