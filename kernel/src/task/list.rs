//! The tasks there are.

use alloc::{
    string::String,
    sync::{Arc, Weak},
    vec::Vec,
};
use core::sync::atomic::Ordering;

use ostd::{
    cpu::{CpuId, all_cpus},
    sync::SpinLock,
    task::{Task, scheduler::info::CommonSchedInfo},
};

use super::{TaskData, scheduler::Place};

/// The tasks that were started here and still exist; some that have ended are there for a while.
static TASKS: SpinLock<Vec<Weak<Task>>> = SpinLock::new(Vec::new());

/// A task, for people who ask which ones there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number. Tasks are numbered in the order in which they were started, from 0.
    pub number: u64,
    /// Its name.
    pub name: String,
    /// The CPU that it runs on.
    pub cpu: CpuId,
    /// The state that it was found in.
    pub state: State,
}

/// The state of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is the one that asks.
    Asking,
    /// It runs, or waits for its turn.
    Ready,
    /// It waits for something.
    Asleep,
    /// It runs when there is nothing else to do.
    Idle,
}

/// All tasks, in the order of their numbers.
pub fn all() -> Vec<Entry> {
    let asking = Task::current().and_then(|task| TaskData::of(&task).map(|data| data.number));
    let mut entries: Vec<_> = alive()
        .iter()
        .filter_map(|task| {
            let data = TaskData::of(task).filter(|data| !data.ended.load(Ordering::Relaxed))?;
            let (cpu, state) = match data.place {
                Place::IdleOf(cpu) => (cpu, State::Idle),
                Place::On(cpu) if asking == Some(data.number) => (cpu, State::Asking),
                Place::On(cpu) if task.cpu().get().is_some() => (cpu, State::Ready),
                Place::On(cpu) => (cpu, State::Asleep),
            };
            Some(Entry { number: data.number, name: data.name.clone(), cpu, state })
        })
        .collect();
    entries.sort_unstable_by_key(|entry| entry.number);
    entries
}

/// Adds a task that is about to run.
pub(super) fn add(task: Weak<Task>) {
    let mut tasks = TASKS.lock();
    tasks.retain(|task| task.strong_count() > 0);
    tasks.push(task);
}

/// The CPU with the fewest tasks; the first one of several.
pub(super) fn least_loaded() -> CpuId {
    let tasks = alive();
    let load = |cpu: &CpuId| {
        let is_there = |task: &&Arc<Task>| {
            TaskData::of(task).is_some_and(|data| {
                let is_here = matches!(data.place, Place::On(on) if on == *cpu);
                is_here && !data.ended.load(Ordering::Relaxed)
            })
        };
        tasks.iter().filter(is_there).count()
    };
    all_cpus().min_by_key(load).unwrap_or(CpuId::bsp())
}

/// The tasks that have not been dropped. Not under the lock: whoever drops the last handle of a task frees its
/// stack.
fn alive() -> Vec<Arc<Task>> {
    TASKS.lock().iter().filter_map(Weak::upgrade).collect()
}
