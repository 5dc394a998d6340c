//! A virtio device for the unit tests: registers in a struct, and a device's side of the queue that
//! works on the same memory as the driver's.
//!
//! [`FakeTransport`] is what the driver holds. [`DeviceQueue`] plays the device: it takes available
//! chains, reads and writes their memory, and returns them, in any order and with any lie. Both know
//! no kind of device; [`FakeDisk`] and [`FakeInput`] are some on top of them.

mod chain;
mod disk;
#[cfg(feature = "display")]
mod gpu;
mod input;
mod memory;
mod queue;
mod words;

use alloc::{
    sync::{Arc, Weak},
    vec,
    vec::Vec,
};
use core::{
    mem,
    sync::atomic::{AtomicUsize, Ordering},
};

use ostd::sync::{LocalIrqDisabled, SpinLock};

#[cfg(feature = "display")]
pub use self::gpu::{FakeGpu, GpuFault};
pub use self::{
    chain::{DeviceBuffer, DeviceChain},
    disk::{FakeDisk, Fault, Received, all_disk_features, pattern},
    input::{Driven, FakeInput, LOST, REPORT, STATUSQ, select},
    memory::DeviceMemory,
    queue::DeviceQueue,
    words::{Words, WordsPool},
};
use crate::{
    device::VirtioDevice,
    features::Features,
    queue::QueueAddresses,
    transport::{
        DeviceStatus, InterruptStatus, Transport, TransportError, Version, sealed::Sealed,
    },
};

/// The transport that the driver is given in place of registers.
pub struct FakeTransport {
    version: Version,
    pub state: SpinLock<State, LocalIrqDisabled>,
    pub notifications: AtomicUsize,
    on_notify: SpinLock<Option<OnNotify>, LocalIrqDisabled>,
    on_config: SpinLock<Option<OnConfig>, LocalIrqDisabled>,
    on_status: SpinLock<Option<OnStatus>, LocalIrqDisabled>,
    /// The driver to interrupt.
    driver: SpinLock<Option<Weak<dyn VirtioDevice>>, LocalIrqDisabled>,
}

type OnNotify = Arc<dyn Fn() + Send + Sync>;
type OnConfig = Arc<dyn Fn(&mut [u8], usize) + Send + Sync>;
type OnStatus = Arc<dyn Fn(&mut State) + Send + Sync>;

/// The notifications that were wrong, by the device's own account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notifications {
    /// Owed to the device, and not given.
    pub missed: usize,
    /// Given, and not owed.
    pub not_owed: usize,
}

/// The content of the registers, and the settings for the device's misbehaviour.
pub struct State {
    pub device_id: u32,
    pub status: DeviceStatus,
    /// Every status that the driver wrote, in order.
    pub status_log: Vec<DeviceStatus>,
    pub offered: u64,
    pub driver_features: u64,
    pub config: Vec<u8>,
    pub generation: u32,
    /// The number of reads of the generation that will still change it.
    pub unsteady: usize,
    pub queue_size_max: u32,
    /// Says that a queue is in use that has not been enabled since the last reset.
    pub ready: bool,
    /// The queues that there are, by their numbers.
    pub queues: Vec<Option<DeviceQueue>>,
    /// Of the queues that are no more.
    notifications: Notifications,
    pub interrupt: InterruptStatus,
    pub refuses_features: bool,
    pub ignores_reset: bool,
}

impl FakeTransport {
    /// A device of no kind with one queue, which offers `features`, and VERSION_1 if it is modern.
    pub fn new(version: Version, features: u64) -> Arc<Self> {
        Self::with_queues(version, features, 1)
    }

    /// As [`Self::new`], with so many queues.
    pub fn with_queues(version: Version, features: u64, queues: usize) -> Arc<Self> {
        let version_1 = match version {
            Version::Legacy => 0,
            Version::Modern => Features::VERSION_1.bits(),
        };
        Arc::new(Self {
            version,
            state: SpinLock::new(State {
                device_id: 0x7fff,
                status: DeviceStatus::empty(),
                status_log: Vec::new(),
                offered: features | version_1,
                driver_features: 0,
                config: vec![0; 64],
                generation: 0,
                unsteady: 0,
                queue_size_max: 256,
                ready: false,
                queues: (0..queues).map(|_| None).collect(),
                notifications: Notifications::default(),
                interrupt: InterruptStatus::empty(),
                refuses_features: false,
                ignores_reset: false,
            }),
            notifications: AtomicUsize::new(0),
            on_notify: SpinLock::new(None),
            on_config: SpinLock::new(None),
            on_status: SpinLock::new(None),
            driver: SpinLock::new(None),
        })
    }

