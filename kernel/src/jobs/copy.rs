//! `job=copy from=DISK to=DISK sector=N at=M count=C`: copies from one disk to another.
//!
//! The data that a disk has delivered stand on another one then, where they can be looked at from outside.

use alloc::{format, string::String, vec, vec::Vec};

use block::{Buffer, Error, Operation, Request, SECTOR_SIZE, waiting};
use dma::DmaError;

use super::{Disk, Failure, Run, flush, needs::Pair, step, text::Count};
use crate::{
    cmdline::{CmdlineError, CommandLine},
    progress::Step,
};

/// The most bytes that one request moves.
const MOST_BYTES: u64 = 1 << 20;
/// The most buffers of one request.
const MOST_BUFFERS: u64 = 1024;

pub(super) struct Copy {
    sector: u64,
    at: u64,
    count: u64,
    /// Of one step.
    bytes: usize,
    /// The buffers of a request that reads a step; `None` for the waiting call.
    read_buffers: Option<usize>,
    /// The same for one that writes it.
    write_buffers: Option<usize>,
    /// The sector of the second disk that gets the serial number of the first one.
    serial: Option<u64>,
    /// A step that a disk fails is left out, instead of being the end.
    skip_errors: bool,
}

impl Run for Copy {
    const NAME: &'static str = "copy";
    const PARAMETERS: &'static [&'static str] = &[
        "sector=N",
        "at=M",
        "count=C",
        "bytes=B",
        "read_buffers=K",
        "write_buffers=K",
        "serial=SECTOR",
        "skip_errors=on|off",
    ];
    type Needs = Pair;

    fn parse(line: &CommandLine) -> Result<Self, CmdlineError> {
        let bytes = line.number_in("bytes", SECTOR_SIZE as u64..=MOST_BYTES)?;
        Ok(Self {
            sector: line.number("sector")?.ok_or(CmdlineError::missing("sector=N"))?,
            at: line.number("at")?.ok_or(CmdlineError::missing("at=M"))?,
            count: line.number("count")?.unwrap_or(1),
            bytes: bytes.unwrap_or(SECTOR_SIZE),
            read_buffers: line.number_in("read_buffers", 1..=MOST_BUFFERS)?,
            write_buffers: line.number_in("write_buffers", 1..=MOST_BUFFERS)?,
            serial: line.number("serial")?,
            skip_errors: line.switch("skip_errors")?.unwrap_or(false),
        })
    }

    fn run(&self, Pair { from, to }: &Pair) -> Result<String, Failure> {
        let sectors = (self.bytes / SECTOR_SIZE) as u64;
        let mut data = vec![0; self.bytes];
        let mut copied: u64 = 0;
        for number in 0..self.count {
            let distance = number.saturating_mul(sectors);
            let (source, target) =
                (self.sector.saturating_add(distance), self.at.saturating_add(distance));
            match self.copy_step(from, source, to, target, &mut data) {
                Err(Failure::Disk { .. }) if self.skip_errors => {}
                result => {
                    result?;
                    copied += sectors;
                }
            }
        }
        if let Some(sector) = self.serial {
            copy_serial(from, to, sector)?;
        }
        flush::if_supported(to)?;
        Ok(format!("{}", Count(copied, "sector")))
    }
}

impl Copy {
    fn copy_step(
        &self,
        from: &Disk,
        source: u64,
        to: &Disk,
        target: u64,
        data: &mut [u8],
    ) -> Result<(), Failure> {
        step(Step::numbered("reading sector", source), || match self.read_buffers {
            None => from.read_block(source, data),
            Some(buffers) => read_into(buffers, from, source, data),
        })?;
        step(Step::numbered("writing sector", target), || match self.write_buffers {
            None => to.write_block(target, data),
            Some(buffers) => write_from(buffers, to, target, data),
        })
    }
}

/// Reads by one request into so many buffers.
fn read_into(buffers: usize, disk: &Disk, sector: u64, data: &mut [u8]) -> Result<(), Error> {
    let length = data.len().div_ceil(buffers);
    let memory: Result<Vec<Buffer>, DmaError> =
        data.chunks(length).map(|piece| Buffer::alloc(piece.len())).collect();
    let request = Request::new(Operation::Read, sector, memory?);
    let request = waiting::submit_and_wait(&**disk, request)?;
    for (buffer, piece) in request.buffers.iter().zip(data.chunks_mut(length)) {
        buffer.read(0, piece)?;
    }
    Ok(())
}

/// Writes by one request from so many buffers.
fn write_from(buffers: usize, disk: &Disk, sector: u64, data: &[u8]) -> Result<(), Error> {
    let mut memory = Vec::new();
    for piece in data.chunks(data.len().div_ceil(buffers)) {
        let buffer = Buffer::alloc(piece.len())?;
        buffer.write(0, piece)?;
        memory.push(buffer);
    }
    waiting::submit_and_wait(&**disk, Request::new(Operation::Write, sector, memory)).map(|_| ())
}

/// Writes the serial number of one disk into a sector of another.
fn copy_serial(from: &Disk, to: &Disk, sector: u64) -> Result<(), Failure> {
    let mut data = [0; SECTOR_SIZE];
    for (to, byte) in data.iter_mut().zip(from.info().serial.bytes()) {
        *to = byte;
    }
    step(Step::numbered("writing sector", sector), || to.write_block(sector, &data))
}
