//! Tasks: the kernel's threads.
//!
//! A [`Builder`] starts a task with a name on a CPU, where it stays; [`JoinHandle::join`] waits for its end
//! and returns its result. A task has a number, and data of its own, which the code that runs in it gets by
//! [`current_data`].
//!
//! ```text
//!   scheduler   which task comes next on a CPU
//!   list        the tasks there are
//!   sleep       waiting for a time
//!   work        the tasks that Ctrl-C stops together, and the checkpoints where they notice it
//! ```
//!
//! Nothing is preempted: a task runs until it sleeps, gives way or ends. One that computes for long calls
//! [`checkpoint`] every now and then. Locks that may be held while a task sleeps are OSTD's `Mutex` and
//! `RwMutex`.

mod list;
mod scheduler;
mod sleep;
#[cfg(ktest)]
mod tests;
mod work;

use alloc::{format, string::String, sync::Arc, vec::Vec};
use core::{
    any::Any,
    fmt,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use ostd::{
    cpu::{CpuId, all_cpus},
    sync::{SpinLock, WaitQueue},
    task::{Task, TaskOptions},
};

use self::scheduler::Place;
pub use self::{
    list::{Entry, State, all},
    scheduler::init,
    sleep::{sleep, ticks},
    work::{Interrupted, Work, checkpoint},
};

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
    number: u64,
    name: String,
    work: Option<Work>,
    /// It is over, though somebody may still hold the task, such as a queue that it has waited in.
    ended: AtomicBool,
    own: Arc<dyn Any + Send + Sync>,
}

impl TaskData {
    /// `None` for a task that was not started here, such as the one that runs the unit tests.
    fn of(task: &Task) -> Option<&Self> {
        task.data().downcast_ref()
    }
}

/// A task that is about to be started.
///
/// ```ignore
/// let task = Builder::new("adder").on(CpuId::bsp()).spawn(|| 1 + 1)?;
/// assert_eq!(task.join(), 2);
/// ```
pub struct Builder {
    name: String,
    cpu: Option<CpuId>,
    work: Option<Work>,
    data: Arc<dyn Any + Send + Sync>,
}

impl Builder {
    /// A task of this name, without data, as a part of the [`Work`] that the current task is a part of.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), cpu: None, work: Work::current(), data: Arc::new(()) }
    }

    /// On this CPU, instead of the one with the fewest tasks.
    pub fn on(self, cpu: CpuId) -> Self {
        Self { cpu: Some(cpu), ..self }
    }

    /// As a part of this work.
    pub fn part_of(self, work: &Work) -> Self {
        Self { work: Some(work.clone()), ..self }
    }

    /// With data of its own, which it keeps until it has ended.
    pub fn data(self, data: impl Any + Send + Sync) -> Self {
        Self { data: Arc::new(data), ..self }
    }

    /// Starts the task, which does `run`.
    ///
    /// May be called before there is a current task, once [`init`] has been.
    ///
    /// # Errors
    ///
    /// There is no memory for the task.
    pub fn spawn<R: Send + 'static>(
        self,
        run: impl FnOnce() -> R + Send + 'static,
    ) -> Result<JoinHandle<R>, SpawnError> {
        let end = Arc::new(End { result: SpinLock::new(None), reached: WaitQueue::new() });
        let handle = JoinHandle { end: end.clone() };
        let run = move || {
            let result = run();
            if let Some(task) = Task::current()
                && let Some(data) = TaskData::of(&task)
            {
                data.ended.store(true, Ordering::Relaxed);
            }
            *end.result.lock() = Some(result);
            end.reached.wake_all();
        };
        let cpu = self.cpu.unwrap_or_else(list::least_loaded);
        self.start(Place::On(cpu), run)?;
        Ok(handle)
    }

    fn start(self, place: Place, run: impl FnOnce() + Send + 'static) -> Result<(), SpawnError> {
        let data = self.into_data(place);
        let task = TaskOptions::new(run).data(data).build().map_err(SpawnError)?;
        let task = Arc::new(task);
        // Before it runs: it is in the list from its first instruction on.
        list::add(Arc::downgrade(&task));
        task.run();
        Ok(())
    }

    fn into_data(self, place: Place) -> TaskData {
        static STARTED: AtomicU64 = AtomicU64::new(0);

        TaskData {
            place,
            number: STARTED.fetch_add(1, Ordering::Relaxed),
            name: self.name,
            work: self.work,
            ended: AtomicBool::new(false),
            own: self.data,
        }
    }
}

/// The data that the current task was given by its [`Builder`]; `None` if they are of another type, or if the
/// current task was started otherwise, or if there is none. An interrupt handler gets the data of the
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
/// told its number, counted from 0, which is also behind `name` in its name, and the results are in the
/// order of these numbers.
///
/// # Errors
///
/// There is no memory for all of the tasks; those that were started have ended.
pub fn run_in_tasks<R: Send + 'static>(
    name: &str,
    tasks: usize,
    work: impl Fn(usize) -> R + Send + Sync + 'static,
) -> Result<Vec<R>, SpawnError> {
    let work = Arc::new(work);
    let cpus: Vec<_> = all_cpus().collect();
    let numbers_and_cpus = cpus.iter().cycle().take(tasks).enumerate();
    let started: Vec<_> = numbers_and_cpus
        .map(|(number, cpu)| {
            let work = work.clone();
            Builder::new(format!("{name} {number}")).on(*cpu).spawn(move || work(number))
        })
        .collect();
    // Each is waited for before the first error is looked for.
    let ended: Vec<_> = started.into_iter().map(|task| task.map(JoinHandle::join)).collect();
    ended.into_iter().collect()
}
