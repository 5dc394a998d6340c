//! `job=ls [path=PATH]`: lists a directory.

use alloc::{borrow::ToOwned, format, string::String, vec::Vec};
use core::ops::ControlFlow;

use sfs::Kind;

use super::{
    Failure, Files, Output, Run, failure, path,
    text::{Count, Name},
};
use crate::{
    cmdline::{CmdlineError, CommandLine},
    fs::{FileSystem, Inode},
};

/// The most names that are sorted at once: a damaged disk can claim more than there is memory for.
pub(super) const MOST_NAMES: usize = 1 << 16;

pub(super) struct Ls {
    path: String,
}

impl Run for Ls {
    const NAME: &'static str = "ls";
    const PARAMETERS: &'static [&'static str] = &[path::PARAMETER];
    type Needs = Files;

    fn parse(line: &CommandLine) -> Result<Self, CmdlineError> {
        Ok(Self { path: path::parse_or_root(line) })
    }

    fn run(&self, files: &Files) -> Result<String, Failure> {
        let mut out = Output::console();
        let count = list(files, &files.root(), &self.path, &mut out)?;
        Ok(format!("{}", Count(count, "name")))
    }
}

/// Puts out the names in a directory in alphabetical order, one a line, those of directories with a slash, those of
/// symlinks with an @ and those of what cannot be read with a ? behind them; or the path itself if it leads to no
/// directory. Returns the number of the lines.
///
/// # Errors
///
/// There is nothing at the path, or it cannot be read.
pub(super) fn list(
    fs: &FileSystem,
    from: &Inode,
    path: &str,
    out: &mut Output,
) -> Result<u64, Failure> {
    let inode = fs.resolve(from, path).map_err(failure::file(path))?;
    if inode.kind() != Kind::Directory {
        out.line(Name(path))?;
        return Ok(1);
    }
    let names = names(&inode, path)?;
    for (name, place, number) in &names {
        let mark = match inode.open_entry(*place, name, *number).map(|inode| inode.kind()) {
            Ok(Kind::Directory) => "/",
            Ok(Kind::Symlink) => "@",
            Ok(_) => "",
            // The disk is damaged, or it was removed meanwhile.
            Err(_) => "?",
        };
        out.line(format_args!("{}{mark}", Name(name)))?;
    }
    Ok(names.len() as u64)
}

/// The names in a directory with their places there and the numbers of what they name, "." and ".." left out, in
/// alphabetical order. `path` is for the message.
///
/// # Errors
///
/// The directory cannot be read, or has more than [`MOST_NAMES`].
pub(super) fn names(directory: &Inode, path: &str) -> Result<Vec<(String, usize, u32)>, Failure> {
    let mut names = Vec::new();
    let mut place = 0;
    let mut are_all = true;
    let visited = directory.visit(&mut |entry| {
        are_all = names.len() < MOST_NAMES;
        if !are_all {
            return ControlFlow::Break(());
        }
        if !matches!(entry.name, "." | "..") {
            names.push((entry.name.to_owned(), place, entry.inode));
        }
        place += 1;
        ControlFlow::Continue(())
    });
    visited.map_err(failure::file(path))?;
    if !are_all {
        return Err(too_many(path));
    }
    names.sort_unstable();
    Ok(names)
}

/// Says that there are more than [`MOST_NAMES`].
pub(super) fn too_many(path: &str) -> Failure {
    Failure::Other(format!(
        "{}: it has more than {MOST_NAMES} names, which are not sorted",
        Name(path)
    ))
}
