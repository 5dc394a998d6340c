//! The commands that change what is on the disk.

use alloc::{borrow::ToOwned, collections::BTreeSet, format, string::String, vec::Vec};

use sfs::Kind;

use super::{
    super::{Failure, Output, cat, failure, ls, text::Name},
    commands::Call,
};
use crate::{
    fs::{Error, Inode},
    task::checkpoint,
};

pub(super) fn mkdir(call: &mut Call<'_>) -> Result<(), Failure> {
    call.each(|call, path| {
        let (directory, name) = call.session.parent(path)?;
        directory.mkdir(name).map(|_| ()).map_err(failure::file(path))
    })
}

pub(super) fn rmdir(call: &mut Call<'_>) -> Result<(), Failure> {
    call.each(|call, path| {
        let (directory, name) = call.session.parent(path)?;
        directory.rmdir(name).map_err(failure::file(path))
    })
}

pub(super) fn rm(call: &mut Call<'_>) -> Result<(), Failure> {
    call.each(|call, path| {
        checkpoint()?;
        let (directory, name) = call.session.parent(path)?;
        // They would be refused at the end, when nothing is left in them.
        if matches!(name, "." | "..") {
            return Err(Failure::Other(format!("{}: . and .. are not removed", Name(path))));
        }
        let inode = directory.lookup(name).map_err(failure::file(path))?;
        match inode.kind() {
            Kind::Directory if call.option => remove_all(directory, name, inode),
            Kind::Directory => Err(Failure::Other(format!(
                "{}: it is a directory; rm -r removes it with everything in it",
                Name(path)
            ))),
            _ => directory.unlink(name).map_err(failure::file(path)),
        }
    })
}

/// A directory that is being removed.
struct Removing {
    parent: Inode,
    name: String,
    directory: Inode,
    /// The directories in it that are still there.
    left: Vec<String>,
}

impl Removing {
    /// Removes everything in a directory but the directories.
    fn begin(parent: Inode, name: &str, directory: Inode) -> Result<Self, Failure> {
        let mut left = Vec::new();
        for (name, ..) in ls::names(&directory, name)? {
            checkpoint()?;
            match directory.unlink(&name) {
                Ok(()) | Err(Error::NotFound) => {}
                Err(Error::IsDirectory) => left.push(name),
                Err(error) => return Err(failure::file(&name)(error)),
            }
        }
        Ok(Self { parent, name: name.to_owned(), directory, left })
    }
}

/// Removes a directory with everything in it. Not by a function that calls itself: a task's stack has an end, and a
/// disk can hold any number of directories below each other.
fn remove_all(parent: Inode, name: &str, directory: Inode) -> Result<(), Failure> {
    let mut seen = BTreeSet::from([directory.number()]);
    let mut open = Vec::from([Removing::begin(parent, name, directory)?]);
    while let Some(last) = open.last_mut() {
        let Some(name) = last.left.pop() else {
            last.parent.rmdir(&last.name).map_err(failure::file(&last.name))?;
            open.pop();
            continue;
        };
        let inode = last.directory.lookup(&name).map_err(failure::file(&name))?;
        if !seen.insert(inode.number()) {
            return Err(Failure::Other(format!(
                "{}: the disk is damaged: it lies below itself",
                Name(&name)
            )));
        }
        let parent = last.directory.clone();
        open.push(Removing::begin(parent, &name, inode)?);
    }
    Ok(())
}

pub(super) fn cp(call: &mut Call<'_>) -> Result<(), Failure> {
    let (from, to) = call.pair()?;
    let session = call.session;
    let source = session.resolve(from)?;
    if source.kind() == Kind::Directory {
        return Err(failure::file(from)(Error::IsDirectory));
    }
    let path = match session.resolve(to) {
        Ok(target) if target.kind() == Kind::Directory => {
            format!("{}/{}", to.trim_end_matches('/'), base_name(from))
        }
        _ => to.to_owned(),
    };
    if session.resolve(&path).is_ok_and(|target| target.number() == source.number()) {
        return Err(Failure::Other(format!("{} and {} are one file", Name(from), Name(&path))));
    }
    let target = session.file_to_write(&path)?;
    target.truncate(0).map_err(failure::file(&path))?;
    let mut out = Output::file(&path, target, 0);
    cat::contents(&session.fs, &session.directory(), from, |bytes| out.bytes(bytes)).map(|_| ())
}

/// The last name of a path, which something gets that goes to a directory.
fn base_name(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or(path)
}

pub(super) fn mv(call: &mut Call<'_>) -> Result<(), Failure> {
    let (from, to) = call.pair()?;
    let (directory, name) = call.session.parent(from)?;
    let (new_directory, new_name) = call.session.place(to, name)?;
    directory.rename(name, &new_directory, new_name).map_err(failure::file(from))
}

pub(super) fn ln(call: &mut Call<'_>) -> Result<(), Failure> {
    let (target, path) = call.pair()?;
    let (directory, name) = call.session.place(path, base_name(target))?;
    if call.option {
        directory.symlink(name, target).map(|_| ()).map_err(failure::file(path))
    } else {
        let inode = call.session.resolve(target)?;
        if inode.kind() == Kind::Directory {
            return Err(failure::file(target)(Error::IsDirectory));
        }
        directory.link(name, &inode).map_err(failure::file(path))
    }
}
