//! The entropy device, section 5.4: it fills buffers with random bytes.

use alloc::sync::Arc;
use core::fmt;

use dma::DmaSlice;
use ostd::mm::dma::DmaCoherent;

use super::{
    super::{
        driver::{DeviceError, Driver, Next},
        features::Features,
        handshake::{Handshake, InitError},
        options::Options,
        queue::Chain,
        request_queue::RequestQueue,
        transport::Transport,
    },
    Device, VirtioDevice, slots,
};

/// The virtio device id of an entropy device (section 5).
pub const DEVICE_ID: u32 = 4;

/// The most bytes of one command.
const COMMAND_BYTES: usize = 64;

/// The number of the only queue, `requestq`.
const REQUESTQ: u16 = 0;

/// The memory of one command.
type Bytes = DmaSlice<[u8; COMMAND_BYTES], DmaCoherent>;

/// A virtio entropy device.
pub struct VirtioRng {
    device: Arc<Device<Rng>>,
}

/// The particulars of an entropy device: there are none.
struct Rng;

impl VirtioRng {
    /// Initialises the device. IRQs must be enabled.
    ///
    /// # Errors
    ///
    /// [`InitError`]; the device keeps no memory of this driver's, or what it may keep is leaked.
    pub fn new(transport: Arc<dyn Transport>, options: &Options) -> Result<Self, InitError> {
        let mut handshake = Handshake::begin(transport.clone())?;
        let negotiated = handshake.negotiate(options.ring_features().bits())?;
        let features = Features::from_bits_truncate(negotiated);
        let queue =
            RequestQueue::new(&transport, REQUESTQ, features, options.queue_size, 1, slots)?;
        let device = Device::new(transport, negotiated, alloc::vec![queue], Rng, options);
        handshake.finish();
        Ok(Self { device: Arc::new(device) })
    }

    /// The device, for whoever leads its interrupt to it. It works as long as this is kept.
    pub fn device(&self) -> Arc<dyn VirtioDevice> {
        self.device.clone()
    }

    /// Fills `out` with random bytes, waiting for them. Not in interrupt context.
    ///
    /// # Errors
    ///
    /// [`RngError`]; `out` holds nothing to rely on then.
    pub fn fill(&self, out: &mut [u8]) -> Result<(), RngError> {
        let mut rest = out;
        while !rest.is_empty() {
            // A device may deliver fewer bytes than there is room for, but at least one.
            let filled = self.fill_some(rest)?;
            rest = rest.get_mut(filled..).unwrap_or_default();
        }
        Ok(())
    }

    /// One command; returns how many bytes it delivered.
    fn fill_some(&self, out: &mut [u8]) -> Result<usize, RngError> {
        let mut command = self.device.take()?;
        // A device that claims to have written what it has not shall not repeat another command's bytes.
        let chain = command.chain()?;
        chain.memory_mut().write(&[0; COMMAND_BYTES]).map_err(|_| RngError::Nothing)?;
        chain.link(|bytes, segments| segments.device_writes(bytes)).map_err(DeviceError::from)?;
        // ANCHOR: fill_some
        let answer = command.send()?.wait()?;
        answer.check(|bytes, written| {
            // The queue has checked that it is no more than there was room for.
            let filled = out.len().min(written as usize);
            let out = out.get_mut(..filled).filter(|out| !out.is_empty());
            let out = out.ok_or(RngError::Nothing)?;
            bytes.read_bytes(0, out).map_err(|_| RngError::Nothing)?;
            Ok(filled)
        })
        // ANCHOR_END: fill_some
    }
}

impl Driver for Rng {
    type Memory = Bytes;
    /// Every command has a task that waits for it.
    type Note = ();

    fn answered(&self, _: &mut Chain<Bytes>, (): (), _: u32, _: usize) -> Next<()> {
        Next::Done
    }

    fn ended(&self, _: Option<&mut Chain<Bytes>>, (): (), _: DeviceError) {}

    fn configure(&self, _: &dyn Transport) -> Result<(), InitError> {
        Ok(())
    }

    fn name(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("entropy device")
    }
}

/// The reason why there are no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RngError {
    /// The device does not answer as it should.
    Device(DeviceError),
    /// It answered with no bytes.
    Nothing,
}

impl fmt::Display for RngError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(error) => write!(f, "the entropy device failed: {error}"),
            Self::Nothing => f.write_str("the entropy device answered with no bytes"),
        }
    }
}

impl core::error::Error for RngError {}

impl From<DeviceError> for RngError {
    fn from(error: DeviceError) -> Self {
        Self::Device(error)
    }
}
