//! `job=ledger seed=S count=N qd=D [span=SECTORS] [max=SECTORS] [flush_every=K]`: writes, and says
//! up to where the disk has promised to keep what was written.
//!
//! It is made for having the power cut in the midst of it. It does the writes of the first N
//! operations of a [`Plan`] and leaves out the rest. After every K of them it waits for those in
//! flight, flushes, and prints
//!
//! ```text
//! ledger: flushed INDEX
//! ```
//!
//! From then on every write of the plan up to operation INDEX must survive. No later write has been
//! submitted before that line was printed, and no write is submitted before an earlier one to the same
//! sectors has completed: so the host, which knows the plan, can tell for every sector what may be in
//! it. The first error ends the job.

use alloc::{boxed::Box, format, string::String, sync::Arc, vec, vec::Vec};

use block::{
    self, BlockDevice, Buffer, Completion, CompletionQueue, Error, IfFull, Reaper, Request,
    SECTOR_SIZE,
};
use plan::{Kind as OpKind, Operation, Plan};

use super::super::{Disk, Failure, Run, step};
use crate::{
    cmdline::{CmdlineError, CommandLine},
    console::println,
    progress::{self, Step},
};

/// The most requests in flight.
const MAX_DEPTH: u64 = 1024;
/// The longest request, in sectors: 1 MiB.
const MAX_LENGTH: u64 = 2048;

pub struct Ledger {
    seed: u64,
    count: u32,
    depth: usize,
    span: Option<u64>,
    max: u32,
    flush_every: u32,
}

impl Run for Ledger {
    const NAME: &'static str = "ledger";
    const PARAMETERS: &'static [&'static str] =
        &["seed=S", "count=N", "qd=D", "span=SECTORS", "max=SECTORS", "flush_every=K"];
    type Needs = Disk;

    fn parse(line: &CommandLine) -> Result<Self, CmdlineError> {
        Ok(Self {
            seed: line.number("seed")?.ok_or(CmdlineError::missing("seed=S"))?,
            count: line
                .number_in("count", 1..=u64::MAX)?
                .ok_or(CmdlineError::missing("count=N"))?,
            depth: line.number_in("qd", 1..=MAX_DEPTH)?.ok_or(CmdlineError::missing("qd=D"))?,
            span: line.number_in("span", 1..=u64::MAX)?,
            max: line.number_in("max", 1..=MAX_LENGTH)?.unwrap_or(64),
            flush_every: line.number_in("flush_every", 1..=u64::MAX)?.unwrap_or(64),
        })
    }

    fn run(&self, disk: &Disk) -> Result<String, Failure> {
        let capacity = disk.info().geometry.capacity;
        let span = self.span.unwrap_or(capacity);
        if span > capacity {
            return Err(Failure::Other(format!(
                "span= is larger than the disk of {capacity} sectors"
            )));
        }
        let plan = Plan::new(self.seed, self.count, span, self.max)
            .map_err(|error| Failure::Other(format!("{error}")))?;

        let done = CompletionQueue::new(self.depth);
        let mut writes = Writes {
            disk: &**disk,
            seed: self.seed,
            depth: self.depth,
            done: &done,
            reaper: Reaper::new(&done, &**disk),
            in_flight: Vec::with_capacity(self.depth),
        };
        let (mut written, mut flushes) = (0u64, 0u64);
        let mut open = None;
        for operation in plan.filter(|operation| operation.kind == OpKind::Write) {
            writes.submit(operation)?;
            written += 1;
            open = Some(operation.index);
            if written.is_multiple_of(self.flush_every.into()) {
                writes.flush_up_to(operation.index)?;
                flushes += 1;
                open = None;
            }
        }
        if let Some(last) = open {
            writes.flush_up_to(last)?;
            flushes += 1;
        }
        Ok(format!("writes={written} flushes={flushes}"))
    }
}

struct Writes<'a> {
    disk: &'a dyn BlockDevice,
    seed: u64,
    depth: usize,
    done: &'a Arc<CompletionQueue>,
    reaper: Reaper<'a, dyn BlockDevice + 'a>,
    in_flight: Vec<Operation>,
}

impl Writes<'_> {
    /// Puts a write in flight, after those that it must not overtake.
    fn submit(&mut self, operation: Operation) -> Result<(), Failure> {
        let conflicts = |other: &Operation| operation.conflicts_with(other);
        while self.in_flight.len() == self.depth || self.in_flight.iter().any(conflicts) {
            self.reap()?;
        }
        step(op(operation.index.into()), || {
            let request = self.request(&operation)?;
            Ok(self.disk.submit(request, self.done, IfFull::Wait)?)
        })?;
        self.in_flight.push(operation);
        Ok(())
    }

    fn request(&self, operation: &Operation) -> Result<Box<Request>, Error> {
        let buffer = Buffer::alloc(operation.sectors as usize * SECTOR_SIZE)?;
        let mut content = [0; SECTOR_SIZE];
        for (sector, offset) in operation.range().zip((0..).step_by(SECTOR_SIZE)) {
            plan::fill(self.seed, operation.index, sector, &mut content);
            buffer.write(offset, &content)?;
        }
        let mut request = Request::new(block::Operation::Write, operation.sector, vec![buffer]);
        request.tag = operation.index.into();
        Ok(request)
    }

    /// Waits for one write.
    fn reap(&mut self) -> Result<(), Failure> {
        let oldest = self.in_flight.first().map_or(0, |operation| operation.index);
        let _open =
            progress::begin(Step::numbered("the oldest write in flight, op", oldest.into()));
        // Called only with writes in flight, and each gets a completion.
        let Some(Completion { tag, result, .. }) = self.reaper.next() else {
            return Err(Failure::disk("waiting for a write")(Error::NoAnswer));
        };
        self.in_flight.retain(|operation| u64::from(operation.index) != tag);
        result.map_err(Failure::disk(op(tag)))
    }

    /// Waits for all writes, flushes, and enters that in the ledger.
    fn flush_up_to(&mut self, index: u32) -> Result<(), Failure> {
        while !self.in_flight.is_empty() {
            self.reap()?;
        }
        step(Step::numbered("flushing after op", index.into()), || self.disk.flush())?;
        println!("ledger: flushed {index}");
        Ok(())
    }
}

fn op(index: u64) -> Step {
    Step::numbered("op", index)
}

#[cfg(ktest)]
mod tests {
    use ostd::prelude::ktest;

    use super::*;
    use crate::jobs::Job;

    #[ktest]
    fn its_parameters_are_checked() {
        let reason = |line: &str| match Job::parse(line.as_bytes()) {
            Ok(job) => format!("taken for a job {}", job.name),
            Err(mistake) => mistake.text,
        };
        let whole = "job=ledger seed=1 count=4294967295 qd=8 span=64 max=4 flush_every=3";
        assert_eq!(reason(whole), "taken for a job ledger");
        assert_eq!(reason("job=ledger seed=1 count=9 qd=1"), "taken for a job ledger");
        assert!(reason("job=ledger seed=1 count=9").contains("qd=D"));
        assert!(reason("job=ledger seed=1 count=9 qd=1 flush_every=0").contains("flush_every"));
        assert!(reason("job=ledger seed=1 count=4294967296 qd=1").contains("4294967295"));
    }
}
