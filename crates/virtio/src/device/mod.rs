//! A device that is driven: its queues, its interrupts, and the ways to give it commands.

#[cfg(feature = "block")]
pub mod blk;
#[cfg(feature = "display")]
pub mod gpu;
pub mod rng;

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicU64, Ordering};

use ostd::{
    cpu::{CpuId, num_cpus},
    irq::IrqLine,
    util::id_set::Id,
};
use wait::Waiting;

use super::{
    driver::{DeviceError, Driver},
    features::Features,
    handshake::InitError,
    options::Options,
    queue::Chain,
    recovery::Recovery,
    request_queue::{Afterwards, Inner, Owed, RequestQueue},
    transport::{DeviceStatus, InterruptStatus, Transport},
};

/// A device with its driver, for whoever keeps it and leads its interrupt to it.
pub trait VirtioDevice: Send + Sync {
    /// Deals with an interrupt. Runs in interrupt context.
    fn handle_interrupt(&self);

    /// Tells the driver that interrupts reach it from now on. Until then it polls.
    fn use_interrupts(&self);

    /// Called for every tick of the boot CPU's timer, in interrupt context: for deadlines.
    fn tick(&self);
}

/// Has `line` call `device`. The line holds a weak reference, so it can be kept beside the device.
///
/// The line must then be led to the interrupt controller, and [`VirtioDevice::use_interrupts`] be called.
// ANCHOR: attach
pub fn attach(line: &mut IrqLine, device: &Arc<dyn VirtioDevice>) {
    let device = Arc::downgrade(device);
    line.on_active(move |_| {
        if let Some(device) = device.upgrade() {
            device.handle_interrupt();
        }
    });
}
// ANCHOR_END: attach

/// A device between DRIVER_OK and its end.
pub struct Device<D: Driver> {
    pub(crate) transport: Arc<dyn Transport>,
    /// All features agreed on, as the device was told.
    pub(crate) negotiated: u64,
    pub(crate) queues: Box<[RequestQueue<D>]>,
    /// The places in `queues` of those for commands.
    commands: Box<[usize]>,
    pub(crate) driver: D,
    pub(crate) waiting: Arc<Waiting>,
    pub(crate) recovery: Recovery,
    pub(crate) counts: Counts,
}

/// Events since the driver started; each number is only ever added to.
#[derive(Debug, Default)]
pub struct Counts {
    /// Interrupts taken.
    pub interrupts: AtomicU64,
    /// Notifications given to the device.
    pub notifications: AtomicU64,
}

impl<D: Driver> Device<D> {
    /// Joins a driver and the queues that were set up for it. `negotiated` are the features agreed on.
    pub fn new(
        transport: Arc<dyn Transport>,
        negotiated: u64,
        mut queues: Vec<RequestQueue<D>>,
        driver: D,
        options: &Options,
    ) -> Self {
        for queue in &mut queues {
            queue.posted = driver.posted(queue.index);
        }
        let commands = (0..).zip(&queues).filter(|(_, queue)| driver.takes_commands(queue.index));
        Self {
            transport,
            negotiated,
            commands: commands.map(|(place, _)| place).collect(),
            queues: queues.into_boxed_slice(),
            driver,
            waiting: Waiting::new(),
            recovery: Recovery::new(options.timeout_ms),
            counts: Counts::default(),
        }
    }

    /// The driver.
    pub fn driver(&self) -> &D {
        &self.driver
    }

    /// The transport.
    pub fn transport(&self) -> &dyn Transport {
        &*self.transport
    }

    /// The features of queues and of the interface that were agreed on.
    pub fn features(&self) -> Features {
        Features::from_bits_truncate(self.negotiated)
    }

    /// The state of waiting for this device.
    pub fn waiting(&self) -> &Arc<Waiting> {
        &self.waiting
    }

    /// Events so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The queue for commands of the current CPU. It is as good as any other one, should the task be
    /// moved meanwhile.
    #[inline]
    pub(crate) fn queue(&self) -> Result<&RequestQueue<D>, DeviceError> {
        let place = match &*self.commands {
            [only] => Some(only),
            several => {
                let cpu = CpuId::current_racy().as_usize();
                several.get(cpu.checked_rem(several.len()).unwrap_or(0))
            }
        };
        place.and_then(|place| self.queues.get(*place)).ok_or(DeviceError::Dead)
    }

    /// Sends commands that no task waits for, as many as `next` gives and there is room for, and notifies
    /// the device once. Returns how many.
    ///
    /// `next` fills in and links a spare chain, of at most so many segments, and notes who is owed the
    /// answer; `None` ends it. It must not wait, nor submit. May be called from any context.
    ///
    /// # Errors
    ///
    /// [`DeviceError::Dead`]; `next` has not been called then.
    #[inline]
    pub fn submit(
        &self,
        next: impl FnMut(&mut Chain<D::Memory>, usize) -> Option<D::Note>,
    ) -> Result<usize, DeviceError> {
        self.submit_to(self.queue()?, next)
    }

