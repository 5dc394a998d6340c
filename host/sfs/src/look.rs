//! Looks into an image.

use std::{
    io::{self, BufWriter, Write},
    path::Path,
};

use anyhow::{Context, Result};
use indicatif::ProgressBar;
use sfs::Kind;

use crate::{
    copy,
    image::{self, Fs, Inode},
    walk::{self, Walk, What},
    words::{self, Counts},
};

/// Lists a folder of an image, or one file.
///
/// # Errors
///
/// The image cannot be read, or nothing has this path.
pub fn ls(image: &Path, path: &str) -> Result<()> {
    let fs = image::mount_for_reading(image)?;
    let inode = find(&fs, path)?;
    let mut out = BufWriter::new(io::stdout().lock());
    if inode.kind() != Kind::Directory {
        line(&mut out, path, &inode)?;
        return Ok(out.flush()?);
    }
    for listed in walk::names(&inode)? {
        let name = &listed.name;
        match listed.open(&inode) {
            Ok(inode) => line(&mut out, name, &inode)?,
            Err(error) => {
                writeln!(out, "unreadable       -          - {}: {error}", words::name(name))?
            }
        }
    }
    Ok(out.flush()?)
}

/// Kind, number of names, size in bytes, name.
fn line(out: &mut impl Write, name: &str, inode: &Inode) -> Result<()> {
    let stat = inode.stat();
    let name = words::name(name);
    write!(out, "{:<10} {:>5} {:>10} {name}", word(stat.kind), stat.links, stat.size)?;
    if stat.kind == Kind::Symlink {
        write!(out, "{}", arrow(inode))?;
    }
    Ok(writeln!(out)?)
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::File => "file",
        Kind::Directory => "folder",
        Kind::Symlink => "symlink",
        _ => "device",
    }
}

/// The way to the target of a symlink, for a line about it.
fn arrow(symlink: &Inode) -> String {
    match symlink.read_link() {
        Ok(target) => format!(" -> {}", words::name(&target)),
        Err(error) => format!(": {error}"),
    }
}

/// Draws everything below a folder of an image.
///
/// # Errors
///
/// The image cannot be read, or no folder has this path.
pub fn tree(image: &Path, path: &str) -> Result<()> {
    let fs = image::mount_for_reading(image)?;
    let folder = find(&fs, path)?;
    let mut out = BufWriter::new(io::stdout().lock());
    let mut counts = Counts::default();
    writeln!(out, "{}", words::name(path))?;
    // For each folder on the way, the line from its name to the next one below.
    let mut lines: Vec<&str> = Vec::new();
    for met in Walk::new(folder)? {
        lines.truncate(met.depth);
        let (corner, below) =
            if met.last { ("└── ", "    ") } else { ("├── ", "│   ") };
        let name = words::name(&met.name);
        write!(out, "{}{corner}{name}", lines.concat())?;
        lines.push(below);
        match met.what {
            Ok(What::Folder) => {
                counts.folders += 1;
                writeln!(out, "/")?;
            }
            Ok(What::FolderAgain) => writeln!(out, "/ (shown above, under another name)")?,
            Ok(What::Other(inode, kind)) => {
                match kind {
                    Kind::File => {
                        counts.files += 1;
                        counts.bytes += u64::from(inode.stat().size);
                    }
                    Kind::Symlink => {
                        counts.symlinks += 1;
                        write!(out, "{}", arrow(&inode))?;
                    }
                    _ => write!(out, " (a device)")?,
                }
                writeln!(out)?;
            }
            Err(error) => writeln!(out, ": {error:#}")?,
        }
    }
    writeln!(out, "{counts}")?;
    Ok(out.flush()?)
}

/// Writes a file of an image to standard output.
///
/// # Errors
///
/// The image cannot be read, or no file has this path.
pub fn cat(image: &Path, path: &str) -> Result<()> {
    let fs = image::mount_for_reading(image)?;
    let file = find(&fs, path)?;
    copy::copy_out(&file, &mut io::stdout().lock(), &ProgressBar::hidden())
        .with_context(|| words::name(path))
}

/// Finds what has a path, symlinks followed.
pub fn find(fs: &Fs, path: &str) -> Result<Inode> {
    fs.resolve(&fs.root(), path).with_context(|| format!("{} in the image", words::name(path)))
}
