//! The way back from a device that cannot be trusted or does not answer.
//!
//! A device that broke a rule, asked for a reset, or let a deadline pass has lost its queues: all
//! commands in flight end with the reason, the device is reset and initialised anew, and whoever
//! waits to send goes on. Nothing is allocated for that, so it is done right where the trouble is
//! noticed, in an interrupt handler too. After [`MAX_RESTARTS`] restarts with no good answer in
//! between the device is dead, and every later command fails at once.

use core::{
    fmt,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};

use ostd::{
    arch::{read_tsc, tsc_freq},
    sync::{LocalIrqDisabled, SpinLock},
};

use super::{
    device::Device,
    driver::{DeviceError, Driver},
    handshake::{Handshake, InitError},
    queue::Queue,
    request_queue::{Afterwards, RequestQueue},
    transport::DeviceStatus,
};

/// Restarts of a device in a row, with no command answered well in between.
pub const MAX_RESTARTS: u32 = 3;

/// Checks of deadlines in a second.
pub(crate) const CHECKS_A_SECOND: u64 = 20;

/// A device's restarts and deadlines.
pub(crate) struct Recovery {
    /// Held by whoever restarts the device. Queues are locked while it is held, never the other way
    /// round.
    restarting: SpinLock<(), LocalIrqDisabled>,
    /// Restarts since the last command that was answered well.
    pub restarts: AtomicU32,
    /// The number of incidents that [`Device::log_again`] has counted.
    incidents: AtomicU64,
    /// The time that a command may take, in ticks.
    timeout: u64,
    /// The time of the next check of deadlines, in ticks.
    next_check: AtomicU64,
}

impl Recovery {
    pub fn new(timeout_ms: u64) -> Self {
        Self {
            restarting: SpinLock::new(()),
            restarts: AtomicU32::new(0),
            incidents: AtomicU64::new(0),
            timeout: timeout_ms.saturating_mul(tsc_freq()) / 1000,
            next_check: AtomicU64::new(0),
        }
    }

    /// Returns `true` at most [`CHECKS_A_SECOND`] times a second, by the times at which this is asked.
    pub fn is_check_due(&self, now: u64) -> bool {
        if now < self.next_check.load(Ordering::Relaxed) {
            return false;
        }
        let next = now.saturating_add(tsc_freq() / CHECKS_A_SECOND);
        self.next_check.store(next, Ordering::Relaxed);
        true
    }

    /// Returns `true` if a command that was sent at `since` has taken more than its time.
    pub fn is_overdue(&self, since: u64, now: u64) -> bool {
        now.saturating_sub(since) > self.timeout
    }
}

impl<D: Driver> Device<D> {
    /// Counts an incident; returns true if it is to be logged: the first few, and ever fewer of
    /// those that follow, as a device can go on for ever.
    pub fn log_again(&self) -> bool {
        let count = self.recovery.incidents.fetch_add(1, Ordering::Relaxed) + 1;
        count <= 8 || count.is_power_of_two()
    }

    fn name(&self) -> impl fmt::Display {
        fmt::from_fn(|f| self.driver.name(f))
    }

    /// Restarts a device that broke a rule in `queue`. Returns the number of commands that ended by
    /// it.
    #[cold]
    pub(crate) fn recover_from_violation(&self, queue: &RequestQueue<D>) -> usize {
        let violation = || queue.inner.lock().queue.as_ref().and_then(Queue::violation);
        match violation() {
            Some(violation) => {
                self.recover(DeviceError::Violation(violation), || queue.is_broken())
            }
            None => 0,
        }
    }

