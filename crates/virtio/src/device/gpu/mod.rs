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
//! likes, not only while it has a command. `output.rs` says who owns it until the device has agreed to give it up, or
//! has been reset.

mod command;
mod cursor;
mod output;
mod resource;
mod restore;

#[cfg(ktest)]
pub(crate) mod tests;

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::{
    fmt,
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
};

use bitflags::bitflags;
use display::{Edid, Error};
use wait::CompletionQueue;

pub use self::output::GpuScreen;
use self::{
    command::{Command, Memory, kind},
    output::Output,
};
use super::{
    super::{
        driver::{DeviceError, Driver, Next},
        features::Features,
        handshake::{Handshake, InitError},
        options::Options,
        queue::Chain,
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

/// The number of queues.
const QUEUES: u16 = 2;

/// The most outputs (`VIRTIO_GPU_MAX_SCANOUTS`).
const MAX_SCANOUTS: usize = 16;

bitflags! {
    /// Features of a GPU (section 5.7.3); all that this driver implements.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct GpuFeatures: u64 {
        /// The device tells the EDID of its outputs.
        const GPU_EDID = 1 << 1;
    }
}

/// Field offsets in bytes, section 5.7.4 (`struct virtio_gpu_config`).
mod field {
    pub const EVENTS_READ: usize = 0;
    pub const EVENTS_CLEAR: usize = 4;
    pub const NUM_SCANOUTS: usize = 8;
}

/// The bit of `events_read` that says that the size of an output has changed (`VIRTIO_GPU_EVENT_DISPLAY`).
const EVENT_DISPLAY: u32 = 1;

/// A virtio GPU.
pub struct VirtioGpu {
    device: Arc<Device<Gpu>>,
}

/// The particulars of a GPU, below the shared floor.
struct Gpu {
    outputs: Box<[Output]>,
    /// The fence of the last command.
    fence: AtomicU64,
    /// The number of the last resource.
    resource: AtomicU32,
    /// Resets of the device.
    resets: AtomicU32,
    /// Set while the device has said that a size has changed, and not answered to what.
    is_resized: AtomicBool,
}

/// The receiver of the answer to a command.
enum Note {
    /// The task that shows something on an output.
    Waits(Arc<CompletionQueue<Result<(), Error>>>),
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
        let outputs = (0..read_num_scanouts(&*transport)?).map(Output::new).collect();
        let (size, segments) = (options.queue_size, command::MIN_SEGMENTS);
        let queues = set_up_queues(&transport, QUEUES, features, size, segments, Memory::make)?;
        let driver = Gpu {
            outputs,
            fence: AtomicU64::new(0),
            resource: AtomicU32::new(0),
            resets: AtomicU32::new(0),
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
        let outputs = 0..self.device.driver.outputs.len();
        outputs.map(|output| Arc::new(GpuScreen::new(self.device.clone(), output))).collect()
    }
}

/// Reads the number of outputs.
fn read_num_scanouts(transport: &dyn Transport) -> Result<u32, InitError> {
    let number = transport.config_u32(field::NUM_SCANOUTS).map_err(InitError::Config)?;
    match number as usize {
        1..=MAX_SCANOUTS => Ok(number),
        _ => Err(InitError::BadConfig { field: "num_scanouts", value: number.into() }),
    }
}

/// The bytes of an EDID in the answer to the question for it, unless its length is a lie.
fn edid_of(answer: &[u8]) -> Option<&[u8]> {
    let (size, rest) = answer.split_first_chunk()?;
    // Four bytes of padding.
    rest.get(4..)?.get(..u32::from_le_bytes(*size) as usize)
}

/// Questions to the device, which a task waits for.
impl Device<Gpu> {
    /// Asks for something that is `N` bytes long behind the header of the response.
    fn ask<const N: usize>(&self, command: Command) -> Result<Result<[u8; N], Error>, DeviceError> {
        let mut spare = self.take()?;
        let chain = spare.chain()?;
        let memory = chain.memory_mut();
        memory.prepare(command, N, self.driver.next_fence());
        // What stood there before is no answer.
        if memory.info.fill(&[0; N]).is_err() {
            return Ok(Err(Error::NoMemory));
        }
        chain.link(|memory, segments| memory.describe(segments))?;
        let answer = spare.send()?.wait()?;
        Ok(answer.check(|memory, written| {
            memory.check(written)?;
            let mut info = [0; N];
            memory
                .info
                .read(0, &mut info)
                .map_err(|_| Error::Driver("an answer has its length"))?;
            Ok(info)
        }))
    }

    /// Asks for all that is told of the outputs. One that tells nothing sensible has no name and the size that it has by
    /// default: it is a screen all the same.
    fn read_outputs(&self) -> Result<(), DeviceError> {
        if let Err(error) = self.read_displays()? {
            log::warn!("GPU: {error}");
        }
        let has_edid = self.negotiated & GpuFeatures::GPU_EDID.bits() != 0;
        for output in self.driver.outputs.iter().filter(|_| has_edid) {
            // struct virtio_gpu_resp_edid: size, padding, and at most 1,024 bytes.
            let edid = match self.ask::<{ 8 + 1024 }>(kind::GET_EDID.with([output.number, 0]))? {
                Ok(answer) => edid_of(&answer).and_then(Edid::parse),
                Err(error) => {
                    log::warn!("GPU output {}: {error}", output.number);
                    None
                }
            };
            output.edid.call_once(|| edid.unwrap_or_default());
        }
        Ok(())
    }

    /// Asks for the sizes of the outputs.
    fn read_displays(&self) -> Result<Result<(), Error>, DeviceError> {
        // struct virtio_gpu_resp_display_info: for each output x, y, width, height, enabled, flags.
        let answer = self.ask::<{ 24 * MAX_SCANOUTS }>(kind::GET_DISPLAY_INFO.with([]))?;
        Ok(answer.map(|answer| {
            let (words, _) = answer.as_chunks::<4>();
            let (displays, _) = words.as_chunks::<6>();
            for (display, output) in displays.iter().zip(&self.driver.outputs) {
                let [_, _, width, height, enabled, _] = display.map(u32::from_le_bytes);
                output.set_size(if enabled == 0 { (0, 0) } else { (width, height) });
            }
        }))
    }

    /// Asks for the sizes again if the device says that one has changed, until it has answered.
    fn follow_displays(&self) -> Result<(), Error> {
        let events = self.transport.config_u32(field::EVENTS_READ).unwrap_or(0);
        let is_resized = &self.driver.is_resized;
        if events & EVENT_DISPLAY != 0 {
            // Before the question: a change that comes after it sets the event again.
            let _ = self.transport.set_config_u32(field::EVENTS_CLEAR, EVENT_DISPLAY);
            is_resized.store(true, Ordering::Relaxed);
        }
        if !is_resized.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        let answer = self.read_displays().unwrap_or_else(|error| Err(error.into()));
        answer.inspect_err(|_| is_resized.store(true, Ordering::Relaxed))
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

    /// Tells whoever is owed it the end of a command.
    #[inline]
    fn finish(&self, chain: Option<&mut Chain<Memory>>, note: Note, result: Result<(), Error>) {
        if let Some(chain) = chain
            && chain.memory().attached.is_some()
        {
            chain.memory_mut().attached = None;
        }
        match note {
            Note::Waits(done) => done.push(result),
            Note::Restores(output) => {
                if let Some(output) = self.outputs.get(output) {
                    output.restored(result);
                }
            }
            Note::Nobody => {}
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
        _room: usize,
    ) -> Next<Note> {
        let result = chain.memory().check(written);
        self.finish(Some(chain), note, result);
        if result.is_ok() { Next::Done } else { Next::Failed }
    }

    fn ended(&self, chain: Option<&mut Chain<Memory>>, note: Note, why: DeviceError) {
        self.finish(chain, note, Err(why.into()));
    }

    fn configure(&self, transport: &dyn Transport) -> Result<(), InitError> {
        match read_num_scanouts(transport)? as usize == self.outputs.len() {
            true => Ok(()),
            false => Err(InitError::Changed { field: "num_scanouts" }),
        }
    }

    fn stopped(&self, complied: bool) {
        self.resets.fetch_add(1, Ordering::Relaxed);
        self.outputs.iter().for_each(|output| output.stopped(complied));
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
            DeviceError::Chain(error) => Self::Driver(error.as_str()),
        }
    }
}
