//! The command line's choices for the drivers.

use virtio::queue::MAX_QUEUE_SIZE;

use crate::cmdline::{CmdlineError, CommandLine};

/// The keys that [`Options::parse`] reads, with a hint at their values.
pub const OPTION_KEYS: &[&str] = &[
    "virtio.queue_size=N",
    "virtio.event_idx=on|off",
    "virtio.indirect_desc=on|off",
    "virtio.polling=on|off",
    "timeout_ms=N",
    "dma.coherent=on|off",
];

/// The way in which devices are driven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The choices for the virtio drivers.
    pub virtio: virtio::options::Options,
    /// Uses no interrupts, even where there are some.
    pub polling: bool,
    /// Devices see what is in the CPU's caches; see [`dma::set_cache_coherent`].
    pub cache_coherent: bool,
}

impl Default for Options {
    fn default() -> Self {
        let virtio = virtio::options::Options::default();
        Self { virtio, polling: false, cache_coherent: true }
    }
}

impl Options {
    /// Reads the options from the command line; what is not there stays at its default.
    ///
    /// # Errors
    ///
    /// A value that is not possible for its key.
    pub fn parse(line: &CommandLine) -> Result<Self, CmdlineError> {
        let default = Self::default();
        let sizes = 1..=u64::from(MAX_QUEUE_SIZE);
        let queue_size = line.number_in("virtio.queue_size", sizes)?;
        let event_idx = line.switch("virtio.event_idx")?;
        let indirect_desc = line.switch("virtio.indirect_desc")?;
        let timeout_ms = line.number_in("timeout_ms", 1..=86_400_000)?;
        let polling = line.switch("virtio.polling")?;
        let cache_coherent = line.switch("dma.coherent")?;
        Ok(Self {
            virtio: virtio::options::Options {
                queue_size: queue_size.unwrap_or(default.virtio.queue_size),
                event_idx: event_idx.unwrap_or(default.virtio.event_idx),
                indirect_desc: indirect_desc.unwrap_or(default.virtio.indirect_desc),
                timeout_ms: timeout_ms.unwrap_or(default.virtio.timeout_ms),
            },
            polling: polling.unwrap_or(default.polling),
            cache_coherent: cache_coherent.unwrap_or(default.cache_coherent),
        })
    }
}
