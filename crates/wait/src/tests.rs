//! Unit tests of the policy of waiting, with a device and a clock of their own.

use alloc::{collections::VecDeque, vec::Vec};
use core::cell::Cell;

use ostd::{prelude::ktest, sync::SpinLock, task::TaskOptions};

use super::*;

/// The clock of these tests; they run one after the other.
static CLOCK: AtomicU64 = AtomicU64::new(1000);

/// The ticks that one look takes, and that an interrupt costs.
const LOOK: u64 = 5;
const INTERRUPT_COST: u64 = 1000;

/// A device that answers when its clock has come so far, and that counts what is done to find out.
struct Slow {
    waiting: Waiting,
    answers_at: Cell<u64>,
    looks: Cell<u64>,
    sleeps: Cell<u64>,
}

fn now() -> u64 {
    CLOCK.load(Ordering::Relaxed)
}

impl Slow {
    fn new() -> Self {
        let device = Self::without_interrupts();
        device.waiting.use_interrupts();
        device
    }

    fn without_interrupts() -> Self {
        let waiting = Waiting::with_clock(now, INTERRUPT_COST);
        let (answers_at, looks, sleeps) = Default::default();
        Self { waiting, answers_at, looks, sleeps }
    }

    /// Waits once for an answer that takes so many ticks; gives the looks and sleeps that it took, which are
    /// counted as well.
    fn wait(&self, ticks: u64, patience: Patience) -> (u64, u64) {
        let counted = || (self.waiting.looks(), self.waiting.sleeps());
        let before = counted();
        self.answers_at.set(now() + ticks);
        wait(self, &self.waiting, None, patience);
        let (found, after) = ((self.looks.take(), self.sleeps.take()), counted());
        assert_eq!((after.0 - before.0, after.1 - before.1), found);
        found
    }
}

impl Awaited for Slow {
    type Output = ();

    fn take(&self) -> Option<()> {
        (now() >= self.answers_at.get()).then_some(())
    }

    fn look(&self) {
        self.looks.set(self.looks.get() + 1);
        CLOCK.fetch_add(LOOK, Ordering::Relaxed);
    }

    fn arm(&self, waker: Arc<Waker>) -> bool {
        if now() >= self.answers_at.get() {
            return false;
        }
        // The interrupt comes when it is time, and takes as long as interrupts do.
        self.sleeps.set(self.sleeps.get() + 1);
        CLOCK.store(self.answers_at.get() + INTERRUPT_COST / 2, Ordering::Relaxed);
        waker.wake_up()
    }
}

#[ktest]
fn who_sleeps_does_not_look_and_who_polls_never_sleeps() {
    let device = Slow::new();
    for ticks in [1, 100, 100_000] {
        assert_eq!(device.wait(ticks, Patience::Sleep), (0, 1));
        assert_eq!(device.wait(ticks, Patience::Poll), (ticks.div_ceil(LOOK), 0));
    }
    assert_eq!(device.wait(200, Patience::PollFor(100)), (100 / LOOK, 1));
    assert_eq!(device.wait(90, Patience::PollFor(100)), (90 / LOOK, 0));
}

#[ktest]
fn the_adaptive_looks_for_as_long_as_it_is_told_to() {
    let device = Slow::new();
    for (chosen, ticks, found) in
        [(0, 20, (0, 1)), (100, 200, (100 / LOOK, 1)), (u64::MAX, 100_000, (100_000 / LOOK, 0))]
    {
        device.waiting.look_for(Some(chosen));
        assert_eq!(device.wait(ticks, Patience::Adaptive), found);
    }
    device.waiting.look_for(None);
    device.wait(20, Patience::Adaptive);
    assert_eq!(device.wait(20, Patience::Adaptive), (20 / LOOK, 0));
}

#[ktest]
fn on_a_fast_device_the_adaptive_never_sleeps() {
    let device = Slow::new();
    for _ in 0..100 {
        let (looks, sleeps) = device.wait(20, Patience::Adaptive);
        assert_eq!((looks, sleeps), (20 / LOOK, 0));
    }
}

#[ktest]
fn on_a_slow_device_the_adaptive_soon_sleeps_at_once() {
    let device = Slow::new();
    let slow = 10 * INTERRUPT_COST;
    for _ in 0..20 {
        assert_eq!(device.wait(slow, Patience::Adaptive).1, 1);
    }
    assert_eq!(device.wait(slow, Patience::Adaptive), (0, 1));
}

