//! `job=flush`: makes sure that the disk keeps what was written to it.

use alloc::string::String;

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
