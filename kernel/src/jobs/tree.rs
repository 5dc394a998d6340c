//! `job=tree [path=PATH]`: shows a directory and everything below it.

use alloc::{collections::BTreeSet, format, string::String, vec, vec::Vec};

use sfs::Kind;

use super::{
    Failure, Files, Output, Run, failure, ls, path,
    text::{Count, Name},
};
use crate::{
    cmdline::{CmdlineError, CommandLine},
    fs::{FileSystem, Inode},
};

/// The widest indentation: names that lie deeper are not shown further in.
const WIDEST: usize = 200;

pub(super) struct Tree {
    path: String,
}

impl Run for Tree {
    const NAME: &'static str = "tree";
    const PARAMETERS: &'static [&'static str] = &[path::PARAMETER];
    type Needs = Files;

    fn parse(line: &CommandLine) -> Result<Self, CmdlineError> {
        Ok(Self { path: path::parse_or_root(line) })
    }

    fn run(&self, files: &Files) -> Result<String, Failure> {
        let mut out = Output::console();
        let (directories, others) = show(files, &files.root(), &self.path, &mut out)?;
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
/// There is nothing at the path, a directory cannot be read, or there are too many names on the way down.
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
    // A list for each directory on the way down. Not by a function that calls itself: a task's stack has an end, and
    // a disk can hold any number of directories below each other.
    let names = ls::names(&root, path)?.into_iter();
    // The names in all of them.
    let mut left = names.len();
    let mut open: Vec<(Inode, vec::IntoIter<_>)> = vec![(root, names)];
    while let Some((directory, names)) = open.last_mut() {
        let Some((name, place, number)) = names.next() else {
            open.pop();
            continue;
        };
        left -= 1;
        let opened = directory.open_entry(place, &name, number);
        let indent = (4 * open.len()).min(WIDEST);
        let inode = match opened {
            Ok(inode) => inode,
            // The disk is damaged, or it was removed meanwhile.
            Err(error) => {
                out.line(format_args!("{:indent$}{}? ({error})", "", Name(&name)))?;
                continue;
            }
        };
        let name = Name(&name);
        match inode.kind() {
            Kind::Directory => {
                directories += 1;
                if shown.insert(number) {
                    out.line(format_args!("{:indent$}{name}/", ""))?;
                    let names = ls::names(&inode, name.0)?.into_iter();
                    left += names.len();
                    if left > ls::MOST_NAMES {
                        return Err(ls::too_many(path));
                    }
                    open.push((inode, names));
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
