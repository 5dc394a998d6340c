//! A virtio device for the unit tests: registers in a struct, and a device's side of the queue that
//! works on the same memory as the driver's.
//!
//! [`FakeTransport`] is what the driver holds. [`DeviceQueue`] plays the device: it takes available
//! chains, reads and writes their memory, and returns them, in any order and with any lie. Both know
//! no kind of device; [`FakeDisk`] and [`FakeInput`] are some on top of them.

mod chain;
mod disk;
mod input;
mod memory;
mod queue;
mod words;

use alloc::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    vec,
    vec::Vec,
};
use core::{
    mem,
    sync::atomic::{AtomicUsize, Ordering},
};

use ostd::sync::{LocalIrqDisabled, SpinLock};

pub use self::{
    chain::{DeviceBuffer, DeviceChain},
    disk::{FakeDisk, Fault, Received, all_disk_features, pattern},
    input::{Driven, FakeInput, REPORT, STATUSQ, select},
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
    on_write: SpinLock<Vec<OnWrite>, LocalIrqDisabled>,
    /// The driver to interrupt.
    driver: SpinLock<Option<Weak<dyn VirtioDevice>>, LocalIrqDisabled>,
}

type OnNotify = Arc<dyn Fn() + Send + Sync>;
type OnWrite = Arc<dyn Fn(&mut State) + Send + Sync>;

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
    pub ready: bool,
    /// The first queue.
    pub queue: Option<DeviceQueue>,
    /// The number of queues that the device has.
    pub queue_count: u16,
    /// The queues behind the first one, by their numbers.
    pub more_queues: BTreeMap<u16, DeviceQueue>,
    /// Of the queues that are no more.
    notifications: Notifications,
    pub interrupt: InterruptStatus,
    pub refuses_features: bool,
    pub ignores_reset: bool,
}

impl FakeTransport {
    /// A device of no kind with one queue, which offers `features`, and VERSION_1 if it is modern.
    pub fn new(version: Version, features: u64) -> Arc<Self> {
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
                queue: None,
                queue_count: 1,
                more_queues: BTreeMap::new(),
                notifications: Notifications::default(),
                interrupt: InterruptStatus::empty(),
                refuses_features: false,
                ignores_reset: false,
            }),
            notifications: AtomicUsize::new(0),
            on_notify: SpinLock::new(None),
            on_write: SpinLock::new(Vec::new()),
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

    /// Runs `action` after each write to the configuration space and to the status, behind those that were given
    /// before.
    pub fn on_write(&self, action: impl Fn(&mut State) + Send + Sync + 'static) {
        self.on_write.lock().push(Arc::new(action));
    }

    fn written(&self, state: &mut State) {
        let actions = self.on_write.lock().clone();
        actions.iter().for_each(|action| action(state));
    }

    /// The number of notifications that the driver has sent.
    pub fn notification_count(&self) -> usize {
        self.notifications.load(Ordering::Relaxed)
    }

    /// The number of times that the driver has begun to reset the device.
    pub fn resets(&self) -> usize {
        self.state.lock().status_log.iter().filter(|status| status.is_empty()).count()
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
        action(self.state.lock().queue.as_mut().expect("the queue has been enabled"))
    }

    /// Does something as the device with its queue, if it has one: after a reset it has none.
    pub fn try_with_queue<R>(&self, action: impl FnOnce(&mut DeviceQueue) -> R) -> Option<R> {
        self.state.lock().queue.as_mut().map(action)
    }

    fn config<const N: usize>(&self, offset: usize) -> Result<[u8; N], TransportError> {
        let state = self.state.lock();
        let field = state.config.get(offset..).and_then(|rest| rest.first_chunk());
        field.copied().ok_or(TransportError::ConfigOutOfRange { offset })
    }
}

impl State {
    /// A queue by its number.
    pub fn queue_mut(&mut self, index: u16) -> Option<&mut DeviceQueue> {
        match index {
            0 => self.queue.as_mut(),
            _ => self.more_queues.get_mut(&index),
        }
    }

    /// Adds the account of the queues to that of those before them.
    fn close_account(&mut self) {
        for queue in self.queue.iter_mut().chain(self.more_queues.values_mut()) {
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
        let mut state = self.state.lock();
        state.status_log.push(status);
        if status.is_empty() {
            if state.ignores_reset {
                return;
            }
            state.close_account();
            state.ready = false;
            state.queue = None;
            state.more_queues.clear();
        }
        state.status = status;
        if state.refuses_features {
            state.status.remove(DeviceStatus::FEATURES_OK);
        }
        self.written(&mut state);
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
        let mut state = self.state.lock();
        let field = state.config.get_mut(offset);
        *field.ok_or(TransportError::ConfigOutOfRange { offset })? = value;
        self.written(&mut state);
        Ok(())
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
        if index < state.queue_count { state.queue_size_max } else { 0 }
    }

    fn queue_ready(&self, index: u16) -> bool {
        let state = self.state.lock();
        if index == 0 { state.ready } else { state.more_queues.contains_key(&index) }
    }

    fn enable_queue(&self, index: u16, addresses: &QueueAddresses) -> Result<(), TransportError> {
        let mut state = self.state.lock();
        let event_idx = state.driver_features & Features::RING_EVENT_IDX.bits() != 0;
        let queue = DeviceQueue::new(addresses, event_idx);
        if index == 0 {
            state.ready = true;
            state.queue = Some(queue);
        } else {
            state.more_queues.insert(index, queue);
        }
        Ok(())
    }

    fn notify(&self, index: u16) {
        self.notifications.fetch_add(1, Ordering::Relaxed);
        {
            let mut state = self.state.lock();
            match state.queue_mut(index) {
                Some(queue) => queue.notified(),
                None => state.notifications.not_owed += 1,
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
