//! Random machines: buses, functions and registers that no standard has foreseen.

use alloc::{sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicU64, Ordering};

use fastrand::Rng;
use ostd::{
    mm::{HasSize, PodOnce, VmIoOnce},
    sync::{LocalIrqDisabled, SpinLock},
};
use pci::{
    Address, ConfigAccess, Width,
    testing::{FakeBus, FakeFunction},
};

use super::card::{STRUCTURES, Structure, function};
use crate::transport::{Registers, sealed::Sealed};

/// Bridges below bridges, at most.
const DEPTH: u32 = 4;

/// Configuration space of a random machine, which may change its mind.
#[derive(Debug)]
pub struct Machine {
    bus: Arc<FakeBus>,
    rng: SpinLock<Rng, LocalIrqDisabled>,
    /// The number of reads in a thousand that give anything.
    malice: u32,
    /// Registers read and written so far.
    pub accesses: AtomicU64,
}

impl Machine {
    pub fn new(mut rng: Rng) -> Arc<Self> {
        let malice = if rng.bool() { 0 } else { rng.u32(1..40) };
        let bus = FakeBus::new(functions(&mut rng, 0));
        Arc::new(Self { bus, rng: SpinLock::new(rng), malice, accesses: AtomicU64::new(0) })
    }
}

impl ConfigAccess for Machine {
    fn open_bus(&self, bus: u8) -> Result<(), ostd::Error> {
        match self.rng.lock().u32(0..100) {
            0 => Err(ostd::Error::AccessDenied),
            _ => self.bus.open_bus(bus),
        }
    }

    fn read(&self, at: Address, offset: u8, width: Width) -> u32 {
        assert!(offset.is_multiple_of(bytes_of(width)), "{width:?} at {offset:#x}");
        self.accesses.fetch_add(1, Ordering::Relaxed);
        let value = self.bus.read(at, offset, width);
        let mut rng = self.rng.lock();
        match self.malice > 0 && rng.u32(0..1000) < self.malice {
            true => (rng.u32(..) >> rng.u32(0..32)) & width.all_ones(),
            false => value,
        }
    }

    fn write(&self, at: Address, offset: u8, width: Width, value: u32) {
        assert!(offset.is_multiple_of(bytes_of(width)), "{width:?} at {offset:#x}");
        self.accesses.fetch_add(1, Ordering::Relaxed);
        self.bus.write(at, offset, width, value);
    }
}

fn bytes_of(width: Width) -> u8 {
    match width {
        Width::U8 => 1,
        Width::U16 => 2,
        Width::U32 => 4,
    }
}

/// The functions of a bus.
fn functions(rng: &mut Rng, depth: u32) -> Vec<(u8, FakeFunction)> {
    let count = if rng.u32(0..50) == 0 { 64 } else { rng.u32(0..6) };
    let slot = |rng: &mut Rng| match rng.u32(0..4) {
        0 => rng.u8(..),
        // Function 0, without which there is no other.
        _ => rng.u8(..) & !7,
    };
    (0..count).map(|_| (slot(rng), one(rng, depth))).collect()
}

fn one(rng: &mut Rng, depth: u32) -> FakeFunction {
    let mut made = match rng.u32(0..4) {
        0 if depth < DEPTH => {
            let (primary, secondary, subordinate) = (rng.u8(..), rng.u8(0..32), rng.u8(..));
            let bridge = FakeFunction::bridge(functions(rng, depth + 1));
            bridge.buses(primary, secondary, subordinate)
        }
        1 => anything(rng),
        _ => virtio(rng),
    };
    if rng.u32(0..3) == 0 {
        made = made.multifunction();
    }
    // As firmware may have left it: addresses, and a command register.
    for index in 0..6 {
        if rng.u32(0..3) == 0 {
            made = made.at(index, rng.u32(..) & (!0 << rng.u32(4..20)));
        }
    }
    made.set(0x04, &[rng.u8(..8), 0]);
    for _ in 0..rng.u32(0..4) {
        let (place, value) = (rng.u8(..), rng.u8(..));
        made.set(place, &[value]);
    }
    made
}

