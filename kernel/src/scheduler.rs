//! The task scheduler: each CPU runs its own tasks in the order in which they became ready.
//!
//! A task stays on the CPU that [`spawn_on`] gave it; one that was spawned otherwise runs on the boot
//! CPU. Nothing is preempted: a task runs until it sleeps, yields or ends. A CPU with nothing to
//! do runs its idle task, which halts it until an interrupt, so that an emulator's host is not
//! kept busy. OSTD's own scheduler uses the boot CPU only, and spins where this one halts.

use alloc::{boxed::Box, collections::VecDeque, sync::Arc, vec::Vec};

use ostd::{
    boot::smp,
    cpu::{CpuId, PinCurrentCpu, all_cpus},
    sync::{LocalIrqDisabled, SpinLock, WaitQueue},
    task::{
        Task, TaskOptions, disable_preempt, halt_cpu,
        scheduler::{
            EnqueueFlags, LocalRunQueue, Scheduler, UpdateFlags, enable_preemption_on_cpu,
            info::CommonSchedInfo, inject_scheduler,
        },
    },
    util::id_set::Id,
};

/// Tasks that one CPU can have ready without allocating memory, which waking a task from an
/// interrupt should not have to do.
const READY_CAPACITY: usize = 256;

/// Puts the scheduler in place and starts the other CPUs. To be called once, before any task.
///
/// # Errors
///
/// There is no memory for the boot CPU's idle task.
pub fn init() -> Result<(), ostd::Error> {
    let cpus = all_cpus().map(|_| SpinLock::new(RunQueue::new())).collect();
    inject_scheduler(Box::leak(Box::new(PerCpu { cpus })));
    smp::register_ap_entry(|| {
        if let Err(error) = spawn_idle() {
            log::error!("a CPU stays unused: {error:?}");
        }
    });
    spawn_idle()
}

/// Starts a task on `cpu`.
///
/// # Errors
///
/// There is no memory for it.
pub fn spawn_on(cpu: CpuId, run: impl FnOnce() + Send + 'static) -> Result<(), ostd::Error> {
    TaskOptions::new(run).data(Home(cpu)).spawn().map(|_| ())
}

/// Does `work` in so many tasks at once, spread over the CPUs, and waits for all of them. Each is
/// told its number, counted from 0; the results come in the order in which the tasks end.
///
/// # Errors
///
/// There is no memory for all of the tasks; those that were started have ended.
pub fn run_in_tasks<R: Send + 'static>(
    tasks: usize,
    work: impl Fn(usize) -> R + Send + Sync + 'static,
) -> Result<Vec<R>, ostd::Error> {
    struct Shared<R> {
        results: SpinLock<Vec<R>>,
        ended: WaitQueue,
    }
    let results = SpinLock::new(Vec::with_capacity(tasks));
    let shared = Arc::new(Shared { results, ended: WaitQueue::new() });
    let work = Arc::new(work);
    let cpus: Vec<_> = all_cpus().collect();
    let mut started = 0;
    let mut spawned = Ok(());
    for (number, cpu) in cpus.iter().cycle().take(tasks).enumerate() {
        let (shared, work) = (shared.clone(), work.clone());
        spawned = spawn_on(*cpu, move || {
            let result = work(number);
            shared.results.lock().push(result);
            shared.ended.wake_all();
        });
        if spawned.is_err() {
            break;
        }
        started += 1;
    }
    shared.ended.wait_until(|| (shared.results.lock().len() == started).then_some(()));
    spawned.map(|()| core::mem::take(&mut *shared.results.lock()))
}

/// Starts the current CPU's idle task, and has its timer look whether the CPU is idle without need.
fn spawn_idle() -> Result<(), ostd::Error> {
    enable_preemption_on_cpu();
    let cpu = disable_preempt().current_cpu();
    let idle = || {
        loop {
            halt_cpu();
        }
    };
    TaskOptions::new(idle).data(IdleOf(cpu)).spawn().map(|_| ())
}

/// Where a task belongs; the data of a task made by [`spawn_on`].
#[derive(Clone, Copy)]
struct Home(CpuId);

/// The data of an idle task.
#[derive(Clone, Copy)]
struct IdleOf(CpuId);

struct PerCpu {
    cpus: Vec<SpinLock<RunQueue, LocalIrqDisabled>>,
}

impl PerCpu {
    fn with_local(&self, f: impl FnOnce(&mut RunQueue)) {
        let guard = disable_preempt();
        if let Some(queue) = self.cpus.get(guard.current_cpu().as_usize()) {
            f(&mut queue.lock());
        }
    }
}

