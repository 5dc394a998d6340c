//! The PCI transport, VIRTIO 1.3 section 4.1: registers in the memory of a PCI function.
//!
//! Where the registers are, the function's capabilities say. The modern interface is
//! spoken, also to transitional devices; the legacy one, which is in ports, is not implemented.
//!
//! A device interrupts by its pin, or by messages (MSI-X) where the machine has some to offer. One message is
//! for all queues, another one for the configuration, so that the driver needs no register to tell the
//! two apart.
//!
//! `queue_reset` (section 4.1.4.3) is not used: a queue ends with its device's reset, as on every transport.

mod error;
mod structures;
mod window;

use alloc::boxed::Box;
use core::{
    ops::Range,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use ostd::{
    io::IoMem,
    mm::PodOnce,
    sync::{LocalIrqDisabled, SpinLock},
};
use pci::{Function, Identity, Message, Msix, MsixTable};

pub use self::error::{FunctionError, NoMessages, Structure};
use self::{structures::Structures, window::Window};
use super::{
    super::queue::QueueAddresses, DeviceStatus, InterruptStatus, Registers, Transport,
    TransportError, Version, sealed::Sealed,
};

/// Register offsets in bytes in the common configuration structure, section 4.1.4.3.
///
/// Names and order are the specification's. "RW", "R" and "W" say what the driver may do.
mod register {
    /// RW
    pub const DEVICE_FEATURE_SELECT: usize = 0x00;
    /// R: 32 feature bits, which ones DEVICE_FEATURE_SELECT says.
    pub const DEVICE_FEATURE: usize = 0x04;
    /// RW
    pub const DRIVER_FEATURE_SELECT: usize = 0x08;
    /// RW: 32 feature bits, which ones DRIVER_FEATURE_SELECT says.
    pub const DRIVER_FEATURE: usize = 0x0c;
    /// RW, 16 bits: the message for changes of the configuration.
    pub const CONFIG_MSIX_VECTOR: usize = 0x10;
    /// R, 16 bits
    pub const NUM_QUEUES: usize = 0x12;
    /// RW, 8 bits
    pub const DEVICE_STATUS: usize = 0x14;
    /// R, 8 bits
    pub const CONFIG_GENERATION: usize = 0x15;
    /// RW, 16 bits: the queue that the registers below are about.
    pub const QUEUE_SELECT: usize = 0x16;
    /// RW, 16 bits: at first the largest that is possible; 0 if there is no such queue.
    pub const QUEUE_SIZE: usize = 0x18;
    /// RW, 16 bits: the message for what the device returns.
    pub const QUEUE_MSIX_VECTOR: usize = 0x1a;
    /// RW, 16 bits
    pub const QUEUE_ENABLE: usize = 0x1c;
    /// R, 16 bits: where the queue's notifications go, in units of notify_off_multiplier.
    pub const QUEUE_NOTIFY_OFF: usize = 0x1e;
    /// RW, 64 bits: the descriptor table.
    pub const QUEUE_DESC: usize = 0x20;
    /// RW, 64 bits: the driver area (available ring).
    pub const QUEUE_DRIVER: usize = 0x28;
    /// RW, 64 bits: the device area (used ring).
    pub const QUEUE_DEVICE: usize = 0x30;
    /// The registers up to here are those that every device has.
    pub const END: usize = 0x38;
}

/// The vendor of all virtio devices (section 4.1.2).
const VENDOR: u16 = 0x1af4;

/// The most queues of a device that are used; QEMU's devices have no more.
const MAX_QUEUES: u16 = 1024;

/// The bytes of a notification: the queue's number (section 4.1.5.2).
const NOTIFICATION_BYTES: u64 = 2;

/// The offset of a queue's notifications while the queue is not enabled: no window reaches there.
const NOWHERE: usize = usize::MAX;

/// Places in the table of messages.
mod vector {
    pub const CONFIG: u16 = 0;
    pub const QUEUES: u16 = 1;
    /// The number of them.
    pub const COUNT: u16 = 2;
}

/// The virtio device id of a function that says to be a virtio device (section 4.1.2.1), be it transitional or
/// not; `None` for all others.
pub fn device_id(identity: &Identity) -> Option<u32> {
    match (identity.vendor, identity.device) {
        (VENDOR, 0x1000..=0x103f) => Some(identity.subsystem.into()),
        (VENDOR, device @ 0x1040..=0x107f) => Some(u32::from(device) - 0x1040),
        _ => None,
    }
}

/// The two messages of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Messages {
    /// For changes of the configuration. Its handler calls [`PciTransport::configuration_changed`] first.
    pub config: Message,
    /// For chains that the device returns.
    pub queues: Message,
}

