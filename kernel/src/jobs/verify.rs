//! `job=verify seed=S count=N qd=D [span=SECTORS] [max=SECTORS] [tasks=T]`: writes and reads at
//! random, checks every sector that it reads, and keeps D requests in flight.
//!
//! Each of T tasks, spread over the CPUs, does N operations on its own share of the sectors: task
//! number K (from 0) with seed S + K on the Kth part of the span.
//!
//! Its operations are laid down in [`plan`], so the host can replay them and look at the disk itself. It
//! goes on after errors: a failed write leaves its sectors unknown until they are written again.

use alloc::{boxed::Box, collections::BTreeMap, format, string::String, sync::Arc, vec, vec::Vec};
use core::fmt;

use block::{
    self, BlockDevice, Buffer, Completion, CompletionQueue, Error, IfFull, Reaper, Request,
    SECTOR_SIZE,
};
use plan::{Kind as OpKind, Operation, Plan};

use super::{Disk, Failure, Run};
use crate::{
    cmdline::{CmdlineError, CommandLine},
    console::println,
    progress::{self, Step},
    task,
};

/// The most requests in flight.
const MAX_DEPTH: u64 = 1024;
/// The most sectors that are kept account of, eight bytes each.
const MAX_SPAN: u64 = 1 << 22;
/// The longest request, in sectors: 1 MiB.
const MAX_LENGTH: u64 = 2048;
/// The number of failures that are told one by one.
const TOLD: u64 = 20;

/// The most tasks.
const MAX_TASKS: u64 = 64;

#[derive(Clone)]
pub(super) struct Verify {
    seed: u64,
    count: u32,
    depth: usize,
    span: Option<u64>,
    max: u32,
    tasks: usize,
}

impl Run for Verify {
    const NAME: &'static str = "verify";
    const PARAMETERS: &'static [&'static str] =
        &["seed=S", "count=N", "qd=D", "span=SECTORS", "max=SECTORS", "tasks=T"];
    type Needs = Disk;

    fn parse(line: &CommandLine) -> Result<Self, CmdlineError> {
        Ok(Self {
            seed: line.number("seed")?.ok_or(CmdlineError::missing("seed=S"))?,
            count: line
                .number_in("count", 1..=u64::MAX)?
                .ok_or(CmdlineError::missing("count=N"))?,
            depth: line.number_in("qd", 1..=MAX_DEPTH)?.ok_or(CmdlineError::missing("qd=D"))?,
            span: line.number_in("span", 1..=MAX_SPAN)?,
            max: line.number_in("max", 1..=MAX_LENGTH)?.unwrap_or(64),
            tasks: line.number_in("tasks", 1..=MAX_TASKS)?.unwrap_or(1),
        })
    }

    fn run(&self, disk: &Disk) -> Result<String, Failure> {
        let info = disk.info();
        if info.geometry.read_only {
            return Err(Failure::disk("verifying")(Error::ReadOnly));
        }
        let span = self.span.unwrap_or(MAX_SPAN).min(info.geometry.capacity);
        if self.span.is_some_and(|wanted| wanted > span) {
            return Err(Failure::Other(format!("span= is larger than the disk of {span} sectors")));
        }
        // Shares and plans count in blocks of the disk; where these are sectors they are used as
        // they are.
        let unit = (info.geometry.block_size as usize / SECTOR_SIZE).max(1) as u64;
        let share = span / unit / self.tasks as u64 * unit;
        // Before anything is started: is there such a plan?
        self.plan(0, share, unit)?;

        let (job, disk) = (self.clone(), disk.clone());
        let outcomes = task::run_in_tasks(Self::NAME, self.tasks, move |task| {
            job.run_share(&*disk, task as u64, share, unit)
        });
        let mut all = Outcome::default();
        let no_memory = |_| Failure::disk("starting tasks")(Error::NoMemory);
        for outcome in outcomes.map_err(no_memory)? {
            all.add(outcome?);
        }
        if all.tally.errors == 0 && all.tally.mismatches == 0 && all.in_flight == 0 {
            Ok(format!("{all}"))
        } else {
            let Tally { errors, mismatches, .. } = &all.tally;
            Err(Failure::Other(format!("{errors} errors, {mismatches} mismatches; {all}")))
        }
    }
}

impl Verify {
    fn plan(&self, task: u64, share: u64, unit: u64) -> Result<Plan, Failure> {
        let max = self.max.div_ceil(unit as u32);
        Plan::new(self.seed.wrapping_add(task), self.count, share / unit, max)
            .map_err(|error| Failure::Other(format!("{error}")))
    }

    /// Does the share of one task, on `share` sectors.
    fn run_share(
        &self,
        disk: &dyn BlockDevice,
        task: u64,
        share: u64,
        unit: u64,
    ) -> Result<Outcome, Failure> {
        let plan = self.plan(task, share, unit)?;
        let done = CompletionQueue::new(self.depth);
        let first = task * share;
        let mut run = Progress {
            disk,
            seed: self.seed.wrapping_add(task),
            done: &done,
            reaper: Reaper::new(&done, disk),
            in_flight: Vec::with_capacity(self.depth),
            first,
            written: vec![State::NeverWritten; share as usize],
            tally: Tally::default(),
        };
        for operation in plan {
            let operation = scale(operation, unit, first);
            let conflicts = |other: &Operation| operation.conflicts_with(other);
            while run.in_flight.len() == self.depth || run.in_flight.iter().any(conflicts) {
                if !run.reap() {
                    break;
                }
            }
            run.submit(operation);
        }
        while !run.in_flight.is_empty() && run.reap() {}
        Ok(Outcome { tally: run.tally, in_flight: run.in_flight.len() })
    }
}

