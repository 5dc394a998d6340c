//! `job=verify seed=S count=N qd=D [span=SECTORS] [max=SECTORS]`: writes and reads at random, checks
//! every sector that it reads, and keeps D requests in flight.
//!
//! What it does is laid down in [`plan`], so the host can replay it and look at the disk itself. It
//! goes on after errors: a failed write leaves its sectors unknown until they are written again.

pub mod plan;

use alloc::{boxed::Box, collections::BTreeMap, format, string::String, sync::Arc, vec, vec::Vec};
use core::fmt::{self, Write};

use self::plan::{Kind as OpKind, Operation, Plan};
use super::{Failure, Kind, Run};
use crate::{
    block::{
        self, BlockDevice, Buffer, Completion, CompletionQueue, Error, IfFull, Reaper, Request,
        SECTOR_SIZE,
    },
    cmdline::{CmdlineError, CommandLine},
    console::println,
};

pub(super) const KIND: Kind = Kind {
    name: "verify",
    parameters: &["seed=S", "count=N", "qd=D", "span=SECTORS", "max=SECTORS"],
    parse,
};

/// The most requests in flight.
const MAX_DEPTH: u64 = 1024;
/// The most sectors that are kept account of, four bytes each.
const MAX_SPAN: u64 = 1 << 22;
/// The longest request, in sectors: 1 MiB.
const MAX_LENGTH: u64 = 2048;
/// How many failures are told one by one.
const TOLD: u64 = 20;

struct Verify {
    seed: u64,
    count: u32,
    depth: usize,
    span: Option<u64>,
    max: u32,
}

fn parse(line: &CommandLine) -> Result<Box<dyn Run>, CmdlineError> {
    Ok(Box::new(Verify {
        seed: line.number("seed")?.ok_or(CmdlineError::missing("seed=S"))?,
        count: line.number_in("count", 1..=u64::MAX)?.ok_or(CmdlineError::missing("count=N"))?,
        depth: line.number_in("qd", 1..=MAX_DEPTH)?.ok_or(CmdlineError::missing("qd=D"))?,
        span: line.number_in("span", 1..=MAX_SPAN)?,
        max: line.number_in("max", 1..=MAX_LENGTH)?.unwrap_or(64),
    }))
}

impl Run for Verify {
    fn run(&self, disk: &Arc<dyn BlockDevice>) -> Result<String, Failure> {
        let info = disk.info();
        if info.read_only {
            return Err(Failure::disk("verifying")(Error::ReadOnly));
        }
        let span = self.span.unwrap_or(MAX_SPAN).min(info.capacity);
        if self.span.is_some_and(|wanted| wanted > span) {
            return Err(Failure::Other(format!("span= is larger than the disk of {span} sectors")));
        }
        // The plan counts in blocks of the disk; where these are sectors it is used as it is.
        let unit = (info.block_size as usize / SECTOR_SIZE).max(1) as u32;
        let plan =
            Plan::new(self.seed, self.count, span / u64::from(unit), self.max.div_ceil(unit))
                .map_err(|error| Failure::Other(format!("{error}")))?;

        let done = CompletionQueue::new(self.depth);
        let mut run = Progress {
            disk: &**disk,
            seed: self.seed,
            done: &done,
            reaper: done.reaper(&**disk),
            in_flight: Vec::with_capacity(self.depth),
            written: vec![State::NeverWritten; span as usize],
            tally: Tally::default(),
        };
        for operation in plan {
            let operation = scale(operation, unit);
            let conflicts = |other: &Operation| operation.conflicts_with(other);
            while run.in_flight.len() == self.depth || run.in_flight.iter().any(conflicts) {
                run.reap();
            }
            run.submit(operation);
        }
        while !run.in_flight.is_empty() && run.reap() {}

        let Progress { in_flight, tally, .. } = run;
        let counts = Counts { tally: &tally, in_flight: in_flight.len() };
        if tally.errors == 0 && tally.mismatches == 0 && in_flight.is_empty() {
            Ok(format!("{counts}"))
        } else {
            Err(Failure::Other(format!(
                "{} errors, {} mismatches; {counts}",
                tally.errors, tally.mismatches
            )))
        }
    }
}

/// An operation in blocks of `unit` sectors, in sectors.
fn scale(operation: Operation, unit: u32) -> Operation {
    Operation {
        sector: operation.sector * u64::from(unit),
        sectors: operation.sectors * unit,
        ..operation
    }
}

/// What is known about a sector.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    NeverWritten,
    /// By the operation of this index.
    Written(u32),
    /// A write failed: the old data, the new, or some of each.
    Unknown,
}

struct Progress<'a> {
    disk: &'a dyn BlockDevice,
    seed: u64,
    done: &'a Arc<CompletionQueue>,
    reaper: Reaper<'a>,
    in_flight: Vec<Operation>,
    written: Vec<State>,
    tally: Tally,
}

