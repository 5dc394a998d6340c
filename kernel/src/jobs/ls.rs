//! `job=ls [path=PATH]`: lists a directory.

use alloc::{borrow::ToOwned, format, string::String, vec::Vec};

use sfs::Kind;

use super::{
    Failure, Files, Output, Run, failure,
    text::{Count, Name},
};
use crate::{
    cmdline::{CmdlineError, CommandLine},
    fs::{FileSystem, Inode},
};

pub(super) struct Ls {
    path: String,
}

impl Run for Ls {
    const NAME: &'static str = "ls";
    const PARAMETERS: &'static [&'static str] = &["path=PATH"];
    type Needs = Files;

    fn parse(line: &CommandLine) -> Result<Self, CmdlineError> {
        Ok(Self { path: line.get("path").unwrap_or("/").to_owned() })
    }

    fn run(&self, files: &Files) -> Result<String, Failure> {
        let mut out = Output::console();
        let count = list(files, &files.root(), &self.path, &mut out)?;
        out.end();
        Ok(format!("{}", Count(count, "name")))
    }
}

/// Puts out the names in a directory in alphabetical order, one a line, those of directories with a slash and
/// those of symlinks with an @ behind them; or the path itself if it leads to no directory. Returns the number of
/// the lines.
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
    for (name, number) in &names {
        // It may have been removed since.
        let mark = match fs.open(*number).map(|inode| inode.kind()) {
            Ok(Kind::Directory) => "/",
            Ok(Kind::Symlink) => "@",
            _ => "",
        };
        out.line(format_args!("{}{mark}", Name(name)))?;
    }
    Ok(names.len() as u64)
}

/// The names in a directory with the numbers of what they name, "." and ".." left out, in alphabetical order.
/// `path` is for the message.
///
/// # Errors
///
/// The directory cannot be read.
pub(super) fn names(directory: &Inode, path: &str) -> Result<Vec<(String, u32)>, Failure> {
    let mut names = directory.entries().map_err(failure::file(path))?;
    names.retain(|(name, _)| !matches!(name.as_str(), "." | ".."));
    names.sort_unstable();
    Ok(names)
}
