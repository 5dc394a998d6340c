//! The GPU, section 5.7: pictures of two dimensions on its outputs, and a cursor over each.
//!
//! A picture goes through three places:
//!
//! ```text
//!   frame, memory of the CPU     --- copy of what changed --->  backing, DMA memory of this driver
//!   backing                      --- TRANSFER_TO_HOST_2D --->   resource, memory of the device
//!   resource                     --- RESOURCE_FLUSH -------->   output that SET_SCANOUT has tied to it
//! ```
//!
//! **Memory that the device may read.** From RESOURCE_ATTACH_BACKING on the device may read a backing whenever it
//! likes, not only while it has a command: the backing is [`Lent`].

mod command;
mod cursor;
mod displays;
mod output;
mod resource;

#[cfg(ktest)]
pub(crate) mod tests;

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::{
    fmt,
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
};

use bitflags::bitflags;
use display::Error;

pub use self::output::GpuScreen;
use self::{
    command::{Command, Memory},
    displays::read_num_scanouts,
    output::Output,
    resource::Resource,
};
use super::{
    super::{
        driver::{DeviceError, Driver, Next},
        features::Features,
        handshake::{Handshake, InitError},
        lent::Lent,
        options::Options,
        queue::{Chain, ChainError},
        transport::{DeviceStatus, Transport},
    },
    Device, VirtioDevice, set_up_queues,
};

/// The virtio device id of a GPU (section 5).
pub const DEVICE_ID: u32 = 16;

/// The queue for all commands but those about the cursor (section 5.7.2).
const CONTROLQ: u16 = 0;

/// The queue for commands about the cursor.
const CURSORQ: u16 = 1;

/// The most resources that the device was asked to give up and has not. After that it gets no other one before its
/// next reset.
const MAX_RETIRED: usize = 4;

bitflags! {
    /// Features of a GPU (section 5.7.3); all that this driver implements.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct GpuFeatures: u64 {
        /// The device tells the EDID of its outputs.
        const GPU_EDID = 1 << 1;
    }
}

/// A virtio GPU.
pub struct VirtioGpu {
    device: Arc<Device<Gpu>>,
}

/// The particulars of a GPU, below the shared floor.
struct Gpu {
    outputs: Box<[Arc<Output>]>,
    /// The resources whose backings the device may read.
    attached: Lent<Resource>,
    /// The fence of the last command.
    fence: AtomicU64,
    /// The number of the last resource.
    resource: AtomicU32,
    /// Set while the device has said that a size has changed, and not answered to what.
    is_resized: AtomicBool,
}

/// The receiver of the answer to a command.
enum Note {
    /// The task that shows something on this output.
    Waits(usize),
    /// Nobody: it restores this output after a restart.
    Restores(usize),
    /// Nobody, as for commands about cursors.
    Nobody,
}

impl VirtioGpu {
    /// Initialises the device. IRQs must be enabled.
    ///
    /// # Errors
    ///
    /// [`InitError`]; the device keeps no memory of this driver's, or what it may keep is leaked.
    pub fn new(transport: Arc<dyn Transport>, options: &Options) -> Result<Self, InitError> {
        let mut handshake = Handshake::begin(transport.clone())?;
        let supported = GpuFeatures::all().bits() | options.ring_features().bits();
        let negotiated = handshake.negotiate(supported)?;
        let features = Features::from_bits_truncate(negotiated);
        let outputs =
            (0..read_num_scanouts(&*transport)?).map(|number| Arc::new(Output::new(number)));
        let outputs: Box<[_]> = outputs.collect();
        let (size, segments) = (options.queue_size, command::MIN_SEGMENTS);
        let count = CURSORQ + 1;
        let queues = set_up_queues(&transport, count, features, size, segments, Memory::make)?;
        let driver = Gpu {
            // Of each output what is shown, what takes its place, and the cursor.
            attached: Lent::with_room(MAX_RETIRED + 4 * outputs.len()),
            outputs,
            fence: AtomicU64::new(0),
            resource: AtomicU32::new(0),
            is_resized: AtomicBool::new(false),
        };
        let device = Arc::new(Device::new(transport, negotiated, queues, driver, options));
        handshake.finish();
        if let Err(error) = device.read_outputs() {
            device.shut_down();
            device.transport().set_status(DeviceStatus::FAILED);
            return Err(InitError::FirstRequest(error));
        }
        Ok(Self { device })
    }

