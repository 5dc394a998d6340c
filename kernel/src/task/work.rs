//! Work that can be stopped: the tasks that Ctrl-C stops together.
//!
//! OSTD cannot take the CPU away from kernel code, so nobody can be stopped by force. A task notices at its
//! next [`checkpoint`] that its work has been stopped, and returns an error from there to whoever started it.

use alloc::sync::Arc;
use core::{
    fmt,
    sync::atomic::{AtomicBool, Ordering},
};

use ostd::task::Task;

use super::TaskData;
use crate::progress;

/// Something that one or more tasks do. A task is a part of the work that it was started for, or else of that
/// of the task that started it.
#[derive(Clone, Debug, Default)]
pub struct Work(Arc<AtomicBool>);

impl Work {
    /// The work that the current task is a part of, if there is one.
    pub fn current() -> Option<Self> {
        let task = Task::current()?;
        TaskData::of(&task)?.work.clone()
    }

    /// Asks all tasks of this work to stop. Callable in any context.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The work was stopped before it was done, as a rule by Ctrl-C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl core::error::Error for Interrupted {}

/// Gives way to other tasks of this CPU. To be called every now and then by whatever takes long, and holds no
/// lock at the moment.
///
/// # Errors
///
/// The work that the current task is a part of has been stopped.
// ANCHOR: checkpoint
pub fn checkpoint() -> Result<(), Interrupted> {
    progress::made();
    Task::yield_now();
    match Work::current() {
        Some(work) if work.is_stopped() => Err(Interrupted),
        _ => Ok(()),
    }
}
// ANCHOR_END: checkpoint
