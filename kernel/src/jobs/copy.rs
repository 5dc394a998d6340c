//! `job=copy from=DISK to=DISK sector=N at=M count=C`: copies from one disk to another.
//!
//! What a disk has delivered thereby stands on another one, where it can be looked at from outside.

use alloc::{format, string::String, vec, vec::Vec};

use block::{Buffer, Error, Operation, Request, SECTOR_SIZE, waiting};
use dma::DmaError;

use super::{Disk, Failure, Run, needs::Pair, step, text::Count};
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
    /// Of one request, or of each of its buffers.
    bytes: usize,
    /// The buffers of a request; `None` for the waiting calls.
    buffers: Option<usize>,
    /// The sector of the second disk that gets the serial number of the first one.
    serial: Option<u64>,
    /// What a disk fails is left out, instead of being the end.
    skip_errors: bool,
}

impl Run for Copy {
    const NAME: &'static str = "copy";
    const PARAMETERS: &'static [&'static str] = &[
        "sector=N",
        "at=M",
        "count=C",
        "bytes=B",
        "buffers=K",
        "serial=SECTOR",
        "skip_errors=on|off",
    ];
    type Needs = Pair;

    fn parse(line: &CommandLine) -> Result<Self, CmdlineError> {
        let bytes = line.number_in("bytes", SECTOR_SIZE as u64..=MOST_BYTES)?;
        Ok(Self {
            sector: line.number("sector")?.ok_or(CmdlineError::missing("sector=N"))?,
            at: line.number("at")?.ok_or(CmdlineError::missing("at=M"))?,
            count: line.number_in("count", 0..=u64::MAX)?.unwrap_or(1),
            bytes: bytes.unwrap_or(SECTOR_SIZE),
            buffers: line.number_in("buffers", 1..=MOST_BUFFERS)?,
            serial: line.number("serial")?,
            skip_errors: line.switch("skip_errors")?.unwrap_or(false),
        })
    }

    fn run(&self, Pair { from, to }: &Pair) -> Result<String, Failure> {
        let sectors = (self.bytes * self.buffers.unwrap_or(1) / SECTOR_SIZE) as u64;
        let mut copied = 0;
        for number in 0..self.count {
            let distance = number.saturating_mul(sectors);
            let (source, target) =
                (self.sector.saturating_add(distance), self.at.saturating_add(distance));
            let result = match self.buffers {
                None => self.copy_block(from, source, to, target),
                Some(buffers) => self.copy_request(buffers, from, source, to, target),
            };
            match result {
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
        match step("flushing", || to.flush()) {
            Err(Failure::Disk { error: Error::Unsupported, .. }) | Ok(()) => {}
            Err(failure) => return Err(failure),
        }
        Ok(format!("{}", Count(copied, "sector")))
    }
}

impl Copy {
    fn copy_block(&self, from: &Disk, source: u64, to: &Disk, at: u64) -> Result<(), Failure> {
        let mut data = vec![0; self.bytes];
        step(Step::numbered("reading sector", source), || from.read_block(source, &mut data))?;
        step(Step::numbered("writing sector", at), || to.write_block(at, &data))
    }

    /// Copies by two requests that share their buffers.
    fn copy_request(
        &self,
        buffers: usize,
        from: &Disk,
        source: u64,
        to: &Disk,
        at: u64,
    ) -> Result<(), Failure> {
        let alloc = || (0..buffers).map(|_| Buffer::alloc(self.bytes)).collect();
        let buffers = step("allocating memory", || {
            let buffers: Result<Vec<Buffer>, DmaError> = alloc();
            Ok(buffers?)
        })?;
        let mut request = Request::new(Operation::Read, source, buffers);
        let doing = Step::numbered("reading sector", source);
        request = step(doing, || waiting::submit_and_wait(&**from, request))?;
        (request.operation, request.sector) = (Operation::Write, at);
        let doing = Step::numbered("writing sector", at);
        step(doing, || waiting::submit_and_wait(&**to, request)).map(|_| ())
    }
}

/// Writes the serial number of one disk into a sector of another.
fn copy_serial(from: &Disk, to: &Disk, sector: u64) -> Result<(), Failure> {
    let mut data = [0; SECTOR_SIZE];
    for (to, byte) in data.iter_mut().zip(from.info().serial.bytes()) {
        *to = byte;
    }
    step(Step::numbered("writing sector", sector), || to.write_block(sector, &data))
}
