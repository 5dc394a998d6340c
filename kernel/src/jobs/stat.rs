//! `job=stat path=PATH`: tells what is known about a file, a directory or a symlink.

use alloc::string::String;
use core::fmt;

use sfs::{Kind, Time};

use super::{Failure, Files, Output, Run, failure, path, text::Name};
use crate::{
    cmdline::{CmdlineError, CommandLine},
    fs::{Error, FileSystem, Inode},
};

pub(super) struct Stat {
    path: String,
}

impl Run for Stat {
    const NAME: &'static str = "stat";
    const PARAMETERS: &'static [&'static str] = &[path::PARAMETER];
    type Needs = Files;

    fn parse(line: &CommandLine) -> Result<Self, CmdlineError> {
        Ok(Self { path: path::parse(line)? })
    }

    fn run(&self, files: &Files) -> Result<String, Failure> {
        let mut out = Output::console();
        tell(files, &files.root(), &self.path, &mut out)?;
        Ok(String::new())
    }
}

/// Puts out what is known about what lies at a path. A symlink at its end is not followed.
///
/// # Errors
///
/// There is nothing at the path, or it cannot be read.
pub(super) fn tell(
    fs: &FileSystem,
    from: &Inode,
    path: &str,
    out: &mut Output,
) -> Result<(), Failure> {
    let inode = itself(fs, from, path).map_err(failure::file(path))?;
    let stat = inode.stat();
    out.line(format_args!("path      {}", Name(path)))?;
    out.line(format_args!("inode     {}", stat.number))?;
    out.line(format_args!("kind      {}", kind_name(stat.kind)))?;
    if stat.kind == Kind::Symlink {
        let target = inode.read_link().map_err(failure::file(path))?;
        out.line(format_args!("leads to  {}", Name(&target)))?;
    }
    out.line(format_args!("size      {} bytes", stat.size))?;
    out.line(format_args!("blocks    {}", stat.blocks))?;
    out.line(format_args!("links     {}", stat.links))?;
    out.line(format_args!("changed   {}", Since(stat.times.modified)))
}

/// Follows a path to its end, but no symlink there.
///
/// # Errors
///
/// There is nothing at the path, or it cannot be read.
pub(super) fn itself(fs: &FileSystem, from: &Inode, path: &str) -> Result<Inode, Error> {
    match fs.resolve_parent(from, path) {
        Ok((directory, name)) => directory.lookup(name),
        // A path without a last name, such as / and .., leads to a directory.
        Err(Error::InvalidName(_)) => fs.resolve(from, path),
        Err(error) => Err(error),
    }
}

/// The name of a kind.
pub(super) fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::File => "file",
        Kind::Directory => "directory",
        Kind::Symlink => "symlink",
        Kind::CharacterDevice => "character device",
        Kind::BlockDevice => "block device",
    }
}

/// A point in time. Kernels without a clock count from their start.
struct Since(Time);

impl fmt::Display for Since {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Time { seconds, nanoseconds } = self.0;
        write!(f, "at {seconds}.{nanoseconds:09} s")
    }
}
