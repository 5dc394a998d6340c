//! The MMIO transport, VIRTIO 1.3 section 4.2: registers at fixed offsets from a base address.
//!
//! Two register layouts share the window. Version 2 is the modern one; version 1 is the legacy
//! one (section 4.2.4), which QEMU presents unless it is told otherwise. They differ in how a
//! queue is described to the device, and in nothing else that a driver sees.

use core::fmt::{self, Debug};

use ostd::{
    io::IoMem,
    mm::{HasSize, PAGE_SIZE, PodOnce, VmIoOnce},
    sync::{LocalIrqDisabled, SpinLock},
};

use super::{
    super::queue::QueueAddresses, DeviceStatus, InterruptStatus, Transport, TransportError,
    Version, sealed::Sealed,
};

/// Register offsets in bytes, VIRTIO 1.3 section 4.2.2 (table 4.1) and 4.2.4 (table 4.3).
///
/// Names and order are the specification's. "RW", "R" and "W" say what the driver may do.
mod register {
    /// R: the bytes "virt".
    pub const MAGIC_VALUE: usize = 0x000;
    /// R: 1 is legacy, 2 is modern.
    pub const VERSION: usize = 0x004;
    /// R: 0 is an empty slot.
    pub const DEVICE_ID: usize = 0x008;
    /// R
    pub const VENDOR_ID: usize = 0x00c;
    /// R: 32 feature bits, which ones DEVICE_FEATURES_SEL says.
    pub const DEVICE_FEATURES: usize = 0x010;
    /// W
    pub const DEVICE_FEATURES_SEL: usize = 0x014;
    /// W: 32 feature bits, which ones DRIVER_FEATURES_SEL says.
    pub const DRIVER_FEATURES: usize = 0x020;
    /// W
    pub const DRIVER_FEATURES_SEL: usize = 0x024;
    /// W, legacy: the unit of QUEUE_PFN in bytes.
    pub const GUEST_PAGE_SIZE: usize = 0x028;
    /// W: the queue that the QUEUE_ registers below are about.
    pub const QUEUE_SEL: usize = 0x030;
    /// R: 0 if there is no such queue.
    pub const QUEUE_SIZE_MAX: usize = 0x034;
    /// W
    pub const QUEUE_SIZE: usize = 0x038;
    /// W, legacy: where the used ring is aligned to, in bytes.
    pub const QUEUE_ALIGN: usize = 0x03c;
    /// RW, legacy: the page number of the queue; 0 is a queue not in use.
    pub const QUEUE_PFN: usize = 0x040;
    /// RW, modern
    pub const QUEUE_READY: usize = 0x044;
    /// W: the queue with new available chains.
    pub const QUEUE_NOTIFY: usize = 0x050;
    /// R
    pub const INTERRUPT_STATUS: usize = 0x060;
    /// W
    pub const INTERRUPT_ACK: usize = 0x064;
    /// RW
    pub const STATUS: usize = 0x070;
    /// W, modern: the descriptor table; the upper 32 bits follow 4 bytes on.
    pub const QUEUE_DESC_LOW: usize = 0x080;
    /// W, modern: the driver area (available ring).
    pub const QUEUE_DRIVER_LOW: usize = 0x090;
    /// W, modern: the device area (used ring).
    pub const QUEUE_DEVICE_LOW: usize = 0x0a0;
    /// R, modern
    pub const CONFIG_GENERATION: usize = 0x0fc;
    /// RW: the device's configuration space starts here.
    pub const CONFIG: usize = 0x100;
}

/// "virt", read as a little-endian number.
const MAGIC: u32 = 0x7472_6976;

/// A window of registers: [`IoMem`] in the kernel, a table of numbers in a unit test.
///
/// Sealed, as [`Transport`] is.
pub trait Registers: VmIoOnce + HasSize + Debug + Send + Sync + Sealed + 'static {}

impl Sealed for IoMem {}
impl Registers for IoMem {}
impl<R: Registers> Sealed for MmioTransport<R> {}

