//! Counting instead of timing: guest instructions and device accesses per request.
//!
//! All kernels are counted from outside, by QEMU, in the same way. A guest is run twice from power
//! on to power off with different numbers of requests; the difference divided by the difference of
//! the numbers, those of the warm-up included, is the cost of one, free of booting.

use std::fmt;

use anyhow::{Context, Result};
use lab::qemu::{
    Guest,
    count::{self, Accesses, RECORD},
};

use super::{
    images::ENTRIES,
    job::{self, Amount, Kernel},
    linux::{Linux, Scheduler},
    load::{
        Complete, FILES_SUBJECT, Load, Medium, Mode, Subject, file_list, random_read, small_read,
    },
    machine::Machine,
};

/// The numbers of requests of the two runs.
const COUNTED: [u64; 2] = [20_000, 60_000];
/// The same where every access leaves a line in a file.
const TRACED: [u64; 2] = [20_000, 24_000];
/// The same, for either, where each request takes its time.
const SLOW: [u64; 2] = [2_000, 4_000];
/// The numbers of listings.
const LISTINGS: [u64; 2] = [10, 60];
/// The number of runs of each for which instructions are counted.
const TRIES: u32 = 3;

/// The way in which QEMU runs a guest that is counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pace {
    /// It records, so every run is the same; but the disk answers at the notification.
    Recorded,
    /// As in the timed runs: the disk answers when it will.
    Free,
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Recorded => "recorded",
            Self::Free => "free",
        })
    }
}

/// One thing to count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Case {
    /// The load.
    pub load: Load,
    /// The system under it.
    pub subject: Subject,
    /// Linux's I/O scheduler.
    pub scheduler: Scheduler,
    /// The way in which QEMU runs.
    pub pace: Pace,
}

impl Case {
    /// A case without a choice of Linux's I/O scheduler.
    pub const fn new(load: Load, subject: Subject, pace: Pace) -> Self {
        Self { load, subject, scheduler: Scheduler::Default, pace }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let note = if self.scheduler == Scheduler::None { " without I/O scheduler" } else { "" };
        f.pad(&format!("{}, {}{note}", self.load, self.subject))
    }
}

/// All cases. The first four are the four ways that a read can go in this kernel.
pub fn cases() -> Vec<Case> {
    const IRQ: Complete = Complete::Irq;
    const POLL: Complete = Complete::Poll;

    let [one, many] = [1, 32].map(|depth| random_read(Medium::Null, depth));
    let asleep = random_read(Medium::Slow, 1);
    let mut cases = vec![
        Case::new(many, Subject::Ours(IRQ), Pace::Free),
        Case::new(one, Subject::Ours(POLL), Pace::Recorded),
        Case::new(small_read(Medium::Null), Subject::Ours(Complete::Blocking), Pace::Recorded),
        Case::new(asleep, Subject::Ours(IRQ), Pace::Free),
        Case::new(many, Subject::Peer(IRQ), Pace::Free),
        Case::new(asleep, Subject::Peer(IRQ), Pace::Free),
    ];
    for load in [one, many] {
        let subjects = [
            Subject::Ours(Complete::Adaptive),
            Subject::Ours(IRQ),
            Subject::Ours(Complete::Hybrid),
            Subject::Peer(IRQ),
            Subject::Peer(POLL),
            Subject::Linux,
        ];
        cases.extend(subjects.map(|subject| Case::new(load, subject, Pace::Recorded)));
        let linux = Case::new(load, Subject::Linux, Pace::Recorded);
        cases.push(Case { scheduler: Scheduler::None, ..linux });
    }
    cases.push(Case::new(file_list(), FILES_SUBJECT, Pace::Recorded));
    cases
}

/// Costs of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counts {
    /// Guest instructions.
    pub instructions: f64,
    /// Accesses to registers.
    pub accesses: Accesses,
}

/// A system under a counted load.
#[derive(Clone, Copy)]
pub enum Counted<'a> {
    /// A kernel with the bench job.
    Kernel(&'a Kernel, Complete),
    /// Linux.
    Linux(&'a Linux, Scheduler),
}

impl<'a> Counted<'a> {
    fn guest(self, load: Load, requests: u64) -> Guest<'a> {
        match self {
            Self::Kernel(kernel, complete) => {
                kernel.guest(load, complete, Amount::Requests(requests))
            }
            Self::Linux(linux, scheduler) => {
                linux.guest(load, Amount::Requests(requests), scheduler)
            }
        }
    }

    /// The requests that a run of so many makes with its warm-up; the entries listed where it is about files.
    fn issued(self, load: Load, requests: u64) -> f64 {
        match self {
            // A run that is not told before the one that is.
            Self::Kernel(..) if load.mode == Mode::FileList => (2 * requests * ENTRIES) as f64,
            Self::Kernel(..) => job::issued(requests, load.depth) as f64,
            Self::Linux(..) => requests as f64,
        }
    }

    /// Counts under `load`.
    ///
    /// # Errors
    ///
    /// A run failed, or QEMU does not count.
    pub fn count(self, machine: &Machine, load: Load, pace: Pace) -> Result<Counts> {
        let mut qemu = machine.qemu(load.medium);
        if pace == Pace::Recorded {
            qemu = qemu.icount(RECORD);
        }
        let limit = machine.limit(180);
        let (counted, traced) = match load.medium {
            Medium::Slow => (SLOW, SLOW),
            Medium::Files => (LISTINGS, LISTINGS),
            _ => (COUNTED, TRACED),
        };
        let between = |[few, many]: [u64; 2]| self.issued(load, many) - self.issued(load, few);

        // A guest waits actively for a busy host now and then, when it switches off for instance.
        // That only ever adds instructions: the least of a few runs is without it.
        let least = |requests| -> Result<f64> {
            let guest = self.guest(load, requests);
            let mut least = u64::MAX;
            for _ in 0..TRIES {
                least = least.min(count::instructions(&qemu, &guest, limit, &machine.log)?);
            }
            Ok(least as f64)
        };
        let [few, many] = counted;
        // What mounting costs differs from run to run by more than a directory costs: the kernel's own counter tells
        // the listings alone.
        let told = || -> Result<f64> {
            let output = machine.boot(&self.guest(load, many), &qemu, 60)?;
            let figures = job::figures("fsbench", &output)?;
            figures["instructions"].as_f64().context("the kernel has not counted instructions")
        };
        let instructions = match load.mode {
            Mode::FileList => told()?,
            _ => (least(many)? - least(few)?) / between(counted),
        };

        let accesses = |requests| -> Result<Accesses> {
            let guest = self.guest(load, requests);
            Ok(count::accesses(&qemu, &guest, limit, &machine.log)?.0)
        };
        let [few, many] = traced;
        let accesses = (accesses(many)? - accesses(few)?) / between(traced);
        Ok(Counts { instructions, accesses })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_counted_twice() {
        let cases = cases();
        for (at, case) in cases.iter().enumerate() {
            assert!(!cases[..at].contains(case), "{case}, {}", case.pace);
        }
    }

    #[test]
    fn the_four_ways_are_told_apart() {
        let names: Vec<_> =
            cases()[..4].iter().map(|case| format!("{case}, {}", case.pace)).collect();
        assert_eq!(
            names,
            [
                "null-co, randread 4 KiB, depth 32, this kernel (irq), free",
                "null-co, randread 4 KiB, depth 1, this kernel (poll), recorded",
                "null-co, randread 512 bytes, depth 1, this kernel (blocking), recorded",
                "slow null-co, randread 4 KiB, depth 1, this kernel (irq), free",
            ]
        );
    }
}
