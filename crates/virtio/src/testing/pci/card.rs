//! A PCI function with a fake disk in it, whose registers can be made to lie.

use alloc::{collections::VecDeque, sync::Arc, vec::Vec};
use core::ops::Range;

use ostd::{
    mm::{HasSize, PodOnce, VmIoOnce},
    sync::{LocalIrqDisabled, SpinLock},
};
use pci::testing::{FakeBus, FakeFunction};

use super::super::{
    fake::{DeviceQueue, FakeDisk, all_disk_features},
    rig::SECTORS,
};
use crate::{
    device::blk::VirtioBlk,
    features::Features,
    handshake::InitError,
    options::Options,
    transport::{
        DeviceStatus, InterruptStatus, Registers, Transport, Version,
        pci::{FunctionError, Messages, PciTransport},
        sealed::Sealed,
    },
};

/// Offsets of common registers that the tests lie about or look at.
pub mod register {
    pub const DEVICE_FEATURE: usize = 0x04;
    pub const CONFIG_MSIX_VECTOR: usize = 0x10;
    pub const NUM_QUEUES: usize = 0x12;
    pub const DEVICE_STATUS: usize = 0x14;
    pub const QUEUE_SIZE: usize = 0x18;
    pub const QUEUE_MSIX_VECTOR: usize = 0x1a;
    pub const QUEUE_ENABLE: usize = 0x1c;
    pub const QUEUE_NOTIFY_OFF: usize = 0x1e;
    pub const QUEUE_DESC: usize = 0x20;
}

/// The places of the structures in BAR 4, as QEMU has them; each has 4 KiB.
pub mod place {
    pub const COMMON: usize = 0x0000;
    pub const ISR: usize = 0x1000;
    pub const DEVICE: usize = 0x2000;
    pub const NOTIFY: usize = 0x3000;
}

/// Kinds of structures.
pub mod kind {
    pub const COMMON: u8 = 1;
    pub const NOTIFY: u8 = 2;
    pub const ISR: u8 = 3;
    pub const DEVICE: u8 = 4;
    pub const PCI_CFG: u8 = 5;
}

/// The structure of one kind.
#[derive(Clone, Copy, Debug)]
pub struct Structure {
    pub length: u8,
    pub kind: u8,
    pub bar: u8,
    pub start: u32,
    pub bytes: u32,
}

impl Structure {
    pub const fn new(kind: u8, start: usize) -> Self {
        let length = if kind == kind::NOTIFY { 20 } else { 16 };
        Self { length, kind, bar: 4, start: start as u32, bytes: 0x1000 }
    }

    /// The bytes behind the first two of its capability.
    pub fn content(&self, multiplier: u32) -> Vec<u8> {
        let mut content = Vec::from([self.length, self.kind, self.bar, 0, 0, 0]);
        content.extend(self.start.to_le_bytes());
        content.extend(self.bytes.to_le_bytes());
        if self.kind == kind::NOTIFY {
            content.extend(multiplier.to_le_bytes());
        }
        content
    }
}

/// The structures of a good function.
pub const STRUCTURES: [Structure; 5] = [
    Structure::new(kind::PCI_CFG, 0),
    Structure::new(kind::NOTIFY, place::NOTIFY),
    Structure::new(kind::DEVICE, place::DEVICE),
    Structure::new(kind::ISR, place::ISR),
    Structure::new(kind::COMMON, place::COMMON),
];

/// A function with these structures and this notify_off_multiplier.
pub fn function(structures: &[Structure], multiplier: u32) -> FakeFunction {
    let function = FakeFunction::new(0x1af4, 0x1042).bar(1, 0x1000).wide_bar(4, 0x4000);
    let add = |function: FakeFunction, structure: &Structure| {
        function.capability(pci::id::VENDOR_SPECIFIC, &structure.content(multiplier))
    };
    structures.iter().fold(function, add)
}

/// A good function.
pub fn good() -> FakeFunction {
    function(&STRUCTURES, 4)
}

/// The registers behind the BARs, in front of a disk.
#[derive(Clone)]
pub struct Card {
    pub disk: Arc<FakeDisk>,
    table: Arc<SpinLock<Table, LocalIrqDisabled>>,
}

