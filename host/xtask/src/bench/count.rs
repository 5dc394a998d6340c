//! Counting instead of timing: guest instructions and device accesses per request.
//!
//! Both kernels are counted from outside, by QEMU, in the same way. A guest is run twice from power
//! on to power off with different numbers of requests; the difference divided by the difference of
//! the numbers is the cost of one, free of booting. Under `-icount shift=0` every instruction takes a
//! nanosecond of the guest's time, so the figures hardly depend on the host.

use std::fmt;

use anyhow::Result;
use lab::qemu::{
    Guest,
    count::{self, Accesses, RECORD},
};

use super::{
    linux::{Linux, Scheduler},
    load::{Complete, Load, Medium},
    machine::Machine,
    ours::{self, Amount, Ours},
};

/// The numbers of requests of the two runs.
const COUNTED: [u64; 2] = [20_000, 60_000];
/// The same where every access leaves a line in a file.
const TRACED: [u64; 2] = [20_000, 24_000];
/// The same, for either, where each request takes its time.
const SLOW: [u64; 2] = [2_000, 4_000];
/// The number of runs of each for which instructions are counted.
const TRIES: u32 = 3;

/// The way in which QEMU runs a guest that is counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pace {
    /// It records, so every run is the same; but the disk answers at the notification.
    Recorded,
    /// The disk answers when it will.
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
    /// The kernel under test.
    Ours(&'a Ours, Complete),
    /// Linux.
    Linux(&'a Linux, Scheduler),
}

impl<'a> Counted<'a> {
    fn guest(self, load: Load, requests: u64) -> Guest<'a> {
        match self {
            Self::Ours(kernel, complete) => {
                kernel.guest(load, complete, Amount::Requests(requests), true)
            }
            Self::Linux(linux, scheduler) => {
                linux.guest(load, Amount::Requests(requests), scheduler)
            }
        }
    }

    /// The requests that a run of so many makes with its warm-up.
    fn issued(self, load: Load, requests: u64) -> f64 {
        match self {
            Self::Ours(..) => ours::issued(requests, load.depth) as f64,
            Self::Linux(..) => requests as f64,
        }
    }

    /// Counts under `load`. For the kernel under test the second figure is how many instructions
    /// a request takes by its own account.
    pub fn count(self, machine: &Machine, load: Load, pace: Pace) -> Result<(Counts, Option<f64>)> {
        let qemu = machine
            .qemu(load.medium)
            .option("-icount", if pace == Pace::Recorded { RECORD } else { "shift=0" });
        let (counted, traced) =
            if load.medium == Medium::Slow { (SLOW, SLOW) } else { (COUNTED, TRACED) };
        let between = |[few, many]: [u64; 2]| self.issued(load, many) - self.issued(load, few);

        let mut own = None;
        let mut once = |requests| -> Result<f64> {
            let guest = self.guest(load, requests);
            let (count, output) =
                count::instructions(&qemu, &guest, machine.limit(180), &machine.log)?;
            if let Self::Ours(..) = self {
                own = ours::figures(&output)?["instructions"].as_f64();
            }
            Ok(count as f64)
        };
        // A guest waits actively for a busy host now and then, when it switches off for instance.
        // That only ever adds instructions: the least of a few runs is without it.
        let mut least = |requests| -> Result<f64> {
            let mut least = once(requests)?;
            for _ in 1..TRIES {
                least = least.min(once(requests)?);
            }
            Ok(least)
        };
        let [few, many] = counted;
        let instructions = (least(many)? - least(few)?) / between(counted);

        let accesses = |requests| -> Result<Accesses> {
            let guest = self.guest(load, requests);
            Ok(count::accesses(&qemu, &guest, machine.limit(180), &machine.log)?.0)
        };
        let [few, many] = traced;
        let accesses = (accesses(many)? - accesses(few)?) / between(traced);
        Ok((Counts { instructions, accesses }, own))
    }
}
