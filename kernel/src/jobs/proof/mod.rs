//! Jobs for proofs and grades. Nobody does them for their own sake: each does what `plan` says, so that the host, which
//! knows it too, can tell from the disks and the screen how it went.

mod cached;
mod churn;
mod commits;
mod ledger;
mod lookup;
mod rects;
mod slices;

pub use self::{
    cached::Cached, churn::Churn, commits::Commits, ledger::Ledger, lookup::Lookup, rects::Rects,
    slices::Slices,
};