impl Scheduler for PerCpu {
    fn enqueue(&self, task: Arc<Task>, _flags: EnqueueFlags) -> Option<CpuId> {
        if let Some(IdleOf(cpu)) = task.data().downcast_ref().copied() {
            task.cpu().set_anyway(cpu);
            self.cpus.get(cpu.as_usize())?.lock().idle = Some(task);
            return None;
        }
        let cpu = task.data().downcast_ref().map_or(CpuId::bsp(), |Home(cpu)| *cpu);
        let mut queue = self.cpus.get(cpu.as_usize())?.lock();
        // A task that has a CPU is running, on its way to sleep: it looks once more, under this
        // lock, whether it has been woken.
        if task.cpu().set_if_is_none(cpu).is_err() {
            return None;
        }
        queue.ready.push_back(task);
        // Only an idle CPU is interrupted.
        queue.is_idle().then_some(cpu)
    }

    fn local_rq_with(&self, f: &mut dyn FnMut(&dyn LocalRunQueue)) {
        self.with_local(|queue| f(queue));
    }

    fn mut_local_rq_with(&self, f: &mut dyn FnMut(&mut dyn LocalRunQueue)) {
        self.with_local(|queue| f(queue));
    }
}

struct RunQueue {
    current: Option<Arc<Task>>,
    ready: VecDeque<Arc<Task>>,
    idle: Option<Arc<Task>>,
}

impl RunQueue {
    fn new() -> Self {
        Self { current: None, ready: VecDeque::with_capacity(READY_CAPACITY), idle: None }
    }

    fn is_idle(&self) -> bool {
        match (&self.current, &self.idle) {
            (Some(current), Some(idle)) => Arc::ptr_eq(current, idle),
            (current, _) => current.is_none(),
        }
    }
}

impl LocalRunQueue for RunQueue {
    fn current(&self) -> Option<&Arc<Task>> {
        self.current.as_ref()
    }

    fn update_current(&mut self, flags: UpdateFlags) -> bool {
        let idle = self.idle.is_some();
        match flags {
            // OSTD 0.18.0 may lose the interrupt that tells an idle CPU of a ready task (see `arch::io_memory`);
            // then the next tick of the CPU's timer does it.
            UpdateFlags::Tick => self.is_idle() && !self.ready.is_empty(),
            UpdateFlags::Yield => !self.ready.is_empty() || (self.current.is_none() && idle),
            UpdateFlags::Wait | UpdateFlags::Exit => !self.ready.is_empty() || idle,
        }
    }

    fn pick_next(&mut self) -> &Arc<Task> {
        self.switch().expect("OSTD asks only after update_current has said that there is a task")
    }

    fn try_pick_next(&mut self) -> Option<&Arc<Task>> {
        // Nothing but the idle task gives way when it is not asked to.
        if self.is_idle() { self.switch() } else { None }
    }

    fn dequeue_current(&mut self) -> Option<Arc<Task>> {
        self.current.take().inspect(|task| task.cpu().set_to_none())
    }
}

impl RunQueue {
    /// Makes the next task the current one.
    fn switch(&mut self) -> Option<&Arc<Task>> {
        let was_idle = self.is_idle();
        let next = match self.ready.pop_front() {
            Some(next) => next,
            None if self.current.is_none() => self.idle.clone()?,
            None => return None,
        };
        match self.current.replace(next) {
            // The one that is replaced goes on later; the idle task has nothing to go on with.
            Some(previous) if !was_idle => self.ready.push_back(previous),
            _ => {}
        }
        self.current.as_ref()
    }
}

#[cfg(ktest)]
mod tests {
    use ostd::prelude::ktest;

    use super::*;

    fn task() -> Arc<Task> {
        Arc::new(TaskOptions::new(|| ()).build().unwrap())
    }

    #[ktest]
    fn an_idle_cpu_that_missed_its_interrupt_is_told_by_the_next_tick() {
        let idle = task();
        let mut queue = RunQueue::new();
        queue.idle = Some(idle.clone());
        queue.current = Some(idle);
        assert!(!queue.update_current(UpdateFlags::Tick), "there is nothing to do");
        let ready = task();
        queue.ready.push_back(ready.clone());
        assert!(queue.update_current(UpdateFlags::Tick));
        assert!(queue.try_pick_next().is_some_and(|next| Arc::ptr_eq(next, &ready)));
    }

    #[ktest]
    fn a_tick_takes_no_cpu_away() {
        let mut queue = RunQueue::new();
        queue.idle = Some(task());
        queue.current = Some(task());
        queue.ready.push_back(task());
        assert!(!queue.update_current(UpdateFlags::Tick));
        assert!(queue.try_pick_next().is_none());
    }
}