/// A function whose registers are noise.
fn anything(rng: &mut Rng) -> FakeFunction {
    let mut made = FakeFunction::new(rng.u16(..), rng.u16(..));
    rng.fill(&mut made.space[4..]);
    rng.fill(&mut made.writable);
    made
}

/// A function that is nearly a virtio device.
fn virtio(rng: &mut Rng) -> FakeFunction {
    let bars = [1, 4, 0, 2, 5, 7];
    let structures = STRUCTURES.map(|good| Structure {
        bar: if rng.u32(0..10) == 0 { bars[rng.usize(0..bars.len())] } else { good.bar },
        start: if rng.u32(0..10) == 0 { some_number(rng) } else { good.start },
        bytes: if rng.u32(0..10) == 0 { some_number(rng) } else { good.bytes },
        length: if rng.u32(0..20) == 0 { rng.u8(..) } else { good.length },
        ..good
    });
    let first = rng.usize(0..2);
    let multiplier = [4, 0, 2, 1, some_number(rng)][rng.usize(0..5)];
    let mut made = function(&structures[first..], multiplier);
    if rng.bool() {
        let mut content = Vec::from(rng.u16(0..8).to_le_bytes());
        content.extend((rng.u32(0..256) << 3 | rng.u32(0..2)).to_le_bytes());
        content.extend([0; 4]);
        made = made.capability(pci::id::MSI_X, &content);
    }
    if rng.u32(0..4) == 0 {
        made = made.raw_bar(0, some_number(rng), rng.u32(0..16));
    }
    made
}

/// A number of any order of magnitude, often with all bits from one upwards.
fn some_number(rng: &mut Rng) -> u32 {
    match rng.bool() {
        true => !0 << rng.u32(0..32),
        false => rng.u32(..) >> rng.u32(0..32),
    }
}

/// Registers that read as anything.
#[derive(Clone, Debug)]
pub struct Noise {
    state: Arc<NoiseState>,
    bytes: usize,
}

#[derive(Debug)]
pub struct NoiseState {
    rng: SpinLock<Rng, LocalIrqDisabled>,
    pub accesses: AtomicU64,
}

impl Noise {
    pub fn state(rng: Rng) -> Arc<NoiseState> {
        Arc::new(NoiseState { rng: SpinLock::new(rng), accesses: AtomicU64::new(0) })
    }

    pub fn new(state: &Arc<NoiseState>, bytes: usize) -> Self {
        Self { state: state.clone(), bytes }
    }

    fn check<T>(&self, offset: usize) -> Result<(), ostd::Error> {
        self.state.accesses.fetch_add(1, Ordering::Relaxed);
        match offset.checked_add(size_of::<T>()) {
            Some(end) if end <= self.bytes => Ok(()),
            _ => Err(ostd::Error::InvalidArgs),
        }
    }
}

impl Sealed for Noise {}
impl Registers for Noise {}

impl HasSize for Noise {
    fn size(&self) -> usize {
        self.bytes
    }
}

impl VmIoOnce for Noise {
    fn read_once<T: PodOnce>(&self, offset: usize) -> Result<T, ostd::Error> {
        self.check::<T>(offset)?;
        let mut rng = self.state.rng.lock();
        // Nothing and everything are more likely than the rest, so that resets end and features are offered.
        let word = match rng.u32(0..4) {
            0 | 1 => 0,
            2 => u64::MAX,
            _ => rng.u64(..) >> rng.u32(0..64),
        };
        Ok(T::from_bytes(&word.to_le_bytes()[..size_of::<T>()]))
    }

    fn write_once<T: PodOnce>(&self, offset: usize, _: &T) -> Result<(), ostd::Error> {
        self.check::<T>(offset)
    }
}
