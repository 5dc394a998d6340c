//! A user's choices: to leave features and capacity unused, so that every way through the drivers can be
//! tried on one and the same device.

use super::{features::Features, queue::MAX_QUEUE_SIZE};

/// The way in which devices are driven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The most entries to ask for in a queue.
    pub queue_size: u16,
    /// RING_EVENT_IDX is negotiated.
    pub event_idx: bool,
    /// RING_INDIRECT_DESC is negotiated.
    pub indirect_desc: bool,
    /// The time that a device may take to answer a command before it is reset, in milliseconds.
    pub timeout_ms: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            queue_size: MAX_QUEUE_SIZE,
            event_idx: true,
            indirect_desc: true,
            timeout_ms: 30_000,
        }
    }
}

impl Options {
    /// The features of queues that are implemented and not switched off.
    pub fn ring_features(&self) -> Features {
        let mut features = Features::empty();
        features.set(Features::RING_EVENT_IDX, self.event_idx);
        features.set(Features::RING_INDIRECT_DESC, self.indirect_desc);
        features
    }
}
