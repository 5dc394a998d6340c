//! Rows 1 to 6: capabilities that say where the registers are.

use alloc::vec::Vec;

use ostd::prelude::ktest;
use pci::{BarFault, CapabilityFault, testing::FakeFunction};

use super::card::{Card, STRUCTURES, Structure, function, good, kind, place};
use crate::{
    device::blk,
    transport::{
        Transport, TransportError, Version,
        pci::{self as transport, FunctionError},
    },
};

/// The structures with another one in the place of that kind.
fn with(changed: Structure) -> FakeFunction {
    let replace = |found: Structure| if found.kind == changed.kind { changed } else { found };
    function(&STRUCTURES.map(replace), 4)
}

/// A structure of a good function.
fn structure(kind: u8) -> Structure {
    STRUCTURES.into_iter().find(|structure| structure.kind == kind).unwrap()
}

fn open(function: FakeFunction) -> Result<(), FunctionError> {
    Card::new().open(function, None).map(|_| ())
}

const ALL: [(u8, transport::Structure); 4] = [
    (kind::COMMON, transport::Structure::Common),
    (kind::NOTIFY, transport::Structure::Notify),
    (kind::ISR, transport::Structure::Isr),
    (kind::DEVICE, transport::Structure::Device),
];

#[ktest]
fn a_good_function_is_a_device() {
    let card = Card::new();
    let transport = card.open(good(), None).unwrap();
    assert_eq!((transport.device_id(), transport.version()), (blk::DEVICE_ID, Version::Modern));
    // One range for all structures, from the first to the last byte that is used.
    let [range] = &card.acquired()[..] else { panic!("{:x?}", card.acquired()) };
    assert_eq!((range.start % 0x4000, range.len()), (0, place::NOTIFY + 0x1000));
    // The pci-cfg structure is not used.
    let without: Vec<_> =
        STRUCTURES.into_iter().filter(|found| found.kind != kind::PCI_CFG).collect();
    assert_eq!(open(function(&without, 4)), Ok(()));
}

#[ktest]
fn device_ids_are_those_of_both_kinds() {
    let id = |vendor, device, subsystem: u16| {
        let mut function = good();
        function.set(0, &u16::to_le_bytes(vendor));
        function.set(2, &u16::to_le_bytes(device));
        function.set(0x2c, &[0x34, 0x12]);
        function.set(0x2e, &subsystem.to_le_bytes());
        let transport = Card::new().open(function, None);
        transport.map(|found| (found.device_id(), found.vendor_id()))
    };
    assert_eq!(id(0x1af4, 0x1042, 7), Ok((2, 0x1234)));
    assert_eq!(id(0x1af4, 0x1044, 0x1100), Ok((4, 0x1234)));
    assert_eq!(id(0x1af4, 0x107f, 0), Ok((63, 0x1234)));
    // Transitional: the subsystem tells.
    assert_eq!(id(0x1af4, 0x1001, 2), Ok((2, 0x1234)));
    assert_eq!(id(0x1af4, 0x103f, 0xffff), Ok((0xffff, 0x1234)));
    for (vendor, device) in [(0x1af4, 0x0fff), (0x1af4, 0x1080), (0x1af5, 0x1042), (0x8086, 0x1001)]
    {
        assert!(matches!(id(vendor, device, 2), Err(FunctionError::NotVirtio { .. })));
    }
}

#[ktest]
fn row_1_capabilities_that_are_too_short() {
    for (kind, _) in ALL {
        let good = structure(kind);
        for length in 0..good.length {
            let needed = if length < 16 { 16 } else { good.length };
            let error = open(with(Structure { length, ..good })).unwrap_err();
            assert!(
                matches!(error, FunctionError::ShortCapability { length: found, needed: least, .. }
                    if found == length && least == needed),
                "{error}"
            );
        }
        assert_eq!(open(with(Structure { length: 0xff, ..good })), Ok(()));
    }
    // The last capability starts where there is not enough room for it.
    for offset in [0xf4u8, 0xf8, 0xfc] {
        let mut function = good();
        function.set(0x34, &[offset]);
        function.set(offset, &[pci::id::VENDOR_SPECIFIC, 0, 16, kind::COMMON]);
        let error = FunctionError::ShortCapability { offset, length: 16, needed: 16 };
        assert_eq!(open(function), Err(error));
    }
    let mut notify = good();
    notify.set(0x34, &[0xf0]);
    notify.set(0xf0, &[pci::id::VENDOR_SPECIFIC, 0, 20, kind::NOTIFY, 4, 0, 0, 0, 0, 0x30]);
    notify.set(0xfc, &[0, 0x10, 0, 0]);
    let error = FunctionError::ShortCapability { offset: 0xf0, length: 20, needed: 20 };
    assert_eq!(open(notify), Err(error));
    // A list that is broken.
    let mut circle = good();
    circle.set(0x41, &[0x40]);
    assert_eq!(open(circle), Err(FunctionError::List(CapabilityFault::Loop { offset: 0x40 })));
}

#[ktest]
fn row_2_structures_in_bars_that_are_none() {
    for (kind, name) in ALL {
        for (bar, fault) in [(0, BarFault::Absent), (3, BarFault::Absent), (5, BarFault::UpperHalf)]
        {
            let error = FunctionError::Bar { structure: name, bar, fault };
            assert_eq!(open(with(Structure { bar, ..structure(kind) })), Err(error));
        }
    }
    // One that is there and broken.
    let broken = with(Structure { bar: 0, ..structure(kind::ISR) }).raw_bar(0, 0x10, 0);
    let fault = BarFault::NotAPowerOfTwo { writable: 0x10 };
    let error = FunctionError::Bar { structure: transport::Structure::Isr, bar: 0, fault };
    assert_eq!(open(broken), Err(error));
}

