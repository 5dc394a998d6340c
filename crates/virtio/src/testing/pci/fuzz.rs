//! A million steps over random machines: each is walked, its BARs are sized and placed, and every function
//! that says to be a virtio device is opened and used.
//!
//! A *step* is an access to a register, in configuration space or behind a BAR. A *case* is one seed. What
//! holds of every machine:
//!
//! - no panic, and no work without end: a bounded number of accesses;
//! - each function is found once;
//! - the BARs that are called good overlap no other, lie at multiples of their size, and, where they were
//!   placed here, in a window of the host bridge;
//! - only memory in a good BAR of a function is acquired for it;
//! - a queue is given to a device only with a place for its notifications that is in the device's registers.

use alloc::{collections::BTreeSet, sync::Arc, vec::Vec};
use core::{
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
};

use fastrand::Rng;
use ostd::prelude::{ktest, println};
use pci::{
    Bar, Found, HostBridge, MAX_FUNCTIONS, Message, Resources, Space, Windows, testing::FakeBus,
};

use super::machine::{Machine, Noise};
use crate::{
    features::Features,
    handshake::{Handshake, read_config},
    queue::Queue,
    transport::{
        Transport,
        pci::{Messages, PciTransport, device_id},
    },
};

/// The least number of steps.
const GOAL: u64 = 1_000_000;

/// The most accesses of one walk: two for each place that can be, and some for each function.
const MOST_ACCESSES: u64 = 2 * 256 * 256 + 100 * MAX_FUNCTIONS as u64;

/// Set this to the seed of a case that failed, and run its test alone.
const REPLAY: Option<u64> = None;

/// The seed of the present case.
static SEED: AtomicU64 = AtomicU64::new(0);

/// The sums over all cases.
#[derive(Debug, Default)]
struct Totals {
    cases: u64,
    steps: u64,
    functions: usize,
    faults: usize,
    opened: usize,
    queues: usize,
}

#[ktest]
fn random_machines() {
    let mut totals = Totals::default();
    for seed in REPLAY.map_or(0..u64::MAX, |seed| seed..seed + 1) {
        SEED.store(seed, Ordering::Relaxed);
        let named = Named;
        case(seed, &mut totals);
        core::mem::forget(named);
        totals.cases += 1;
        if totals.steps >= GOAL {
            break;
        }
    }
    let Totals { cases, steps, functions, faults, opened, queues } = totals;
    println!(
        "\npci fuzz: {} steps, {} machines, {} functions, {} faults, {} devices opened, {} queues \
         set up",
        steps, cases, functions, faults, opened, queues
    );
    assert!(REPLAY.is_some() || opened > 100 && queues > 100 && faults > 100);
}

/// Names the case when it panics.
struct Named;

impl Drop for Named {
    fn drop(&mut self) {
        let seed = SEED.load(Ordering::Relaxed);
        println!("\npci fuzz: failed with seed {}; set REPLAY to it in {}", seed, file!());
    }
}

fn case(seed: u64, totals: &mut Totals) {
    let mut rng = Rng::with_seed(seed);
    let machine = Machine::new(rng.fork());
    let windows = windows(&mut rng);
    let resources = match rng.u32(0..3) {
        0 => Resources::AsFound,
        _ => Resources::Assign(windows.clone()),
    };
    let first = rng.u8(..) & rng.u8(..) & rng.u8(..) & 0xf0;
    // The fake bus is number 0: from another one on there is nothing.
    let buses = if rng.u32(0..10) == 0 { first..=rng.u8(first..) } else { 0..=rng.u8(..) };
    let is_placed = resources != Resources::AsFound;
    let found = HostBridge { access: machine.clone(), buses, resources }.find();
    let accesses = machine.accesses.load(Ordering::Relaxed);
    assert!(accesses <= MOST_ACCESSES, "{accesses} accesses");
    check(&found, is_placed.then_some(&windows));
    totals.functions += found.functions.len();
    totals.faults += found.faults.len();

    for function in found.functions {
        let bars: Vec<Range<usize>> = (0..6)
            .filter_map(|index| function.bar(index).ok())
            .filter(|bar| bar.space == Space::Memory)
            .filter_map(|bar| bar.range(0, bar.size))
            .collect();
        let is_virtio = device_id(&function.identity()).is_some();
        let noise = Noise::state(rng.fork());
        let message = Message { address: 0xfee0_0000, data: 0x40 };
        let messages = Messages { config: message, queues: message };
        let messages = rng.bool().then_some(&messages);
        let refuses = rng.u32(0..50) == 0;
        let transport = PciTransport::new(function, messages, |range| {
            let inside = |bar: &Range<usize>| bar.start <= range.start && range.end <= bar.end;
            assert!(bars.iter().any(inside) && !range.is_empty(), "{range:x?} of {bars:x?}");
            match refuses {
                true => Err(ostd::Error::AccessDenied),
                false => Ok(Noise::new(&noise, range.len())),
            }
        });
        if let Ok(transport) = transport {
            assert!(is_virtio);
            totals.opened += 1;
            totals.queues += used(Arc::new(transport));
        }
        totals.steps += noise.accesses.load(Ordering::Relaxed);
    }
    totals.steps += machine.accesses.load(Ordering::Relaxed);
}

