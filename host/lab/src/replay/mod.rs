//! The plan of `job=verify`, replayed on the host: what the kernel must have done, and left on the disk.

mod account;
mod error;
mod shadow;

use std::collections::BTreeSet;

use plan::{Kind, Operation, Plan};

pub use self::{
    account::Account,
    error::{BadSectors, ReplayError, ShadowError},
    shadow::{Findings, Shadow},
};
use crate::{
    console::{contains, failed_operation},
    image,
    outcome::Outcome,
};

/// The most failed operations that the kernel names; it counts them all.
pub const NAMED: usize = 20;

/// The parameters of a verify job.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// The seed of all random choices.
    pub seed: u64,
    /// The number of operations.
    pub count: u32,
    /// The number of them in flight at once.
    pub depth: u32,
    /// The operations stay below this sector.
    pub span: u64,
    /// The size limit of an operation, in sectors.
    pub max: u32,
}

/// The fate of a write.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// It was done.
    Done,
    /// Each of its sectors may have been written or not.
    Possible,
    /// It left the disk alone.
    Undone,
}

type Result<T> = std::result::Result<T, ReplayError>;

impl Workload {
    /// The same with another number of operations in flight.
    pub const fn at_depth(self, depth: u32) -> Self {
        Self { depth, ..self }
    }

    /// The kernel command line.
    pub fn command_line(&self) -> String {
        let Self { seed, count, depth, span, max } = self;
        format!("job=verify seed={seed} count={count} qd={depth} span={span} max={max}")
    }

    /// The contents of the disk at first: noise, as much of it as the operations reach.
    pub fn noise(&self) -> Vec<u8> {
        image::noise(self.span as usize, self.seed)
    }

    /// The operations.
    ///
    /// # Errors
    ///
    /// [`ReplayError::NoPlan`], as in all that follows.
    pub fn plan(&self) -> Result<Plan> {
        Ok(Plan::new(self.seed, self.count, self.span, self.max)?)
    }

    /// The writes.
    ///
    /// # Errors
    ///
    /// See [`Self::plan`].
    pub fn writes(&self) -> Result<impl Iterator<Item = Operation>> {
        Ok(self.plan()?.filter(|operation| operation.kind == Kind::Write))
    }

    /// The operations of this kind that touch `sector`: those that fail when every such access to it
    /// does, in their order.
    ///
    /// # Errors
    ///
    /// See [`Self::plan`].
    pub fn touching(&self, sector: u64, kind: Kind) -> Result<Vec<u32>> {
        let touching = |op: &Operation| op.kind == kind && op.range().contains(&sector);
        Ok(self.plan()?.filter(touching).map(|op| op.index).collect())
    }

    /// The flushes that have something to flush: those behind the first write.
    ///
    /// # Errors
    ///
    /// See [`Self::plan`].
    pub fn flushes_after_a_write(&self) -> Result<Vec<u32>> {
        let behind = self.plan()?.skip_while(|operation| operation.kind != Kind::Write);
        Ok(behind.filter(|op| op.kind == Kind::Flush).map(|op| op.index).collect())
    }

