//! The particulars of a kind of device, as the shared floor needs them.

use core::fmt;

use super::{
    device::Device,
    handshake::InitError,
    queue::{AddError, Chain, ChainError, Violation},
    transport::Transport,
};

/// A driver of one kind of device.
///
/// There are two patterns. *Commands* have answers: a task waits for one
/// ([`Device::take`](super::device::Device::take)), or a note says who is owed it
/// ([`Device::submit`](super::device::Device::submit)). They have deadlines, and the device interrupts only
/// while somebody sleeps. *Posted buffers* ([`Self::posted`]) are filled by the device when it likes: they
/// have no deadline, and interrupts are always on.
pub trait Driver: Sized + Send + Sync + 'static {
    /// The memory of one chain.
    type Memory: Send + 'static;

    /// The note about a chain that no task waits for: who is owed the answer.
    type Note: Send + 'static;

    /// Returns `true` if queue `index` holds posted buffers. Asked once, when the device is put together.
    fn posted(&self, index: u16) -> bool {
        let _ = index;
        false
    }

    /// Returns `true` if any command can be given to queue `index`, so that [`Device::take`] and
    /// [`Device::submit`] may choose it. Asked once, when the device is put together.
    fn takes_commands(&self, index: u16) -> bool {
        !self.posted(index)
    }

    /// Deals with a submitted chain that the device has returned, having written `written` bytes.
    /// `room` is the most segments that a chain can have now.
    ///
    /// Called in any context with the queue locked: it must not wait, nor submit.
    fn answered(
        &self,
        chain: &mut Chain<Self::Memory>,
        note: Self::Note,
        written: u32,
        room: usize,
    ) -> Next<Self::Note>;

    /// Deals with a submitted chain that ends without an answer. It is `None` where the device could not be
    /// made to let go of its memory, which is lost then; the note's owner is owed an answer all the same.
    ///
    /// Called like [`Self::answered`].
    fn ended(&self, chain: Option<&mut Chain<Self::Memory>>, note: Self::Note, why: DeviceError);

    /// Reads the configuration before DRIVER_OK of a restart.
    ///
    /// # Errors
    ///
    /// Something has changed that cannot change while the device is in use.
    fn configure(&self, transport: &dyn Transport) -> Result<(), InitError>;

    /// The device was reset, and nothing is in flight. If it `complied`, it has let go of all memory that it was ever
    /// told of; otherwise it may use that for ever. Called in any context, with no queue locked: it must not wait,
    /// nor submit.
    fn stopped(&self, complied: bool) {
        let _ = complied;
    }

    /// The device works again after a restart, with empty queues. Called in any context: it may
    /// submit, but must not wait.
    fn restarted(&self, device: &Device<Self>) {
        let _ = device;
    }

    /// The device says that its configuration has changed. Called in interrupt context.
    fn configuration_changed(&self, device: &Device<Self>) {
        let _ = device;
    }

    /// Names the device in the log, such as `block device "lab"`.
    fn name(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

/// The next use of a chain that has come back.
#[derive(Debug)]
pub enum Next<N> {
    /// It was answered well, and is to spare.
    Done,
    /// It was not, and is to spare.
    Failed,
    /// It was answered well and goes to the device again. The driver has linked it anew; a chain that is not
    /// linked ends with [`DeviceError::Chain`].
    Again(N),
}

/// The reason why a device does not answer a command.
///
/// The tag fills four bytes, as the results of a command's steps carry it: behind a tag of one byte each
/// hand-over is a call of `memcpy` on this processor (60 instructions for each step).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum DeviceError {
    /// It broke a rule, and was reset.
    Violation(Violation),
    /// It could not go on, and was reset as it asked for.
    NeedsReset,
    /// It kept a command for too long, and was reset.
    TimedOut,
    /// It is out of use for good.
    Dead,
    /// The driver's own mistake: no device may be given the chain.
    Chain(ChainError),
}

impl fmt::Display for DeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Violation(violation) => violation.fmt(f),
            Self::NeedsReset => f.write_str("it asks to be reset"),
            Self::TimedOut => f.write_str("it did not answer a request in time"),
            Self::Dead => f.write_str("it is out of use"),
            Self::Chain(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for DeviceError {}

impl From<ChainError> for DeviceError {
    fn from(error: ChainError) -> Self {
        Self::Chain(error)
    }
}

impl From<AddError> for DeviceError {
    fn from(error: AddError) -> Self {
        match error {
            AddError::Chain(error) => Self::Chain(error),
            AddError::Full => Self::Chain(ChainError::TooManySegments),
            AddError::Broken(violation) => Self::Violation(violation),
            AddError::Stopped => Self::Dead,
        }
    }
}
