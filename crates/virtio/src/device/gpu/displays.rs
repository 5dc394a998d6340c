//! All that the device tells of the displays on its outputs.

use core::sync::atomic::Ordering;

use display::Error;

use super::{
    super::super::{
        batch::Step as _, driver::DeviceError, handshake::InitError, transport::Transport,
    },
    Device, Gpu, GpuFeatures,
    command::{Command, MAX_INFO, kind},
};

/// The most outputs (`VIRTIO_GPU_MAX_SCANOUTS`).
const MAX_SCANOUTS: usize = 16;

/// Field offsets in bytes, section 5.7.4 (`struct virtio_gpu_config`).
mod field {
    pub const EVENTS_READ: usize = 0;
    pub const EVENTS_CLEAR: usize = 4;
    pub const NUM_SCANOUTS: usize = 8;
}

/// The bit of `events_read` that says that the size of an output has changed (`VIRTIO_GPU_EVENT_DISPLAY`).
const EVENT_DISPLAY: u32 = 1;

/// Reads the number of outputs.
pub(super) fn read_num_scanouts(transport: &dyn Transport) -> Result<u32, InitError> {
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
    /// Asks for something, which stands behind the header of the response.
    fn ask(&self, question: Command) -> Result<Result<[u8; MAX_INFO], Error>, DeviceError> {
        let mut spare = self.take()?;
        let is_coherent = |_| Error::Driver("coherent memory is read and written");
        // What stood there before is no answer.
        if let Err(error) = spare.chain()?.memory().info.write(&[0; MAX_INFO]) {
            return Ok(Err(is_coherent(error)));
        }
        question.link(spare.chain()?, &self.driver)?;
        Ok(spare.send()?.wait()?.check(|memory, written| {
            memory.check(written)?;
            memory.info.read().map_err(is_coherent)
        }))
    }

    /// Asks for all that is told of the outputs. One that tells nothing sensible has no name and the size that it has by
    /// default: it is a screen all the same.
    pub fn read_outputs(&self) -> Result<(), DeviceError> {
        if let Err(error) = self.read_displays()? {
            log::warn!("GPU: {error}");
        }
        let has_edid = self.negotiated & GpuFeatures::GPU_EDID.bits() != 0;
        for output in self.driver.outputs.iter().filter(|_| has_edid) {
            // struct virtio_gpu_resp_edid: size, padding, and at most 1,024 bytes.
            match self.ask(kind::GET_EDID.with([output.number, 0]))? {
                Ok(answer) => output.monitor.read_edid(edid_of(&answer).unwrap_or_default()),
                Err(error) => log::warn!("GPU output {}: {error}", output.number),
            }
        }
        Ok(())
    }

    /// Asks for the sizes of the outputs.
    fn read_displays(&self) -> Result<Result<(), Error>, DeviceError> {
        // struct virtio_gpu_resp_display_info: for each output x, y, width, height, enabled, flags.
        let answer = self.ask(kind::GET_DISPLAY_INFO.with([]))?;
        Ok(answer.map(|answer| {
            let (displays, _) = answer.as_chunks::<4>().0.as_chunks::<6>();
            for (display, output) in displays.iter().zip(&self.driver.outputs) {
                let [_, _, width, height, enabled, _] = display.map(u32::from_le_bytes);
                let is_on = enabled != 0 && (width, height) != (0, 0);
                output.monitor.set_size(is_on.then_some((width, height)));
            }
        }))
    }

    /// Asks for the sizes again if the device says that one has changed, until it has answered.
    pub fn follow_displays(&self) -> Result<(), Error> {
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
