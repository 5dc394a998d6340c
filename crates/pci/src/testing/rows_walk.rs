//! The walk: bridges, buses, holes, and buses without end.

use alloc::{collections::BTreeSet, sync::Arc, vec, vec::Vec};

use ostd::prelude::ktest;

use super::{FakeBus, FakeFunction};
use crate::{
    Address, Bar, BridgeFault, ConfigAccess, Fault, Found, Function, HostBridge, MAX_FUNCTIONS,
    Pin, Resources, Width, config::register,
};

fn plain() -> FakeFunction {
    FakeFunction::new(0x1af4, 0x1042)
}

fn at(bus: u8, device: u8, function: u8) -> Address {
    Address::new(bus, device, function).unwrap()
}

fn addresses(found: &Found) -> Vec<Address> {
    found.functions.iter().map(|function| function.address()).collect()
}

/// The most registers that a walk may touch: two reads for each place that can be, and some for each function.
const MOST_ACCESSES: usize = 2 * 256 * 256 + 100 * MAX_FUNCTIONS;

/// Three buses below one another, and one beside them.
fn nested() -> Arc<FakeBus> {
    let card = || plain().bar(0, 0x1000).wide_bar(4, 0x4000);
    let inner = FakeFunction::bridge([(0, card()), (3 << 3, card())]);
    let outer = FakeFunction::bridge([(0, card()), (1 << 3, inner), (2 << 3, card())]);
    FakeBus::new([
        (0, card()),
        (1 << 3, outer),
        (2 << 3, FakeFunction::bridge([])),
        (3 << 3, FakeFunction::bridge([(0, card().io_bar(1, 0x20))])),
    ])
}

#[ktest]
fn buses_are_numbered_as_they_are_found() {
    let bus = nested();
    let found = bus.find();
    assert_eq!(found.faults, []);
    assert_eq!(
        addresses(&found),
        [at(0, 0, 0), at(1, 0, 0), at(2, 0, 0), at(2, 3, 0), at(1, 2, 0), at(4, 0, 0)]
    );
    let bridges: Vec<_> = found.bridges.iter().map(|(at, _)| *at).collect();
    assert_eq!(bridges, [at(0, 1, 0), at(1, 1, 0), at(0, 2, 0), at(0, 3, 0)]);
    assert_eq!(bus.opened(), [0, 1, 2, 3, 4]);
    let buses = |at| bus.with_function(at, |found| found.word(register::BUSES)).unwrap();
    let told: Vec<_> = bridges.into_iter().map(buses).collect();
    assert_eq!(told, [0x02_01_00, 0x02_02_01, 0x03_03_00, 0x04_04_00]);
    bus.assert_quiet();
}

#[ktest]
fn windows_of_bridges_hold_what_is_behind_them() {
    let bus = nested();
    let found = bus.find();
    let window = |at: Address| {
        let word = bus.with_function(at, |found| found.word(register::MEMORY_WINDOW)).unwrap();
        u64::from(word & 0xfff0) << 16..u64::from(word & 0xfff0_0000) + 0x10_0000
    };
    let behind = |buses: &[u8]| -> Vec<Bar> {
        let functions = found.functions.iter();
        let functions = functions.filter(|function| buses.contains(&function.address().bus()));
        let bars = |function: &Function| [0, 4].map(|index| function.bar(index).unwrap().clone());
        functions.flat_map(bars).collect()
    };
    for (bridge, buses) in [(at(0, 1, 0), &[1, 2][..]), (at(1, 1, 0), &[2]), (at(0, 3, 0), &[4])] {
        let window = window(bridge);
        assert!(!behind(buses).is_empty());
        for bar in behind(buses) {
            let end = bar.address + bar.size;
            assert!(window.start <= bar.address && end <= window.end, "{bridge}: {bar:x?}");
            assert!(bar.address.is_multiple_of(bar.size));
        }
        let all = behind(&[0, 1, 2, 4]);
        for bar in all.iter().filter(|bar| !behind(buses).contains(bar)) {
            assert!(bar.address + bar.size <= window.start || window.end <= bar.address);
        }
    }
    // Nothing is behind this one, and no port behind the first.
    assert!(window(at(0, 2, 0)).is_empty());
    let io = |at| bus.with_function(at, |found| found.word(register::IO_WINDOW) as u16).unwrap();
    assert_eq!((io(at(0, 1, 0)), io(at(0, 3, 0))), (0x01f1, 0x1111));
    let prefetchable =
        |at| bus.with_function(at, |found| found.word(register::PREFETCHABLE_WINDOW)).unwrap();
    assert_eq!(prefetchable(at(0, 1, 0)), 0x0001_fff1);
    // Bridges pass on what goes through them, in both directions.
    let command = |at| bus.with_function(at, |found| found.space[4]).unwrap();
    assert_eq!((command(at(0, 1, 0)), command(at(1, 1, 0))), (0b111, 0b111));
}

