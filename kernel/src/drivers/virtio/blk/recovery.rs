//! What happens when the device cannot be trusted or does not answer.
//!
//! A device that broke a rule, asked for a reset, or let a deadline pass has lost its queues: all
//! requests in flight end with the reason, the device is reset and initialised anew, and whoever
//! waits to submit goes on. Nothing is allocated for that, so it is done right where the trouble is
//! noticed, in an interrupt handler too. After [`MAX_RESTARTS`] restarts with no good answer in
//! between the device is dead, and every later request fails at once.

use core::{
    fmt,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};

use ostd::{
    arch::{read_tsc, tsc_freq},
    sync::{LocalIrqDisabled, SpinLock},
};

use super::{
    super::{
        init::{Init, InitError},
        queue::Violation,
        transport::DeviceStatus,
    },
    BlkConfig, VirtioBlk,
    answers::complete,
};
use crate::block::Error;

/// How often a device is restarted before one request has succeeded.
pub(super) const MAX_RESTARTS: u32 = 3;

/// How often deadlines are looked at, as a part of a second.
const CHECKS_A_SECOND: u64 = 20;

/// Why a device is restarted or taken out of use.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reason {
    /// It broke a rule.
    Violation(Violation),
    /// It says that it cannot go on.
    NeedsReset,
    /// It kept a request for too long.
    TimedOut,
    /// Nobody uses it any more.
    Dropped,
}

impl Reason {
    /// What the requests in flight end with.
    fn error(self) -> Error {
        match self {
            Self::Violation(Violation::UsedIndexJumped { .. }) => {
                Error::Violation("its used index jumped")
            }
            Self::Violation(Violation::UnknownId { .. }) => {
                Error::Violation("it returned a descriptor that does not exist")
            }
            Self::Violation(Violation::NotOutstanding { .. }) => {
                Error::Violation("it returned what it did not have")
            }
            Self::Violation(Violation::LengthTooLong { .. }) => {
                Error::Violation("it claims to have written more than there was room for")
            }
            Self::NeedsReset => Error::NeedsReset,
            Self::TimedOut => Error::TimedOut,
            Self::Dropped => Error::Dead,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Violation(violation) => violation.fmt(f),
            Self::NeedsReset => f.write_str("it asks to be reset"),
            Self::TimedOut => f.write_str("it did not answer a request in time"),
            Self::Dropped => f.write_str("its driver has gone"),
        }
    }
}

/// Whether the device can be used, and how it fared.
pub(super) struct Health {
    /// Held by whoever restarts the device. Lanes are locked while it is held, never the other way
    /// round.
    restart: SpinLock<(), LocalIrqDisabled>,
    /// Restarts since the last request that succeeded.
    restarts: AtomicU32,
    /// Everything that the device did and that the log may be told of.
    incidents: AtomicU64,
    /// How long a request may take, in ticks.
    timeout: u64,
    /// When deadlines are looked at next, in ticks.
    next_check: AtomicU64,
}

impl Health {
    pub fn new(timeout_ms: u64) -> Self {
        Self {
            restart: SpinLock::new(()),
            restarts: AtomicU32::new(0),
            incidents: AtomicU64::new(0),
            timeout: timeout_ms.saturating_mul(tsc_freq() / 1000),
            next_check: AtomicU64::new(0),
        }
    }

    /// A request has succeeded, so the device deserves its restarts again.
    pub fn good_answer(&self) {
        if self.restarts.load(Ordering::Relaxed) != 0 {
            self.restarts.store(0, Ordering::Relaxed);
        }
    }

    /// Whether to log what the device did now: the first few times, and ever fewer of those that
    /// follow, as a device can go on for ever.
    pub fn log_again(&self) -> bool {
        let count = self.incidents.fetch_add(1, Ordering::Relaxed) + 1;
        count <= 8 || count.is_power_of_two()
    }
}

