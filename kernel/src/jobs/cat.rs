//! `job=cat path=PATH`: shows what is in a file.

use alloc::{format, string::String, vec};

use super::{Failure, Files, Output, Run, failure, path, text::Count};
use crate::{
    cmdline::{CmdlineError, CommandLine},
    fs::{FileSystem, Inode},
};

/// The bytes that are read at once.
const AT_ONCE: usize = 16 << 10;

pub(super) struct Cat {
    path: String,
}

impl Run for Cat {
    const NAME: &'static str = "cat";
    const PARAMETERS: &'static [&'static str] = &[path::PARAMETER];
    type Needs = Files;

    fn parse(line: &CommandLine) -> Result<Self, CmdlineError> {
        Ok(Self { path: path::parse(line)? })
    }

    fn run(&self, files: &Files) -> Result<String, Failure> {
        let mut out = Output::console();
        let length = contents(files, &files.root(), &self.path, |bytes| out.bytes(bytes))?;
        Ok(format!("{}", Count(length, "byte")))
    }
}

/// Shows the contents of a file to `take`, piece by piece, up to the size that it has at the start: `take` may write to
/// it. Returns their length in bytes.
///
/// # Errors
///
/// There is no file at the path, it cannot be read, or `take` has failed.
pub(super) fn contents(
    fs: &FileSystem,
    from: &Inode,
    path: &str,
    mut take: impl FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let file = fs.resolve(from, path).map_err(failure::file(path))?;
    let size = u64::from(file.stat().size);
    let mut buffer = vec![0; AT_ONCE];
    let mut position = 0;
    while position < size {
        let count = file.read_at(position, &mut buffer).map_err(failure::file(path))?;
        let left = usize::try_from(size - position).unwrap_or(usize::MAX);
        match buffer.get(..count.min(left)) {
            Some(bytes @ [_, ..]) => {
                take(bytes)?;
                position += bytes.len() as u64;
            }
            // It has become shorter meanwhile.
            _ => break,
        }
    }
    Ok(position)
}
