//! The figures to reach, and which of them a run has reached.

use lab::{arch::Arch, board::Board};

use super::{
    Bench,
    count::{Case, Pace},
    load::{
        Complete, FILES, FILES_SUBJECT, Load, Medium, Mode, Subject, file_create, file_list,
        file_random_read, file_read, random_read, random_write, screen, sequential_read,
    },
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
    /// So many times what this one does, or more.
    Times(f64, Subject),
    /// So much of what the bare disk below does, or more.
    OfDisk(f64),
    /// So much or less.
    AtMost(f64),
}

impl Target {
    /// The distance to the bound, 0 if it is reached; `None` if it could not be measured.
    pub fn missed_by(&self) -> Option<f64> {
        let found = self.found?;
        Some(match self.bound {
            Bound::Times(least, _) | Bound::OfDisk(least) => (least - found).max(0.0),
            Bound::AtMost(most) => (found - most).max(0.0),
        })
    }
}

/// The beginning of the names of figures that depend on the processor.
const INSTRUCTIONS: &str = "guest instructions";
const NULL: Medium = Medium::Null;
const IRQ: Subject = Subject::Ours(Complete::Irq);
/// The kernel as it is without a choice on its command line.
const DEFAULT: Subject = Subject::Ours(Complete::Adaptive);
const LINUX: Subject = Subject::Linux;
/// The best way to run the peer on a disk of which nothing is known.
const PEER: Subject = Subject::Peer(Complete::Irq);

/// All of them that there are on the board.
pub fn all(bench: &Bench) -> Vec<Target> {
    let times = |load: Load, subject: Subject, rival: Subject| {
        bench.results.ratio(load, subject, rival).map(|ratio| ratio.median)
    };
    let best_without_interrupts = [Complete::Poll, Complete::Hybrid]
        .into_iter()
        .filter_map(|complete| times(random_read(NULL, 1), Subject::Ours(complete), LINUX))
        .max_by(f64::total_cmp);
    let interrupts = |depth| {
        let figure = bench.results.figure(random_read(NULL, depth), IRQ, |run| run.interrupts);
        figure.map(|spread| spread.median)
    };
    let counts = |load: Load, pace: Pace| {
        let mut rows = bench.counts.iter();
        let row = rows.find(|row| row.case == Case::new(load, IRQ, pace));
        row.map(|row| row.counts)
    };
    let instructions =
        |depth| counts(random_read(NULL, depth), Pace::Recorded).map(|counts| counts.instructions);
    let target = |figure, bound, found| Target { figure, bound, found };
    use Bound::{AtMost, OfDisk, Times};
    let speed = |figure, load, subject, least, rival| {
        target(figure, Times(least, rival), times(load, subject, rival))
    };
    let read = |depth| random_read(NULL, depth);
    let of_disk = |load: Load| {
        let disk = FILES.iter().find(|files| files.0 == load)?.1?;
        let ratio = bench.results.ratio_between((load, FILES_SUBJECT), (disk, FILES_SUBJECT));
        ratio.map(|ratio| ratio.median)
    };
    let full = screen(Mode::ScreenFull);
    let line = (screen(Mode::ScreenLine), FILES_SUBJECT);
    let line = bench.results.ratio_between((full, FILES_SUBJECT), line).map(|ratio| ratio.median);
    let flushes = bench.results.figure(file_create(), FILES_SUBJECT, |run| run.flushes);
    let listed = Case::new(file_list(), FILES_SUBJECT, Pace::Recorded);
    let listed = bench.counts.iter().find(|row| row.case == listed);
    let mut targets = vec![
        speed("4 KiB random read, depth 1, null-co", read(1), DEFAULT, 5.0, LINUX),
        speed("4 KiB random read, depth 32, null-co", read(32), DEFAULT, 7.0, LINUX),
        speed("4 KiB random read, depth 1, null-co", read(1), DEFAULT, 1.0, PEER),
        speed("4 KiB random read, depth 16, null-co", read(16), DEFAULT, 1.3, PEER),
        speed("4 KiB random read, depth 32, null-co", read(32), DEFAULT, 1.3, PEER),
        speed("4 KiB random read, depth 1, null-co, interrupts", read(1), IRQ, 2.0, LINUX),
        target(
            "the same, hybrid or polling (the better)",
            Times(3.0, LINUX),
            best_without_interrupts,
        ),
        speed("4 KiB random read, depth 32, null-co, interrupts", read(32), IRQ, 3.0, LINUX),
        speed(
            "4 KiB random write, depth 32, null-co, interrupts",
            random_write(NULL, 32),
            IRQ,
            3.0,
            LINUX,
        ),
        speed(
            "4 KiB random read, depth 32, raw file, interrupts",
            random_read(Medium::File, 32),
            IRQ,
            1.5,
            LINUX,
        ),
        speed(
            "128 KiB sequential read, depth 8, null-co, interrupts",
            sequential_read(NULL, 8),
            IRQ,
            1.3,
            LINUX,
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
        target("file of 64 MiB read, cold", OfDisk(0.8), of_disk(file_read())),
        speed("file of 64 MiB read, cold", file_read(), FILES_SUBJECT, 2.0, LINUX),
        target(
            "4 KiB random reads of a file, cold, 8 threads",
            OfDisk(0.7),
            of_disk(file_random_read()),
        ),
        speed(
            "4 KiB random reads of a file, cold, 8 threads",
            file_random_read(),
            FILES_SUBJECT,
            4.0,
            LINUX,
        ),
        speed("4 KiB files made and fsynced", file_create(), FILES_SUBJECT, 3.0, LINUX),
        target(
            "flushes per file made and fsynced",
            AtMost(2.0),
            flushes.map(|spread| spread.median),
        ),
        target(
            "guest instructions per entry of a directory",
            AtMost(150.0),
            listed.map(|row| row.counts.instructions),
        ),
        speed("every pixel of a screen of 1024 x 768", full, FILES_SUBJECT, 0.2, LINUX),
        speed("16 x 16 pixels of it", screen(Mode::ScreenRect), FILES_SUBJECT, 1.0, LINUX),
        target("a line of text on it, of what every pixel takes", AtMost(0.05), line),
    ];
    // Another processor has other instructions, and the peer is not measured on another bus.
    targets.retain(|target| match target.bound {
        Times(_, Subject::Peer(_)) => bench.board == Board::LAB,
        _ => bench.board.arch() == Arch::Riscv64 || !target.figure.starts_with(INSTRUCTIONS),
    });
    targets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds() {
        let missed_by = |bound, found| Target { figure: "", bound, found }.missed_by();
        assert_eq!(missed_by(Bound::Times(2.0, LINUX), Some(2.0)), Some(0.0));
        assert_eq!(missed_by(Bound::Times(2.0, LINUX), Some(1.5)), Some(0.5));
        assert_eq!(missed_by(Bound::Times(2.0, LINUX), Some(9.0)), Some(0.0));
        assert_eq!(missed_by(Bound::AtMost(2.0), Some(2.5)), Some(0.5));
        assert_eq!(missed_by(Bound::AtMost(2.0), Some(2.0)), Some(0.0));
        assert_eq!(missed_by(Bound::AtMost(2.0), None), None);
        assert_eq!(missed_by(Bound::OfDisk(0.75), Some(0.5)), Some(0.25));
    }
}
