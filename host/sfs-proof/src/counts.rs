//! Counts of what was tried, and the run through all cases.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    process::exit,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

use indicatif::{ParallelProgressIterator, ProgressBar, ProgressStyle};
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use crate::run::calmly;

/// A case that takes longer than this does not end: the slowest takes a few seconds.
const STUCK: Duration = Duration::from_secs(600);

/// Counts of things that have happened, by their names.
#[derive(Clone, Debug, Default)]
pub struct Counts(BTreeMap<&'static str, u64>);

impl Counts {
    /// Counts one.
    pub fn add(&mut self, name: &'static str) {
        self.add_many(name, 1);
    }

    /// Counts several.
    pub fn add_many(&mut self, name: &'static str, count: u64) {
        *self.0.entry(name).or_default() += count;
    }

    /// Keeps the larger number.
    pub fn most(&mut self, name: &'static str, count: u64) {
        let known = self.0.entry(name).or_default();
        *known = count.max(*known);
    }

    fn join(mut self, other: Self) -> Self {
        for (name, count) in other.0 {
            match name.ends_with(" at most") {
                true => self.most(name, count),
                false => self.add_many(name, count),
            }
        }
        self
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts: Vec<String> =
            self.0.iter().map(|(name, count)| format!("{count} {name}")).collect();
        f.write_str(&counts.join(", "))
    }
}

/// A case that did not go as it must.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The seed of the case alone.
    pub seed: u64,
    /// All that has happened, for people.
    pub words: String,
}

/// Runs a case for each seed from `first` on, on all processors. A failure ends the run; of several, the one with the
/// lowest seed is reported, so that the same run fails the same way.
///
/// # Errors
///
/// The case that failed. A panic is a failure.
pub fn all(
    name: &str,
    first: u64,
    count: u64,
    case: impl Fn(u64) -> Result<Counts, String> + Sync,
) -> Result<Counts, Violation> {
    let failed = AtomicU64::new(u64::MAX);
    let running: Mutex<HashMap<ThreadId, (u64, Instant)>> = Mutex::default();
    let bar = ProgressBar::new(count);
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len}, {eta} left") {
        bar.set_style(style);
    }
    bar.set_message(name.to_owned());
    let run = |index: u64| -> Result<Counts, Violation> {
        let seed = first.wrapping_add(index);
        if index > failed.load(Ordering::Relaxed) {
            return Ok(Counts::default());
        }
        let locked = || running.lock().unwrap_or_else(PoisonError::into_inner);
        locked().insert(thread::current().id(), (seed, Instant::now()));
        let result = calmly(|| case(seed)).and_then(|result| result);
        locked().remove(&thread::current().id());
        result.map_err(|words| {
            failed.fetch_min(index, Ordering::Relaxed);
            Violation { seed, words }
        })
    };
    let done = Mutex::new(false);
    thread::scope(|scope| {
        scope.spawn(|| watch(name, &running, &done));
        let result = (0..count).into_par_iter().progress_with(bar.clone()).map(run).reduce(
            || Ok(Counts::default()),
            |one, two| match (one, two) {
                (Ok(one), Ok(two)) => Ok(one.join(two)),
                (Err(one), Err(two)) => Err(if one.seed <= two.seed { one } else { two }),
                (Err(one), _) | (_, Err(one)) => Err(one),
            },
        );
        *done.lock().unwrap_or_else(PoisonError::into_inner) = true;
        bar.finish_and_clear();
        result
    })
}

/// Ends the program if a case does not end: a thread cannot be ended otherwise.
fn watch(name: &str, running: &Mutex<HashMap<ThreadId, (u64, Instant)>>, done: &Mutex<bool>) {
    while !*done.lock().unwrap_or_else(PoisonError::into_inner) {
        thread::sleep(Duration::from_millis(20));
        let running = running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((seed, _)) = running.values().find(|(_, start)| start.elapsed() > STUCK) {
            println!("{name}: seed {seed} does not end");
            exit(1);
        }
    }
}