impl VirtioBlk {
    /// Deals with trouble, if there still is any: somebody else may have noticed it too, and dealt
    /// with it meanwhile. Returns how many requests ended by it. May be called from any context,
    /// with no lane locked.
    pub(super) fn trouble(&self, reason: Reason, still: impl Fn() -> bool) -> usize {
        let _restarting = self.health.restart.lock();
        if !still() {
            return 0;
        }
        let serial = &self.info.serial;
        let log = self.health.log_again();
        if log {
            log::error!("block device \"{serial}\": {reason}");
        }
        let (mut ended, mut quiet) = self.stop_all(reason.error());
        let mut restarted = false;
        while quiet && !restarted && self.health.restarts.load(Ordering::Relaxed) < MAX_RESTARTS {
            self.health.restarts.fetch_add(1, Ordering::Relaxed);
            match self.restart() {
                Ok(()) => restarted = true,
                Err(error) => {
                    log::error!("block device \"{serial}\" does not restart: {error}");
                    let (more, now_quiet) = self.stop_all(reason.error());
                    (ended, quiet) = (ended + more, now_quiet);
                }
            }
        }
        if !restarted {
            log::error!("block device \"{serial}\" is dead: {reason}");
            self.retire();
        } else if log {
            log::warn!("block device \"{serial}\" has been reset and works again");
        }
        for channel in &self.channels {
            channel.waiting_for_room.wake_all();
        }
        ended
    }

    /// Resets the device and ends all requests in flight with `error`. Returns how many there were,
    /// and whether the device is quiet.
    fn stop_all(&self, error: Error) -> (usize, bool) {
        let (mut ended, mut quiet) = (0, true);
        for channel in &self.channels {
            let mut guard = channel.lane.lock();
            let Some(lane) = guard.as_mut() else { continue };
            let mut lost = 0;
            let spare = &mut lane.spare;
            let result = lane.queue.stop(|chain, mut request| {
                match chain {
                    Some(mut chain) => {
                        chain.unlink(&mut request);
                        chain.return_range();
                        spare.push(chain);
                    }
                    None => lost += 1,
                }
                complete(request, Err(error));
                ended += 1;
            });
            if let Err(error) = result {
                quiet = false;
                log::error!("{error}; the memory of its queue and of {lost} requests is lost");
            }
        }
        (ended, quiet)
    }

    /// Initialises the device again, with the queues that it had.
    fn restart(&self) -> Result<(), InitError> {
        let mut init = Init::begin(self.transport.clone())?;
        let negotiated = init.negotiate(self.negotiated)?;
        if negotiated != self.negotiated {
            return Err(InitError::Changed { field: "features" });
        }
        let config = BlkConfig::read(&*self.transport, self.features)?;
        if (BlkConfig { capacity: self.config.capacity, ..config.clone() }) != self.config {
            return Err(InitError::Changed { field: "configuration" });
        }
        self.capacity.store(config.capacity, Ordering::Relaxed);
        for channel in &self.channels {
            if let Some(lane) = channel.lane.lock().as_mut() {
                lane.queue.restart().map_err(InitError::Queue)?;
                lane.queue.disable_interrupts();
            }
        }
        init.finish();
        // Those who sleep wait for answers or room, which may come from now on.
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            for channel in &self.channels {
                if let Some(lane) = channel.lane.lock().as_mut() {
                    lane.queue.enable_interrupts();
                }
            }
        }
        Ok(())
    }

    /// Takes the device out of use for good. Its queues have been stopped.
    fn retire(&self) {
        self.transport.set_status(DeviceStatus::FAILED);
        for channel in &self.channels {
            if let Some(lane) = channel.lane.lock().take() {
                lane.queue.free();
            }
        }
    }

    /// Ends everything: for a driver that goes away.
    pub(super) fn shut_down(&self) {
        self.stop_all(Reason::Dropped.error());
        for channel in &self.channels {
            if let Some(lane) = channel.lane.lock().take() {
                lane.queue.free();
            }
        }
    }

    /// Looks, not more often than [`CHECKS_A_SECOND`], whether a request is overdue. Called
    /// periodically from the timer interrupt, and by whoever polls.
    pub(super) fn check_deadlines(&self) {
        let now = read_tsc();
        if now < self.health.next_check.load(Ordering::Relaxed) {
            return;
        }
        let next = now.saturating_add(tsc_freq() / CHECKS_A_SECOND);
        self.health.next_check.store(next, Ordering::Relaxed);
        let overdue = |since: u64| now.saturating_sub(since) > self.health.timeout;
        let late = || {
            self.channels.iter().any(|channel| {
                let guard = channel.lane.lock();
                guard.as_ref().is_some_and(|lane| {
                    lane.queue.outstanding_tags().any(|request| overdue(request.flight.since))
                })
            })
        };
        if late() {
            self.trouble(Reason::TimedOut, late);
        }
    }
}