/// One virtio-mmio slot that has a device in it.
#[derive(Debug)]
pub struct MmioTransport<R: Registers = IoMem> {
    registers: R,
    version: Version,
    device_id: u32,
    /// Held while a `*_SEL` register and what it selects are used together.
    selector: SpinLock<(), LocalIrqDisabled>,
}

impl<R: Registers> MmioTransport<R> {
    /// Looks at the slot behind `registers`.
    ///
    /// Only registers that reading does not change are read, so this disturbs no device.
    ///
    /// # Errors
    ///
    /// [`SlotError`] says what is wrong with the slot; an empty one is [`SlotError::Empty`].
    pub fn new(registers: R) -> Result<Self, SlotError> {
        if registers.size() < register::CONFIG {
            return Err(SlotError::TooSmall { bytes: registers.size() });
        }
        let read = |offset| registers.read_once::<u32>(offset).map_err(SlotError::Access);
        match read(register::MAGIC_VALUE)? {
            MAGIC => {}
            found => return Err(SlotError::BadMagic { found }),
        }
        let version = match read(register::VERSION)? {
            1 => Version::Legacy,
            2 => Version::Modern,
            found => return Err(SlotError::BadVersion { found }),
        };
        let device_id = match read(register::DEVICE_ID)? {
            0 => return Err(SlotError::Empty),
            id => id,
        };
        Ok(Self { registers, version, device_id, selector: SpinLock::new(()) })
    }

    fn read(&self, offset: usize) -> u32 {
        // Cannot fail: `new` has checked that the window holds every register, and all are
        // aligned. A device cannot change that.
        self.registers.read_once(offset).unwrap_or(0)
    }

    fn write(&self, offset: usize, value: u32) {
        // Cannot fail, as in `read`.
        let _ = self.registers.write_once(offset, &value);
    }

    fn write_address(&self, offset: usize, address: usize) {
        self.write(offset, address as u32);
        self.write(offset + 4, (address as u64 >> 32) as u32);
    }

    fn config<T: PodOnce>(&self, offset: usize) -> Result<T, TransportError> {
        register::CONFIG
            .checked_add(offset)
            .and_then(|at| self.registers.read_once(at).ok())
            .ok_or(TransportError::ConfigOutOfRange { offset })
    }

    fn set_config<T: PodOnce>(&self, offset: usize, value: T) -> Result<(), TransportError> {
        register::CONFIG
            .checked_add(offset)
            .and_then(|at| self.registers.write_once(at, &value).ok())
            .ok_or(TransportError::ConfigOutOfRange { offset })
    }
}

impl<R: Registers> Transport for MmioTransport<R> {
    fn version(&self) -> Version {
        self.version
    }

    fn device_id(&self) -> u32 {
        self.device_id
    }

    fn vendor_id(&self) -> u32 {
        self.read(register::VENDOR_ID)
    }

    fn status(&self) -> DeviceStatus {
        DeviceStatus::from_bits_retain(self.read(register::STATUS))
    }

    fn set_status(&self, status: DeviceStatus) {
        self.write(register::STATUS, status.bits());
    }

    fn device_features(&self) -> u64 {
        let _selector = self.selector.lock();
        let word = |select| {
            self.write(register::DEVICE_FEATURES_SEL, select);
            u64::from(self.read(register::DEVICE_FEATURES))
        };
        match self.version {
            Version::Legacy => word(0),
            Version::Modern => word(0) | word(1) << 32,
        }
    }

    fn set_driver_features(&self, features: u64) {
        let _selector = self.selector.lock();
        let word = |select, bits| {
            self.write(register::DRIVER_FEATURES_SEL, select);
            self.write(register::DRIVER_FEATURES, bits);
        };
        word(0, features as u32);
        if self.version == Version::Modern {
            word(1, (features >> 32) as u32);
        }
    }

    fn config_u8(&self, offset: usize) -> Result<u8, TransportError> {
        self.config(offset)
    }

