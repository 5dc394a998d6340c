//! `job=lookup list=N at=M to=DISK`: looks paths up, and writes to another disk what they lead to.
//!
//! The list of the paths stands on that disk too, from sector N on; the answer to the first one goes to sector M, the
//! next one to the sector behind. Both are those of [`plan::lookups`].

use alloc::{format, string::String, vec, vec::Vec};

use block::SECTOR_SIZE;
use plan::lookups::{Answer, MOST_CONTENT, MOST_LIST};
use sfs::Kind;

use super::super::{Disk, Failure, Run, flush, needs::FilesAndDisk, step, text::Count};
use crate::{
    cmdline::{CmdlineError, CommandLine},
    fs::{Error, FileSystem},
    progress::Step,
};

pub struct Lookup {
    list: u64,
    at: u64,
}

impl Run for Lookup {
    const NAME: &'static str = "lookup";
    const PARAMETERS: &'static [&'static str] = &["list=N", "at=M"];
    type Needs = FilesAndDisk;

    fn parse(line: &CommandLine) -> Result<Self, CmdlineError> {
        Ok(Self {
            list: line.number("list")?.ok_or(CmdlineError::missing("list=N"))?,
            at: line.number("at")?.ok_or(CmdlineError::missing("at=M"))?,
        })
    }

    fn run(&self, FilesAndDisk { files, to }: &FilesAndDisk) -> Result<String, Failure> {
        let list = self.read_list(to)?;
        let paths = core::str::from_utf8(&list)
            .map_err(|error| Failure::Other(format!("the list of paths is no text: {error}")))?;
        let mut count = 0;
        for path in paths.lines() {
            let sector = self.at.saturating_add(count);
            let answer = look_up(files, path);
            step(Step::numbered("writing sector", sector), || to.write_block(sector, &answer))?;
            count += 1;
        }
        flush::if_supported(to)?;
        Ok(format!("{}", Count(count, "path")))
    }
}

impl Lookup {
    /// Reads the list up to its end, the first byte 0.
    fn read_list(&self, disk: &Disk) -> Result<Vec<u8>, Failure> {
        let mut list = Vec::new();
        for number in 0..MOST_LIST as u64 {
            let sector = self.list.saturating_add(number);
            let mut bytes = [0; SECTOR_SIZE];
            step(Step::numbered("reading sector", sector), || disk.read_block(sector, &mut bytes))?;
            let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
            list.extend_from_slice(text);
            if text.len() < SECTOR_SIZE {
                return Ok(list);
            }
        }
        Err(Failure::Other(format!("the list of paths has no end within {MOST_LIST} sectors")))
    }
}

/// The sector that tells what a path leads to.
fn look_up(files: &FileSystem, path: &str) -> [u8; SECTOR_SIZE] {
    match found(files, path) {
        Ok((inode, content)) => Answer::Found { inode, content: &content }.sector(),
        Err(Error::NotFound) => Answer::Missing.sector(),
        Err(_) => Answer::Failed.sector(),
    }
}

/// The number of what a path leads to, and the beginning of its content.
fn found(files: &FileSystem, path: &str) -> Result<(u32, Vec<u8>), Error> {
    let inode = files.resolve(&files.root(), path)?;
    let mut content = Vec::new();
    if inode.kind() == Kind::File {
        content = vec![0; MOST_CONTENT];
        let count = inode.read_at(0, &mut content)?;
        content.truncate(count);
    }
    Ok((inode.number(), content))
}
