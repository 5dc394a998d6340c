//! Configuration space in memory.

use alloc::{sync::Arc, vec, vec::Vec};
use core::ops::Range;

use ostd::{
    mm::{PodOnce, VmIoOnce},
    prelude::ktest,
    sync::SpinLock,
};

use crate::{Address, ConfigAccess, Ecam, Width};

/// Memory that remembers what was acquired and written.
#[derive(Clone)]
struct Memory(Arc<SpinLock<Log>>);

#[derive(Default)]
struct Log {
    acquired: Vec<Range<usize>>,
    writes: Vec<(usize, Vec<u8>)>,
    refuses: bool,
}

impl Memory {
    fn new() -> Self {
        Self(Arc::new(SpinLock::new(Log::default())))
    }

    fn ecam(&self, start: usize, buses: core::ops::RangeInclusive<u8>) -> Option<Ecam<Self>> {
        let memory = self.clone();
        Ecam::new(start, buses, move |range| {
            let mut log = memory.0.lock();
            log.acquired.push(range);
            if log.refuses { Err(ostd::Error::AccessDenied) } else { Ok(memory.clone()) }
        })
    }
}

impl VmIoOnce for Memory {
    fn read_once<T: PodOnce>(&self, offset: usize) -> Result<T, ostd::Error> {
        // Each byte is the lower part of its offset.
        let bytes: Vec<u8> = (offset..offset + size_of::<T>()).map(|at| at as u8).collect();
        Ok(T::from_bytes(&bytes))
    }

    fn write_once<T: PodOnce>(&self, offset: usize, value: &T) -> Result<(), ostd::Error> {
        self.0.lock().writes.push((offset, value.as_bytes().to_vec()));
        Ok(())
    }
}

#[ktest]
fn a_bus_is_mapped_when_it_is_opened_and_once() {
    let memory = Memory::new();
    let ecam = memory.ecam(0x3000_0000, 2..=4).unwrap();
    let at = Address::new(3, 5, 1).unwrap();
    // Nobody answers.
    assert_eq!(ecam.read(at, 0, Width::U16), 0xffff);
    ecam.write(at, 4, Width::U16, 7);
    for _ in 0..3 {
        assert_eq!(ecam.open_bus(3), Ok(()));
    }
    assert_eq!(memory.0.lock().acquired, [Range { start: 0x3010_0000, end: 0x3020_0000 }]);
    for bus in [0, 1, 5, 255] {
        assert_eq!(ecam.open_bus(bus), Err(ostd::Error::InvalidArgs));
        assert_eq!(ecam.read(Address::new(bus, 0, 0).unwrap(), 0, Width::U8), 0xff);
    }
    assert_eq!(ecam.read(at, 0x24, Width::U8), 0x24);
    assert_eq!(ecam.read(at, 0x24, Width::U16), 0x2524);
    assert_eq!(ecam.read(at, 0x24, Width::U32), 0x2726_2524);
    ecam.write(at, 4, Width::U16, 0x1_0203);
    ecam.write(at, 8, Width::U8, 0xab);
    ecam.write(at, 12, Width::U32, 0x0102_0304);
    let place = (5 << 3 | 1) << 12;
    assert_eq!(
        memory.0.lock().writes,
        [(place + 4, vec![3, 2]), (place + 8, vec![0xab]), (place + 12, vec![4, 3, 2, 1])]
    );
}

#[ktest]
fn a_bus_that_cannot_be_mapped_is_not_there() {
    let memory = Memory::new();
    memory.0.lock().refuses = true;
    let ecam = memory.ecam(0x3000_0000, 0..=255).unwrap();
    assert_eq!(ecam.open_bus(0), Err(ostd::Error::AccessDenied));
    assert_eq!(ecam.read(Address::new(0, 0, 0).unwrap(), 0, Width::U32), u32::MAX);
    memory.0.lock().refuses = false;
    assert_eq!(ecam.open_bus(255), Ok(()));
    assert_eq!(memory.0.lock().acquired[1], 0x3ff0_0000..0x4000_0000);
    // Beyond the address space, and no bus.
    assert!(memory.ecam(usize::MAX - 5, 0..=0).is_none());
    #[expect(clippy::reversed_empty_ranges)]
    let none = memory.ecam(0, 5..=4);
    assert!(none.is_none());
}

#[ktest]
fn addresses_have_limits_and_a_text() {
    assert_eq!(Address::new(0, 32, 0), None);
    assert_eq!(Address::new(0, 0, 8), None);
    let at = Address::new(0xab, 0x1f, 7).unwrap();
    assert_eq!((at.bus(), at.device(), at.function()), (0xab, 0x1f, 7));
    assert_eq!((at.bits(), Address::of_slot(0xab, 0xff)), (0xabff, at));
    assert_eq!(alloc::format!("{at} {at:?}"), "ab:1f.7 ab:1f.7");
}
