//! `job=read sector=N [count=M]`: shows sectors as hexadecimal numbers and text.

use alloc::{format, string::String, vec};

use block::{Error, SECTOR_SIZE, waiting};

use super::{
    Disk, Failure, Run, step,
    text::{Count, DumpLine},
};
use crate::{
    cmdline::{CmdlineError, CommandLine},
    console::println,
    progress::Step,
};

pub(super) struct Read {
    sector: u64,
    count: u64,
}

impl Run for Read {
    const NAME: &'static str = "read";
    const PARAMETERS: &'static [&'static str] = &["sector=N", "count=M"];
    type Needs = Disk;

    fn parse(line: &CommandLine) -> Result<Self, CmdlineError> {
        Ok(Self {
            sector: line.number("sector")?.ok_or(CmdlineError::missing("sector=N"))?,
            count: line.number_in("count", 1..=u64::MAX)?.unwrap_or(1),
        })
    }

    fn run(&self, disk: &Disk) -> Result<String, Failure> {
        let (sector, count, capacity) = (self.sector, self.count, disk.info().geometry.capacity);
        // All or nothing: nobody wants half a dump and then an error.
        let end = sector.checked_add(count).filter(|end| *end <= capacity).ok_or_else(|| {
            Failure::disk("reading")(Error::OutOfRange { sector, sectors: count, capacity })
        })?;
        for at in sector..end {
            let data = self::sector(disk, at)?;
            for (bytes, offset) in data.chunks(DumpLine::BYTES).zip((0..).step_by(DumpLine::BYTES))
            {
                println!("{}", DumpLine { address: at * SECTOR_SIZE as u64 + offset, bytes });
            }
        }
        Ok(format!("{} from sector {sector} on", Count(count, "sector")))
    }
}

/// Reads one sector, whatever the disk's block size is.
pub(super) fn sector(disk: &Disk, sector: u64) -> Result<[u8; SECTOR_SIZE], Failure> {
    sector_by(disk, sector, |first, block| disk.read_block(first, block))
}

/// Reads one sector by a request of its own, with memory that no other request has used.
pub(super) fn sector_afresh(disk: &Disk, sector: u64) -> Result<[u8; SECTOR_SIZE], Failure> {
    sector_by(disk, sector, |first, block| waiting::read(&**disk, first, block))
}

fn sector_by(
    disk: &Disk,
    sector: u64,
    read: impl FnOnce(u64, &mut [u8]) -> Result<(), Error>,
) -> Result<[u8; SECTOR_SIZE], Failure> {
    step(Step::numbered("reading sector", sector), || {
        let (first, mut block, offset) = block_around(disk, sector);
        read(first, &mut block)?;
        let found = block.get(offset..).and_then(|rest| rest.first_chunk());
        found.copied().ok_or(Error::BufferRange)
    })
}

/// The first sector of the block that `sector` lies in, memory for that block, and the offset of the
/// sector in it, in bytes.
pub(super) fn block_around(disk: &Disk, sector: u64) -> (u64, vec::Vec<u8>, usize) {
    let block_size = disk.info().geometry.block_size as usize;
    let sectors = (block_size / SECTOR_SIZE).max(1) as u64;
    let first = sector / sectors * sectors;
    (first, vec![0; block_size], (sector - first) as usize * SECTOR_SIZE)
}
