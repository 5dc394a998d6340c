//! A run of `job=verify`, and what it must have left behind.

use std::collections::BTreeSet;

use anyhow::{Context, Result, anyhow, bail, ensure};

use super::{
    outcome::Outcome,
    shadow::{Findings, SECTOR, Shadow},
};
use crate::plan::{Kind, Operation, Plan};

/// How many failed operations the kernel names.
pub const NAMED: usize = 20;

/// The parameters of a verify job.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// The seed of all random choices.
    pub seed: u64,
    /// The number of operations.
    pub count: u32,
    /// How many of them are in flight at once.
    pub depth: u32,
    /// The operations stay below this sector.
    pub span: u64,
    /// The size limit of an operation, in sectors.
    pub max: u32,
}

/// What the kernel says to have done.
#[derive(Clone, Copy, Debug)]
pub struct Account {
    /// Operations.
    pub requests: u64,
    /// Those that failed.
    pub errors: u64,
}

impl Workload {
    /// The kernel command line.
    pub fn command_line(&self) -> String {
        let Self { seed, count, depth, span, max } = self;
        format!("job=verify seed={seed} count={count} qd={depth} span={span} max={max}")
    }

    /// What is on the disk at first: noise, as much of it as the operations reach.
    pub fn noise(&self) -> Vec<u8> {
        let mut disk = vec![0; self.span as usize * SECTOR];
        fastrand::Rng::with_seed(self.seed).fill(&mut disk);
        disk
    }

    /// The operations.
    pub fn plan(&self) -> Result<Plan> {
        Plan::new(self.seed, self.count, self.span, self.max)
            .map_err(|error| anyhow!("no such plan: {error}"))
    }

    /// Checks that the kernel's counts add up: it has done what the plan says, nothing is in flight,
    /// no data were wrong, and every error is of one of these kinds.
    pub fn account(&self, outcome: &Outcome, kinds: &[&str]) -> Result<Account> {
        let (succeeded, counts) = outcome.counts("verify")?;
        let count = |key: &str| counts.get(key).copied();
        let (mut reads, mut writes, mut flushes) = (0, 0, 0);
        for operation in self.plan()? {
            match operation.kind {
                Kind::Read => reads += 1,
                Kind::Write => writes += 1,
                Kind::Flush => flushes += 1,
            }
        }
        let expected = [
            ("reads", reads),
            ("writes", writes),
            ("flushes", flushes),
            ("mismatches", 0),
            ("in_flight", 0),
        ];
        for (key, value) in expected {
            ensure!(count(key) == Some(value), "{key} should be {value}: {}", outcome.tail());
        }
        let errors = count("errors").with_context(|| outcome.tail())?;
        let known: u64 = kinds.iter().filter_map(|kind| count(kind)).sum();
        ensure!(known == errors, "not all errors are {kinds:?}: {}", outcome.tail());
        ensure!(succeeded == (errors == 0), "errors and verdict differ: {}", outcome.tail());
        Ok(Account { requests: self.count.into(), errors })
    }

    /// Checks that exactly these operations have failed, with I/O errors, and that the disk holds
    /// what the others have written.
    pub fn expect(
        &self,
        outcome: &Outcome,
        failed: &BTreeSet<u32>,
        disk: &[u8],
    ) -> Result<(Account, Findings)> {
        let account = self.account(outcome, &["io_error"])?;
        ensure!(
            account.errors == failed.len() as u64,
            "{} operations should have failed: {}",
            failed.len(),
            outcome.tail()
        );
        let named = self.failures(outcome)?;
        ensure!(named.len() == failed.len().min(NAMED), "{} failures are named", named.len());
        if let Some(wrong) = named.iter().find(|operation| !failed.contains(&operation.index)) {
            bail!("this operation should not have failed: {wrong:?}");
        }
        let mut shadow = Shadow::new(self.seed, self.span as usize);
        for write in self.writes()?.filter(|write| !failed.contains(&write.index)) {
            shadow.certain(&write)?;
        }
        let findings = shadow.look(&self.noise(), disk)?;
        findings.expect_good()?;
        Ok((account, findings))
    }

    /// The writes.
    pub fn writes(&self) -> Result<impl Iterator<Item = Operation>> {
        Ok(self.plan()?.filter(|operation| operation.kind == Kind::Write))
    }

    /// The operations that the kernel names as failed, at most [`NAMED`], without doubles.
    ///
    /// # Errors
    ///
    /// A line does not describe an operation of the plan as it is, or names it again.
    pub fn failures(&self, outcome: &Outcome) -> Result<Vec<Operation>> {
        let mut found: Vec<Operation> = Vec::new();
        for line in outcome.lines().filter(|line| line.starts_with("verify: op ")) {
            let operation = line
                .split(' ')
                .nth(2)
                .and_then(|index| index.parse().ok())
                .and_then(|index: usize| self.plan().ok()?.nth(index))
                .filter(|operation| line.starts_with(&format!("{} failed: ", describe(operation))))
                .with_context(|| format!("this is no failure of an operation: {line:?}"))?;
            ensure!(!found.contains(&operation), "an operation failed twice: {line:?}");
            found.push(operation);
        }
        Ok(found)
    }
}

/// As the kernel names an operation.
fn describe(operation: &Operation) -> String {
    let Operation { index, kind, sector, sectors } = *operation;
    match kind {
        Kind::Write => format!("verify: op {index} write sector {sector}+{sectors}"),
        Kind::Read => format!("verify: op {index} read sector {sector}+{sectors}"),
        Kind::Flush => format!("verify: op {index} flush"),
    }
}