#[ktest]
fn large_bars_behind_a_bridge_go_above_4_gib() {
    const LARGE: u64 = 1 << 28;
    let bridged = |bridge: FakeFunction| {
        let bus = FakeBus::with(bridge);
        let found = bus.find();
        let bar = found.functions[0].bar(0).map(|bar| bar.address);
        let words = [0x24, 0x28, 0x2c]
            .map(|offset| bus.with_function(at(0, 1, 0), |found| found.word(offset)).unwrap());
        (bar, words)
    };
    let card = || plain().wide_bar(0, LARGE);
    let (bar, words) = bridged(FakeFunction::bridge([(0, card())]));
    assert_eq!((bar, words), (Ok(4 << 32), [0x0ff1_0001, 4, 4]));
    let mut narrow = FakeFunction::bridge([(0, card())]);
    narrow.set(register::PREFETCHABLE_WINDOW, &[0, 0, 0, 0]);
    assert!(bridged(narrow).0.is_err());
}

#[ktest]
fn pins_turn_with_each_bridge() {
    let card = |pin| {
        let mut card = plain();
        card.set(register::INTERRUPT_PIN, &[pin]);
        card
    };
    let inner = FakeFunction::bridge([(0, card(1)), (3 << 3, card(4))]);
    let outer = FakeFunction::bridge([(2 << 3, inner), (5 << 3, card(2))]);
    let bus = FakeBus::new([(0, card(0)), (1 << 3, card(3)), (4 << 3, outer), (6 << 3, card(5))]);
    let pins: Vec<_> = bus.find().functions.iter().map(|found| found.pin()).collect();
    let pin = |root, number| Some(Pin { root, number });
    let bridge = at(0, 4, 0);
    // Walked in this order: 00:00, 00:01, 02:00, 02:03, 01:05, 00:06.
    let expected =
        [None, pin(at(0, 1, 0), 3), pin(bridge, 3), pin(bridge, 1), pin(bridge, 3), None];
    assert_eq!(pins, expected);
}

#[ktest]
fn row_8_holes_hide_what_is_in_them() {
    let bus = FakeBus::new([
        // No function 0, so no device.
        (1 << 3 | 1, plain()),
        // One function only, whatever else answers.
        (2 << 3, plain()),
        (2 << 3 | 3, plain()),
        // Several, with holes between them.
        (3 << 3, plain().multifunction()),
        (3 << 3 | 4, plain()),
        (3 << 3 | 7, plain()),
        // Vendors that are none.
        (4 << 3, FakeFunction::new(0xffff, 0x1042)),
        (5 << 3, FakeFunction::new(0, 0x1042).multifunction()),
        (31 << 3, plain()),
    ]);
    let found = bus.find();
    assert_eq!(
        addresses(&found),
        [at(0, 2, 0), at(0, 3, 0), at(0, 3, 4), at(0, 3, 7), at(0, 31, 0)]
    );
    assert_eq!(found.faults, []);
}