#[ktest]
fn the_adaptive_never_looks_for_longer_than_an_interrupt_costs() {
    let device = Slow::new();
    let most = INTERRUPT_COST / LOOK + 2;
    for ticks in [10, 1000, 3, 100_000, 1, 1_000_000, 50, 500, 5_000] {
        for _ in 0..7 {
            let (looks, _) = device.wait(ticks * INTERRUPT_COST / 1000, Patience::Adaptive);
            assert!(looks <= most, "{looks} looks for {ticks}");
        }
    }
}

#[ktest]
fn the_adaptive_looks_for_twice_as_long_as_waits_took() {
    let device = Slow::new();
    device.wait(400, Patience::Adaptive);
    assert_eq!(device.wait(700, Patience::Adaptive), (700 / LOOK, 0));
    // As long as an interrupt costs is not longer than that.
    let device = Slow::new();
    device.wait(INTERRUPT_COST, Patience::Adaptive);
    assert_eq!(device.wait(20, Patience::Adaptive), (20 / LOOK, 0));
    // Only its own waits teach it.
    let device = Slow::new();
    for _ in 0..20 {
        device.wait(10 * INTERRUPT_COST, Patience::PollFor(1));
    }
    assert_eq!(device.wait(20, Patience::Adaptive), (20 / LOOK, 0));
}

#[ktest]
fn of_several_who_wait_for_a_slow_device_one_looks() {
    let device = Slow::new();
    for _ in 0..20 {
        device.wait(2 * INTERRUPT_COST, Patience::Adaptive);
    }
    assert_eq!(device.wait(20, Patience::Adaptive), (0, 1));
    // Others sleep until it answers: an answer to one of them is soon there.
    device.waiting.asleep.store(7, Ordering::Relaxed);
    assert_eq!(device.wait(20, Patience::Adaptive), (20 / LOOK, 0));
    device.waiting.asleep.store(0, Ordering::Relaxed);
    assert_eq!(device.wait(20, Patience::Adaptive), (0, 1));
}

#[ktest]
fn of_several_who_wait_for_a_fast_device_none_looks_for_long() {
    let device = Slow::new();
    device.wait(20, Patience::Adaptive);
    // So many that the first of them is answered within a tick: that is not a device of which nothing is known.
    device.waiting.asleep.store(99, Ordering::Relaxed);
    assert_eq!(device.wait(INTERRUPT_COST, Patience::Adaptive), (INTERRUPT_COST / 4 / LOOK, 1));
}

#[ktest]
fn of_several_who_wait_the_last_is_answered_late_and_not_for_once() {
    let device = Slow::new();
    device.waiting.asleep.store(7, Ordering::Relaxed);
    for _ in 0..50 {
        device.wait(20 * INTERRUPT_COST, Patience::Adaptive);
    }
    // Each of the eight takes longer than an interrupt.
    assert_eq!(device.wait(20, Patience::Adaptive), (0, 1));
}

#[ktest]
fn one_late_answer_does_not_make_a_fast_device_slow() {
    let device = Slow::new();
    for _ in 0..50 {
        device.wait(20, Patience::Adaptive);
    }
    device.wait(1_000_000, Patience::Adaptive);
    assert_eq!(device.wait(20, Patience::Adaptive), (4, 0));
}

#[ktest]
fn a_device_that_becomes_fast_is_looked_at_again() {
    let device = Slow::new();
    for _ in 0..50 {
        device.wait(1_000_000, Patience::Adaptive);
    }
    for _ in 0..50 {
        device.wait(20, Patience::Adaptive);
    }
    assert_eq!(device.wait(20, Patience::Adaptive).1, 0);
}

#[ktest]
fn without_interrupts_nobody_sleeps() {
    let device = Slow::without_interrupts();
    assert!(device.waiting.must_poll());
    for patience in [Patience::Sleep, Patience::PollFor(10), Patience::Adaptive] {
        assert_eq!(device.wait(1000, patience), (1000 / LOOK, 0));
    }
    device.waiting.use_interrupts();
    assert!(!device.waiting.must_poll());
    assert_eq!(device.wait(1000, Patience::Sleep), (0, 1));
}

/// Something that wakes who waits for it when it is told to.
struct Door {
    open: AtomicBool,
    sleeper: SpinLock<Option<Arc<Waker>>>,
}

impl Awaited for Door {
    type Output = ();

    fn take(&self) -> Option<()> {
        self.open.load(Ordering::Relaxed).then_some(())
    }

    fn look(&self) {}

    fn arm(&self, waker: Arc<Waker>) -> bool {
        *self.sleeper.lock() = Some(waker);
        true
    }
}

