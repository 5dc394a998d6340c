//! The ways in which a run, or the disk behind it, can be wrong.

use plan::{Operation, PlanError};

use crate::outcome::Unexpected;

/// A run of `job=verify` was not as its plan demands.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The parameters make no plan.
    #[error("no such plan")]
    NoPlan(#[from] PlanError),
    /// The kernel or QEMU did not end as expected.
    #[error(transparent)]
    Unexpected(#[from] Unexpected),
    /// The kernel says to have done something else than the plan says.
    #[error("the plan says {key}={planned}, the kernel says {key}={said}")]
    Count {
        /// The name of the count.
        key: &'static str,
        /// By the plan.
        planned: u64,
        /// By the kernel.
        said: u64,
    },
    /// Requests were submitted and never answered.
    #[error("{0} requests were never answered")]
    InFlight(u64),
    /// Sectors were read, and not what was written.
    #[error("wrong data was handed out as good in {0} sectors")]
    Mismatches(u64),
    /// The errors of all kinds are not the errors.
    #[error("the errors by kind add up to {sum} instead of {errors}")]
    Sum {
        /// Of the errors by kind.
        sum: u64,
        /// All errors.
        errors: u64,
    },
    /// An error of a kind that should not occur.
    #[error("errors of the kind {0} should not occur")]
    Kind(String),
    /// More or fewer operations failed than should have.
    #[error("{errors} operations failed instead of {expected}")]
    Errors {
        /// The operations that failed.
        errors: u64,
        /// The operations that should have.
        expected: usize,
    },
    /// The kernel names more or fewer failures than there were.
    #[error("{named} failed operations are named instead of {expected}")]
    Named {
        /// The failures that are named.
        named: usize,
        /// The failures that should be.
        expected: usize,
    },
    /// A line says that an operation failed, and there is no such operation.
    #[error("this is no failure of an operation of the plan: {0:?}")]
    NoFailure(String),
    /// An operation failed twice.
    #[error("an operation failed twice: {0:?}")]
    Twice(String),
    /// An operation failed for another reason than it should have.
    #[error("the reason should be an I/O error: {0:?}")]
    Reason(String),
    /// An operation failed that should not have.
    #[error("this operation should not have failed: {0}")]
    ShouldNotFail(Operation),
    /// The disk cannot be compared.
    #[error(transparent)]
    Shadow(#[from] ShadowError),
    /// The disk holds something else than it must.
    #[error(transparent)]
    BadSectors(#[from] BadSectors),
}

/// A disk cannot be compared with its shadow.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ShadowError {
    /// An operation works on sectors that the shadow does not have.
    #[error("op {0} reaches beyond the disk")]
    Beyond(u32),
    /// The disk has another size than it had at first.
    #[error("the disk has {found} bytes instead of {expected}")]
    Size {
        /// The bytes that it had.
        expected: usize,
        /// The bytes that it has.
        found: usize,
    },
    /// The disk lacks sectors that operations may have written.
    #[error("the disk has {found} sectors and the plan works on {planned}")]
    TooShort {
        /// The sectors of the shadow.
        planned: usize,
        /// Those of the disk.
        found: usize,
    },
}

/// There are sectors that are not as they must be.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "of {sectors} sectors, {lost} have lost a write and {foreign} hold what was never written there{description}"
)]
pub struct BadSectors {
    /// Sectors that were looked at.
    pub sectors: u64,
    /// Sectors that hold something older than their newest certain write.
    pub lost: u64,
    /// Sectors that hold what was never written there.
    pub foreign: u64,
    /// The first of them, each on a line of its own.
    pub description: String,
}
