//! What the command line may ask of the virtio drivers: to leave features and capacity unused, so
//! that every way through the driver can be tried on one and the same device.

use super::{init::Features, queue::MAX_QUEUE_SIZE};
use crate::cmdline::{CmdlineError, CommandLine};

/// The keys that [`Options::parse`] reads, with a hint at their values.
pub const KEYS: &[&str] = &[
    "virtio.queue_size=N",
    "virtio.event_idx=on|off",
    "virtio.indirect_desc=on|off",
    "virtio.polling=on|off",
    "timeout_ms=N",
];

/// How devices are to be driven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The most entries to ask for in a queue.
    pub queue_size: u16,
    /// Whether to negotiate RING_EVENT_IDX.
    pub event_idx: bool,
    /// Whether to negotiate RING_INDIRECT_DESC.
    pub indirect_desc: bool,
    /// Whether to poll for completions even where there is an interrupt.
    pub polling: bool,
    /// How long a device may take to answer a request before it is reset, in milliseconds.
    pub timeout_ms: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            queue_size: MAX_QUEUE_SIZE,
            event_idx: true,
            indirect_desc: true,
            polling: false,
            timeout_ms: 30_000,
        }
    }
}

impl Options {
    /// Reads the options from the command line; what is not there stays at its default.
    ///
    /// # Errors
    ///
    /// A value that is none, in words for the person who typed it.
    pub fn parse(line: &CommandLine) -> Result<Self, CmdlineError> {
        let default = Self::default();
        let sizes = 1..=u64::from(MAX_QUEUE_SIZE);
        let queue_size = line.number_in("virtio.queue_size", sizes)?;
        let event_idx = line.switch("virtio.event_idx")?;
        let indirect_desc = line.switch("virtio.indirect_desc")?;
        let polling = line.switch("virtio.polling")?;
        let timeout_ms = line.number_in("timeout_ms", 1..=86_400_000)?;
        Ok(Self {
            queue_size: queue_size.unwrap_or(default.queue_size),
            event_idx: event_idx.unwrap_or(default.event_idx),
            indirect_desc: indirect_desc.unwrap_or(default.indirect_desc),
            polling: polling.unwrap_or(default.polling),
            timeout_ms: timeout_ms.unwrap_or(default.timeout_ms),
        })
    }

    /// The features of queues that are implemented and not switched off.
    pub fn ring_features(&self) -> Features {
        let mut features = Features::empty();
        features.set(Features::RING_EVENT_IDX, self.event_idx);
        features.set(Features::RING_INDIRECT_DESC, self.indirect_desc);
        features
    }
}
