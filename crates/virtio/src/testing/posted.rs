//! Buffers that the driver posts and the device fills when it likes, with a driver of events as small as
//! can be.

use alloc::{sync::Arc, vec, vec::Vec};
use core::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use dma::{DmaSlice, DmaSliceAlloc};
use ostd::{
    mm::dma::DmaCoherent,
    prelude::ktest,
    sync::{LocalIrqDisabled, SpinLock},
};

use super::fake::{DeviceQueue, FakeTransport};
use crate::{
    device::{Device, VirtioDevice},
    driver::{DeviceError, Driver, Next},
    features::Features,
    handshake::{Handshake, InitError},
    options::Options,
    queue::{Chain, ChainError},
    recovery::MAX_RESTARTS,
    request_queue::{MAX_LOOKS, RequestQueue},
    transport::{
        DeviceStatus, InterruptStatus, Transport,
        Version::{self, Legacy, Modern},
    },
};

/// An event: a number of eight bytes.
type Event = DmaSlice<u64, DmaCoherent>;

/// An event at which the driver forgets to link its chain anew.
const NOT_LINKED: u64 = u64::MAX;

/// The entries of the queue.
const ENTRIES: u16 = 16;

/// Takes events as they come.
struct Events {
    received: SpinLock<Vec<u64>, LocalIrqDisabled>,
    restarts: AtomicU64,
    /// Chains that ended without an answer, with the last reason.
    ended: SpinLock<(usize, Option<DeviceError>), LocalIrqDisabled>,
    /// The device's part while the driver is at work, as of one on another processor.
    meanwhile: SpinLock<Option<Meanwhile>, LocalIrqDisabled>,
}

type Meanwhile = Arc<dyn Fn() + Send + Sync>;

impl Events {
    fn let_device_work(&self) {
        let meanwhile = self.meanwhile.lock().clone();
        if let Some(meanwhile) = meanwhile {
            meanwhile();
        }
    }
}

impl Driver for Events {
    type Memory = Event;
    type Note = ();

    fn posted(&self, _index: u16) -> bool {
        true
    }

    fn answered(&self, chain: &mut Chain<Event>, (): (), written: u32, _room: usize) -> Next<()> {
        self.let_device_work();
        if written == 8 {
            self.received.lock().push(chain.memory().load());
        }
        if chain.memory().load() == NOT_LINKED {
            return Next::Again(());
        }
        match link(chain) {
            true => Next::Again(()),
            false => Next::Failed,
        }
    }

    fn ended(&self, _chain: Option<&mut Chain<Event>>, (): (), why: DeviceError) {
        let mut ended = self.ended.lock();
        *ended = (ended.0 + 1, Some(why));
    }

    fn configure(&self, _transport: &dyn Transport) -> Result<(), InitError> {
        self.let_device_work();
        Ok(())
    }

    fn restarted(&self, device: &Device<Self>) {
        self.restarts.fetch_add(1, Ordering::Relaxed);
        post_all(device);
    }

    fn name(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("event device")
    }
}

fn link(chain: &mut Chain<Event>) -> bool {
    chain.link(|event, segments| segments.device_writes(event)).is_ok()
}

fn post_all(device: &Device<Events>) -> usize {
    device.post(0, |chain, _| link(chain).then_some(())).unwrap()
}

struct Rig {
    transport: Arc<FakeTransport>,
    device: Arc<Device<Events>>,
}

impl Rig {
    fn new(version: Version, ring: Features, timeout_ms: u64) -> Self {
        let transport = FakeTransport::new(version, ring.bits());
        let options = Options { queue_size: ENTRIES, timeout_ms, ..Options::default() };
        let driven: Arc<dyn Transport> = transport.clone();
        let mut handshake = Handshake::begin(driven.clone()).unwrap();
        let negotiated = handshake.negotiate(options.ring_features().bits()).unwrap();
        let memory = |chains: usize| {
            let pool = DmaSliceAlloc::coherent(chains)?;
            Ok((0..chains).filter_map(|_| pool.alloc()).collect())
        };
        let features = Features::from_bits_truncate(negotiated);
        let queue = RequestQueue::new(&driven, 0, features, ENTRIES, 1, memory).unwrap();
        let events = Events {
            received: SpinLock::new(Vec::new()),
            restarts: AtomicU64::new(0),
            ended: SpinLock::new((0, None)),
            meanwhile: SpinLock::new(None),
        };
        let device = Arc::new(Device::new(driven, negotiated, vec![queue], events, &options));
        handshake.finish();
        assert_eq!(post_all(&device), usize::from(ENTRIES));
        let line: Arc<dyn VirtioDevice> = device.clone();
        transport.connect(&line);
        Self { transport, device }
    }