    /// Checks that the kernel has done what the plan says, that nothing is in flight, that no data were
    /// wrong, and that the errors add up.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub fn check_account(&self, account: &Account) -> Result<()> {
        let (mut reads, mut writes, mut flushes) = (0, 0, 0);
        for operation in self.plan()? {
            match operation.kind {
                Kind::Read => reads += 1,
                Kind::Write => writes += 1,
                Kind::Flush => flushes += 1,
            }
        }
        for (key, planned, said) in [
            ("reads", reads, account.reads),
            ("writes", writes, account.writes),
            ("flushes", flushes, account.flushes),
        ] {
            if planned != said {
                return Err(ReplayError::Count { key, planned, said });
            }
        }
        if account.in_flight != 0 {
            return Err(ReplayError::InFlight(account.in_flight));
        }
        if account.mismatches != 0 {
            return Err(ReplayError::Mismatches(account.mismatches));
        }
        let (sum, errors) = (account.kinds.values().sum(), account.errors);
        if sum != errors { Err(ReplayError::Sum { sum, errors }) } else { Ok(()) }
    }

    /// The kernel's account, which must be right; every error must be of one of these kinds.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub fn account(&self, outcome: &Outcome, kinds: &[&str]) -> Result<Account> {
        let verdict = outcome.verdict()?;
        let details = match verdict.result {
            Ok(details) | Err(details) => details,
        };
        let account = Account::parse(details)
            .filter(|_| verdict.job == "verify")
            .ok_or_else(|| outcome.complaint("there is no account of job verify"))?;
        self.check_account(&account)?;
        if let Some(kind) = account.kind_beside(kinds) {
            return Err(ReplayError::Kind(kind.to_owned()));
        }
        if verdict.result.is_ok() != (account.errors == 0) {
            return Err(outcome.complaint("errors and verdict differ").into());
        }
        Ok(account)
    }

    /// The operations that the kernel names as failed, at most [`NAMED`].
    ///
    /// # Errors
    ///
    /// A line does not describe an operation of the plan as it is, or names it again.
    pub fn failures(&self, outcome: &Outcome) -> Result<Vec<Operation>> {
        let mut found: Vec<Operation> = Vec::new();
        for line in outcome.lines().filter(|line| line.starts_with("verify: op ")) {
            let operation = failed_operation(line)
                .and_then(|index| self.plan().ok()?.nth(index as usize))
                .filter(|operation| line.starts_with(&format!("verify: {operation} failed: ")))
                .ok_or_else(|| ReplayError::NoFailure(line.to_owned()))?;
            if found.contains(&operation) {
                return Err(ReplayError::Twice(line.to_owned()));
            }
            found.push(operation);
        }
        Ok(found)
    }

    /// The disk as it may be, if this became of the writes.
    ///
    /// # Errors
    ///
    /// See [`Self::plan`].
    pub fn shadow(&self, fate: impl Fn(&Operation) -> Fate) -> Result<Shadow> {
        let mut shadow = Shadow::new(self.seed, self.span as usize);
        for write in self.writes()? {
            match fate(&write) {
                Fate::Done => shadow.certain(&write)?,
                Fate::Possible => shadow.possible(&write)?,
                Fate::Undone => {}
            }
        }
        Ok(shadow)
    }

    /// Checks that exactly these operations have failed, with I/O errors and without an effect, and that
    /// the disk, which held `before` at first, holds what the others have written.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub fn expect(
        &self,
        outcome: &Outcome,
        failed: &BTreeSet<u32>,
        before: &[u8],
        disk: &[u8],
    ) -> Result<(Account, Findings)> {
        let account = self.account(outcome, &["io_error"])?;
        if account.errors != failed.len() as u64 {
            return Err(ReplayError::Errors { errors: account.errors, expected: failed.len() });
        }
        let named = self.failures(outcome)?;
        let expected = failed.len().min(NAMED);
        if named.len() != expected {
            return Err(ReplayError::Named { named: named.len(), expected });
        }
        if let Some(wrong) = named.iter().find(|operation| !failed.contains(&operation.index)) {
            return Err(ReplayError::ShouldNotFail(*wrong));
        }
        let other = |line: &&str| line.starts_with("verify: op ") && !contains(line, "I/O error");
        if let Some(line) = outcome.lines().find(other) {
            return Err(ReplayError::Reason(line.to_owned()));
        }
        let fate = |write: &Operation| match failed.contains(&write.index) {
            true => Fate::Undone,
            false => Fate::Done,
        };
        let findings = self.shadow(fate)?.look(before, disk)?;
        findings.expect_good()?;
        Ok((account, findings))
    }
}

#[cfg(test)]
mod tests;