impl Progress<'_> {
    fn submit(&mut self, operation: Operation) {
        match operation.kind {
            OpKind::Write => self.tally.writes += 1,
            OpKind::Read => self.tally.reads += 1,
            OpKind::Flush => self.tally.flushes += 1,
        }
        let submitted = self.request(&operation).and_then(|request| {
            self.disk.submit(request, self.done, IfFull::Wait).map_err(|rejected| rejected.error)
        });
        match submitted {
            Ok(()) => self.in_flight.push(operation),
            Err(error) => self.failed(&operation, error),
        }
    }

    /// The request for an operation, its data in one to four buffers.
    fn request(&self, operation: &Operation) -> Result<Box<Request>, Error> {
        let mut buffers = Vec::new();
        if operation.kind != OpKind::Flush {
            let unit = self.disk.info().block_size as usize / SECTOR_SIZE;
            let blocks = operation.sectors as usize / unit.max(1);
            let pieces = (operation.index as usize % 4 + 1).min(blocks);
            // The last piece takes what the division leaves over.
            let each = blocks / pieces.max(1);
            for piece in 1..=pieces {
                let last = piece == pieces;
                let length = if last { blocks - each * (pieces - 1) } else { each };
                buffers.push(Buffer::alloc(length * unit)?);
            }
        }
        if operation.kind == OpKind::Write {
            let mut content = [0; SECTOR_SIZE];
            for (sector, (buffer, offset)) in operation.range().zip(places(&buffers)) {
                plan::fill(self.seed, operation.index, sector, &mut content);
                buffer.write(offset, &content)?;
            }
        }
        let kind = match operation.kind {
            OpKind::Read => block::Operation::Read,
            OpKind::Write => block::Operation::Write,
            OpKind::Flush => block::Operation::Flush,
        };
        let mut request = Request::new(kind, operation.sector, buffers);
        request.tag = operation.index.into();
        Ok(request)
    }

    /// Waits for one completion and looks at it; `false` if none will come.
    fn reap(&mut self) -> bool {
        let Some(Completion { request, result }) = self.reaper.next() else { return false };
        let place = self.in_flight.iter().position(|it| u64::from(it.index) == request.tag);
        let Some(place) = place else { return true };
        let operation = self.in_flight.swap_remove(place);
        match (result, operation.kind) {
            (Err(error), _) => self.failed(&operation, error),
            (Ok(()), OpKind::Write) => {
                self.mark(&operation, State::Written(operation.index));
            }
            (Ok(()), OpKind::Read) => self.check(&operation, &request.buffers),
            (Ok(()), OpKind::Flush) => {}
        }
        true
    }

    fn failed(&mut self, operation: &Operation, error: Error) {
        self.tally.errors += 1;
        *self.tally.errors_by_kind.entry(error.kind()).or_default() += 1;
        if self.tally.errors <= TOLD {
            println!("verify: {} failed: {error}", Name(operation));
        }
        if operation.kind == OpKind::Write {
            self.mark(operation, State::Unknown);
        }
    }

    fn mark(&mut self, operation: &Operation, state: State) {
        let range = operation.range();
        if let Some(sectors) = self.written.get_mut(range.start as usize..range.end as usize) {
            sectors.fill(state);
        }
    }

    fn check(&mut self, operation: &Operation, buffers: &[Buffer]) {
        let mut content = [0; SECTOR_SIZE];
        for (sector, (buffer, offset)) in operation.range().zip(places(buffers)) {
            let Some(State::Written(index)) = self.written.get(sector as usize) else { continue };
            let found = match buffer.read(offset, &mut content) {
                Ok(()) => plan::check(self.seed, *index, sector, &content),
                Err(error) => return self.failed(operation, error),
            };
            if let Err(mismatch) = found {
                self.tally.mismatches += 1;
                if self.tally.mismatches <= TOLD {
                    println!("verify: {}: sector {sector} {mismatch}", Name(operation));
                }
            }
        }
    }
}

/// Where each sector of a request lies: which buffer, and at which byte of it.
fn places(buffers: &[Buffer]) -> impl Iterator<Item = (&Buffer, usize)> {
    buffers
        .iter()
        .flat_map(|buffer| (0..buffer.len()).step_by(SECTOR_SIZE).map(move |at| (buffer, at)))
}

/// An operation, for people to read.
struct Name<'a>(&'a Operation);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Operation { index, kind, sector, sectors } = *self.0;
        match kind {
            OpKind::Write => write!(f, "op {index} write sector {sector}+{sectors}"),
            OpKind::Read => write!(f, "op {index} read sector {sector}+{sectors}"),
            OpKind::Flush => write!(f, "op {index} flush"),
        }
    }
}

#[derive(Default)]
struct Tally {
    writes: u64,
    reads: u64,
    flushes: u64,
    errors: u64,
    errors_by_kind: BTreeMap<&'static str, u64>,
    mismatches: u64,
}

/// The closing line's counts, `key=value` each.
struct Counts<'a> {
    tally: &'a Tally,
    in_flight: usize,
}

impl fmt::Display for Counts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { writes, reads, flushes, errors, errors_by_kind, mismatches } = self.tally;
        write!(f, "writes={writes} reads={reads} flushes={flushes} errors={errors}")?;
        for (kind, count) in errors_by_kind {
            write!(f, " {kind}={count}")?;
        }
        f.write_char(' ')?;
        write!(f, "mismatches={mismatches} in_flight={}", self.in_flight)
    }
}
