//! `job=demo`: the lab in one run. Reads the greeting in sector 0, writes the answer to sector 1,
//! and reads it back.

use alloc::{format, string::String};

use block::SECTOR_SIZE;

use super::{Disk, Failure, Run, read, step, text::Text, write};
use crate::{
    cmdline::{CmdlineError, CommandLine},
    console::println,
};

const GREETING: &[u8] = b"Hello World from Image!";
const GREETING_SECTOR: u64 = 0;
const ANSWER: &[u8] = b"Hello, Virtio Block Device!";
const ANSWER_SECTOR: u64 = 1;

pub(super) struct Demo;

impl Run for Demo {
    const NAME: &'static str = "demo";
    const PARAMETERS: &'static [&'static str] = &[];
    type Needs = Disk;

    fn parse(_line: &CommandLine) -> Result<Self, CmdlineError> {
        Ok(Self)
    }

    fn run(&self, disk: &Disk) -> Result<String, Failure> {
        let greeting = read::sector(disk, GREETING_SECTOR)?;
        println!("demo: sector {GREETING_SECTOR} holds {}", Text(&greeting));
        // Somebody's own disk is not to be written on.
        if !greeting.starts_with(GREETING) {
            return Err(Failure::Other(format!(
                "sector {GREETING_SECTOR} does not start with {}; `make reset-image` makes a \
                 fresh lab disk",
                Text(GREETING)
            )));
        }

        let before = read::sector(disk, ANSWER_SECTOR)?;
        match Text(&before) {
            text if text.is_empty() => println!("demo: sector {ANSWER_SECTOR} was empty"),
            text => println!("demo: sector {ANSWER_SECTOR} held {text}"),
        }

        let mut answer = [0; SECTOR_SIZE];
        for (to, from) in answer.iter_mut().zip(ANSWER) {
            *to = *from;
        }
        write::sector(disk, ANSWER_SECTOR, &answer)?;
        step("flushing", || disk.flush())?;
        if read::sector(disk, ANSWER_SECTOR)? != answer {
            return Err(Failure::Other(format!(
                "sector {ANSWER_SECTOR} does not hold what was written to it"
            )));
        }
        println!("demo: wrote {} to sector {ANSWER_SECTOR} and read it back", Text(&answer));
        Ok(String::new())
    }
}
