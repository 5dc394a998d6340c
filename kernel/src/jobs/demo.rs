//! `job=demo`: the lab in one run. Reads the text in sector 0, writes another one there, and reads that
//! back.

use alloc::{format, string::String};

use block::SECTOR_SIZE;

use super::{Disk, Failure, Run, flush, read, text::Text, write};
use crate::{
    cmdline::{CmdlineError, CommandLine},
    console::println,
};

/// The sector that is read and written.
const SECTOR: u64 = 0;
/// The text of a fresh lab disk.
const GREETING: &[u8] = b"Hello World from Image!";
/// The text that is written.
const ANSWER: &[u8] = b"Hello, Virtio Block Device!";
/// Sectors that are searched for a text that is not where it should be.
const SEARCHED: u64 = 4096;

pub(super) struct Demo;

impl Run for Demo {
    const NAME: &'static str = "demo";
    const PARAMETERS: &'static [&'static str] = &[];
    type Needs = Disk;

    fn parse(_line: &CommandLine) -> Result<Self, CmdlineError> {
        Ok(Self)
    }

    fn run(&self, disk: &Disk) -> Result<String, Failure> {
        println!("Testing block device read...");
        let before = read::sector(disk, SECTOR)?;
        println!("Read string: {}", Text(&before).unquoted());
        // Somebody's own disk is not to be written on.
        if !before.starts_with(GREETING) && !before.starts_with(ANSWER) {
            return Err(Failure::Other(format!(
                "sector {SECTOR} holds {}, and neither {} nor {}, so nothing was written to it; \
                 `make reset-image` makes a fresh lab disk",
                Text(&before),
                Text(GREETING),
                Text(ANSWER)
            )));
        }

        println!("Testing block device write...");
        let mut answer = [0; SECTOR_SIZE];
        for (to, from) in answer.iter_mut().zip(ANSWER) {
            *to = *from;
        }
        write::sector(disk, SECTOR, &answer)?;
        flush::if_supported(disk)?;
        let after = read::sector_afresh(disk, SECTOR)?;
        if after != answer {
            return Err(not_written(disk, &before, &after, &answer));
        }
        println!("Read string from a fresh request: {}", Text(&after).unquoted());
        Ok(String::new())
    }
}

/// Tells what the sector holds instead of `expected`, and where else that stands.
fn not_written(
    disk: &Disk,
    before: &[u8; SECTOR_SIZE],
    found: &[u8; SECTOR_SIZE],
    expected: &[u8; SECTOR_SIZE],
) -> Failure {
    let sectors = 0..disk.info().geometry.capacity.min(SEARCHED);
    let place = sectors
        .filter(|sector| *sector != SECTOR)
        .find(|sector| read::sector(disk, *sector).is_ok_and(|data| data == *expected));
    let elsewhere = match place {
        Some(sector) => format!("; what was written stands in sector {sector}"),
        None if found == before => String::from(
            "; what was written stands nowhere on the disk, and the sector is as before: see the request \
             type, the direction of the data, and that it is copied into the chain's memory",
        ),
        None => String::from("; what was written stands nowhere on the disk"),
    };
    let same_text = if found.starts_with(ANSWER) { " with something behind it" } else { "" };
    Failure::Other(format!(
        "sector {SECTOR} holds {}{same_text} after the write, expected {}{elsewhere}",
        Text(found),
        Text(expected)
    ))
}
