//! The PCI transport, VIRTIO 1.3 section 4.1: registers in the memory of a PCI function.
//!
//! The function's capabilities say where the registers are. The modern interface is
//! spoken, also to transitional devices; the legacy one, which is in ports, is not implemented.
//!
//! A device interrupts by its pin, or by messages (MSI-X) where the machine has some to offer. One message is
//! for all queues, another one for the configuration, so that the driver needs no register to tell the
//! two apart.
//!
//! `queue_reset` (section 4.1.4.3) is not used: a queue ends with its device's reset, as on every transport.

mod error;
mod messages;
mod register;
mod structures;
mod window;

use alloc::boxed::Box;
use core::{
    ops::Range,
    sync::atomic::{AtomicUsize, Ordering},
};

use ostd::{
    io::IoMem,
    mm::PodOnce,
    sync::{LocalIrqDisabled, SpinLock},
};
use pci::{Function, Identity};

pub use self::{
    error::{FunctionError, NoMessages, Structure},
    messages::Messages,
};
use self::{
    messages::{Sender, find_msix, send, vector},
    structures::Structures,
    window::Window,
};
use super::{
    super::queue::QueueAddresses, DeviceStatus, InterruptStatus, Registers, Transport,
    TransportError, Version, sealed::Sealed,
};

/// The vendor of all virtio devices (section 4.1.2).
const VENDOR: u16 = 0x1af4;

/// The most queues of a device that are used; QEMU's devices have no more.
const MAX_QUEUES: u16 = 1024;

/// The bytes of a notification: the queue's number (section 4.1.5.2).
const NOTIFICATION_BYTES: u64 = 2;

/// The offset of a queue's notifications while the queue is not enabled: no window reaches there.
const NOWHERE: usize = usize::MAX;

/// The virtio device id of a function that says to be a virtio device (section 4.1.2.1), be it transitional or
/// not; `None` for all others.
pub fn device_id(identity: &Identity) -> Option<u32> {
    match (identity.vendor, identity.device) {
        (VENDOR, 0x1000..=0x103f) => Some(identity.subsystem.into()),
        (VENDOR, device @ 0x1040..=0x107f) => Some(u32::from(device) - 0x1040),
        _ => None,
    }
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
    /// The place of each queue's notifications in `notify`; [`NOWHERE`] until it has been enabled.
    notify_offsets: Box<[AtomicUsize]>,
    /// Held while a `*_SELECT` register and what it selects are used together.
    selector: SpinLock<(), LocalIrqDisabled>,
    messages: Result<Sender<R>, NoMessages>,
}

impl<R: Registers> PciTransport<R> {
    /// Looks for the device's registers, and gets access to them: `acquire` gives the memory at physical
    /// addresses, as `IoMem::acquire` does.
    ///
    /// The device interrupts by `messages`, if there are some and it can: [`Self::messages`] tells. Else it
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
