//! The one policy of waiting for a device.
//!
//! Whoever waits, for a disk, a screen or random numbers, does it by [`wait`]: it looks at the device,
//! sleeps until an interrupt, or looks for a while and then sleeps, as its [`Patience`] says. The thing
//! waited for is an [`Awaited`]; it says how to look and how to have the sleeper woken. A device may keep
//! its interrupts off while nobody sleeps: it counts its [`Sleeper`]s in its [`Waiting`].
//!
//! [`CompletionQueue`] collects answers that arrive while nobody waits for them.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod completion;

#[cfg(ktest)]
mod tests;

use alloc::sync::Arc;
use core::{
    cell::OnceCell,
    hint,
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

use ostd::{
    arch::{read_tsc, tsc_freq},
    sync::{Waiter, Waker},
    task::Task,
};

pub use self::completion::{CompletionQueue, Full};

/// A way to wait for something that has not arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Patience {
    /// Sleeps until an interrupt.
    Sleep,
    /// Keeps looking at the device.
    Poll,
    /// Keeps looking for so many ticks of the machine's timer, then sleeps.
    PollFor(u64),
    /// Keeps looking for about as long as the last waits took, then sleeps; sleeps at once where a sleep
    /// costs little beside that.
    #[default]
    Adaptive,
}

/// Something that a device will deliver.
pub trait Awaited {
    /// The value that is delivered.
    type Output;

    /// Takes what has been delivered. Does not look at the device.
    fn take(&self) -> Option<Self::Output>;

    /// Looks at the device, which may deliver something by it.
    fn look(&self);

    /// Has `waker` called at the next delivery, or returns `false` if there may be something to take now.
    fn arm(&self, waker: Arc<Waker>) -> bool;
}

/// Waits until `what` has been delivered by the device of which `waiting` is the state. A `waiter` of the
/// current task that is kept from wait to wait spares making one for each.
///
/// Without a task, or with nothing to wake a sleeper, it looks until then, whatever `patience` says.
/// Not to be called in interrupt context or while holding a spin lock.
pub fn wait<A: Awaited + ?Sized>(
    what: &A,
    waiting: &Waiting,
    waiter: Option<&Waiter>,
    patience: Patience,
) -> A::Output {
    let timed = matches!(patience, Patience::PollFor(_) | Patience::Adaptive);
    let now = || if timed { (waiting.clock)() } else { 0 };
    let looks_for = match patience {
        Patience::Sleep => 0,
        Patience::Poll => u64::MAX,
        Patience::PollFor(ticks) => ticks,
        Patience::Adaptive => waiting.looks_for(),
    };
    let begin = now();
    let new_waiter = OnceCell::new();
    loop {
        if looks_for <= now().wrapping_sub(begin)
            && !waiting.must_poll.load(Ordering::Relaxed)
            && Task::current().is_some()
        {
            let new = || new_waiter.get_or_init(|| Waiter::new_pair().0);
            let waiter = waiter.unwrap_or_else(new);
            if what.arm(waiter.waker()) {
                waiting.sleeps.fetch_add(1, Ordering::Relaxed);
                waiter.wait();
            }
        } else {
            waiting.looks.fetch_add(1, Ordering::Relaxed);
            what.look();
        }
        if let Some(output) = what.take() {
            if patience == Patience::Adaptive {
                waiting.note(now().wrapping_sub(begin));
            }
            return output;
        }
        match Task::current() {
            Some(_) => Task::yield_now(),
            None => hint::spin_loop(),
        }
    }
}

/// Stands for a choice that is left to [`Waiting`].
const BY_ITSELF: u64 = u64::MAX - 1;

/// The state of waiting for one device: whether interrupts come, who sleeps, and how long waits take.
#[derive(Debug)]
pub struct Waiting {
    /// Set while no interrupt can wake a sleeper: until the driver is told that they reach it, or for good.
    must_poll: AtomicBool,
    /// Tasks that sleep, or are about to, until the device interrupts.
    asleep: AtomicUsize,
    looks: AtomicU64,
    sleeps: AtomicU64,
    /// The time that waits took lately: a moving average in eighths of a tick; 0 is not known yet.
    average: AtomicU64,
    /// The ticks that an interrupt costs at the most.
    interrupt_cost: u64,
    /// The ticks to look for that have been chosen for all who wait adaptively; [`BY_ITSELF`] as long as none have.
    chosen: AtomicU64,
    clock: fn() -> u64,
}