    /// Leads interrupts to the driver; they arrive within what causes them.
    pub fn connect(&self, driver: &Arc<dyn VirtioDevice>) {
        *self.driver.lock() = Some(Arc::downgrade(driver));
        driver.use_interrupts();
    }

    /// Raises the interrupt.
    pub fn interrupt(&self, cause: InterruptStatus) {
        self.state.lock().interrupt.insert(cause);
        let driver = self.driver.lock().as_ref().and_then(Weak::upgrade);
        if let Some(driver) = driver {
            driver.handle_interrupt();
        }
    }

    /// Runs `action` within each notification, as a device that is always quicker than the driver.
    pub fn on_notify(&self, action: impl Fn() + Send + Sync + 'static) {
        *self.on_notify.lock() = Some(Arc::new(action));
    }

    /// Runs `action` when the driver has written to the configuration space, with the space and the offset of
    /// what was written.
    pub fn on_config(&self, action: impl Fn(&mut [u8], usize) + Send + Sync + 'static) {
        *self.on_config.lock() = Some(Arc::new(action));
    }

    /// Runs `action` when the driver has written the status.
    pub fn on_status(&self, action: impl Fn(&mut State) + Send + Sync + 'static) {
        *self.on_status.lock() = Some(Arc::new(action));
    }

    /// The number of notifications that the driver has sent.
    pub fn notification_count(&self) -> usize {
        self.notifications.load(Ordering::Relaxed)
    }

    /// The number of times that the driver has begun to reset the device.
    pub fn resets(&self) -> usize {
        self.state.lock().status_log.iter().filter(|status| status.is_empty()).count()
    }

    /// The number of times that the driver has set DRIVER_OK.
    pub fn starts(&self) -> usize {
        let ok = |status: &&DeviceStatus| status.contains(DeviceStatus::DRIVER_OK);
        self.state.lock().status_log.iter().filter(ok).count()
    }

    /// Checks that the driver has given all notifications that it owed (sections 2.7.10 and 2.7.13.4),
    /// and no others.
    ///
    /// # Panics
    ///
    /// It has not.
    pub fn assert_notified(&self) {
        let mut state = self.state.lock();
        state.close_account();
        assert_eq!(state.notifications, Notifications::default());
    }

    /// Changes the configuration space, as a device does at run time.
    pub fn set_config(&self, offset: usize, bytes: &[u8]) {
        let mut state = self.state.lock();
        state.config[offset..offset + bytes.len()].copy_from_slice(bytes);
        state.generation += 1;
    }

    /// Does something as the device with its queue.
    pub fn with_queue<R>(&self, action: impl FnOnce(&mut DeviceQueue) -> R) -> R {
        self.try_with_queue(action).expect("the queue has been enabled")
    }

    /// Does something as the device with its queue, if it has one: after a reset it has none.
    pub fn try_with_queue<R>(&self, action: impl FnOnce(&mut DeviceQueue) -> R) -> Option<R> {
        self.try_with_queue_of(0, action)
    }

    /// As [`Self::try_with_queue`], with the queue of this number.
    pub fn try_with_queue_of<R>(
        &self,
        index: usize,
        action: impl FnOnce(&mut DeviceQueue) -> R,
    ) -> Option<R> {
        self.state.lock().queues.get_mut(index)?.as_mut().map(action)
    }

    fn write_config(&self, offset: usize, bytes: &[u8]) -> Result<(), TransportError> {
        let action = self.on_config.lock().clone();
        let mut state = self.state.lock();
        let field = state.config.get_mut(offset..).and_then(|rest| rest.get_mut(..bytes.len()));
        field.ok_or(TransportError::ConfigOutOfRange { offset })?.copy_from_slice(bytes);
        if let Some(action) = action {
            action(&mut state.config, offset);
        }
        Ok(())
    }

