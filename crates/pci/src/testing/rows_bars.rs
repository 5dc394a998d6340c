//! BARs: sizes, addresses, and what cannot be.

use alloc::{sync::Arc, vec::Vec};

use ostd::prelude::ktest;

use super::{FakeBus, FakeFunction};
use crate::{Address, Bar, BarFault, Fault, Function, Resources, Space, Window, Windows};

fn plain() -> FakeFunction {
    FakeFunction::new(0x1af4, 0x1042)
}

fn only(bus: &Arc<FakeBus>, resources: Resources) -> (Function, Vec<Fault>) {
    let mut found = bus.find_as(resources, 0..=0);
    bus.assert_quiet();
    (found.functions.remove(0), found.faults)
}

/// The BARs of a function, placed here.
fn placed(function: FakeFunction) -> Function {
    only(&FakeBus::with(function), Resources::Assign(FakeBus::windows())).0
}

#[ktest]
fn bars_of_every_kind_get_their_addresses() {
    let bus = FakeBus::with(
        plain()
            .io_bar(0, 0x80)
            .bar(1, 0x1000)
            .wide_bar(2, 0x4000)
            .raw_bar(4, !0xfff, 0b100)
            .raw_bar(5, !0, 0),
    );
    let (function, faults) = only(&bus, Resources::Assign(FakeBus::windows()));
    assert_eq!(faults, []);
    let bar = |index| function.bar(index).unwrap().clone();
    let common = Bar {
        space: Space::Memory,
        wide: false,
        prefetchable: false,
        address: 0x4000_0000,
        cpu: 0x4000_0000,
        size: 0x1000,
    };
    assert_eq!(
        bar(0),
        Bar { space: Space::Io, address: 0x1000, cpu: 0x300_1000, size: 0x80, ..common.clone() }
    );
    assert_eq!(bar(1), common);
    let (wide, prefetchable) = (true, true);
    assert_eq!(
        bar(2),
        Bar { wide, prefetchable, address: 0x4000_4000, cpu: 0x4000_4000, size: 0x4000, ..common }
    );
    assert_eq!((bar(4).wide, bar(4).prefetchable, bar(4).size), (true, false, 0x1000));
    assert_eq!(function.bar(3), Err(BarFault::UpperHalf));
    assert_eq!(function.bar(5), Err(BarFault::UpperHalf));
    for index in [6, 7, 255] {
        assert_eq!(function.bar(index), Err(BarFault::Absent));
    }
    // The registers hold what was told.
    let word = |offset| bus.with_function(function.address(), |found| found.word(offset)).unwrap();
    assert_eq!((word(0x10), word(0x14)), (0x1001, 0x4000_0000));
    assert_eq!((word(0x18), word(0x1c)), (0x4000_400c, 0));
}

#[ktest]
fn parts_of_a_bar_are_addresses_of_the_processor() {
    let bar = placed(plain().io_bar(0, 0x80)).bar(0).unwrap().clone();
    assert_eq!(bar.range(0, 0x80), Some(0x300_1000..0x300_1080));
    assert_eq!(bar.range(0x10, 4), Some(0x300_1010..0x300_1014));
    assert_eq!(bar.range(0x80, 0), Some(0x300_1080..0x300_1080));
    for (offset, length) in [(0, 0x81), (0x80, 1), (0x81, 0), (u64::MAX, 1), (1, u64::MAX)] {
        assert_eq!(bar.range(offset, length), None);
    }
    let far = Bar { cpu: u64::MAX - 3, ..bar };
    assert_eq!((far.range(0, 3).is_some(), far.range(0, 4)), (true, None));
}

#[ktest]
fn ports_may_have_16_address_bits() {
    let function = placed(plain().raw_bar(0, 0xffe0, 1));
    assert_eq!(function.bar(0).map(|bar| bar.size), Ok(0x20));
}