impl Waiting {
    /// The state at a driver's start: nobody sleeps, and no interrupt comes.
    pub fn new() -> Arc<Self> {
        // A sleep, the wake-up of an idle CPU and the way back take 50 to 100 microseconds under QEMU,
        // most of which is the host's.
        Arc::new(Self::with_clock(read_tsc, tsc_freq() / 10_000))
    }

    fn with_clock(clock: fn() -> u64, interrupt_cost: u64) -> Self {
        Self {
            must_poll: AtomicBool::new(true),
            asleep: AtomicUsize::new(0),
            looks: AtomicU64::new(0),
            sleeps: AtomicU64::new(0),
            average: AtomicU64::new(0),
            interrupt_cost,
            chosen: AtomicU64::new(BY_ITSELF),
            clock,
        }
    }

    /// Has all who wait adaptively look for so many ticks from now on, and then sleep: with 0 they sleep at once, with
    /// `u64::MAX` they never do, and with `None` they adapt again. For whoever measures one way of waiting.
    pub fn look_for(&self, ticks: Option<u64>) {
        self.chosen.store(ticks.unwrap_or(BY_ITSELF), Ordering::Relaxed);
    }

    /// Returns `true` if no interrupt can wake a sleeper.
    pub fn must_poll(&self) -> bool {
        self.must_poll.load(Ordering::Relaxed)
    }

    /// Says that interrupts reach the driver from now on.
    pub fn use_interrupts(&self) {
        self.must_poll.store(false, Ordering::Relaxed);
    }

    /// The number of tasks that sleep, or are about to, until the device interrupts.
    pub fn asleep(&self) -> usize {
        self.asleep.load(Ordering::SeqCst)
    }

    /// The looks at the device by those who wait, so far.
    pub fn looks(&self) -> u64 {
        self.looks.load(Ordering::Relaxed)
    }

    /// The times that a task has gone to sleep until the device interrupts, so far.
    pub fn sleeps(&self) -> u64 {
        self.sleeps.load(Ordering::Relaxed)
    }

    /// The ticks for which looking pays: twice as long as waits have taken lately, at least a quarter of
    /// an interrupt's cost and at most all of it. None where waits take longer than that: there a sleep
    /// costs little. Of several who wait, the first answer comes so much sooner, and a look wakes whoever gets it.
    fn looks_for(&self) -> u64 {
        match self.chosen.load(Ordering::Relaxed) {
            BY_ITSELF => {}
            chosen => return chosen,
        }
        let (cost, all) = (self.interrupt_cost, 1 + self.asleep.load(Ordering::Relaxed) as u64);
        match self.average.load(Ordering::Relaxed) {
            0 => cost,
            eighths => match eighths / 8 / all {
                soon if soon > cost => 0,
                soon => (2 * soon).clamp(cost / 4, cost),
            },
        }
    }

    /// Notes that a wait has taken so many ticks.
    fn note(&self, ticks: u64) {
        // A single late answer shall not turn a fast device into a slow one; of several who wait, the last is answered
        // late.
        let all = 1 + self.asleep.load(Ordering::Relaxed) as u64;
        let ticks = ticks.clamp(1, 4 * self.interrupt_cost * all);
        let average = match self.average.load(Ordering::Relaxed) {
            0 => 8 * ticks,
            average => average - average / 8 + ticks,
        };
        // Of two who note at once, one is lost, which an average can bear.
        self.average.store(average, Ordering::Relaxed);
    }
}

/// A task that sleeps, or is about to, until a device delivers something. Dropping it wakes the task, in
/// any context; the device counts it until then.
pub struct Sleeper {
    waker: Arc<Waker>,
    waiting: Arc<Waiting>,
}

impl Sleeper {
    /// Announces a sleeper.
    pub fn new(waker: Arc<Waker>, waiting: &Arc<Waiting>) -> Self {
        waiting.asleep.fetch_add(1, Ordering::SeqCst);
        Self { waker, waiting: waiting.clone() }
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.waiting.asleep.fetch_sub(1, Ordering::SeqCst);
        self.waker.wake_up();
    }
}