    /// Fills one posted buffer with `event` and interrupts if the driver asks for that. Returns
    /// true if there was a buffer, and true if there was an interrupt.
    fn send(&self, event: u64) -> (bool, bool) {
        let interrupts = self.transport.with_queue(|queue| {
            let chain = queue.take()?;
            chain.write(0, &event.to_le_bytes());
            queue.give_back(chain.head, 8);
            Some(queue.should_interrupt())
        });
        if interrupts == Some(true) {
            self.transport.interrupt(InterruptStatus::USED_BUFFER);
        }
        (interrupts.is_some(), interrupts == Some(true))
    }

    /// Has the device do this whenever the driver is at work.
    fn meanwhile(&self, action: impl Fn(&FakeTransport) + Send + Sync + 'static) {
        let device = Arc::downgrade(&self.transport);
        let meanwhile: Meanwhile = Arc::new(move || {
            if let Some(device) = device.upgrade() {
                action(&device);
            }
        });
        *self.device.driver().meanwhile.lock() = Some(meanwhile);
    }

    fn received(&self) -> Vec<u64> {
        core::mem::take(&mut self.device.driver().received.lock())
    }

    /// All buffers are with the device.
    fn assert_posted(&self) {
        let waiting = self.transport.with_queue(|queue| queue.waiting().count());
        assert_eq!(waiting, usize::from(ENTRIES));
        assert_eq!(post_all(&self.device), 0, "a spare buffer was not posted again");
    }
}

fn everywhere(test: impl Fn(&Rig)) {
    for version in [Legacy, Modern] {
        for ring in [Features::empty(), Features::all() - Features::VERSION_1] {
            test(&Rig::new(version, ring, 30_000));
        }
    }
}

#[ktest]
fn events_arrive_in_order_though_nobody_sleeps() {
    everywhere(|rig| {
        for event in 0..100 {
            assert_eq!(rig.send(event), (true, true), "event {event}");
        }
        assert_eq!(rig.received(), (0..100).collect::<Vec<_>>());
        rig.assert_posted();
    });
}

#[ktest]
fn as_many_events_as_buffers_may_come_at_once() {
    everywhere(|rig| {
        for round in 0..10 {
            rig.transport.with_queue(|queue| {
                for event in 0..u64::from(ENTRIES) {
                    let chain = queue.take().unwrap();
                    chain.write(0, &(100 * round + event).to_le_bytes());
                    queue.give_back(chain.head, 8);
                }
                assert!(queue.take().is_none());
            });
            rig.transport.interrupt(InterruptStatus::USED_BUFFER);
            let expected: Vec<_> =
                (0..u64::from(ENTRIES)).map(|event| 100 * round + event).collect();
            assert_eq!(rig.received(), expected);
            rig.assert_posted();
        }
    });
}

#[ktest]
fn a_device_that_says_nothing_for_long_is_let_be() {
    let rig = Rig::new(Modern, Features::empty(), 1);
    let later = ostd::arch::read_tsc() + ostd::arch::tsc_freq() / 5;
    while ostd::arch::read_tsc() < later {
        rig.device.tick();
    }
    assert_eq!(rig.device.driver().restarts.load(Ordering::Relaxed), 0);
    assert_eq!(rig.send(7), (true, true));
    assert_eq!(rig.received(), [7]);
}

/// Fills every buffer that is posted.
fn fill(queue: &mut DeviceQueue) {
    while let Some(chain) = queue.take() {
        chain.write(0, &1u64.to_le_bytes());
        queue.give_back(chain.head, 8);
    }
}

#[ktest]
fn a_device_that_returns_at_once_does_not_keep_the_handler() {
    everywhere(|rig| {
        // Each buffer that is posted again is full before the driver has dealt with the next.
        rig.meanwhile(|device| _ = device.try_with_queue(fill));
        rig.transport.with_queue(fill);
        rig.transport.interrupt(InterruptStatus::USED_BUFFER);
        let most = MAX_LOOKS * usize::from(ENTRIES);
        let first = rig.received().len();
        assert!((usize::from(ENTRIES) + 1..=most).contains(&first), "{first} events");
        // The next tick goes on with what is left, without an interrupt, and no longer than that.
        rig.device.tick();
        let second = rig.received().len();
        assert!((usize::from(ENTRIES) + 1..=most).contains(&second), "{second} events");
        // When the device gives way, nothing is left behind and interrupts are on.
        *rig.device.driver().meanwhile.lock() = None;
        rig.device.tick();
        rig.received();
        rig.assert_posted();
        assert_eq!(rig.send(9), (true, true));
        assert_eq!(rig.received(), [9]);
    });
}