#[ktest]
fn large_bars_go_above_4_gib_where_they_can() {
    const LARGE: u64 = 1 << 28;
    let function = placed(plain().wide_bar(0, LARGE).wide_bar(2, 0x1000));
    let bar = function.bar(0).unwrap();
    assert_eq!((bar.address, bar.cpu), (4 << 32, 5 << 32));
    assert_eq!(function.bar(2).map(|bar| bar.address), Ok(0x4000_0000));
    // Not prefetchable, or of 32 bits.
    let no_room = Err(BarFault::NoRoom { size: LARGE });
    let other = placed(plain().raw_bar(0, !(LARGE as u32 - 1), 0b100).raw_bar(1, !0, 0));
    assert_eq!(other.bar(0).map(|_| ()), no_room);
    assert_eq!(placed(plain().bar(0, LARGE as u32)).bar(0).map(|_| ()), no_room);
}

#[ktest]
fn row_3_bars_of_impossible_sizes() {
    let fault = |writable, fixed| placed(plain().raw_bar(0, writable, fixed)).bar(0).unwrap_err();
    assert_eq!(fault(0, 0), BarFault::Absent);
    // There, as its fixed bits say, but without an address.
    assert_eq!(fault(0, 0b1000), BarFault::NoSize);
    assert_eq!(fault(0, 0b1), BarFault::NoSize);
    assert_eq!(fault(0, 0b100), BarFault::NoSize);
    for writable in [0xffff_0ff0, 0x7fff_fff0, 0x10, 0x8000_0010] {
        let expected = BarFault::NotAPowerOfTwo { writable: writable.into() };
        assert_eq!(fault(writable, 0), expected);
    }
    // The two halves do not fit together.
    let halves = |low, high| {
        placed(plain().raw_bar(0, low, 0b100).raw_bar(1, high, 0)).bar(0).map(|_| ()).unwrap_err()
    };
    assert_eq!(halves(!0xfff, 1), BarFault::NotAPowerOfTwo { writable: 0x1_ffff_f000 });
    assert_eq!(halves(!0xfff, !1), BarFault::NotAPowerOfTwo { writable: 0xffff_fffe_ffff_f000 });
    assert_eq!(halves(0, 1 << 31), BarFault::NoRoom { size: 1 << 63 });
    let (_, faults) =
        only(&FakeBus::with(plain().raw_bar(3, 0x10, 0)), Resources::Assign(FakeBus::windows()));
    let fault = BarFault::NotAPowerOfTwo { writable: 0x10 };
    let at = Address::new(0, 1, 0).unwrap();
    assert_eq!(faults, [Fault::Bar { at, index: 3, fault }]);
}

#[ktest]
fn row_4_bars_of_impossible_types() {
    for found in [0b01, 0b11] {
        let function = placed(plain().raw_bar(0, !0xfff, u32::from(found) << 1).bar(1, 0x1000));
        assert_eq!(function.bar(0), Err(BarFault::ReservedType { found }));
        // The next one is no half.
        assert_eq!(function.bar(1).map(|bar| bar.size), Ok(0x1000));
    }
    let last = placed(plain().raw_bar(5, !0xfff, 0b100));
    assert_eq!(last.bar(5), Err(BarFault::NoUpperHalf));
}

#[ktest]
fn row_5_bars_that_firmware_has_misplaced() {
    let kept = |function: FakeFunction| only(&FakeBus::with(function), Resources::AsFound);
    let two = |first: u32, second: u32| {
        let function = plain().bar(0, 0x1000).bar(1, 0x4000).at(0, first).at(1, second);
        kept(function).0
    };
    let good = two(0x8000_4000, 0x8000_0000);
    let addresses = [0, 1].map(|index| good.bar(index).map(|bar| (bar.address, bar.cpu)));
    assert_eq!(addresses, [Ok((0x8000_4000, 0x8000_4000)), Ok((0x8000_0000, 0x8000_0000))]);
    for inside in [0x8000_0000, 0x8000_1000, 0x8000_3000] {
        let overlap = two(inside, 0x8000_0000);
        assert!(overlap.bar(0).is_ok());
        assert_eq!(overlap.bar(1), Err(BarFault::Overlaps { other: inside.into() }));
    }
    assert_eq!(two(0, 0x8000_0000).bar(0), Err(BarFault::NotAssigned));

    // Up to the end of the address space, and one byte too far.
    let wide = plain().wide_bar(0, 0x4000).at(0, 0xffff_c000).at(1, u32::MAX);
    let fault = kept(wide).0.bar(0).map(|_| ()).unwrap_err();
    assert_eq!(fault, BarFault::BadAddress { address: 0xffff_ffff_ffff_c000, size: 0x4000 });

    // Of two functions, as well; ports are another space.
    let port = |at| plain().io_bar(1, 0x1000).at(1, at);
    let bus = FakeBus::new([
        (8, plain().bar(0, 0x1000).at(0, 0x8000_0000)),
        (16, plain().bar(0, 0x1000).at(0, 0x8000_0000)),
        (24, port(0x8000_0000)),
        (32, port(0x8000_0000)),
    ]);
    let found = bus.find_as_found();
    let fault = |index: usize, bar| found.functions[index].bar(bar).map(|_| ());
    let overlaps = Err(BarFault::Overlaps { other: 0x8000_0000 });
    assert_eq!(
        (fault(0, 0), fault(1, 0), fault(2, 1), fault(3, 1)),
        (Ok(()), overlaps, Ok(()), overlaps)
    );
    assert_eq!(found.faults.len(), 2);
}

