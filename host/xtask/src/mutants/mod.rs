//! Mutants: the driver core with one small mistake, which the unit tests should notice.
//!
//! All mutants are compiled into one kernel of unit tests for each crate, and the kernel command line says which
//! one is on: a mutant costs a boot, not a build. (cargo-mutants builds for each one, which would take hours.)

mod compiler;
mod equivalent;
mod find;
mod operators;
mod source;
mod splice;
mod summary;
mod tree;
mod trial;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fs,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use anyhow::{Result, ensure};
use clap::Args;
use lab::{process, workspace::Workspace};

use self::{
    source::{CRATES, Mutant},
    summary::{Fate, Progress, Summary},
    tree::Tree,
    trial::{Outcome, Tests, Trial},
};

/// The choice of mutants, and the machines they run on.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Only the mutants in files or functions whose name contains this.
    filter: Option<String>,
    /// The number of virtual machines that run at a time; by default one per processor, two at most.
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=16))]
    jobs: Option<u8>,
}

/// The unit tests of each crate.
type Trials = BTreeMap<&'static str, Trial>;

/// The verdicts of the tests, by the numbers of the mutants.
type Outcomes = BTreeMap<u32, Outcome>;

/// Tries the mutants; says whether none survived that should not.
pub fn run(workspace: &Workspace, options: &Options) -> Result<bool> {
    let begin = Instant::now();
    let source = source::read(workspace)?;
    let equivalents = equivalent::list(&source.mutants)?;
    let filter = options.filter.as_deref().unwrap_or_default();
    let chosen: Vec<_> = source.mutants.iter().filter(|mutant| mutant.matches(filter)).collect();
    ensure!(!chosen.is_empty(), "no file or function with mutants has {filter:?} in its name");

    println!("{} mutants; compiling all of them at once", chosen.len());
    let tree = Tree::make(workspace)?;
    let viable = tree.write(&source, &chosen)?;
    let mut trials = Trials::new();
    for name in CRATES {
        if viable.iter().any(|mutant| mutant.judges().contains(&name)) {
            let kernel = tree.build(name)?;
            println!("running the unit tests of {name} without a mutant");
            let log = workspace.log("mutants", name);
            trials.insert(name, Trial::prepare(workspace, kernel, &log)?);
        }
    }
    let (mut outcomes, mut left) = (Outcomes::new(), viable);
    let mut summary = Summary::default();
    for tests in [Tests::Quick, Tests::Slow] {
        println!("{} mutants for the {tests} tests", left.len());
        outcomes.extend(try_all(workspace, options, &trials, tests, &left)?);
        left.retain(|mutant| outcomes.get(&mutant.number) == Some(&Outcome::Survived));
        let fates = chosen.iter().map(|mutant| {
            let listed = equivalents.iter().any(|entry| entry.is(mutant));
            (*mutant, Fate::of(outcomes.get(&mutant.number), listed))
        });
        summary = Summary::new(fates.collect(), begin.elapsed());
        // Also in between: the slow tests take their time.
        summary.write(workspace)?;
    }
    print!("{summary}");
    Ok(summary.is_good())
}

/// Judges the mutants by some of the tests, a few mutants at a time.
fn try_all(
    workspace: &Workspace,
    options: &Options,
    trials: &Trials,
    tests: Tests,
    mutants: &[&Mutant],
) -> Result<Outcomes> {
    let processors = || thread::available_parallelism().map_or(1, |found| found.get().min(2));
    let jobs = options.jobs.map_or_else(processors, usize::from);
    let next = AtomicUsize::new(0);
    let progress = Mutex::new(Progress::begin(mutants.len()));
    let work = || -> Result<Outcomes> {
        let mut outcomes = Outcomes::new();
        while let Some(mutant) = mutants.get(next.fetch_add(1, Ordering::Relaxed)) {
            let outcome = judge(workspace, trials, tests, mutant)?;
            progress.lock().unwrap_or_else(PoisonError::into_inner).enter(&outcome);
            outcomes.insert(mutant.number, outcome);
        }
        Ok(outcomes)
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        let mut outcomes = Outcomes::new();
        for worker in workers {
            outcomes
                .extend(worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok(outcomes)
    })
}

/// Runs the unit tests of a mutant's own crate, and then those of who depends on it.
fn judge(workspace: &Workspace, trials: &Trials, tests: Tests, mutant: &Mutant) -> Result<Outcome> {
    let log = workspace.log("mutants", &format!("mutant-{}", mutant.number));
    process::new_log(&log)?;
    let mut outcome = Outcome::Survived;
    for trial in mutant.judges().iter().filter_map(|name| trials.get(name)) {
        outcome = trial.judge(mutant.number, tests, &log)?;
        if outcome != Outcome::Survived {
            break;
        }
    }
    // Only an error makes it interesting.
    let _ = fs::remove_file(&log);
    Ok(outcome)
}