    /// As [`Self::submit`], to queue `index`.
    ///
    /// # Errors
    ///
    /// [`DeviceError::Dead`], also where there is no such queue.
    pub fn post(
        &self,
        index: u16,
        next: impl FnMut(&mut Chain<D::Memory>, usize) -> Option<D::Note>,
    ) -> Result<usize, DeviceError> {
        let queue = self.queues.get(usize::from(index)).ok_or(DeviceError::Dead)?;
        self.submit_to(queue, next)
    }

    #[inline]
    fn submit_to(
        &self,
        queue: &RequestQueue<D>,
        mut next: impl FnMut(&mut Chain<D::Memory>, usize) -> Option<D::Note>,
    ) -> Result<usize, DeviceError> {
        let mut guard = queue.inner.lock();
        let Inner { queue: Some(ring), spare, .. } = &mut *guard else {
            return Err(DeviceError::Dead);
        };
        let mut sent = 0;
        while let Some(mut chain) = spare.pop() {
            let Some(note) = next(&mut chain, ring.free_segments()) else {
                spare.push(chain);
                break;
            };
            if let Err((error, mut chain, note)) = ring.add(chain, Owed::Note(note)) {
                if let Owed::Note(note) = note {
                    self.driver.ended(Some(&mut chain), note, error.into());
                }
                spare.push(chain);
                break;
            }
            sent += 1;
        }
        let notify = ring.should_notify();
        drop(guard);
        if notify {
            self.notify(queue.index);
        }
        Ok(sent)
    }

    /// Notifies the device of what is new in queue `index`. Leaves the virtual machine, so it is done
    /// without the lock of the queue.
    pub(crate) fn notify(&self, index: u16) {
        self.counts.notifications.fetch_add(1, Ordering::Relaxed);
        self.transport.notify(index);
    }

    /// Notes that a command was answered well, so the device deserves its restarts again.
    #[inline]
    pub(crate) fn good_answer(&self) {
        if self.recovery.restarts.load(Ordering::Relaxed) != 0 {
            self.recovery.restarts.store(0, Ordering::Relaxed);
        }
    }

    /// Looks for answers without waiting for an interrupt. Returns how many commands were answered.
    pub fn poll(&self) -> usize {
        let look = |queue: &RequestQueue<D>| queue.process(self, Afterwards::Keep);
        let answered = self.queues.iter().map(look).sum();
        if answered == 0 {
            self.check_deadlines();
        }
        answered
    }

    /// Deals with a change of the configuration or of the status.
    #[cold]
    fn configuration_changed(&self) {
        let needs_reset = || self.transport.status().contains(DeviceStatus::DEVICE_NEEDS_RESET);
        match needs_reset() {
            true => _ = self.recover(DeviceError::NeedsReset, needs_reset),
            false => self.driver.configuration_changed(self),
        }
    }

    /// Asks for interrupts, for a task that is about to sleep and has been counted.
    pub fn arm(&self) {
        for queue in &self.queues {
            if !queue.posted {
                queue.process(self, Afterwards::Arm);
            }
        }
    }
}

impl<D: Driver> VirtioDevice for Device<D> {
    fn use_interrupts(&self) {
        // ANCHOR: exercise-4-use_interrupts
        self.waiting.use_interrupts();
        // ANCHOR_END: exercise-4-use_interrupts
        let posted = self.queues.iter().filter(|queue| queue.posted);
        posted.for_each(|queue| _ = queue.process(self, Afterwards::ArmForSleepers));
    }

    fn tick(&self) {
        self.queues.iter().for_each(|queue| queue.tick(self));
        self.check_deadlines();
    }

    fn handle_interrupt(&self) {
        self.counts.interrupts.fetch_add(1, Ordering::Relaxed);
        // ANCHOR: exercise-4-handle_interrupt
        // Acknowledge first: what the device does from here on raises the interrupt again.
        let causes = self.transport.acknowledge_interrupt();
        if causes.contains(InterruptStatus::USED_BUFFER) {
            for queue in &self.queues {
                queue.process(self, Afterwards::ArmForSleepers);
            }
        }
        if causes.contains(InterruptStatus::CONFIGURATION_CHANGE) {
            self.configuration_changed();
        }
        // ANCHOR_END: exercise-4-handle_interrupt
    }
}

impl<D: Driver> Drop for Device<D> {
    fn drop(&mut self) {
        // No task waits, as those who do borrow the device; what was submitted and never waited for ends
        // here.
        self.shut_down();
    }
}

/// Sets up the queues 0 to `count` - 1, one for each CPU as far as there are so many; see
/// [`RequestQueue::new`].
///
/// # Errors
///
/// Those of [`RequestQueue::new`]; no queue stays with the device then.
pub fn queues_for_cpus<D: Driver>(
    transport: &Arc<dyn Transport>,
    count: u16,
    features: Features,
    options: &Options,
    segments: usize,
    memory: impl Fn(usize) -> Result<Vec<D::Memory>, InitError>,
) -> Result<Vec<RequestQueue<D>>, InitError> {
    let cpus = u16::try_from(num_cpus()).unwrap_or(u16::MAX);
    let mut queues = Vec::new();
    for index in 0..count.min(cpus) {
        match RequestQueue::new(transport, index, features, options.queue_size, segments, &memory) {
            Ok(queue) => queues.push(queue),
            Err(error) => {
                queues.into_iter().for_each(RequestQueue::discard);
                return Err(error);
            }
        }
    }
    Ok(queues)
}