#[ktest]
fn row_3_structures_past_their_bar() {
    for (kind, name) in ALL {
        for (start, bytes) in [
            (0x3000, 0x1001),
            (0x4000, 0x1000),
            (0, 0x4001),
            (0xffff_f000, 0x1000),
            (0, u32::MAX),
            (u32::MAX - 3, u32::MAX),
        ] {
            let (length, size) = (u64::from(bytes), 0x4000);
            let error = FunctionError::Outside {
                structure: name,
                bar: 4,
                start: start.into(),
                length,
                size,
            };
            assert_eq!(open(with(Structure { start, bytes, ..structure(kind) })), Err(error));
        }
        assert_eq!(open(with(Structure { start: 0, bytes: 0x4000, ..structure(kind) })), Ok(()));
    }
}

#[ktest]
fn row_4_structures_that_are_not_whole() {
    for (kind, name, needed) in [
        (kind::COMMON, transport::Structure::Common, 0x38),
        (kind::NOTIFY, transport::Structure::Notify, 2),
        (kind::ISR, transport::Structure::Isr, 1),
        (kind::DEVICE, transport::Structure::Device, 1),
    ] {
        for bytes in [0, needed - 1] {
            let error = FunctionError::TooShort {
                structure: name,
                length: bytes.into(),
                needed: needed.into(),
            };
            assert_eq!(open(with(Structure { bytes, ..structure(kind) })), Err(error));
        }
        assert_eq!(open(with(Structure { bytes: needed, ..structure(kind) })), Ok(()));
    }
    for (kind, name, alignment) in [
        (kind::COMMON, transport::Structure::Common, 4),
        (kind::NOTIFY, transport::Structure::Notify, 2),
        (kind::DEVICE, transport::Structure::Device, 4),
    ] {
        for start in 1..alignment {
            let error = FunctionError::Unaligned {
                structure: name,
                start: start.into(),
                alignment: alignment.into(),
            };
            assert_eq!(open(with(Structure { start, ..structure(kind) })), Err(error));
        }
    }
    // All are needed but the device's configuration, which some kinds of device do not have.
    for (kind, name) in ALL {
        let left: Vec<_> = STRUCTURES.into_iter().filter(|found| found.kind != kind).collect();
        let opened = Card::new().open(function(&left, 4), None);
        match kind {
            kind::DEVICE => {
                let out = TransportError::ConfigOutOfRange { offset: 0 };
                let transport = opened.unwrap();
                assert_eq!(transport.config_u8(0), Err(out));
                assert_eq!(transport.set_config_u32(0, 1), Err(out));
            }
            _ => {
                assert_eq!(opened.map(|_| ()), Err(FunctionError::NoStructure { structure: name }))
            }
        }
    }
    // As a transitional device with its modern half switched off.
    let error = FunctionError::NoStructure { structure: transport::Structure::Common };
    assert_eq!(open(function(&[], 0)), Err(error));
}

#[ktest]
fn row_5_structures_far_apart() {
    let far = |isr: u32, notify_bytes: u32| {
        let place = |mut structure: Structure| {
            structure.bar = 2;
            match structure.kind {
                kind::ISR => (structure.start, structure.bytes) = (isr, 1),
                kind::NOTIFY => structure.bytes = notify_bytes,
                _ => {}
            }
            structure
        };
        let card = Card::new();
        let function = function(&STRUCTURES.map(place), 4).wide_bar(2, 1 << 25);
        let opened = card.open(function, None).map(|_| ());
        (opened, card.acquired().iter().map(ExactSizeIterator::len).sum::<usize>())
    };
    const MOST: usize = 16 << 20;
    assert_eq!(far(MOST as u32 - 1, 2), (Ok(()), MOST));
    let error = Err(FunctionError::TooFarApart { bar: 2 });
    assert_eq!(far(MOST as u32, 2), (error, 0));
    assert_eq!(far((1 << 25) - 1, 2), (error, 0));
    // No more is mapped than notifications can need, and that is too much beside the others.
    assert_eq!(far(0, (1 << 25) - 0x3000), (error, 0));
}

#[ktest]
fn row_6_structures_to_be_passed_over() {
    // Of two the first counts, which is the better one here.
    let second = Structure { start: 0xffff_0000, ..structure(kind::COMMON) };
    let mut all = STRUCTURES.to_vec();
    all.push(second);
    assert_eq!(open(function(&all, 4)), Ok(()));
    // Those with reserved numbers of BARs, of unknown kinds, and in ports are none.
    for first in [
        Structure { bar: 6, ..structure(kind::COMMON) },
        Structure { bar: 255, ..structure(kind::COMMON) },
        Structure { kind: 0, bar: 0, start: u32::MAX, ..structure(kind::COMMON) },
        Structure { kind: 8, bar: 0, start: u32::MAX, ..structure(kind::COMMON) },
        Structure { kind: 255, bar: 0, start: u32::MAX, ..structure(kind::COMMON) },
        Structure { bar: 0, ..structure(kind::COMMON) },
    ] {
        let all: Vec<_> = [first].into_iter().chain(STRUCTURES).collect();
        assert_eq!(open(function(&all, 4).io_bar(0, 0x40)), Ok(()));
    }
    let ports = with(Structure { bar: 0, ..structure(kind::NOTIFY) }).io_bar(0, 0x40);
    let error = FunctionError::NoStructure { structure: transport::Structure::Notify };
    assert_eq!(open(ports), Err(error));
}