    /// The device, for whoever leads its interrupt to it. It works as long as this is kept.
    pub fn device(&self) -> Arc<dyn VirtioDevice> {
        self.device.clone()
    }

    /// Its outputs, each of them a screen. They keep the device.
    pub fn screens(&self) -> Vec<Arc<GpuScreen>> {
        let device = &self.device;
        let screen =
            |output: &Arc<Output>| GpuScreen { device: device.clone(), output: output.clone() };
        device.driver.outputs.iter().map(screen).map(Arc::new).collect()
    }
}

impl Gpu {
    fn next_fence(&self) -> u64 {
        self.fence.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The number of a new resource; 0 is none.
    fn next_resource(&self) -> u32 {
        self.resource.fetch_add(1, Ordering::Relaxed).wrapping_add(1).max(1)
    }

    /// Notes who owns the backing that an answered command was about.
    #[cold]
    fn settle(&self, command: &mut Command, result: Result<(), Error>) {
        match command.backing.take() {
            // Refused or not: it may have been done.
            Some(resource) if command.attaches() => self.attached.add(resource),
            Some(resource) if command.gives_up(result) => self.attached.give_back(&resource),
            _ => {}
        }
    }

    /// Tells whoever is owed it the end of a command.
    #[inline]
    fn tell(&self, note: Note, result: Result<(), Error>) {
        let (Note::Waits(place) | Note::Restores(place)) = note else { return };
        match (self.outputs.get(place), note) {
            (Some(output), Note::Waits(_)) => output.batch.end(result),
            (Some(output), _) => output.restored(result),
            (None, _) => {}
        }
    }
}

impl Driver for Gpu {
    type Memory = Memory;
    type Note = Note;

    fn takes_commands(&self, index: u16) -> bool {
        index == CONTROLQ
    }

    #[inline]
    fn answered(
        &self,
        chain: &mut Chain<Memory>,
        note: Note,
        written: u32,
        _: usize,
    ) -> Next<Note> {
        let result = chain.memory().check(written);
        if chain.memory().command.backing.is_some() {
            self.settle(&mut chain.memory_mut().command, result);
        }
        self.tell(note, result);
        if result.is_ok() { Next::Done } else { Next::Failed }
    }

    fn ended(&self, chain: Option<&mut Chain<Memory>>, note: Note, why: DeviceError) {
        // The device has been reset, and has let go of it; otherwise there is no chain.
        if let Some(chain) = chain {
            chain.memory_mut().command.backing = None;
        }
        self.tell(note, Err(why.into()));
    }

    fn configure(&self, transport: &dyn Transport) -> Result<(), InitError> {
        match read_num_scanouts(transport)? as usize == self.outputs.len() {
            true => Ok(()),
            false => Err(InitError::Changed { field: "num_scanouts" }),
        }
    }

    fn stopped(&self, complied: bool) {
        self.attached.stopped(complied);
        self.outputs.iter().for_each(|output| output.was_reset.store(true, Ordering::Relaxed));
    }

    fn restarted(&self, device: &Device<Self>) {
        self.outputs.iter().for_each(|output| output.restore(device));
    }

    fn name(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GPU")
    }
}

impl From<DeviceError> for Error {
    fn from(error: DeviceError) -> Self {
        match error {
            DeviceError::Violation(violation) => Self::Violation(violation.as_str()),
            DeviceError::NeedsReset => Self::NeedsReset,
            DeviceError::TimedOut => Self::TimedOut,
            DeviceError::Dead => Self::Dead,
            DeviceError::Chain(ChainError::TooManySegments) => Self::TooLarge,
            DeviceError::Chain(error) => Self::Driver(error.as_str()),
        }
    }
}