    fn config<const N: usize>(&self, offset: usize) -> Result<[u8; N], TransportError> {
        let state = self.state.lock();
        let field = state.config.get(offset..).and_then(|rest| rest.first_chunk());
        field.copied().ok_or(TransportError::ConfigOutOfRange { offset })
    }
}

impl State {
    /// Adds the accounts of the queues to those of the queues before them.
    fn close_account(&mut self) {
        for queue in self.queues.iter_mut().flatten() {
            queue.account();
            let Notifications { missed, not_owed } = mem::take(&mut queue.notifications);
            self.notifications.missed += missed;
            self.notifications.not_owed += not_owed;
        }
    }
}

impl core::fmt::Debug for FakeTransport {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("FakeTransport")
    }
}

impl Sealed for FakeTransport {}

impl Transport for FakeTransport {
    fn version(&self) -> Version {
        self.version
    }

    fn device_id(&self) -> u32 {
        self.state.lock().device_id
    }

    fn vendor_id(&self) -> u32 {
        0
    }

    fn status(&self) -> DeviceStatus {
        self.state.lock().status
    }

    fn set_status(&self, status: DeviceStatus) {
        let action = self.on_status.lock().clone();
        let mut state = self.state.lock();
        state.status_log.push(status);
        if status.is_empty() {
            if state.ignores_reset {
                return;
            }
            state.close_account();
            state.ready = false;
            state.queues.fill_with(|| None);
        }
        state.status = status;
        if state.refuses_features {
            state.status.remove(DeviceStatus::FEATURES_OK);
        }
        if let Some(action) = action {
            action(&mut state);
        }
    }

    fn device_features(&self) -> u64 {
        self.state.lock().offered
    }

    fn set_driver_features(&self, features: u64) {
        self.state.lock().driver_features = features;
    }

    fn config_u8(&self, offset: usize) -> Result<u8, TransportError> {
        self.config(offset).map(u8::from_le_bytes)
    }

    fn config_u16(&self, offset: usize) -> Result<u16, TransportError> {
        self.config(offset).map(u16::from_le_bytes)
    }

    fn config_u32(&self, offset: usize) -> Result<u32, TransportError> {
        self.config(offset).map(u32::from_le_bytes)
    }

    fn set_config_u8(&self, offset: usize, value: u8) -> Result<(), TransportError> {
        self.write_config(offset, &[value])
    }

    fn set_config_u32(&self, offset: usize, value: u32) -> Result<(), TransportError> {
        self.write_config(offset, &value.to_le_bytes())
    }

    fn config_generation(&self) -> Option<u32> {
        let mut state = self.state.lock();
        if state.unsteady > 0 {
            state.unsteady -= 1;
            state.generation += 1;
        }
        (self.version == Version::Modern).then_some(state.generation)
    }

    fn queue_size_max(&self, index: u16) -> u32 {
        let state = self.state.lock();
        if usize::from(index) < state.queues.len() { state.queue_size_max } else { 0 }
    }

    fn queue_ready(&self, index: u16) -> bool {
        let state = self.state.lock();
        state.ready || state.queues.get(usize::from(index)).is_some_and(Option::is_some)
    }

    fn enable_queue(&self, index: u16, addresses: &QueueAddresses) -> Result<(), TransportError> {
        let mut state = self.state.lock();
        let event_idx = state.driver_features & Features::RING_EVENT_IDX.bits() != 0;
        if let Some(queue) = state.queues.get_mut(usize::from(index)) {
            *queue = Some(DeviceQueue::new(addresses, event_idx));
        }
        Ok(())
    }

    fn notify(&self, index: u16) {
        self.notifications.fetch_add(1, Ordering::Relaxed);
        {
            let mut state = self.state.lock();
            match state.queues.get_mut(usize::from(index)) {
                Some(Some(queue)) => queue.notified(),
                _ => state.notifications.not_owed += 1,
            }
        }
        let action = self.on_notify.lock().clone();
        if let Some(action) = action {
            action();
        }
    }

    fn acknowledge_interrupt(&self) -> InterruptStatus {
        mem::replace(&mut self.state.lock().interrupt, InterruptStatus::empty())
    }
}
