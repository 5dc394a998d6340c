//! Disks that fail without ill will: errors, a full disk, slowness, a size that changes, and a
//! machine that stands still for a while.
//!
//! The end-to-end cases `fault-*` try one fault at a time; these here try many, at depth, while the
//! machine is being interfered with. The short runs are part of `xtask test`, the long ones of
//! `xtask soak`.

mod errors;
mod pauses;
mod resize;
mod slow;

use std::fs;

use anyhow::{Context, Result};
use lab::{
    board::Board,
    outcome::Outcome,
    place::Place,
    process::ProcessError,
    qemu::{Guest, Stack, Vm},
    replay::{Account, Findings, Workload},
};

/// The time limit of a machine. The longest run takes a few minutes; this is for busy hosts.
const LIMIT_SECONDS: u64 = 1800;

/// One row of a table of cases.
pub struct Case {
    /// Its name.
    pub name: &'static str,
    /// Runs it.
    pub run: fn(&Trial) -> Result<Figures>,
}

/// All cases, the longest first.
pub const CASES: &[&[Case]] = &[errors::CASES, slow::CASES, pauses::CASES, resize::CASES];

/// The cases that `xtask test` runs on the boards beside the lab's own.
pub const PART: &[&str] = &["errors-at-many-moments", "stop-on-error", "disk-grows"];

/// The surroundings of a case.
pub struct Trial<'a> {
    /// The machine's board.
    pub board: Board,
    /// The place in which it works.
    pub place: &'a Place,
    /// All its random choices come from this.
    pub seed: u64,
    /// The number of requests of the largest case; the others make a certain part of it.
    pub requests: u32,
}

/// The counts of a case.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    /// Requests, all of which were answered.
    pub requests: u64,
    /// Those answered with an error, as they should have been.
    pub errors: u64,
    /// Sectors that were compared after the end.
    pub sectors: u64,
}

impl Figures {
    /// Adds another case's.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.sectors += other.sectors;
    }
}

impl From<(Account, Findings)> for Figures {
    fn from((account, findings): (Account, Findings)) -> Self {
        Self { requests: account.operations(), errors: account.errors, sectors: findings.sectors }
    }
}

impl Trial<'_> {
    /// A workload of this part of the requests, on the 4 MiB of the usual disk.
    fn workload(&self, part: u32, depth: u32) -> Workload {
        let count = self.requests.div_ceil(part);
        Workload { seed: self.seed, count, depth, span: 8192, max: 16 }
    }

    /// A disk image for the workload, and the node that stands for it.
    fn disk(&self, workload: &Workload) -> Result<Stack> {
        let path = self.place.file("disk");
        fs::write(&path, workload.noise()).context("cannot write the disk image")?;
        Ok(Stack::file(&path))
    }

    /// The present contents of the disk image.
    fn contents(&self) -> Result<Vec<u8>> {
        fs::read(self.place.file("disk")).context("cannot read the disk image")
    }

    /// Starts a machine; on virtio-mmio with a modern or legacy device, as the seed will have it.
    fn boot(&self, disk: Vec<String>, command_line: &str) -> Result<Vm, ProcessError> {
        let legacy = !self.seed.is_multiple_of(2);
        let place = self.place;
        Vm::boot(
            &self.board.machine(legacy).options(disk),
            &Guest::new(&place.kernel, command_line),
            place.limit(LIMIT_SECONDS),
            &place.log,
            place.file("qmp"),
        )
    }

    /// Runs a job from beginning to end.
    fn run(&self, disk: Vec<String>, command_line: &str) -> Result<Outcome, ProcessError> {
        self.boot(disk, command_line)?.finish()
    }

    /// The figures of a workload in which nothing may have failed, after a look at the disk.
    fn flawless(&self, workload: &Workload, outcome: &Outcome) -> Result<Figures> {
        let (before, disk) = (workload.noise(), self.contents()?);
        Ok(workload.expect(outcome, &Default::default(), &before, &disk)?.into())
    }
}