/// A PCI function with a virtio device in it.
#[derive(Debug)]
pub struct PciTransport<R: Registers = IoMem> {
    function: Function,
    device_id: u32,
    common: Window<R>,
    isr: Window<R>,
    /// `None` where the device has no configuration.
    device: Option<Window<R>>,
    notify: Window<R>,
    notify_off_multiplier: u32,
    /// Where the notifications of each queue go, in `notify`; [`NOWHERE`] until it has been enabled.
    notify_offsets: Box<[AtomicUsize]>,
    /// Held while a `*_SELECT` register and what it selects are used together.
    selector: SpinLock<(), LocalIrqDisabled>,
    messages: Result<Sender<R>, NoMessages>,
}

/// The state of a device that interrupts by messages.
#[derive(Debug)]
struct Sender<R> {
    _table: MsixTable<Window<R>>,
    /// Set if a change of the configuration has been told and not acknowledged.
    config_changed: AtomicBool,
}

impl<R: Registers> PciTransport<R> {
    /// Looks for the device's registers, and gets access to them: `acquire` gives the memory at physical
    /// addresses, as `IoMem::acquire` does.
    ///
    /// Where there are `messages` the device interrupts by them, if it can: [`Self::messages`] tells. Else it
    /// raises its pin once [`Self::use_pin`] lets it.
    ///
    /// Until the first queue is enabled the device moves no data, so whatever it was told before this kernel
    /// came has been forgotten in a reset by then.
    ///
    /// # Errors
    ///
    /// [`FunctionError`] says what is wrong with the function.
    pub fn new(
        function: Function,
        messages: Option<&Messages>,
        acquire: impl FnMut(Range<usize>) -> Result<R, ostd::Error>,
    ) -> Result<Self, FunctionError> {
        let identity = function.identity();
        let device_id = device_id(&identity).ok_or(FunctionError::NotVirtio { identity })?;
        let structures = Structures::find(&function)?;
        let msix = match messages {
            Some(_) => find_msix(&function),
            None => Err(NoMessages::NotOffered),
        };
        let table = msix.as_ref().ok().map(|msix| (msix.bar, msix.table.clone()));
        let windows = structures.open(&function, table, acquire)?;
        function.set_memory(true);
        let queues = windows
            .common
            .read::<u16>(register::NUM_QUEUES)
            .map_err(FunctionError::Access)?
            .min(MAX_QUEUES);
        let messages = match (msix, messages, windows.table) {
            (Ok(msix), Some(messages), Some(table)) => {
                send(&function, &msix, messages, table).map_err(NoMessages::Access)
            }
            (msix, ..) => Err(msix.err().unwrap_or(NoMessages::NotOffered)),
        };
        Ok(Self {
            function,
            device_id,
            common: windows.common,
            isr: windows.isr,
            device: windows.device,
            notify: windows.notify,
            notify_off_multiplier: structures.notify_off_multiplier,
            notify_offsets: (0..queues).map(|_| AtomicUsize::new(NOWHERE)).collect(),
            selector: SpinLock::new(()),
            messages,
        })
    }

