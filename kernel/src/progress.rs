//! A watch over the run: when nothing gets on for long, it says on the console what is waited for.
//!
//! Whoever is about to wait calls [`begin`] with a [`Step`], and drops what that returns when the wait is
//! over. Progress is a step that begins or ends, and what [`made`] reports.

use alloc::vec::Vec;
use core::{
    fmt,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

use ostd::{
    sync::{LocalIrqDisabled, SpinLock},
    timer::{TIMER_FREQ, register_callback_on_cpu},
};

use crate::console::println;

/// The ticks of the timer without progress after which the first line is due: 10 seconds.
const FIRST_LINE: u64 = 10 * TIMER_FREQ;

/// Something that takes its time, for people to read: `flushing`, or with a number `reading sector 7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    doing: &'static str,
    number: Option<u64>,
}

impl Step {
    /// A step of which `doing` says all up to the number at its end.
    pub const fn numbered(doing: &'static str, number: u64) -> Self {
        Self { doing, number: Some(number) }
    }
}

impl From<&'static str> for Step {
    fn from(doing: &'static str) -> Self {
        Self { doing, number: None }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.doing)?;
        self.number.map_or(Ok(()), |number| write!(f, " {number}"))
    }
}

/// The ticks of the watch's timer since the last progress.
///
/// Ticks and not the time of the clock: what a stalled host takes away from the machine is no wait.
struct Standstill(AtomicU64);

static STANDSTILL: Standstill = Standstill::new();

impl Standstill {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    fn end(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// Counts one tick. Returns the seconds of the standstill when they are to be told: 10, 20, 40, and so
    /// on, twice as many each time.
    fn tick(&self) -> Option<u64> {
        let ticks = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        let is_due = ticks.is_multiple_of(FIRST_LINE) && (ticks / FIRST_LINE).is_power_of_two();
        is_due.then_some(ticks / TIMER_FREQ)
    }
}

/// The waits for a person that are going on.
static PAUSES: AtomicUsize = AtomicUsize::new(0);

static STEPS: SpinLock<Steps, LocalIrqDisabled> = SpinLock::new(Steps::new());

/// The steps that have begun and not ended, the oldest first.
struct Steps {
    begun: u64,
    open: Vec<(u64, Step)>,
}

impl Steps {
    const fn new() -> Self {
        Self { begun: 0, open: Vec::new() }
    }

    fn begin(&mut self, step: Step) -> u64 {
        self.begun += 1;
        self.open.push((self.begun, step));
        self.begun
    }

    fn end(&mut self, number: u64) {
        self.open.retain(|open| open.0 != number);
    }

    fn waited_for(&self) -> WaitedFor {
        let oldest = self.open.first().map(|(_, step)| *step);
        WaitedFor { oldest, others: self.open.len().saturating_sub(1) }
    }
}

struct WaitedFor {
    oldest: Option<Step>,
    others: usize,
}

impl fmt::Display for WaitedFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.oldest {
            Some(step) => write!(f, "{step}")?,
            None => f.write_str("something that has no name")?,
        }
        match self.others {
            0 => Ok(()),
            others => write!(f, ", and {others} more"),
        }
    }
}

/// Says that a step begins. It ends when what is returned is dropped.
///
/// Callable in any context.
pub fn begin(step: impl Into<Step>) -> OpenStep {
    let number = STEPS.lock().begin(step.into());
    made();
    OpenStep { number }
}

/// A step that has begun and not ended.
#[must_use]
pub struct OpenStep {
    number: u64,
}

impl Drop for OpenStep {
    fn drop(&mut self) {
        STEPS.lock().end(self.number);
        made();
    }
}

/// Says that nobody is to be told of a standstill until what is returned is dropped: a person is waited for.
pub fn pause() -> Pause {
    PAUSES.fetch_add(1, Ordering::Relaxed);
    Pause(())
}

/// A wait for a person.
#[must_use]
pub struct Pause(());

impl Drop for Pause {
    fn drop(&mut self) {
        PAUSES.fetch_sub(1, Ordering::Relaxed);
        made();
    }
}

/// Says that there is progress within a step. A single store, for code that counts its instructions.
pub fn made() {
    STANDSTILL.end();
}

/// Watches over `job` from now on, with each tick of the current CPU's timer. To be called once.
///
/// After 10 s without progress it prints `job NAME: waiting for 10 s: STEP`, where STEP is the oldest that
/// has not ended, and again each time that the wait has doubled.
pub fn watch(job: &'static str) {
    register_callback_on_cpu(move || {
        if let Some(seconds) = tick() {
            let step = STEPS.lock().waited_for();
            println!("job {job}: waiting for {seconds} s: {step}");
        }
    });
}

/// Counts one tick. Returns the seconds of the standstill when they are to be told.
fn tick() -> Option<u64> {
    if PAUSES.load(Ordering::Relaxed) > 0 {
        made();
        return None;
    }
    STANDSTILL.tick()
}

#[cfg(ktest)]
mod tests {
    use alloc::{format, string::ToString};

    use ostd::prelude::ktest;

    use super::*;

    /// The lines that are due within so many seconds without progress, each with the second it is due in.
    fn lines(standstill: &Standstill, seconds: u64) -> Vec<(u64, u64)> {
        (1..=seconds * TIMER_FREQ)
            .filter_map(|tick| standstill.tick().map(|told| (tick / TIMER_FREQ, told)))
            .collect()
    }

    #[ktest]
    fn a_wait_is_told_after_10_seconds_and_then_rarely() {
        let standstill = Standstill::new();
        assert_eq!(lines(&standstill, 100), [(10, 10), (20, 20), (40, 40), (80, 80)]);
        standstill.end();
        assert_eq!(lines(&standstill, 19), [(10, 10)]);
    }

    #[ktest]
    fn nothing_is_told_where_there_is_progress() {
        let standstill = Standstill::new();
        for _ in 0..5 {
            assert_eq!(lines(&standstill, 9), []);
            standstill.end();
        }
    }

    #[ktest]
    fn a_wait_for_a_person_is_no_standstill() {
        let pause = pause();
        assert!((0..=FIRST_LINE).all(|_| tick().is_none()));
        drop(pause);
        assert_eq!((0..FIRST_LINE).filter_map(|_| tick()).count(), 1);
        made();
    }

    #[ktest]
    fn the_oldest_open_step_is_named() {
        let mut steps = Steps::new();
        let named = |steps: &Steps| steps.waited_for().to_string();
        assert_eq!(named(&steps), "something that has no name");
        let first = steps.begin(Step::numbered("reading sector", 0));
        assert_eq!(named(&steps), "reading sector 0");
        let second = steps.begin("flushing".into());
        assert_eq!(named(&steps), "reading sector 0, and 1 more");
        steps.end(first);
        assert_eq!(named(&steps), "flushing");
        steps.end(second);
        assert!(steps.open.is_empty());
    }

    #[ktest]
    fn a_step_is_open_until_it_is_dropped() {
        let step = Step::numbered("testing", 77);
        let is_open = || STEPS.lock().open.iter().any(|(_, open)| *open == step);
        // Nothing watches over the unit tests, so these are the only ticks.
        let ticks = || STANDSTILL.0.load(Ordering::Relaxed);
        STANDSTILL.tick();
        let open = begin(step);
        assert!(is_open() && ticks() == 0);
        STANDSTILL.tick();
        drop(open);
        assert!(!is_open() && ticks() == 0);
        assert_eq!(format!("{step}"), "testing 77");
    }
}
