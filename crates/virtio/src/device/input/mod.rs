//! The input device, section 5.8: a keyboard, a mouse, a tablet. It fills buffers with events as they happen.
//!
//! The buffers are posted once and stay posted: each goes back to the device as soon as its event has been
//! taken out, in the interrupt, so no reader can slow the device down.

mod config;

use alloc::sync::Arc;
use core::fmt;

use dma::DmaSlice;
use input::{DeviceInfo, Error, Event, EventQueue, InputDevice, Source, Statistics, codes::EV_LED};
use ostd::mm::dma::DmaCoherent;

use super::{
    super::{
        driver::{DeviceError, Driver, Next},
        features::Features,
        handshake::{Handshake, InitError},
        options::Options,
        queue::Chain,
        transport::Transport,
    },
    Device, VirtioDevice, set_up_queues, slots,
};

/// The virtio device id of an input device (section 5).
pub const DEVICE_ID: u32 = 18;

/// The number of the queue for events (section 5.8.2). Behind it, `statusq` is for what the device is told, such as
/// its lights.
const EVENTQ: u16 = 0;

/// The buffers that are posted, one event each: as many as QEMU's devices know. A device throws a group of
/// events away that finds too few.
const BUFFERS: u16 = 64;

/// Stands in a buffer until an event does: there is no such type.
const NO_EVENT: u64 = u64::MAX;

/// The memory of an event (`struct virtio_input_event`): as [`Event::to_bits`] has it, the lowest byte first.
type Buffer = DmaSlice<u64, DmaCoherent>;

/// A virtio input device.
pub struct VirtioInput {
    device: Arc<Device<Source>>,
}

impl VirtioInput {
    /// Initialises the device. IRQs must be enabled.
    ///
    /// # Errors
    ///
    /// [`InitError`]; the device keeps no memory of this driver's, or what it may keep is leaked.
    pub fn new(transport: Arc<dyn Transport>, options: &Options) -> Result<Self, InitError> {
        let mut handshake = Handshake::begin(transport.clone())?;
        // An indirect table would hold a single descriptor here, and be written for each event.
        let ring_features = options.ring_features() - Features::RING_INDIRECT_DESC;
        let negotiated = handshake.negotiate(ring_features.bits())?;
        let features = Features::from_bits_truncate(negotiated);
        let info = config::read(&*transport)?;
        let count = if info.codes(EV_LED).is_some() { 2 } else { 1 };
        let entries = options.queue_size.min(BUFFERS);
        let queues = set_up_queues(&transport, count, features, entries, 1, slots)?;
        let device = Device::new(transport, negotiated, queues, Source::new(info), options);
        handshake.finish();
        post_all(&device);
        Ok(Self { device: Arc::new(device) })
    }

    /// The device, for whoever leads its interrupt to it. It works as long as this is kept.
    pub fn device(&self) -> Arc<dyn VirtioDevice> {
        self.device.clone()
    }

    /// Sends an event to the device and waits until it has read it.
    fn send(&self, event: Event) -> Result<(), DeviceError> {
        let mut command = self.device.take()?;
        let chain = command.chain()?;
        chain.memory_mut().store(&event.to_bits().to_le());
        chain.link(|event, segments| segments.device_reads(event))?;
        command.send()?.wait()?.check(|_, _| Ok(()))
    }
}

impl InputDevice for VirtioInput {
    fn info(&self) -> &DeviceInfo {
        self.device.driver().info()
    }

    fn attach(&self, queue: &Arc<EventQueue>, number: usize) {
        self.device.driver().attach(queue, number);
    }

    fn statistics(&self) -> Statistics {
        self.device.driver().statistics()
    }

    fn set_led(&self, led: u16, on: bool) -> Result<(), Error> {
        if !self.info().supports(EV_LED, led) {
            return Err(Error::NoLed(led));
        }
        self.send(Event::new(EV_LED, led, on.into())).map_err(|error| match error {
            DeviceError::Violation(_) => Error::Violation,
            DeviceError::NeedsReset => Error::NeedsReset,
            DeviceError::TimedOut => Error::TimedOut,
            DeviceError::Dead => Error::Dead,
            DeviceError::Chain(error) => Error::Driver(error.as_str()),
        })
    }
}

/// Makes a buffer ready to be posted.
fn prepare(chain: &mut Chain<Buffer>) -> bool {
    chain.memory().store(&NO_EVENT);
    chain.link(|event, segments| segments.device_writes(event)).is_ok()
}

/// Posts all buffers that the device has not got.
fn post_all(device: &Device<Source>) {
    // A device that is dead by now needs none, and has been logged.
    let _ = device.post(EVENTQ, |chain, _| prepare(chain).then_some(()));
}

/// The particulars of an input device are whoever reads its events.
impl Driver for Source {
    type Memory = Buffer;
    /// Every event that is sent to the device has a task that waits for it.
    type Note = ();

    fn posted(&self, index: u16) -> bool {
        index == EVENTQ
    }

    fn ignores_length(&self, index: u16) -> bool {
        // QEMU says to have written what it has read.
        index != EVENTQ
    }

    fn answered(&self, chain: &mut Chain<Buffer>, (): (), written: u32, _: usize) -> Next<()> {
        match u64::from_le(chain.memory().load()) {
            bits if written == size_of::<u64>() as u32 && bits != NO_EVENT => {
                self.deliver(Event::from_bits(bits));
            }
            _ => {
                // A device can go on with that for ever: fewer and fewer of them are logged.
                if self.malformed().is_power_of_two() {
                    let name = &self.info().name;
                    log::warn!("input device {name:?}: {written} bytes that are no event");
                }
            }
        }
        match prepare(chain) {
            true => Next::Again(()),
            false => Next::Failed,
        }
    }

    fn ended(&self, _: Option<&mut Chain<Buffer>>, (): (), _: DeviceError) {}

    fn configure(&self, transport: &dyn Transport) -> Result<(), InitError> {
        config::check_axes(transport, self.info())
    }

    fn restarted(&self, device: &Device<Self>) {
        // Events that were on their way are gone.
        self.lost();
        post_all(device);
    }

    fn died(&self) {
        self.end();
    }

    fn name(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "input device {:?}", self.info().name)
    }
}