#[ktest]
fn who_sleeps_does_nothing_until_woken() {
    let door = Arc::new(Door { open: AtomicBool::new(false), sleeper: SpinLock::new(None) });
    let waiting = Waiting::new();
    waiting.use_interrupts();
    let (visitor, its_waiting) = (door.clone(), waiting.clone());
    let passed = Arc::new(AtomicBool::new(false));
    let done = passed.clone();
    let visit = move || {
        wait(&*visitor, &its_waiting, None, Patience::Sleep);
        done.store(true, Ordering::Relaxed);
    };
    TaskOptions::new(visit).spawn().unwrap();
    while waiting.sleeps() == 0 {
        Task::yield_now();
    }
    door.open.store(true, Ordering::Relaxed);
    (0..10).for_each(|_| Task::yield_now());
    assert!(!passed.load(Ordering::Relaxed));
    assert_eq!((waiting.looks(), waiting.sleeps()), (0, 1));
    door.sleeper.lock().take().unwrap().wake_up();
    while !passed.load(Ordering::Relaxed) {
        Task::yield_now();
    }
    assert_eq!((waiting.looks(), waiting.sleeps()), (0, 1));
}

#[ktest]
fn completions_come_out_in_order_and_make_room() {
    let queue = CompletionQueue::new(2);
    queue.reserve().unwrap();
    queue.reserve().unwrap();
    assert_eq!(queue.reserve(), Err(Full));
    queue.cancel();
    queue.reserve().unwrap();
    queue.push(1);
    queue.push(2);
    assert_eq!((queue.open(), queue.reserve()), (2, Err(Full)));
    assert_eq!(queue.try_next(), Some(1));
    queue.reserve().unwrap();
    queue.push(3);
    let rest: Vec<_> = core::iter::from_fn(|| queue.try_next()).collect();
    assert_eq!((&rest[..], queue.open()), (&[2, 3][..], 0));
}

#[ktest]
fn all_completions_are_taken_at_once_and_make_room() {
    let queue = CompletionQueue::new(3);
    (0..3).for_each(|_| queue.reserve().unwrap());
    queue.push(1);
    queue.push(2);
    // What is given in exchange is emptied before.
    let mut taken = VecDeque::from([9]);
    queue.take_all(&mut taken);
    assert_eq!((taken, queue.try_next(), queue.open()), (VecDeque::from([1, 2]), None, 1));
    queue.push(3);
    let mut taken = VecDeque::new();
    queue.take_all(&mut taken);
    assert_eq!((&taken, queue.open()), (&VecDeque::from([3]), 0));
    // It holds everything that may be due, so that no push allocates.
    assert!(taken.capacity() >= 3);
}

#[ktest]
fn who_sleeps_is_woken_when_nothing_is_due_any_more() {
    let (queue, waiting) = (CompletionQueue::<u32>::new(2), Waiting::new());
    queue.reserve().unwrap();
    queue.reserve().unwrap();
    let (waiter, waker) = Waiter::new_pair();
    assert!(queue.fall_asleep(waker, &waiting));
    queue.cancel();
    assert_eq!(waiting.asleep(), 1);
    queue.cancel();
    assert_eq!(waiting.asleep(), 0);
    waiter.wait();
}

#[ktest]
fn a_push_wakes_all_who_sleep_and_counts_them_off() {
    let (queue, waiting) = (CompletionQueue::new(2), Waiting::new());
    // Nothing is due, so nobody falls asleep.
    assert!(!queue.fall_asleep(Waiter::new_pair().1, &waiting));
    queue.reserve().unwrap();
    let woken: Arc<SpinLock<u32>> = Arc::new(SpinLock::new(0));
    for _ in 0..2 {
        let (queue, waiting, woken) = (queue.clone(), waiting.clone(), woken.clone());
        let sleep = move || {
            let (waiter, waker) = Waiter::new_pair();
            if queue.fall_asleep(waker, &waiting) {
                waiter.wait();
                *woken.lock() += 1;
            }
        };
        TaskOptions::new(sleep).spawn().unwrap();
    }
    while waiting.asleep() < 2 {
        Task::yield_now();
    }
    queue.push(7);
    assert_eq!(waiting.asleep(), 0);
    while *woken.lock() < 2 {
        Task::yield_now();
    }
    // Something is ready, so nobody falls asleep.
    assert!(!queue.fall_asleep(Waiter::new_pair().1, &waiting));
    assert_eq!((waiting.asleep(), queue.try_next()), (0, Some(7)));
}