#[derive(Default)]
struct Table {
    /// Common registers with the values that they read as, one after the other; the last one stays.
    lies: Vec<(usize, VecDeque<u32>)>,
    /// The value last written to each common register.
    last: Vec<(usize, u32)>,
    features: [u32; 2],
    /// Offset in the structure and value of each notification.
    notified: Vec<(usize, u16)>,
    /// Writes to BAR 1.
    messages: Vec<(usize, u32)>,
    acquired: Vec<Range<usize>>,
    gone: bool,
}

impl Card {
    pub fn new() -> Self {
        let features = all_disk_features() | Features::all().bits();
        let disk = FakeDisk::new(Version::Modern, features, SECTORS);
        Self { disk, table: Arc::new(SpinLock::new(Table::default())) }
    }

    /// The transport to this card, whose function is `function`.
    pub fn open(
        &self,
        function: FakeFunction,
        messages: Option<&Messages>,
    ) -> Result<PciTransport<Memory>, FunctionError> {
        let bus = FakeBus::with(function);
        let mut found = bus.find().functions;
        assert_eq!(found.len(), 1);
        let function = found.remove(0);
        let bars: Vec<_> = (0..6)
            .filter_map(|index| Some((index, function.bar(index).ok()?.range(0, 1)?.start)))
            .collect();
        let transport = PciTransport::new(function, messages, |range| {
            self.table.lock().acquired.push(range.clone());
            let below = bars.iter().filter(|(_, start)| *start <= range.start);
            let (bar, start) = below.max_by_key(|(_, start)| *start).copied().unwrap();
            let size = range.len();
            Ok(Memory { card: self.clone(), bar, start: range.start - start, size })
        });
        bus.assert_quiet();
        transport
    }

    /// The driver, which has been initialised through the registers.
    pub fn driver(&self) -> Result<Arc<VirtioBlk>, InitError> {
        let transport = Arc::new(self.open(good(), None).expect("a good function"));
        VirtioBlk::new(transport, &Options::default()).map(Arc::new)
    }

    /// Makes a common register read as these values from now on, and then as the last one of them.
    pub fn lie(&self, register: usize, values: &[u32]) {
        self.table.lock().lies.push((register, values.iter().copied().collect()));
    }

    /// Makes all registers read as ones, as if nobody were there.
    pub fn vanish(&self) {
        self.table.lock().gone = true;
    }

    /// The value that the driver last wrote to a common register.
    pub fn written(&self, register: usize) -> Option<u32> {
        self.table.lock().written(register)
    }

    pub fn take_notified(&self) -> Vec<(usize, u16)> {
        core::mem::take(&mut self.table.lock().notified)
    }

    pub fn take_messages(&self) -> Vec<(usize, u32)> {
        core::mem::take(&mut self.table.lock().messages)
    }

    pub fn acquired(&self) -> Vec<Range<usize>> {
        self.table.lock().acquired.clone()
    }

    fn read(&self, bar: u8, offset: usize) -> u32 {
        if self.table.lock().gone {
            return u32::MAX;
        }
        let transport = &self.disk.transport;
        match (bar, offset) {
            (4, place::COMMON..place::ISR) => self.read_common(offset),
            (4, place::ISR) => transport.acknowledge_interrupt().bits(),
            (4, place::DEVICE..place::NOTIFY) => {
                let byte = |at| transport.config_u8(offset - place::DEVICE + at).unwrap_or(0);
                u32::from_le_bytes([byte(0), byte(1), byte(2), byte(3)])
            }
            _ => 0,
        }
    }

    fn read_common(&self, offset: usize) -> u32 {
        if let Some(value) = self.table.lock().lie(offset) {
            return value;
        }
        let transport = &self.disk.transport;
        let written = |register| self.written(register).unwrap_or(0);
        let queue = written(0x16) as u16;
        match offset {
            register::DEVICE_FEATURE => (transport.device_features() >> (32 * written(0))) as u32,
            register::NUM_QUEUES => transport.state.lock().queues.len() as u32,
            register::DEVICE_STATUS => transport.status().bits(),
            0x15 => transport.config_generation().unwrap_or(0),
            register::QUEUE_SIZE => transport.queue_size_max(queue),
            register::QUEUE_ENABLE => transport.queue_ready(queue).into(),
            register::QUEUE_NOTIFY_OFF => queue.into(),
            _ => written(offset),
        }
    }