    /// Says that the device interrupts by the messages that it was given.
    ///
    /// # Errors
    ///
    /// The reason for which it does not.
    pub fn messages(&self) -> Result<(), &NoMessages> {
        self.messages.as_ref().map(|_| ())
    }

    /// Lets the device raise its pin. To be called when the pin has been led to the driver.
    pub fn use_pin(&self) {
        self.function.set_pin(true);
    }

    /// Notes that the message for changes of the configuration has come; what handles the interrupt learns it
    /// from [`Transport::acknowledge_interrupt`]. May be called from any context.
    pub fn configuration_changed(&self) {
        if let Ok(sender) = &self.messages {
            sender.config_changed.store(true, Ordering::Release);
        }
    }

    /// Reads a register that every device has.
    fn read<T: PodOnce + Default>(&self, offset: usize) -> T {
        // Cannot fail: `new` has checked that the window holds every register, and all are aligned. A device
        // cannot change that.
        self.common.read(offset).unwrap_or_default()
    }

    fn write<T: PodOnce + Default>(&self, offset: usize, value: T) {
        // Cannot fail, as in `read`.
        let _ = self.common.write(offset, value);
    }

    /// A register of 64 bits may be accessed by its halves (section 4.1.3.1).
    fn write_address(&self, offset: usize, address: usize) {
        self.write(offset, address as u32);
        self.write(offset + 4, (address as u64 >> 32) as u32);
    }

    /// Writes the number of a message, and sees if the device takes it (section 4.1.5.1.2.2).
    fn write_vector(&self, register: usize, vector: u16) -> Result<(), TransportError> {
        self.write(register, vector);
        match self.read::<u16>(register) == vector {
            true => Ok(()),
            false => Err(TransportError::MessageRefused { vector }),
        }
    }

    fn config<T: PodOnce + Default>(&self, offset: usize) -> Result<T, TransportError> {
        let window = self.device.as_ref();
        window
            .and_then(|window| window.read(offset).ok())
            .ok_or(TransportError::ConfigOutOfRange { offset })
    }

    fn set_config<T: PodOnce + Default>(
        &self,
        offset: usize,
        value: T,
    ) -> Result<(), TransportError> {
        let window = self.device.as_ref();
        window
            .and_then(|window| window.write(offset, value).ok())
            .ok_or(TransportError::ConfigOutOfRange { offset })
    }

    /// The place of the notifications of the queue that is selected, in the window for them.
    fn notify_offset(&self, index: u16) -> Result<usize, TransportError> {
        let off = self.read::<u16>(register::QUEUE_NOTIFY_OFF);
        let offset = u64::from(off) * u64::from(self.notify_off_multiplier);
        let reached = offset + NOTIFICATION_BYTES <= self.notify.length() as u64;
        // The register takes two bytes at a time.
        match reached && offset.is_multiple_of(NOTIFICATION_BYTES) {
            true => Ok(offset as usize),
            false => Err(TransportError::NotifyOutOfRange { index, offset }),
        }
    }
}

fn find_msix(function: &Function) -> Result<Msix, NoMessages> {
    match function.msix() {
        Ok(Some(msix)) if msix.entries < vector::COUNT => {
            Err(NoMessages::TooFew { entries: msix.entries })
        }
        Ok(Some(msix)) => Ok(msix),
        Ok(None) => Err(NoMessages::None),
        Err(fault) => Err(NoMessages::Fault(fault)),
    }
}

/// Fills the table of messages and switches it on.
fn send<R: Registers>(
    function: &Function,
    msix: &Msix,
    messages: &Messages,
    window: Window<R>,
) -> Result<Sender<R>, ostd::Error> {
    let table = MsixTable::new(msix, window)?;
    table.set(vector::CONFIG, messages.config)?;
    table.set(vector::QUEUES, messages.queues)?;
    msix.enable(function);
    Ok(Sender { _table: table, config_changed: AtomicBool::new(false) })
}

impl<R: Registers> Transport for PciTransport<R> {
    fn version(&self) -> Version {
        Version::Modern
    }