fn windows(rng: &mut Rng) -> Windows {
    let mut windows = FakeBus::windows();
    for window in [&mut windows.io, &mut windows.memory, &mut windows.high] {
        match rng.u32(0..8) {
            0 => *window = None,
            1 => {
                if let Some(window) = window {
                    window.bus = rng.u64(..) >> rng.u32(0..64);
                    window.size = rng.u64(..) >> rng.u32(0..64);
                }
            }
            _ => {}
        }
    }
    windows
}

/// Checks what the walk says of itself.
fn check(found: &Found, windows: Option<&Windows>) {
    let functions = found.functions.iter().map(|function| function.address());
    let all: Vec<_> = functions.chain(found.bridges.iter().map(|(at, _)| *at)).collect();
    let distinct: BTreeSet<_> = all.iter().copied().collect();
    assert!(all.len() == distinct.len() && all.len() <= MAX_FUNCTIONS);

    let bars = |space: Space| {
        let good = found
            .functions
            .iter()
            .flat_map(|function| (0..6).filter_map(|index| function.bar(index).ok().cloned()));
        let mut bars: Vec<Bar> = good.filter(|bar| bar.space == space).collect();
        bars.sort_by_key(|bar| bar.address);
        bars
    };
    for space in [Space::Memory, Space::Io] {
        let bars = bars(space);
        for pair in bars.windows(2) {
            assert!(pair[0].address + pair[0].size <= pair[1].address, "{pair:x?}");
        }
        for bar in &bars {
            assert!(bar.size.is_power_of_two() && bar.address.is_multiple_of(bar.size));
            let Some(windows) = windows else { continue };
            let inside = [&windows.io, &windows.memory, &windows.high].iter().any(|window| {
                window.is_some_and(|window| {
                    let offset = bar.address.wrapping_sub(window.bus);
                    offset < window.size
                        && bar.size <= window.size - offset
                        && bar.cpu == window.cpu.wrapping_add(offset)
                })
            });
            assert!(inside, "{bar:x?} is in none of {windows:x?}");
            assert!(bar.wide || bar.address + bar.size <= 1 << 32);
        }
    }
}

/// Uses a device as drivers do; gives the number of queues that could be set up.
fn used(transport: Arc<PciTransport<Noise>>) -> usize {
    let shared: Arc<dyn Transport> = transport.clone();
    let mut queues = Vec::new();
    if let Ok(mut handshake) = Handshake::begin(shared.clone()) {
        let _ = handshake.negotiate(u64::MAX);
        let _ = read_config(&*shared, |found| {
            Ok((found.config_u8(0)?, found.config_u16(2)?, found.config_u32(4)?))
        });
        for index in [0, 1, 7, 1023, 1024, u16::MAX] {
            let queue = Queue::<(), ()>::new(shared.clone(), index, Features::all(), 64);
            queues.extend(queue.ok());
        }
        handshake.finish();
    }
    transport.configuration_changed();
    transport.acknowledge_interrupt();
    transport.use_pin();
    for index in [0, 1, 2, 1023, 1024, u16::MAX] {
        transport.notify(index);
    }
    let _ = shared.set_config_u8(3, 1);
    let _ = shared.set_config_u32(usize::MAX, 1);
    let count = queues.len();
    for mut queue in queues {
        assert!(queue.stop(|_, ()| ()).is_ok(), "a status of 0 comes sooner or later");
        queue.release();
    }
    count
}