#[ktest]
fn row_9_a_function_in_every_slot() {
    let all = || (0..=255u8).map(|slot| (slot, plain().multifunction().bar(0, 0x1000)));
    let bus = FakeBus::new(all());
    let found = bus.find();
    assert_eq!((found.functions.len(), found.faults.len()), (256, 0));
    let distinct: BTreeSet<_> = found.functions.iter().map(|function| function.address()).collect();
    assert_eq!(distinct.len(), 256);
    assert!(bus.accesses() < MOST_ACCESSES);
    // Sixteen buses of them are too many.
    let bridges = (0..16u8).map(|slot| (slot << 3, FakeFunction::bridge(all())));
    let bus = FakeBus::new(bridges);
    let found = bus.find();
    assert_eq!(found.functions.len() + found.bridges.len(), MAX_FUNCTIONS);
    assert!(
        matches!(found.faults.last(), Some(Fault::TooMany { .. })),
        "{:?}",
        found.faults.last()
    );
    assert!(bus.accesses() < MOST_ACCESSES);
}

/// Configuration space in which the same function answers everywhere, whatever bridges are set to.
#[derive(Debug)]
struct Everywhere(FakeFunction, ostd::sync::SpinLock<usize>);

impl Everywhere {
    fn find(function: FakeFunction, resources: Resources) -> (Found, usize) {
        let everywhere = Arc::new(Self(function, ostd::sync::SpinLock::new(0)));
        let host = HostBridge { access: everywhere.clone(), buses: 0..=255, resources };
        let found = host.find();
        let accesses = *everywhere.1.lock();
        (found, accesses)
    }
}

impl ConfigAccess for Everywhere {
    fn read(&self, at: Address, offset: u8, width: Width) -> u32 {
        *self.1.lock() += 1;
        // It believes to be any bridge that it is asked as, one bus further on.
        let bus = at.bus();
        let word = match offset & !3 {
            0x18 => u32::from_le_bytes([bus, bus.saturating_add(1), 0xff, 0]),
            offset => self.0.word(offset),
        };
        word >> (8 * u32::from(offset & 3)) & width.all_ones()
    }

    fn write(&self, _: Address, _: u8, _: Width, _: u32) {
        *self.1.lock() += 1;
    }
}

#[ktest]
fn row_10_a_bridge_in_every_slot() {
    // Each leads to the next bus, where it is again, as deep as there are buses.
    let bridge = || FakeFunction::bridge([]).multifunction();
    for resources in [Resources::AsFound, Resources::Assign(FakeBus::windows())] {
        let (found, accesses) = Everywhere::find(bridge(), resources);
        assert!(found.functions.is_empty());
        assert_eq!(found.bridges.len(), MAX_FUNCTIONS);
        assert!(accesses < MOST_ACCESSES, "{accesses}");
    }
    // A function everywhere, on one bus.
    let (found, accesses) = Everywhere::find(plain().multifunction(), Resources::AsFound);
    assert_eq!(found.functions.len(), 256);
    assert!(accesses < MOST_ACCESSES, "{accesses}");
}

#[ktest]
fn row_11_buses_that_are_not_the_bridge_s_own() {
    let card = || [(0, plain())];
    let faults = |functions: Vec<(u8, FakeFunction)>| {
        let bus = FakeBus::new(functions);
        let found = bus.find_as(Resources::AsFound, 0..=9);
        (addresses(&found), found.faults)
    };
    let bridge =
        |secondary, subordinate| FakeFunction::bridge(card()).buses(0, secondary, subordinate);
    assert_eq!(faults(vec![(8, bridge(3, 3))]), (vec![at(3, 0, 0)], vec![]));
    let bad = |device, secondary, subordinate| {
        let fault = BridgeFault::BadBus { secondary, subordinate };
        Fault::Bridge { at: at(0, device, 0), fault }
    };
    let unnumbered = Fault::Bridge { at: at(0, 1, 0), fault: BridgeFault::NotNumbered };
    assert_eq!(faults(vec![(8, bridge(0, 0))]), (vec![], vec![unnumbered]));
    // The last bus before the first, and beyond the host bridge.
    for (secondary, subordinate) in [(4, 3), (3, 10), (10, 10), (255, 255)] {
        let expected = vec![bad(1, secondary, subordinate)];
        assert_eq!(faults(vec![(8, bridge(secondary, subordinate))]), (vec![], expected));
    }
    // Two to one bus.
    let found = faults(vec![(8, bridge(3, 3)), (16, bridge(3, 3))]);
    assert_eq!(found, (vec![at(3, 0, 0)], vec![bad(2, 3, 3)]));
    // Back to a bus above, to its own, and out of what the one above leads to.
    for (secondary, subordinate) in [(1, 4), (2, 4), (3, 5)] {
        let inner = FakeFunction::bridge(card()).buses(2, secondary, subordinate);
        let outer = FakeFunction::bridge([(0, inner)]).buses(0, 2, 4);
        let fault = BridgeFault::BadBus { secondary, subordinate };
        let expected = vec![Fault::Bridge { at: at(2, 0, 0), fault }];
        assert_eq!(faults(vec![(8, outer)]), (vec![], expected));
    }
}