    fn config_u16(&self, offset: usize) -> Result<u16, TransportError> {
        self.config(offset)
    }

    fn config_u32(&self, offset: usize) -> Result<u32, TransportError> {
        self.config(offset)
    }

    fn set_config_u8(&self, offset: usize, value: u8) -> Result<(), TransportError> {
        self.set_config(offset, value)
    }

    fn set_config_u32(&self, offset: usize, value: u32) -> Result<(), TransportError> {
        self.set_config(offset, value)
    }

    fn config_generation(&self) -> Option<u32> {
        match self.version {
            Version::Legacy => None,
            Version::Modern => Some(self.read(register::CONFIG_GENERATION)),
        }
    }

    fn queue_size_max(&self, index: u16) -> u32 {
        let _selector = self.selector.lock();
        self.write(register::QUEUE_SEL, index.into());
        self.read(register::QUEUE_SIZE_MAX)
    }

    fn queue_ready(&self, index: u16) -> bool {
        let _selector = self.selector.lock();
        self.write(register::QUEUE_SEL, index.into());
        match self.version {
            Version::Legacy => self.read(register::QUEUE_PFN) != 0,
            Version::Modern => self.read(register::QUEUE_READY) != 0,
        }
    }

    fn enable_queue(&self, index: u16, addresses: &QueueAddresses) -> Result<(), TransportError> {
        let _selector = self.selector.lock();
        self.write(register::QUEUE_SEL, index.into());
        self.write(register::QUEUE_SIZE, addresses.size().into());
        match self.version {
            Version::Legacy => {
                let address = addresses.descriptor_table();
                let page = u32::try_from(address / PAGE_SIZE)
                    .map_err(|_| TransportError::AddressTooHigh { address })?;
                self.write(register::GUEST_PAGE_SIZE, PAGE_SIZE as u32);
                self.write(register::QUEUE_ALIGN, PAGE_SIZE as u32);
                self.write(register::QUEUE_PFN, page);
            }
            Version::Modern => {
                self.write_address(register::QUEUE_DESC_LOW, addresses.descriptor_table());
                self.write_address(register::QUEUE_DRIVER_LOW, addresses.driver_area());
                self.write_address(register::QUEUE_DEVICE_LOW, addresses.device_area());
                self.write(register::QUEUE_READY, 1);
            }
        }
        Ok(())
    }

    // ANCHOR: notify
    fn notify(&self, index: u16) {
        self.write(register::QUEUE_NOTIFY, index.into());
    }
    // ANCHOR_END: notify

    // ANCHOR: acknowledge
    fn acknowledge_interrupt(&self) -> InterruptStatus {
        let causes = self.read(register::INTERRUPT_STATUS);
        self.write(register::INTERRUPT_ACK, causes);
        InterruptStatus::from_bits_truncate(causes)
    }
    // ANCHOR_END: acknowledge
}

/// The reason why a virtio-mmio slot cannot be used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SlotError {
    /// There is no device in the slot, which is no fault.
    Empty,
    /// The register window is shorter than the registers.
    TooSmall {
        /// Its length.
        bytes: usize,
    },
    /// The window does not start with "virt".
    BadMagic {
        /// Its first four bytes.
        found: u32,
    },
    /// Neither legacy (1) nor modern (2).
    BadVersion {
        /// The register's value.
        found: u32,
    },
    /// The window cannot be accessed.
    Access(ostd::Error),
}

impl fmt::Display for SlotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "the slot is empty"),
            Self::TooSmall { bytes } => write!(f, "the window of {bytes} bytes is too small"),
            Self::BadMagic { found } => {
                write!(f, "the magic value is {found:#010x} and not {MAGIC:#010x} (\"virt\")")
            }
            Self::BadVersion { found } => write!(f, "version {found} is neither 1 nor 2"),
            Self::Access(error) => write!(f, "the window cannot be accessed ({error:?})"),
        }
    }
}

impl core::error::Error for SlotError {}
