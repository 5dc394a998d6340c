//! The registers of a virtio-mmio slot in front of a fake disk, so that the real MMIO transport can
//! be lied to as well.

use alloc::{sync::Arc, vec::Vec};

use ostd::{
    mm::{HasSize, PodOnce, VmIoOnce},
    sync::{LocalIrqDisabled, SpinLock},
};

use super::{
    fake::{DeviceQueue, FakeDisk, all_disk_features},
    rig::SECTORS,
};
use crate::{
    device::blk::VirtioBlk,
    features::Features,
    handshake::InitError,
    options::Options,
    transport::{
        DeviceStatus, InterruptStatus, Transport,
        Version::{Legacy, Modern},
        mmio::{MmioTransport, Registers, SlotError},
        sealed::Sealed,
    },
};

/// Offsets of registers that the tests lie about or look at.
pub mod register {
    pub const MAGIC_VALUE: usize = 0x000;
    pub const VERSION: usize = 0x004;
    pub const DEVICE_ID: usize = 0x008;
    pub const QUEUE_SIZE_MAX: usize = 0x034;
    pub const QUEUE_SIZE: usize = 0x038;
    pub const QUEUE_PFN: usize = 0x040;
    pub const QUEUE_READY: usize = 0x044;
    pub const INTERRUPT_STATUS: usize = 0x060;
    pub const STATUS: usize = 0x070;
    pub const QUEUE_DESC_LOW: usize = 0x080;
    pub const QUEUE_DEVICE_HIGH: usize = 0x0a4;
}

/// A slot with a disk in it.
#[derive(Clone)]
pub struct Slot {
    pub disk: Arc<FakeDisk>,
    table: Arc<SpinLock<Table, LocalIrqDisabled>>,
}

#[derive(Default)]
struct Table {
    /// Registers with the wrong values that they read as; the last entry for a register counts.
    lies: Vec<(usize, u32)>,
    /// Bits that a status other than 0 has on top.
    more_status: u32,
    /// The value last written by the driver to each register.
    last: Vec<(usize, u32)>,
    features: [u32; 2],
    config_reads: Vec<usize>,
    accesses: usize,
}

impl Slot {
    pub fn modern() -> Self {
        Self::of(FakeDisk::new(Modern, all_disk_features() | Features::all().bits(), SECTORS))
    }

    pub fn legacy() -> Self {
        Self::of(FakeDisk::new(Legacy, all_disk_features() | Features::all().bits(), SECTORS))
    }

    fn of(disk: Arc<FakeDisk>) -> Self {
        Self { disk, table: Arc::new(SpinLock::new(Table::default())) }
    }

    /// The slot as the kernel finds it.
    pub fn transport(&self) -> Result<MmioTransport<Self>, SlotError> {
        MmioTransport::new(self.clone())
    }

    /// The driver, which has been initialised through the registers.
    pub fn driver(&self) -> Result<Arc<VirtioBlk>, InitError> {
        let transport = Arc::new(self.transport().expect("a slot with a disk"));
        VirtioBlk::new(transport, &Options::default()).map(Arc::new)
    }

    /// Makes a register read as `value` from now on.
    pub fn lie(&self, register: usize, value: u32) {
        self.table.lock().lies.push((register, value));
    }

    pub fn stop_lying(&self) {
        self.table.lock().lies.clear();
    }

    /// Sets these bits in every status that is not 0.
    pub fn add_to_status(&self, bits: u32) {
        self.table.lock().more_status = bits;
    }

    /// The value that the driver last wrote to a register.
    pub fn written(&self, register: usize) -> Option<u32> {
        self.table.lock().written(register)
    }

    /// Returns true if the driver has told the device of any memory.
    pub fn has_memory(&self) -> bool {
        let addresses = register::QUEUE_DESC_LOW..=register::QUEUE_DEVICE_HIGH;
        let memory = |register| {
            addresses.contains(&register)
                || [register::QUEUE_PFN, register::QUEUE_READY].contains(&register)
        };
        self.table.lock().last.iter().any(|(register, _)| memory(*register))
    }

    /// The offsets in the configuration space that were read since this was last called.
    pub fn take_config_reads(&self) -> Vec<usize> {
        core::mem::take(&mut self.table.lock().config_reads)
    }

    /// The number of register accesses so far, reads and writes.
    pub fn accesses(&self) -> usize {
        self.table.lock().accesses
    }

