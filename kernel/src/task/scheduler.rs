//! The scheduler: each CPU runs its own tasks in the order in which they became ready.
//!
//! A task stays on the CPU that its [`Builder`] gave it; one that was started otherwise runs on the boot
//! CPU. A CPU with nothing to do runs its idle task, which halts it until an interrupt, so that
//! an emulator's host is not kept busy. OSTD's own scheduler uses the boot CPU only, and spins where this
//! one halts.

use alloc::{boxed::Box, collections::VecDeque, format, sync::Arc, vec::Vec};

use ostd::{
    boot::smp,
    cpu::{CpuId, PinCurrentCpu, all_cpus},
    irq::disable_local,
    sync::{LocalIrqDisabled, SpinLock},
    task::{
        Task, disable_preempt, halt_cpu,
        scheduler::{
            EnqueueFlags, LocalRunQueue, Scheduler, UpdateFlags, enable_preemption_on_cpu,
            info::CommonSchedInfo, inject_scheduler,
        },
    },
    util::id_set::Id,
};

use super::{Builder, SpawnError, TaskData};

/// Tasks that one CPU can have ready without allocating memory, which waking a task from an
/// interrupt should not have to do.
const READY_CAPACITY: usize = 256;

/// Puts the scheduler in place and starts the other CPUs. To be called once, before any task.
///
/// # Errors
///
/// There is no memory for the boot CPU's idle task.
pub fn init() -> Result<(), SpawnError> {
    let cpus = all_cpus().map(|_| SpinLock::new(RunQueue::new())).collect();
    inject_scheduler(Box::leak(Box::new(PerCpu { cpus })));
    smp::register_ap_entry(|| {
        if let Err(error) = spawn_idle() {
            log::error!("a CPU stays unused: {error}");
        }
    });
    spawn_idle()
}

/// Starts the current CPU's idle task, and the scheduler's ticks, which end idleness without need.
fn spawn_idle() -> Result<(), SpawnError> {
    enable_preemption_on_cpu();
    let cpu = disable_preempt().current_cpu();
    let idle = || {
        loop {
            halt_cpu();
        }
    };
    Builder::new(format!("idle {}", cpu.as_usize())).start(Place::IdleOf(cpu), idle)
}

/// The place of a task in the run queues.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// It takes its turn on this CPU.
    On(CpuId),
    /// It runs when nothing else is ready on this CPU.
    IdleOf(CpuId),
}

struct PerCpu {
    cpus: Vec<SpinLock<RunQueue, LocalIrqDisabled>>,
}

impl PerCpu {
    fn with_local(&self, f: impl FnOnce(&mut RunQueue)) {
        // This keeps the caller on its CPU as well as `disable_preempt` does: what switches tasks here is
        // the caller itself, and it does so after this has returned. It is cheaper, because the queue's
        // lock needs IRQs off and finds them so, while OSTD turns them off and on again each time that
        // it changes the count behind `disable_preempt`.
        let irqs = disable_local();
        if let Some(queue) = self.cpus.get(irqs.current_cpu().as_usize()) {
            f(&mut queue.lock());
        }
    }
}

impl Scheduler for PerCpu {
    fn enqueue(&self, task: Arc<Task>, _flags: EnqueueFlags) -> Option<CpuId> {
        let cpu = match TaskData::of(&task).map(|data| data.place) {
            Some(Place::IdleOf(cpu)) => {
                task.cpu().set_anyway(cpu);
                self.cpus.get(cpu.as_usize())?.lock().idle = Some(task);
                return None;
            }
            Some(Place::On(cpu)) => cpu,
            None => CpuId::bsp(),
        };
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
    use ostd::{prelude::ktest, task::TaskOptions};

    use super::*;

    fn task() -> Arc<Task> {
        Arc::new(TaskOptions::new(|| ()).build().unwrap())
    }

    fn task_at(place: Place) -> Arc<Task> {
        let data = Builder::new("").into_data(place);
        Arc::new(TaskOptions::new(|| ()).data(data).build().unwrap())
    }

    /// One CPU that runs its idle task.
    fn idle_cpu() -> PerCpu {
        let cpus = PerCpu { cpus: Vec::from([SpinLock::new(RunQueue::new())]) };
        let idle = task_at(Place::IdleOf(CpuId::bsp()));
        assert!(cpus.enqueue(idle, EnqueueFlags::Spawn).is_none());
        cpus.mut_local_rq_with(&mut |queue| {
            assert!(queue.update_current(UpdateFlags::Yield));
            queue.pick_next();
        });
        cpus
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

    #[ktest]
    fn tasks_take_turns_in_the_order_in_which_they_became_ready() {
        let cpu = CpuId::bsp();
        let cpus = idle_cpu();
        // A task without a place belongs to the boot CPU.
        let tasks = [task_at(Place::On(cpu)), task(), task_at(Place::On(cpu))];
        for task in &tasks {
            let interrupted = cpus.enqueue(task.clone(), EnqueueFlags::Spawn);
            assert!(interrupted.is_some_and(|idle| idle == cpu));
        }
        let mut turns = tasks.iter().cycle();
        for next in turns.by_ref().take(4) {
            cpus.mut_local_rq_with(&mut |queue| {
                assert!(queue.update_current(UpdateFlags::Yield));
                assert!(Arc::ptr_eq(queue.pick_next(), next));
            });
        }
        // Then they end one after another, and the idle task is left.
        for next in turns.take(2) {
            cpus.mut_local_rq_with(&mut |queue| {
                assert!(queue.update_current(UpdateFlags::Exit));
                queue.dequeue_current();
                assert!(Arc::ptr_eq(queue.pick_next(), next));
            });
        }
        cpus.mut_local_rq_with(&mut |queue| {
            assert!(queue.update_current(UpdateFlags::Exit));
            queue.dequeue_current();
            let next = TaskData::of(queue.pick_next()).map(|data| data.place);
            assert!(matches!(next, Some(Place::IdleOf(_))));
        });
    }

    #[ktest]
    fn a_task_is_ready_once_and_a_busy_cpu_is_not_interrupted() {
        let cpus = idle_cpu();
        let [busy, woken] = [(); 2].map(|()| task_at(Place::On(CpuId::bsp())));
        assert!(cpus.enqueue(busy.clone(), EnqueueFlags::Spawn).is_some());
        cpus.mut_local_rq_with(&mut |queue| {
            assert!(queue.try_pick_next().is_some());
        });
        assert!(cpus.enqueue(woken.clone(), EnqueueFlags::Wake).is_none());
        // The one is ready and the other is running: to wake them again changes nothing.
        for task in [busy, woken] {
            assert!(cpus.enqueue(task, EnqueueFlags::Wake).is_none());
        }
        assert_eq!(cpus.cpus[0].lock().ready.len(), 1);
    }
}
