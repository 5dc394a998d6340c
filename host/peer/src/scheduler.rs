//! A scheduler for one task and an idle task that halts the CPU. OSTD's own spins where nothing is
//! ready, which would spare the peer the way back from sleep that the kernel and Linux pay for.

use alloc::{boxed::Box, sync::Arc};

use ostd::{
    cpu::CpuId,
    sync::{LocalIrqDisabled, SpinLock},
    task::{
        Task, TaskOptions, halt_cpu,
        scheduler::{
            EnqueueFlags, LocalRunQueue, Scheduler, UpdateFlags, enable_preemption_on_cpu,
            info::CommonSchedInfo, inject_scheduler,
        },
    },
};

/// Starts the idle task and the one that does the work. To be called once, before any task.
///
/// # Errors
///
/// There is no memory for them.
pub fn start(work: impl FnOnce() + Send + 'static) -> Result<(), ostd::Error> {
    let queue = Queue { current: None, ready: None, idle: None };
    inject_scheduler(Box::leak(Box::new(OneTask(SpinLock::new(queue)))));
    enable_preemption_on_cpu();
    let idle = || {
        loop {
            halt_cpu();
        }
    };
    TaskOptions::new(idle).data(Idle).spawn()?;
    TaskOptions::new(work).spawn().map(|_| ())
}

/// The data of the idle task.
struct Idle;

struct OneTask(SpinLock<Queue, LocalIrqDisabled>);

struct Queue {
    current: Option<Arc<Task>>,
    ready: Option<Arc<Task>>,
    idle: Option<Arc<Task>>,
}

impl Queue {
    fn is_idle(&self) -> bool {
        self.current.as_ref().is_none_or(|task| task.data().is::<Idle>())
    }
}

impl Scheduler for OneTask {
    fn enqueue(&self, task: Arc<Task>, _flags: EnqueueFlags) -> Option<CpuId> {
        let cpu = CpuId::bsp();
        let mut queue = self.0.lock();
        // A task that has a CPU already is on its way to sleep and will look once more.
        task.cpu().set_if_is_none(cpu).ok()?;
        if task.data().is::<Idle>() {
            queue.idle = Some(task);
            return None;
        }
        queue.ready = Some(task);
        queue.is_idle().then_some(cpu)
    }

    fn local_rq_with(&self, f: &mut dyn FnMut(&dyn LocalRunQueue)) {
        f(&*self.0.lock());
    }

    fn mut_local_rq_with(&self, f: &mut dyn FnMut(&mut dyn LocalRunQueue)) {
        f(&mut *self.0.lock());
    }
}

impl LocalRunQueue for Queue {
    fn current(&self) -> Option<&Arc<Task>> {
        self.current.as_ref()
    }

    fn update_current(&mut self, flags: UpdateFlags) -> bool {
        match flags {
            UpdateFlags::Tick => false,
            UpdateFlags::Yield => self.ready.is_some() || self.current.is_none(),
            UpdateFlags::Wait | UpdateFlags::Exit => true,
        }
    }

    fn try_pick_next(&mut self) -> Option<&Arc<Task>> {
        let next = match self.ready.take() {
            Some(task) => task,
            None if self.current.is_none() => self.idle.clone()?,
            None => return None,
        };
        // Only the idle task is replaced while it runs, and it has nothing to go on with.
        self.current = Some(next);
        self.current.as_ref()
    }

    fn dequeue_current(&mut self) -> Option<Arc<Task>> {
        self.current.take().inspect(|task| task.cpu().set_to_none())
    }
}
