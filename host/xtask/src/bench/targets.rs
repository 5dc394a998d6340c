//! The figures to reach, and which of them a run has reached.

use super::{
    Bench,
    count::Pace,
    load::{Complete, Load, Medium, Subject, random_read, random_write, sequential_read},
};

/// One figure to reach.
pub struct Target {
    /// The name of the figure.
    pub figure: &'static str,
    /// At least (or at most) this.
    pub bound: Bound,
    /// The value that was found; `None` if it could not be measured.
    pub found: Option<f64>,
}

/// The bound of a figure, and the side on which it is better.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// So many times what Linux does, or more.
    Times(f64),
    /// So much or less.
    AtMost(f64),
}

impl Target {
    /// `None` if it could not be measured.
    pub fn reached(&self) -> Option<bool> {
        let found = self.found?;
        Some(match self.bound {
            Bound::Times(least) => found >= least,
            Bound::AtMost(most) => found <= most,
        })
    }
}

const NULL: Medium = Medium::Null;
const IRQ: Subject = Subject::Ours(Complete::Irq);

/// All of them.
pub fn all(bench: &Bench) -> Vec<Target> {
    let times = |load: Load, subject: Subject| {
        bench.results.ratio(load, subject, Subject::Linux).map(|ratio| ratio.median)
    };
    let best_without_interrupts = [Complete::Poll, Complete::Hybrid]
        .into_iter()
        .filter_map(|complete| times(random_read(NULL, 1), Subject::Ours(complete)))
        .max_by(f64::total_cmp);
    let interrupts = |depth| {
        let figure = bench.results.figure(random_read(NULL, depth), IRQ, |run| run.interrupts);
        figure.map(|spread| spread.median)
    };
    let counts = |load: Load, pace: Pace| {
        let mut rows = bench.counts.iter();
        let row = rows.find(|row| row.subject == IRQ && row.load == load && row.pace == pace);
        row.map(|row| row.counts)
    };
    let instructions =
        |depth| counts(random_read(NULL, depth), Pace::Recorded).map(|counts| counts.instructions);
    let target = |figure, bound, found| Target { figure, bound, found };
    use Bound::{AtMost, Times};
    vec![
        target(
            "4 KiB random read, depth 1, null-co, interrupts",
            Times(2.0),
            times(random_read(NULL, 1), IRQ),
        ),
        target("the same, hybrid or polling (the better)", Times(3.0), best_without_interrupts),
        target(
            "4 KiB random read, depth 32, null-co",
            Times(3.0),
            times(random_read(NULL, 32), IRQ),
        ),
        target(
            "4 KiB random write, depth 32, null-co",
            Times(3.0),
            times(random_write(NULL, 32), IRQ),
        ),
        target(
            "4 KiB random read, depth 32, raw file",
            Times(1.5),
            times(random_read(Medium::File, 32), IRQ),
        ),
        target(
            "128 KiB sequential read, depth 8, null-co",
            Times(1.3),
            times(sequential_read(NULL, 8), IRQ),
        ),
        target("guest instructions per 4 KiB read, depth 1", AtMost(2500.0), instructions(1)),
        target("guest instructions per 4 KiB read, depth 32", AtMost(1200.0), instructions(32)),
        target(
            "register accesses per read, depth 1, asleep",
            AtMost(6.0),
            counts(random_read(Medium::Slow, 1), Pace::Free).map(|counts| counts.accesses.sum()),
        ),
        target("interrupts per read, depth 1", AtMost(1.0), interrupts(1)),
        target("interrupts per read, depth 32", AtMost(0.06), interrupts(32)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds() {
        let reached = |bound, found| Target { figure: "", bound, found }.reached();
        assert_eq!(reached(Bound::Times(2.0), Some(2.0)), Some(true));
        assert_eq!(reached(Bound::Times(2.0), Some(1.9)), Some(false));
        assert_eq!(reached(Bound::AtMost(2.0), Some(2.1)), Some(false));
        assert_eq!(reached(Bound::AtMost(2.0), None), None);
    }
}