    fn read(&self, offset: usize) -> u32 {
        let lie = self.table.lock().lies.iter().rev().find(|(at, _)| *at == offset).copied();
        if let Some((_, value)) = lie {
            return value;
        }
        let transport = &self.disk.transport;
        let selected = |register| self.written(register).unwrap_or(0);
        match offset {
            register::MAGIC_VALUE => 0x7472_6976,
            register::VERSION if transport.version() == Legacy => 1,
            register::VERSION => 2,
            register::DEVICE_ID => transport.device_id(),
            0x010 => (transport.device_features() >> (32 * selected(0x014))) as u32,
            register::QUEUE_SIZE_MAX => transport.queue_size_max(selected(0x030) as u16),
            register::QUEUE_PFN | register::QUEUE_READY => transport.queue_ready(0).into(),
            register::INTERRUPT_STATUS => transport.state.lock().interrupt.bits(),
            register::STATUS => match transport.status().bits() {
                0 => 0,
                status => status | self.table.lock().more_status,
            },
            0x0fc => transport.config_generation().unwrap_or(0),
            0x100.. => {
                let byte = |at| transport.config_u8(offset - 0x100 + at).unwrap_or(0);
                u32::from_le_bytes([byte(0), byte(1), byte(2), byte(3)])
            }
            _ => 0,
        }
    }

    fn write(&self, offset: usize, value: u32) {
        let transport = &self.disk.transport;
        {
            let mut table = self.table.lock();
            match table.last.iter_mut().find(|(at, _)| *at == offset) {
                Some((_, last)) => *last = value,
                None => table.last.push((offset, value)),
            }
            let word = table.written(0x024).unwrap_or(0) as usize;
            if offset == 0x020
                && let Some(features) = table.features.get_mut(word)
            {
                *features = value;
            }
        }
        match offset {
            0x020 => {
                let [low, high] = self.table.lock().features;
                transport.set_driver_features(u64::from(high) << 32 | u64::from(low));
            }
            register::QUEUE_PFN => self.enable([u64::from(value) * 4096, 0, 0]),
            register::QUEUE_READY if value == 1 => {
                let address = |low| {
                    let word = |at| u64::from(self.written(at).unwrap_or(0));
                    word(low + 4) << 32 | word(low)
                };
                self.enable([address(0x080), address(0x090), address(0x0a0)]);
            }
            0x050 => transport.notify(value as u16),
            0x064 => {
                let causes = InterruptStatus::from_bits_retain(value);
                transport.state.lock().interrupt.remove(causes);
            }
            register::STATUS => transport.set_status(DeviceStatus::from_bits_retain(value)),
            _ => {}
        }
    }

    /// The device gets its queue, at these addresses; a legacy device computes the last two.
    fn enable(&self, [descriptors, mut driver_area, mut device_area]: [u64; 3]) {
        let size = self.written(register::QUEUE_SIZE).unwrap_or(0) as u16;
        if driver_area == 0 {
            driver_area = descriptors + 16 * u64::from(size);
            device_area = (driver_area + 6 + 2 * u64::from(size)).next_multiple_of(4096);
        }
        let mut state = self.disk.transport.state.lock();
        let event_idx = state.driver_features & Features::RING_EVENT_IDX.bits() != 0;
        let place = [descriptors, driver_area, device_area];
        state.queues[0] = Some(DeviceQueue::at(size, place, event_idx));
    }
}

impl Table {
    fn written(&self, register: usize) -> Option<u32> {
        self.last.iter().find(|(at, _)| *at == register).map(|(_, value)| *value)
    }
}

impl core::fmt::Debug for Slot {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Slot")
    }
}

impl Sealed for Slot {}
impl Registers for Slot {}

impl HasSize for Slot {
    fn size(&self) -> usize {
        0x200
    }
}

impl VmIoOnce for Slot {
    fn read_once<T: PodOnce>(&self, offset: usize) -> Result<T, ostd::Error> {
        if offset + size_of::<T>() > self.size() {
            return Err(ostd::Error::InvalidArgs);
        }
        {
            let mut table = self.table.lock();
            table.accesses += 1;
            if offset >= 0x100 {
                table.config_reads.push(offset - 0x100);
            }
        }
        let word = self.read(offset).to_le_bytes();
        Ok(T::from_bytes(&word[..size_of::<T>()]))
    }

    fn write_once<T: PodOnce>(&self, offset: usize, value: &T) -> Result<(), ostd::Error> {
        self.table.lock().accesses += 1;
        let mut word = [0; 4];
        word[..size_of::<T>()].copy_from_slice(value.as_bytes());
        self.write(offset, u32::from_le_bytes(word));
        Ok(())
    }
}