#[ktest]
fn row_12_bridges_that_do_not_keep_their_bus() {
    let mut stuck = FakeFunction::bridge([(0, plain())]);
    stuck.make_writable(register::BUSES, &[0xff, 0x02, 0xff, 0xff]);
    let bus = FakeBus::new([(8, stuck), (16, FakeFunction::bridge([(0, plain())]))]);
    let found = bus.find();
    let fault = BridgeFault::NotKept { written: 1, found: 0 };
    assert_eq!(found.faults, [Fault::Bridge { at: at(0, 1, 0), fault }]);
    // The next one gets that bus.
    assert_eq!(addresses(&found), [at(1, 0, 0)]);
    let buses = bus.with_function(at(0, 1, 0), |found| found.word(register::BUSES));
    assert_eq!(buses, Some(0), "it leads nowhere");

    let few = FakeBus::new((0..4).map(|slot| (slot << 3, FakeFunction::bridge([]))));
    let found = few.find_as(Resources::Assign(FakeBus::windows()), 0..=2);
    let fault = |device| Fault::Bridge { at: at(0, device, 0), fault: BridgeFault::NoBusLeft };
    assert_eq!(found.faults, [fault(2), fault(3)]);
}

#[ktest]
fn row_13_headers_of_unknown_types() {
    let mut cardbus = plain().multifunction();
    cardbus.set(register::HEADER_TYPE, &[0x82]);
    let mut unknown = plain();
    unknown.set(register::HEADER_TYPE, &[0x7f]);
    let bus = FakeBus::new([(8, cardbus), (9, plain()), (16, unknown)]);
    let found = bus.find();
    assert_eq!(addresses(&found), [at(0, 1, 1)]);
    let fault = |at, kind| Fault::Header { at, kind };
    assert_eq!(found.faults, [fault(at(0, 1, 0), 2), fault(at(0, 2, 0), 0x7f)]);
}

/// Configuration space of which some buses cannot be reached.
#[derive(Debug)]
struct Closed(Arc<FakeBus>, u8);

impl ConfigAccess for Closed {
    fn open_bus(&self, bus: u8) -> Result<(), ostd::Error> {
        if bus == self.1 { Err(ostd::Error::AccessDenied) } else { Ok(()) }
    }

    fn read(&self, at: Address, offset: u8, width: Width) -> u32 {
        assert_ne!(at.bus(), self.1, "the bus is not open");
        self.0.read(at, offset, width)
    }

    fn write(&self, at: Address, offset: u8, width: Width, value: u32) {
        assert_ne!(at.bus(), self.1, "the bus is not open");
        self.0.write(at, offset, width, value);
    }
}

#[ktest]
fn a_bus_that_cannot_be_opened_is_left_out() {
    let find = |closed| {
        let access = Arc::new(Closed(nested(), closed));
        let resources = Resources::Assign(FakeBus::windows());
        HostBridge { access, buses: 0..=255, resources }.find()
    };
    let found = find(2);
    let fault = Fault::Bus { bus: 2, error: ostd::Error::AccessDenied };
    assert_eq!(found.faults, [fault]);
    assert_eq!(addresses(&found), [at(0, 0, 0), at(1, 0, 0), at(1, 2, 0), at(4, 0, 0)]);
    assert!(find(0).functions.is_empty());
}
