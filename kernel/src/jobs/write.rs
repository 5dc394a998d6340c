//! `job=write sector=N text=...|hex=...`: fills one sector; what is not given becomes zero.

use alloc::{borrow::ToOwned, format, string::String};

use block::{Error, SECTOR_SIZE};

use super::{Disk, Failure, Run, flush, read, step, text::Count};
use crate::{
    cmdline::{CmdlineError, CommandLine},
    progress::Step,
};

pub(super) struct Write {
    sector: u64,
    data: [u8; SECTOR_SIZE],
    given: usize,
}

impl Run for Write {
    const NAME: &'static str = "write";
    const PARAMETERS: &'static [&'static str] = &["sector=N", "text=...", "hex=..."];
    type Needs = Disk;

    fn parse(line: &CommandLine) -> Result<Self, CmdlineError> {
        let bad = |key: &str, value: &str, expected: &str| CmdlineError::Malformed {
            key: key.to_owned(),
            value: value.to_owned(),
            expected: expected.to_owned(),
        };
        let sector = line.number("sector")?.ok_or(CmdlineError::missing("sector=N"))?;
        let mut data = [0; SECTOR_SIZE];
        let given = match (line.get("text"), line.get("hex")) {
            (Some(text), None) => {
                let start = data.get_mut(..text.len());
                start
                    .ok_or_else(|| bad("text", text, "at most 512 bytes"))?
                    .copy_from_slice(text.as_bytes());
                text.len()
            }
            (None, Some(hex)) => parse_hex(hex, &mut data)
                .ok_or_else(|| bad("hex", hex, "pairs of hexadecimal digits, at most 512 pairs"))?,
            (Some(_), Some(_)) => return Err(CmdlineError::Both { keys: ["text", "hex"] }),
            (None, None) => return Err(CmdlineError::missing("text=... or hex=...")),
        };
        Ok(Self { sector, data, given })
    }

    fn run(&self, disk: &Disk) -> Result<String, Failure> {
        sector(disk, self.sector, &self.data)?;
        flush::if_supported(disk)?;
        Ok(format!("{} to sector {}", Count(self.given as u64, "byte"), self.sector))
    }
}

/// Reads pairs of hexadecimal digits into the front of `data`, and gives their number.
fn parse_hex(hex: &str, data: &mut [u8; SECTOR_SIZE]) -> Option<usize> {
    let (pairs, odd) = hex.as_bytes().as_chunks::<2>();
    if !odd.is_empty() || pairs.len() > data.len() {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    for (to, [high, low]) in data.iter_mut().zip(pairs) {
        // Two digits make a byte.
        *to = (digit(*high)? << 4 | digit(*low)?) as u8;
    }
    Some(pairs.len())
}

/// Writes one sector. On a disk with larger blocks the rest of the block is read first and written
/// back as it was.
pub(super) fn sector(disk: &Disk, sector: u64, data: &[u8; SECTOR_SIZE]) -> Result<(), Failure> {
    step(Step::numbered("writing sector", sector), || {
        let (first, mut block, offset) = read::block_around(disk, sector);
        if block.len() > SECTOR_SIZE {
            disk.read_block(first, &mut block)?;
        }
        let place = block.get_mut(offset..).and_then(|rest| rest.first_chunk_mut());
        *place.ok_or(Error::BufferRange)? = *data;
        disk.write_block(first, &block)
    })
}