#[ktest]
fn row_6_bars_without_room() {
    let windows = |memory, size| Windows {
        memory: Some(Window { bus: memory, cpu: memory, size }),
        ..Windows::default()
    };
    let with =
        |windows: Windows, function| only(&FakeBus::with(function), Resources::Assign(windows)).0;
    let two = || plain().bar(0, 0x1000).bar(1, 0x1000);
    let one_page = with(windows(0x4000_0000, 0x1000), two());
    assert!(one_page.bar(0).is_ok());
    assert_eq!(one_page.bar(1), Err(BarFault::NoRoom { size: 0x1000 }));
    // What does not fit takes nothing from those that do.
    let large_first = with(windows(0x4000_0000, 0x1000), plain().bar(0, 0x2000).bar(1, 0x1000));
    assert_eq!(large_first.bar(0), Err(BarFault::NoRoom { size: 0x2000 }));
    assert_eq!(large_first.bar(1).map(|bar| bar.address), Ok(0x4000_0000));
    // No window, one that ends at 4 GiB, one above, and one that overflows.
    assert!(with(Windows::default(), two()).bar(0).is_err());
    let last = with(windows(0xffff_f000, 1 << 40), two());
    assert_eq!((last.bar(0).is_ok(), last.bar(1).is_ok()), (true, false));
    assert!(with(windows(1 << 32, 1 << 20), two()).bar(0).is_err());
    assert!(with(windows(u64::MAX - 5, u64::MAX), two()).bar(0).is_err());
    // The page at 0 is given to nobody.
    let first = with(windows(0, 0x2000), two());
    assert_eq!(first.bar(0).map(|bar| bar.address), Ok(0x1000));
    assert!(first.bar(1).is_err());
    // No room for ports.
    assert!(with(windows(0x4000_0000, 0x1000), plain().io_bar(0, 0x10)).bar(0).is_err());
}

/// Configuration space whose BARs read as they should while they are sized, and lose their addresses.
#[derive(Debug)]
struct Forgetful(Arc<FakeBus>);

impl crate::ConfigAccess for Forgetful {
    fn read(&self, at: Address, offset: u8, width: crate::Width) -> u32 {
        self.0.read(at, offset, width)
    }

    fn write(&self, at: Address, offset: u8, width: crate::Width, value: u32) {
        let value = if offset == 0x10 && value != u32::MAX { 0 } else { value };
        self.0.write(at, offset, width, value);
    }
}

#[ktest]
fn row_7_bars_that_do_not_keep_their_address() {
    let bus = FakeBus::with(plain().bar(0, 0x1000).bar(1, 0x1000));
    let host = crate::HostBridge {
        access: Arc::new(Forgetful(bus)),
        buses: 0..=0,
        resources: Resources::Assign(FakeBus::windows()),
    };
    let found = host.find();
    let function = &found.functions[0];
    let fault = BarFault::NotKept { written: 0x4000_0000, found: 0 };
    assert_eq!(function.bar(0), Err(fault));
    // Nobody else gets that address.
    assert_eq!(function.bar(1).map(|bar| bar.address), Ok(0x4000_1000));
}