    fn device_id(&self) -> u32 {
        self.device_id
    }

    fn vendor_id(&self) -> u32 {
        self.function.identity().subsystem_vendor.into()
    }

    fn status(&self) -> DeviceStatus {
        DeviceStatus::from_bits_retain(self.read::<u8>(register::DEVICE_STATUS).into())
    }

    fn set_status(&self, status: DeviceStatus) {
        self.write(register::DEVICE_STATUS, status.bits() as u8);
    }

    fn device_features(&self) -> u64 {
        let _selector = self.selector.lock();
        let word = |select: u32| {
            self.write(register::DEVICE_FEATURE_SELECT, select);
            u64::from(self.read::<u32>(register::DEVICE_FEATURE))
        };
        word(0) | word(1) << 32
    }

    fn set_driver_features(&self, features: u64) {
        let _selector = self.selector.lock();
        let word = |select: u32, bits: u32| {
            self.write(register::DRIVER_FEATURE_SELECT, select);
            self.write(register::DRIVER_FEATURE, bits);
        };
        word(0, features as u32);
        word(1, (features >> 32) as u32);
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
        Some(self.read::<u8>(register::CONFIG_GENERATION).into())
    }

    fn queue_size_max(&self, index: u16) -> u32 {
        if usize::from(index) >= self.notify_offsets.len() {
            return 0;
        }
        let _selector = self.selector.lock();
        self.write(register::QUEUE_SELECT, index);
        self.read::<u16>(register::QUEUE_SIZE).into()
    }

    fn queue_ready(&self, index: u16) -> bool {
        let _selector = self.selector.lock();
        self.write(register::QUEUE_SELECT, index);
        self.read::<u16>(register::QUEUE_ENABLE) != 0
    }

    fn enable_queue(&self, index: u16, addresses: &QueueAddresses) -> Result<(), TransportError> {
        let _selector = self.selector.lock();
        self.write(register::QUEUE_SELECT, index);
        let offset = self.notify_offset(index)?;
        if let Some(place) = self.notify_offsets.get(usize::from(index)) {
            place.store(offset, Ordering::Relaxed);
        }
        if self.messages.is_ok() {
            self.write_vector(register::CONFIG_MSIX_VECTOR, vector::CONFIG)?;
            self.write_vector(register::QUEUE_MSIX_VECTOR, vector::QUEUES)?;
        }
        self.write(register::QUEUE_SIZE, addresses.size());
        self.write_address(register::QUEUE_DESC, addresses.descriptor_table());
        self.write_address(register::QUEUE_DRIVER, addresses.driver_area());
        self.write_address(register::QUEUE_DEVICE, addresses.device_area());
        self.function.set_bus_master(true);
        self.write(register::QUEUE_ENABLE, 1u16);
        Ok(())
    }

    // ANCHOR: notify
    fn notify(&self, index: u16) {
        if let Some(place) = self.notify_offsets.get(usize::from(index)) {
            // A queue that was never enabled has no place, and nothing is written.
            let _ = self.notify.write(place.load(Ordering::Relaxed), index);
        }
    }
    // ANCHOR_END: notify

    // ANCHOR: acknowledge
    fn acknowledge_interrupt(&self) -> InterruptStatus {
        match &self.messages {
            // Reading the register clears it, and lets the pin fall (section 4.1.4.5).
            Err(_) => {
                let causes = self.isr.read::<u8>(0).unwrap_or(0);
                InterruptStatus::from_bits_truncate(causes.into())
            }
            Ok(sender) => {
                let changed = sender.config_changed.swap(false, Ordering::Acquire);
                let mut causes = InterruptStatus::USED_BUFFER;
                causes.set(InterruptStatus::CONFIGURATION_CHANGE, changed);
                causes
            }
        }
    }
    // ANCHOR_END: acknowledge
}

impl<R: Registers> Sealed for PciTransport<R> {}