    fn write(&self, bar: u8, offset: usize, value: u32) {
        match (bar, offset) {
            (1, _) => self.table.lock().messages.push((offset, value)),
            (4, place::COMMON..place::ISR) => self.write_common(offset, value),
            (4, place::DEVICE..place::NOTIFY) => {
                let at = offset - place::DEVICE;
                self.disk.transport.set_config_u8(at, value as u8).unwrap();
            }
            (4, place::NOTIFY..) => {
                let notified = (offset - place::NOTIFY, value as u16);
                self.table.lock().notified.push(notified);
                self.disk.transport.notify(value as u16);
            }
            _ => {}
        }
    }

    fn write_common(&self, offset: usize, value: u32) {
        let transport = &self.disk.transport;
        {
            let mut table = self.table.lock();
            match table.last.iter_mut().find(|(at, _)| *at == offset) {
                Some((_, last)) => *last = value,
                None => table.last.push((offset, value)),
            }
            let word = table.written(0x08).unwrap_or(0) as usize;
            if offset == 0x0c
                && let Some(features) = table.features.get_mut(word)
            {
                *features = value;
            }
        }
        match offset {
            0x0c => {
                let [low, high] = self.table.lock().features;
                transport.set_driver_features(u64::from(high) << 32 | u64::from(low));
            }
            register::DEVICE_STATUS => {
                transport.set_status(DeviceStatus::from_bits_retain(value));
            }
            register::QUEUE_ENABLE if value == 1 => self.enable(),
            _ => {}
        }
    }

    /// The device gets its queue.
    fn enable(&self) {
        let word = |at| u64::from(self.written(at).unwrap_or(0));
        let place = [0x20, 0x28, 0x30].map(|low| word(low + 4) << 32 | word(low));
        let (size, index) = (word(register::QUEUE_SIZE) as u16, word(0x16) as usize);
        let mut state = self.disk.transport.state.lock();
        let event_idx = state.driver_features & Features::RING_EVENT_IDX.bits() != 0;
        if let Some(queue) = state.queues.get_mut(index) {
            *queue = Some(DeviceQueue::at(size, place, event_idx));
        }
    }

    /// Raises the device's interrupt, as `interrupt` of the fake transport does.
    pub fn interrupt(&self, driver: &VirtioBlk, cause: InterruptStatus) {
        self.disk.transport.state.lock().interrupt.insert(cause);
        driver.device().handle_interrupt();
    }
}

impl Table {
    fn written(&self, register: usize) -> Option<u32> {
        self.last.iter().find(|(at, _)| *at == register).map(|(_, value)| *value)
    }

    fn lie(&mut self, register: usize) -> Option<u32> {
        let (_, values) = self.lies.iter_mut().rev().find(|(at, _)| *at == register)?;
        if values.len() > 1 { values.pop_front() } else { values.front().copied() }
    }
}

/// A part of a card's BAR.
#[derive(Clone)]
pub struct Memory {
    card: Card,
    bar: u8,
    start: usize,
    size: usize,
}

impl core::fmt::Debug for Memory {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Memory")
    }
}

impl Sealed for Memory {}
impl Registers for Memory {}

impl HasSize for Memory {
    fn size(&self) -> usize {
        self.size
    }
}

impl Memory {
    /// The offset in the BAR. The card does what the memory behind an `IoMem` does: nothing that is not
    /// aligned, and nothing outside.
    fn offset<T>(&self, offset: usize) -> Result<usize, ostd::Error> {
        let width = size_of::<T>();
        let end = offset.checked_add(width).filter(|end| *end <= self.size);
        match end {
            Some(_) if (self.start + offset).is_multiple_of(width) => Ok(self.start + offset),
            _ => Err(ostd::Error::InvalidArgs),
        }
    }
}

impl VmIoOnce for Memory {
    fn read_once<T: PodOnce>(&self, offset: usize) -> Result<T, ostd::Error> {
        let value = self.card.read(self.bar, self.offset::<T>(offset)?).to_le_bytes();
        Ok(T::from_bytes(&value[..size_of::<T>()]))
    }

    fn write_once<T: PodOnce>(&self, offset: usize, value: &T) -> Result<(), ostd::Error> {
        let mut word = [0; 4];
        word[..size_of::<T>()].copy_from_slice(value.as_bytes());
        self.card.write(self.bar, self.offset::<T>(offset)?, u32::from_le_bytes(word));
        Ok(())
    }
}