    /// Restarts the device if there is `still` need: somebody else may have noticed it too, and
    /// dealt with it meanwhile. Returns the number of commands that ended by it, all of them for
    /// this reason. May be called from any context, with no queue locked.
    #[cold]
    pub(crate) fn recover(&self, why: DeviceError, still: impl Fn() -> bool) -> usize {
        let _restarting = self.recovery.restarting.lock();
        if self.is_out_of_use() || !still() {
            return 0;
        }
        let name = self.name();
        let log = self.log_again();
        if log {
            log::error!("{name}: {why}");
        }
        let (ended, mut quiet) = self.stop_all(why);
        let mut restarted = false;
        while quiet && !restarted && self.recovery.restarts.load(Ordering::Relaxed) < MAX_RESTARTS {
            self.recovery.restarts.fetch_add(1, Ordering::Relaxed);
            match self.restart() {
                Ok(()) => restarted = true,
                Err(error) => {
                    if log {
                        log::error!("{name} does not restart: {error}");
                    }
                    // Nothing is in flight: no queue takes a chain before a restart has succeeded.
                    (_, quiet) = self.stop_all(why);
                }
            }
        }
        if !restarted {
            log::error!("{name} is dead: {why}");
            self.transport.set_status(DeviceStatus::FAILED);
            self.queues.iter().for_each(|queue| queue.inner.lock().retire());
            return ended;
        }
        if log {
            log::warn!("{name} has been reset and works again");
        }
        self.queues.iter().for_each(|queue| queue.inner.lock().wake_for_room());
        self.driver.restarted(self);
        ended
    }

    /// Returns `true` once the device is dead.
    fn is_out_of_use(&self) -> bool {
        self.queues.iter().all(|queue| queue.inner.lock().queue.is_none())
    }

    /// Resets the device and ends all commands in flight. Returns their number, and true if the
    /// device is quiet.
    fn stop_all(&self, why: DeviceError) -> (usize, bool) {
        let (mut ended, mut quiet) = (0, true);
        // A device that is out of use is not reset again.
        let in_use = !self.is_out_of_use();
        for queue in &self.queues {
            let (count, result) = queue.inner.lock().end_all(&self.driver, why);
            ended += count;
            if let Err(error) = result {
                quiet = false;
                log::error!("{error}; the memory of its queue and of {count} requests is lost");
            }
        }
        if in_use {
            self.driver.stopped(quiet);
        }
        (ended, quiet)
    }

    /// Initialises the device again, with the queues that it had.
    fn restart(&self) -> Result<(), InitError> {
        let mut handshake = Handshake::begin(self.transport.clone())?;
        if handshake.negotiate(self.negotiated)? != self.negotiated {
            return Err(InitError::Changed { field: "features" });
        }
        self.driver.configure(&*self.transport)?;
        for queue in &self.queues {
            if let Some(ring) = &mut queue.inner.lock().queue {
                ring.restart()?;
                ring.disable_interrupts();
            }
        }
        handshake.finish();
        // Nobody could add a chain before `start`, as nobody may notify the device before DRIVER_OK; a
        // notification that was decided before the reset finds empty rings. Those who sleep wait for answers
        // or room, which may come from now on; posted buffers are awaited always.
        for queue in &self.queues {
            if let Some(ring) = &mut queue.inner.lock().queue {
                ring.start();
                if self.waiting.asleep() > 0 || queue.posted {
                    ring.enable_interrupts();
                }
            }
        }
        Ok(())
    }

    /// Ends everything, for a driver that goes away.
    pub(crate) fn shut_down(&self) {
        self.stop_all(DeviceError::Dead);
        self.queues.iter().for_each(|queue| queue.inner.lock().retire());
    }

    /// Checks, not more often than [`CHECKS_A_SECOND`], whether a command is overdue, and restarts the
    /// device if one is. Called periodically from the timer interrupt, and by whoever polls.
    pub(crate) fn check_deadlines(&self) {
        let (now, recovery) = (read_tsc(), &self.recovery);
        if !recovery.is_check_due(now) {
            return;
        }
        let overdue = |since| recovery.is_overdue(since, now);
        let late = || {
            self.queues.iter().filter(|queue| !queue.posted).any(|queue| {
                let inner = queue.inner.lock();
                inner.queue.as_ref().is_some_and(|ring| ring.outstanding_since().any(overdue))
            })
        };
        if !late() {
            return;
        }
        // The device may have answered long ago, and nobody have looked: it interrupts only for sleepers.
        self.queues.iter().for_each(|queue| _ = queue.process(self, Afterwards::Keep));
        self.recover(DeviceError::TimedOut, late);
    }
}
