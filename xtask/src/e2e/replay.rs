//! What `job=verify` must have done: its plan, replayed on the host.

use std::collections::BTreeSet;

use anyhow::{Context, Result, anyhow, bail, ensure};

use super::{
    image::{Image, SECTOR},
    outcome::Outcome,
};
use crate::{
    console::counts,
    plan::{self, Kind, Operation, Plan},
};

/// The parameters of a verify job.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// The seed of all random choices.
    pub seed: u64,
    /// The number of operations.
    pub count: u32,
    /// The operations stay below this sector.
    pub span: u64,
    /// The size limit of an operation, in sectors.
    pub max: u32,
}

impl Workload {
    /// The kernel command line that runs it with `depth` operations in flight.
    pub fn command_line(&self, depth: u32) -> String {
        let Self { seed, count, span, max } = self;
        format!("job=verify seed={seed} count={count} qd={depth} span={span} max={max}")
    }

    /// The operations that fail when every access of this kind to `sector` fails, in their order.
    pub fn reads_of(&self, sector: u64) -> Result<Vec<u32>> {
        self.touching(sector, Kind::Read)
    }

    /// See [`Self::reads_of`].
    pub fn writes_of(&self, sector: u64) -> Result<Vec<u32>> {
        self.touching(sector, Kind::Write)
    }

    /// All writes.
    pub fn writes(&self) -> Result<Vec<u32>> {
        Ok(self.plan()?.filter(|op| op.kind == Kind::Write).map(|op| op.index).collect())
    }

    /// The flushes that have something to flush: those behind the first write.
    pub fn flushes_after_a_write(&self) -> Result<Vec<u32>> {
        Ok(self
            .plan()?
            .skip_while(|operation| operation.kind != Kind::Write)
            .filter(|operation| operation.kind == Kind::Flush)
            .map(|operation| operation.index)
            .collect())
    }

    /// Checks the kernel's account and the disk: every operation succeeded.
    pub fn check(&self, outcome: &Outcome, image: &Image) -> Result<()> {
        let details = outcome.expect_ok("verify")?;
        self.check_counts(details, 0)?;
        outcome.expect_no_line_with("verify: op ")?;
        self.check_image(image, &[])
    }

    /// Checks the kernel's account and the disk: the operations in `failed` met an I/O error, and
    /// no others.
    pub fn check_with_errors(
        &self,
        outcome: &Outcome,
        image: &Image,
        failed: &[u32],
    ) -> Result<()> {
        ensure!(!failed.is_empty(), "the workload does not touch the fault: choose another seed");
        let reason = outcome.expect_failed("verify")?;
        self.check_counts(reason, failed.len() as u64)?;
        ensure!(
            counts(reason).get("io_error") == Some(&(failed.len() as u64)),
            "all {} errors should be I/O errors, but it says {reason:?}",
            failed.len()
        );
        self.check_lines(outcome, failed)?;
        self.check_image(image, failed)
    }

    fn plan(&self) -> Result<Plan> {
        Plan::new(self.seed, self.count, self.span, self.max)
            .map_err(|error| anyhow!("no such plan: {error}"))
    }

    fn touching(&self, sector: u64, wanted: Kind) -> Result<Vec<u32>> {
        Ok(self
            .plan()?
            .filter(|op| op.kind == wanted && op.range().contains(&sector))
            .map(|op| op.index)
            .collect())
    }

    fn check_counts(&self, details: &str, errors: u64) -> Result<()> {
        let (mut reads, mut writes, mut flushes) = (0, 0, 0);
        for operation in self.plan()? {
            match operation.kind {
                Kind::Read => reads += 1,
                Kind::Write => writes += 1,
                Kind::Flush => flushes += 1,
            }
        }
        let found = counts(details);
        let expected = [
            ("reads", reads),
            ("writes", writes),
            ("flushes", flushes),
            ("errors", errors),
            ("mismatches", 0),
            ("in_flight", 0),
        ];
        for (key, value) in expected {
            ensure!(
                found.get(key) == Some(&value),
                "the plan says {key}={value}, the kernel says {details:?}"
            );
        }
        Ok(())
    }

    /// The kernel names the first twenty operations that failed, in the order in which they came
    /// back.
    fn check_lines(&self, outcome: &Outcome, failed: &[u32]) -> Result<()> {
        let mut expected: BTreeSet<String> = self
            .plan()?
            .filter(|operation| failed.contains(&operation.index))
            .map(|operation| describe(&operation))
            .collect();
        let mut found = 0;
        for line in outcome.lines().filter(|line| line.starts_with("verify: op ")) {
            found += 1;
            let Some((operation, reason)) = line.split_once(" failed: ") else {
                bail!("what does {line:?} mean?")
            };
            ensure!(
                expected.remove(operation),
                "this operation should not have failed, or not twice: {line:?}"
            );
            ensure!(reason.contains("I/O error"), "the reason should be an I/O error: {line:?}");
        }
        ensure!(
            found == failed.len().min(20),
            "{found} failed operations are named, {} did fail",
            failed.len()
        );
        Ok(())
    }

    /// Checks every byte of the disk: what the last successful write put there, or what was there
    /// before.
    fn check_image(&self, image: &Image, failed: &[u32]) -> Result<()> {
        let mut expected = image.before().to_vec();
        for operation in
            self.plan()?.filter(|op| op.kind == Kind::Write && !failed.contains(&op.index))
        {
            for sector in operation.range() {
                let start = usize::try_from(sector)? * SECTOR;
                let target =
                    expected.get_mut(start..).and_then(|rest| rest.first_chunk_mut::<SECTOR>());
                let target = target.context("the plan reaches beyond the image")?;
                plan::fill(self.seed, operation.index, sector, target);
            }
        }
        image.expect(&expected)
    }
}

/// As in the lines of the kernel about failed operations.
fn describe(operation: &Operation) -> String {
    let Operation { index, sector, sectors, .. } = operation;
    match operation.kind {
        Kind::Read => format!("verify: op {index} read sector {sector}+{sectors}"),
        Kind::Write => format!("verify: op {index} write sector {sector}+{sectors}"),
        Kind::Flush => format!("verify: op {index} flush"),
    }
}
