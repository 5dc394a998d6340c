//! `job=flush`: makes sure that the disk keeps what was written to it.

use alloc::string::String;

use block::Error;

use super::{Disk, Failure, Run, step};
use crate::cmdline::{CmdlineError, CommandLine};

pub(super) struct Flush;

impl Run for Flush {
    const NAME: &'static str = "flush";
    const PARAMETERS: &'static [&'static str] = &[];
    type Needs = Disk;

    fn parse(_line: &CommandLine) -> Result<Self, CmdlineError> {
        Ok(Self)
    }

    fn run(&self, disk: &Disk) -> Result<String, Failure> {
        step("flushing", || disk.flush())?;
        let info = disk.info();
        Ok(String::from(if info.writeback { "" } else { "(the disk has no volatile cache)" }))
    }
}

/// Flushes at the end of a job that writes; a disk, or driver, that has no flush is no reason to fail it.
pub(super) fn if_supported(disk: &Disk) -> Result<(), Failure> {
    match step("flushing", || disk.flush()) {
        Err(Failure::Disk { error: Error::Unsupported, .. }) => Ok(()),
        result => result,
    }
}