/// An operation in blocks of `unit` sectors, in sectors and from `first` on.
fn scale(operation: Operation, unit: u64, first: u64) -> Operation {
    Operation {
        sector: first + operation.sector * unit,
        sectors: operation.sectors * unit as u32,
        ..operation
    }
}

/// The content of a sector, as far as it is known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    NeverWritten,
    /// Written by the operation of this index.
    Written(u32),
    /// A write failed: the old data, the new, or some of each.
    Unknown,
}

struct Progress<'a> {
    disk: &'a dyn BlockDevice,
    seed: u64,
    done: &'a Arc<CompletionQueue>,
    reaper: Reaper<'a, dyn BlockDevice + 'a>,
    in_flight: Vec<Operation>,
    /// The first sector of this task's share.
    first: u64,
    /// The states of the sectors of the share, from `first` on.
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
        // It may have to wait for room, where several tasks use the disk.
        let _open = progress::begin(Step::numbered("submitting op", operation.index.into()));
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
            let unit = self.disk.info().geometry.block_size as usize / SECTOR_SIZE;
            let blocks = operation.sectors as usize / unit.max(1);
            let pieces = (operation.index as usize % 4 + 1).min(blocks);
            // The last piece takes what the division leaves over.
            let each = blocks / pieces.max(1);
            for piece in 1..=pieces {
                let last = piece == pieces;
                let length = if last { blocks - each * (pieces - 1) } else { each };
                buffers.push(Buffer::alloc(length * unit * SECTOR_SIZE)?);
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
        let oldest = self.in_flight.iter().map(|operation| operation.index).min().unwrap_or(0);
        let step = Step::numbered("the oldest request in flight, op", oldest.into());
        let open = progress::begin(step);
        let Some(Completion { tag, request, result }) = self.reaper.next() else { return false };
        drop(open);
        let place = self.in_flight.iter().position(|it| u64::from(it.index) == tag);
        let Some(place) = place else { return true };
        let operation = self.in_flight.swap_remove(place);
        match (result, operation.kind) {
            (Err(error), _) => self.failed(&operation, error),
            (Ok(()), OpKind::Write) => {
                self.mark(&operation, State::Written(operation.index));
            }
            (Ok(()), OpKind::Read) => {
                self.check(&operation, request.as_ref().map_or(&[], |request| &request.buffers));
            }
            (Ok(()), OpKind::Flush) => {}
        }
        true
    }

    fn failed(&mut self, operation: &Operation, error: Error) {
        self.tally.errors += 1;
        *self.tally.errors_by_kind.entry(error.kind()).or_default() += 1;
        if self.tally.errors <= TOLD {
            println!("verify: {operation} failed: {error}");
        }
        if operation.kind == OpKind::Write {
            self.mark(operation, State::Unknown);
        }
    }

    fn mark(&mut self, operation: &Operation, state: State) {
        for sector in operation.range() {
            if let Some(known) = self.written.get_mut((sector - self.first) as usize) {
                *known = state;
            }
        }
    }

    fn check(&mut self, operation: &Operation, buffers: &[Buffer]) {
        let mut content = [0; SECTOR_SIZE];
        for (sector, (buffer, offset)) in operation.range().zip(places(buffers)) {
            let Some(State::Written(index)) = self.written.get((sector - self.first) as usize)
            else {
                continue;
            };
            let found = match buffer.read(offset, &mut content) {
                Ok(()) => plan::check(self.seed, *index, sector, &content),
                Err(error) => return self.failed(operation, error.into()),
            };
            if let Err(mismatch) = found {
                self.tally.mismatches += 1;
                if self.tally.mismatches <= TOLD {
                    println!("verify: {operation}: sector {sector} {mismatch}");
                }
            }
        }
    }
}

/// The place of each sector of a request: its buffer, and the byte at which it starts there.
fn places(buffers: &[Buffer]) -> impl Iterator<Item = (&Buffer, usize)> {
    buffers
        .iter()
        .flat_map(|buffer| (0..buffer.len()).step_by(SECTOR_SIZE).map(move |at| (buffer, at)))
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

/// The outcome of a share, or of several.
#[derive(Default)]
struct Outcome {
    tally: Tally,
    in_flight: usize,
}

impl Outcome {
    /// Adds what another task did.
    fn add(&mut self, other: Self) {
        let (mine, theirs) = (&mut self.tally, other.tally);
        mine.writes += theirs.writes;
        mine.reads += theirs.reads;
        mine.flushes += theirs.flushes;
        mine.errors += theirs.errors;
        for (kind, count) in theirs.errors_by_kind {
            *mine.errors_by_kind.entry(kind).or_default() += count;
        }
        mine.mismatches += theirs.mismatches;
        self.in_flight += other.in_flight;
    }
}

/// The closing line's counts, `key=value` each.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { writes, reads, flushes, errors, errors_by_kind, mismatches } = &self.tally;
        write!(f, "writes={writes} reads={reads} flushes={flushes} errors={errors}")?;
        for (kind, count) in errors_by_kind {
            write!(f, " {kind}={count}")?;
        }
        write!(f, " mismatches={mismatches} in_flight={}", self.in_flight)
    }
}
