//! Random devices: what they do wrong, and when, comes from a seed.
//!
//! A *device step* is one thing that a device does: takes or returns a chain, rightly or not; writes
//! to a ring, a buffer or the configuration space; lies in a register; raises an interrupt. A *case*
//! is one seed: a device with its own temper, from correct to vicious, and a driver that is used
//! all the while. The same seed gives the same case, step by step; the seeds are fixed. When a
//! case fails, its seed and step stand on the console, and [`REPLAY`] runs it alone.
//!
//! [`queue`] checks the virtqueue, which all drivers share, against an oracle that predicts every answer;
//! [`sleepers`] is about tasks that sleep; [`input`] is a keyboard, and [`gpu`] a GPU. The others are a random disk: [`device`] and [`lies`]
//! are what it does, [`user`] uses it, and [`disk`] checks what the block device owes its user:
//!
//! - no panic, and no work without end: each call of the driver touches a bounded number of registers;
//! - every request that was taken gets one answer and no more;
//! - a request is reported as done only if the device has *delivered* all of it. It has delivered the
//!   part that a chain moves when it wrote status 0 to that chain, and after that put the
//!   chain into the used ring with a length that covers the whole answer (any length on a
//!   legacy device). A device that does so over data that it left half-written or wrote wrongly has
//!   lied in a way that no driver can see; but what the reader gets must be exactly what the device
//!   left in that chain's memory, and not, for one, that of another request;
//! - whatever the device was given lies in DMA memory, and stays there until it was returned, or until
//!   the device was reset and has said so;
//! - nothing is missing in the end: the queue takes as many requests as at the beginning, and the
//!   system has as much free memory as before.

mod device;
mod disk;
#[cfg(feature = "display")]
mod gpu;
mod input;
mod leaked;
mod ledger;
mod lies;
mod queue;
mod registers;
mod sleepers;
mod user;

use core::{
    ops::Range,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

use ostd::{mm::PAGE_SIZE, prelude::println};

/// Set this to the seed of a case that failed, and run its test alone, with
/// `cargo osdk test --target-arch=riscv64 NAME`.
const REPLAY: Option<u64> = None;

/// The tests of this module; the last one to end prints the sum.
const TESTS: usize = if cfg!(feature = "display") { 7 } else { 6 };

/// The least number of device steps in all tests together.
const GOAL: u64 = 2_000_000;

/// The sums over all cases so far.
#[derive(Debug)]
struct Totals {
    cases: AtomicU64,
    steps: AtomicU64,
    requests: AtomicU64,
    succeeded: AtomicU64,
    restarts: AtomicU64,
    deaths: AtomicU64,
    ended: AtomicUsize,
}

/// The number of device steps of the present case so far.
static STEP: AtomicU64 = AtomicU64::new(0);

static TOTALS: Totals = Totals {
    cases: AtomicU64::new(0),
    steps: AtomicU64::new(0),
    requests: AtomicU64::new(0),
    succeeded: AtomicU64::new(0),
    restarts: AtomicU64::new(0),
    deaths: AtomicU64::new(0),
    ended: AtomicUsize::new(0),
};

/// The counts of one case.
#[derive(Clone, Copy, Debug, Default)]
struct Outcome {
    steps: u64,
    requests: u64,
    /// Requests that were done.
    succeeded: u64,
    /// The number of times that the device, or its queue, was reset and used again.
    restarts: u64,
    /// True if the device was given up.
    died: bool,
    /// Pages that were left to a device on purpose, as it did not let go of them.
    leaked_pages: usize,
}

/// The most memory of the heap that may be lost with what was left to a device on purpose: small
/// objects, each of which keeps its neighbours' pages from being free.
const HEAP_OF_LEAKED: isize = 256 * 1024;

/// The number of times that a case is run again before missing memory counts as lost. The heap
/// keeps some pages for later when a case needs more than those before it, or its caches fill up
/// in another way; a leak is there every time.
const HEAP_SETTLES: usize = 8;

/// Runs a case for each seed, and checks that it loses no memory, apart from what it says.
fn run(name: &str, seeds: Range<u64>, case: impl Fn(u64) -> Outcome) {
    for seed in REPLAY.map_or(seeds, |seed| seed..seed + 1) {
        let run = || {
            let free = osdk_frame_allocator::load_total_free_size();
            let outcome = Case { name, seed }.run(&case);
            (outcome, free as isize - osdk_frame_allocator::load_total_free_size() as isize)
        };
        let (mut outcome, mut lost) = run();
        for _ in 0..HEAP_SETTLES {
            if lost <= 0 || outcome.leaked_pages > 0 {
                break;
            }
            (outcome, lost) = run();
        }
        let left = (outcome.leaked_pages * PAGE_SIZE) as isize;
        let heap = if left > 0 { HEAP_OF_LEAKED } else { 0 };
        assert!(
            (left..=left + heap).contains(&lost) || left == 0 && lost < 0,
            "fuzz: {name} with seed {seed} has lost {lost} bytes of memory, {left} on purpose"
        );
        TOTALS.add(outcome);
    }
    TOTALS.end_of_test();
}

/// Names the case when it panics.
struct Case<'a> {
    name: &'a str,
    seed: u64,
}

impl Case<'_> {
    fn run(self, case: &impl Fn(u64) -> Outcome) -> Outcome {
        STEP.store(0, Ordering::Relaxed);
        let outcome = case(self.seed);
        core::mem::forget(self);
        outcome
    }
}

impl Drop for Case<'_> {
    fn drop(&mut self) {
        let Self { name, seed } = self;
        let step = STEP.load(Ordering::Relaxed);
        println!(
            "\nfuzz: {} failed with seed {} at device step {}; \
             to run that case alone, set REPLAY to the seed in {}",
            name,
            seed,
            step,
            file!()
        );
    }
}

impl Totals {
    fn add(&self, outcome: Outcome) {
        self.cases.fetch_add(1, Ordering::Relaxed);
        self.steps.fetch_add(outcome.steps, Ordering::Relaxed);
        self.requests.fetch_add(outcome.requests, Ordering::Relaxed);
        self.succeeded.fetch_add(outcome.succeeded, Ordering::Relaxed);
        self.restarts.fetch_add(outcome.restarts, Ordering::Relaxed);
        self.deaths.fetch_add(outcome.died.into(), Ordering::Relaxed);
    }

    fn end_of_test(&self) {
        if self.ended.fetch_add(1, Ordering::Relaxed) + 1 < TESTS {
            return;
        }
        let get = |total: &AtomicU64| total.load(Ordering::Relaxed);
        println!(
            "\nfuzz: {} device steps, {} requests, {} of them done, {} restarts, {} devices given \
             up, {} cases",
            get(&self.steps),
            get(&self.requests),
            get(&self.succeeded),
            get(&self.restarts),
            get(&self.deaths),
            get(&self.cases)
        );
        assert!(REPLAY.is_some() || get(&self.steps) >= GOAL, "too few steps");
    }
}
