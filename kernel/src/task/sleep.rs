//! Waiting for a time, which is counted in ticks of the boot CPU's timer.

use alloc::{collections::BTreeMap, sync::Arc};
use core::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use ostd::{
    sync::{LocalIrqDisabled, SpinLock, Waiter, Waker},
    timer::{Jiffies, TIMER_FREQ, register_callback_on_cpu},
};
use spin::Once;

/// The tasks that sleep, by the tick that wakes them and a number that tells those of one tick apart.
static SLEEPERS: SpinLock<BTreeMap<(u64, u64), Arc<Waker>>, LocalIrqDisabled> =
    SpinLock::new(BTreeMap::new());

/// The ticks of the timer since the kernel has started, [`TIMER_FREQ`] a second.
pub fn ticks() -> u64 {
    Jiffies::elapsed().as_u64()
}

/// Puts the current task to sleep for at least this time.
///
/// To be called in a task, not in interrupt context or while holding a spin lock.
pub fn sleep(time: Duration) {
    static WAKING: Once<()> = Once::new();
    static SLEPT: AtomicU64 = AtomicU64::new(0);

    WAKING.call_once(|| register_callback_on_cpu(wake_due));
    let (waiter, waker) = Waiter::new_pair();
    // The current tick is over before a whole one has passed.
    let due = ticks().saturating_add(ticks_of(time)).saturating_add(1);
    let key = (due, SLEPT.fetch_add(1, Ordering::Relaxed));
    SLEEPERS.lock().insert(key, waker);
    while ticks() < due {
        waiter.wait();
    }
    SLEEPERS.lock().remove(&key);
}

/// Wakes the tasks whose time has come. They leave the list themselves: nothing is freed in an interrupt.
fn wake_due() {
    for (_, waker) in SLEEPERS.lock().range(..=(ticks(), u64::MAX)) {
        waker.wake_up();
    }
}

fn ticks_of(time: Duration) -> u64 {
    let nanos_of_tick = 1_000_000_000 / u128::from(TIMER_FREQ);
    u64::try_from(time.as_nanos().div_ceil(nanos_of_tick)).unwrap_or(u64::MAX)
}

#[cfg(ktest)]
mod tests {
    use ostd::prelude::ktest;

    use super::*;

    #[ktest]
    fn a_part_of_a_tick_counts_as_a_whole_one() {
        assert_eq!(ticks_of(Duration::ZERO), 0);
        assert_eq!(ticks_of(Duration::from_nanos(1)), 1);
        assert_eq!(ticks_of(Duration::from_millis(7)), 7);
        assert_eq!(ticks_of(Duration::MAX), u64::MAX);
    }

    #[ktest]
    fn a_sleeper_wakes_when_its_time_has_come_and_leaves_nothing() {
        let before = ticks();
        sleep(Duration::from_millis(3));
        assert!(ticks() >= before + 3);
        assert!(SLEEPERS.lock().is_empty());
    }
}
