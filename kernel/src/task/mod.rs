//! Tasks: the kernel's threads.
//!
//! [`spawn`] starts a task on a CPU, where it stays; [`JoinHandle::join`] waits for its end and returns
//! its result. A task has data of its own, which the code that runs in it gets by [`current_data`].
//!
//! Nothing is preempted: a task runs until it sleeps, yields or ends. `scheduler.rs` decides which comes
//! next.

mod scheduler;
#[cfg(ktest)]
mod tests;

use alloc::{sync::Arc, vec::Vec};
use core::{any::Any, fmt};

use ostd::{
    cpu::{CpuId, all_cpus},
    sync::{SpinLock, WaitQueue},
    task::{Task, TaskOptions},
};

use self::scheduler::Place;
pub use self::scheduler::init;

/// The reason for which a task could not be started: as a rule there is no memory for its stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpawnError(ostd::Error);

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the task cannot be started ({:?})", self.0)
    }
}

impl core::error::Error for SpawnError {}

/// OSTD's data of each task that is started here.
struct TaskData {
    place: Place,
    own: Arc<dyn Any + Send + Sync>,
}

impl TaskData {
    /// `None` for a task that was not started here, such as the one that runs the unit tests.
    fn of(task: &Task) -> Option<&Self> {
        task.data().downcast_ref()
    }
}

/// Starts a task on `cpu` that does `run`. The task keeps `data` until it has ended; `()` is for a task
/// that needs none.
///
/// May be called before there is a current task, once [`init`] has been.
///
/// # Errors
///
/// There is no memory for the task.
pub fn spawn<R: Send + 'static>(
    cpu: CpuId,
    data: impl Any + Send + Sync,
    run: impl FnOnce() -> R + Send + 'static,
) -> Result<JoinHandle<R>, SpawnError> {
    let end = Arc::new(End { result: SpinLock::new(None), reached: WaitQueue::new() });
    let handle = JoinHandle { end: end.clone() };
    let run = move || {
        let result = run();
        *end.result.lock() = Some(result);
        end.reached.wake_all();
    };
    start(Place::On(cpu), data, run)?;
    Ok(handle)
}

fn start(
    place: Place,
    data: impl Any + Send + Sync,
    run: impl FnOnce() + Send + 'static,
) -> Result<(), SpawnError> {
    let data = TaskData { place, own: Arc::new(data) };
    TaskOptions::new(run).data(data).spawn().map(|_| ()).map_err(SpawnError)
}

/// The data that the current task was given by [`spawn`]; `None` if they are of another type, or if the
/// current task was not started by it, or if there is none. An interrupt handler gets the data of the
/// task that it interrupts.
pub fn current_data<T: Any + Send + Sync>() -> Option<Arc<T>> {
    let task = Task::current()?;
    Arc::downcast(TaskData::of(&task)?.own.clone()).ok()
}

/// Waits for a task. The task runs on when this is dropped, and nobody gets its result.
pub struct JoinHandle<R> {
    end: Arc<End<R>>,
}

struct End<R> {
    result: SpinLock<Option<R>>,
    reached: WaitQueue,
}

impl<R> JoinHandle<R> {
    /// Sleeps until the task has ended, and returns its result.
    ///
    /// To be called in a task, not in interrupt context or while holding a spin lock.
    pub fn join(self) -> R {
        self.end.reached.wait_until(|| self.end.result.lock().take())
    }
}

/// Does `work` in so many tasks at once, spread over the CPUs, and waits for all of them. Each is
/// told its number, counted from 0, and the results are in the order of these numbers.
///
/// # Errors
///
/// There is no memory for all of the tasks; those that were started have ended.
pub fn run_in_tasks<R: Send + 'static>(
    tasks: usize,
    work: impl Fn(usize) -> R + Send + Sync + 'static,
) -> Result<Vec<R>, SpawnError> {
    let work = Arc::new(work);
    let cpus: Vec<_> = all_cpus().collect();
    let numbers_and_cpus = cpus.iter().cycle().take(tasks).enumerate();
    let started: Vec<_> = numbers_and_cpus
        .map(|(number, cpu)| {
            let work = work.clone();
            spawn(*cpu, (), move || work(number))
        })
        .collect();
    // Each is waited for before the first error is looked for.
    let ended: Vec<_> = started.into_iter().map(|task| task.map(JoinHandle::join)).collect();
    ended.into_iter().collect()
}
