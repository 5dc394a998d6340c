//! `job=tree [path=PATH]`: shows a directory and everything below it.

use alloc::{borrow::ToOwned, collections::BTreeSet, format, string::String, vec, vec::Vec};

use sfs::Kind;

use super::{
    Failure, Files, Output, Run, failure, ls,
    text::{Count, Name},
};
use crate::{
    cmdline::{CmdlineError, CommandLine},
    fs::{FileSystem, Inode},
};

pub(super) struct Tree {
    path: String,
}

impl Run for Tree {
    const NAME: &'static str = "tree";
    const PARAMETERS: &'static [&'static str] = &["path=PATH"];
    type Needs = Files;

    fn parse(line: &CommandLine) -> Result<Self, CmdlineError> {
        Ok(Self { path: line.get("path").unwrap_or("/").to_owned() })
    }

    fn run(&self, files: &Files) -> Result<String, Failure> {
        let mut out = Output::console();
        let (directories, others) = show(files, &files.root(), &self.path, &mut out)?;
        out.end();
        Ok(format!("{}, {}", Count(directories, "folder"), Count(others, "file")))
    }
}

/// Puts out the names below a path, those of a directory further in. Returns the number of directories and of
/// everything else.
///
/// A directory is shown once: on a damaged disk one may lie below itself.
///
/// # Errors
///
/// There is nothing at the path, or something cannot be read.
pub(super) fn show(
    fs: &FileSystem,
    from: &Inode,
    path: &str,
    out: &mut Output,
) -> Result<(u64, u64), Failure> {
    let root = fs.resolve(from, path).map_err(failure::file(path))?;
    out.line(Name(path))?;
    if root.kind() != Kind::Directory {
        return Ok((0, 1));
    }
    let (mut directories, mut others) = (0, 0);
    let mut shown = BTreeSet::from([root.number()]);
    // A list for each directory on the way down. Not by calls: a task has little stack, and a disk can hold any
    // number of directories below each other.
    let mut open: Vec<vec::IntoIter<_>> = vec![ls::names(&root, path)?.into_iter()];
    while let Some(names) = open.last_mut() {
        let Some((name, number)) = names.next() else {
            open.pop();
            continue;
        };
        let indent = 4 * open.len();
        let inode = fs.open(number).map_err(failure::file(&name))?;
        let name = Name(&name);
        match inode.kind() {
            Kind::Directory => {
                directories += 1;
                if shown.insert(number) {
                    out.line(format_args!("{:indent$}{name}/", ""))?;
                    open.push(ls::names(&inode, name.0)?.into_iter());
                } else {
                    out.line(format_args!("{:indent$}{name}/ (shown before)", ""))?;
                }
            }
            Kind::Symlink => {
                others += 1;
                let target = inode.read_link().map_err(failure::file(name.0))?;
                out.line(format_args!("{:indent$}{name} -> {}", "", Name(&target)))?;
            }
            _ => {
                others += 1;
                out.line(format_args!("{:indent$}{name}", ""))?;
            }
        }
    }
    Ok((directories, others))
}