#[ktest]
fn buffers_are_posted_again_after_a_restart() {
    everywhere(|rig| {
        for round in 0..u64::from(MAX_RESTARTS) {
            assert_eq!(rig.send(round), (true, true));
            // A buffer that the driver never posted comes back.
            rig.transport.with_queue(|queue| queue.give_back(ENTRIES, 8));
            rig.transport.interrupt(InterruptStatus::USED_BUFFER);
            assert_eq!(rig.device.driver().restarts.load(Ordering::Relaxed), round + 1);
            assert_eq!(rig.received(), [round]);
            rig.assert_posted();
            assert_eq!(rig.send(50 + round), (true, true), "interrupts are off after a restart");
            assert_eq!(rig.received(), [50 + round]);
        }
    });
}

#[ktest]
fn a_device_that_asks_for_a_reset_interrupts_for_its_events_again() {
    everywhere(|rig| {
        rig.transport.state.lock().status.insert(DeviceStatus::DEVICE_NEEDS_RESET);
        rig.transport.interrupt(InterruptStatus::CONFIGURATION_CHANGE);
        assert_eq!(rig.device.driver().restarts.load(Ordering::Relaxed), 1);
        assert_eq!(rig.send(5), (true, true));
        assert_eq!(rig.received(), [5]);
        rig.assert_posted();
    });
}

#[ktest]
fn a_device_that_resets_no_more_is_given_up_at_once() {
    let rig = Rig::new(Modern, Features::empty(), 30_000);
    // While it is started again: its queue is too small now, and it cannot be stopped any more.
    rig.meanwhile(|device| {
        let mut state = device.state.lock();
        (state.queue_size_max, state.ignores_reset) = (1, true);
    });
    let before = rig.transport.resets();
    rig.transport.state.lock().status.insert(DeviceStatus::DEVICE_NEEDS_RESET);
    rig.transport.interrupt(InterruptStatus::CONFIGURATION_CHANGE);
    // To stop it, to begin anew, and in vain.
    assert_eq!(rig.transport.resets(), before + 3);
    assert_eq!(rig.device.post(0, |_, _| Some(())), Err(DeviceError::Dead));
}

#[ktest]
fn a_buffer_that_is_not_linked_is_not_posted_and_not_lost() {
    let rig = Rig::new(Modern, Features::empty(), 30_000);
    // One buffer is to spare afterwards.
    assert_eq!(rig.send(NOT_LINKED), (true, true));
    let forget = |chain: &mut Chain<Event>, _| {
        chain.memory_mut();
        Some(())
    };
    assert_eq!(rig.device.post(0, forget), Ok(0));
    let why = DeviceError::Chain(ChainError::NotLinked);
    assert_eq!(*rig.device.driver().ended.lock(), (2, Some(why)));
    assert_eq!(post_all(&rig.device), 1);
    rig.assert_posted();
    assert_eq!(
        rig.device.post(1, |_, _| Some(())),
        Err(DeviceError::Dead),
        "there is no such queue"
    );
}

#[ktest]
fn an_event_of_the_wrong_length_is_none() {
    let rig = Rig::new(Modern, Features::empty(), 30_000);
    for written in [0, 7] {
        rig.transport.with_queue(|queue| {
            let chain = queue.take().unwrap();
            queue.give_back(chain.head, written);
        });
        rig.transport.interrupt(InterruptStatus::USED_BUFFER);
        assert_eq!(rig.received(), []);
        rig.assert_posted();
    }
}

#[ktest]
fn a_chain_that_is_not_linked_anew_ends_and_can_be_posted_again() {
    let rig = Rig::new(Modern, Features::RING_INDIRECT_DESC, 30_000);
    for _ in 0..3 {
        for _ in 0..ENTRIES {
            assert_eq!(rig.send(NOT_LINKED), (true, true));
        }
        assert_eq!(rig.send(1), (false, false));
        let ended = core::mem::take(&mut *rig.device.driver().ended.lock());
        let why = DeviceError::Chain(ChainError::NotLinked);
        assert_eq!(ended, (usize::from(ENTRIES), Some(why)));
        assert_eq!(post_all(&rig.device), usize::from(ENTRIES));
        rig.received();
    }
    rig.assert_posted();
}

#[ktest]
fn good_events_earn_the_device_its_restarts_again() {
    let rig = Rig::new(Modern, Features::empty(), 30_000);
    for incident in 1..=3 * u64::from(MAX_RESTARTS) {
        rig.transport.with_queue(|queue| queue.write_used_index(1000));
        rig.transport.interrupt(InterruptStatus::USED_BUFFER);
        assert_eq!(rig.device.driver().restarts.load(Ordering::Relaxed), incident);
        assert_eq!(rig.send(incident), (true, true));
        assert_eq!(rig.received(), [incident]);
    }
}
