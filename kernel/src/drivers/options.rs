//! The command line's choices for the drivers.

use virtio::{options::Options, queue::MAX_QUEUE_SIZE};

use crate::cmdline::{CmdlineError, CommandLine};

/// The keys that [`parse`] and [`cache_coherent`] read, with a hint at their values.
pub const KEYS: &[&str] = &[
    "virtio.queue_size=N",
    "virtio.event_idx=on|off",
    "virtio.indirect_desc=on|off",
    "virtio.polling=on|off",
    "timeout_ms=N",
    "dma.coherent=on|off",
];

/// Reads the options from the command line; what is not there stays at its default.
///
/// # Errors
///
/// A value that is none, in words for the person who typed it.
pub fn parse(line: &CommandLine) -> Result<Options, CmdlineError> {
    let default = Options::default();
    let sizes = 1..=u64::from(MAX_QUEUE_SIZE);
    let queue_size = line.number_in("virtio.queue_size", sizes)?;
    let event_idx = line.switch("virtio.event_idx")?;
    let indirect_desc = line.switch("virtio.indirect_desc")?;
    let polling = line.switch("virtio.polling")?;
    let timeout_ms = line.number_in("timeout_ms", 1..=86_400_000)?;
    Ok(Options {
        queue_size: queue_size.unwrap_or(default.queue_size),
        event_idx: event_idx.unwrap_or(default.event_idx),
        indirect_desc: indirect_desc.unwrap_or(default.indirect_desc),
        polling: polling.unwrap_or(default.polling),
        timeout_ms: timeout_ms.unwrap_or(default.timeout_ms),
    })
}

/// Whether devices see what is in the CPU's caches: `dma.coherent=`, on by default.
///
/// # Errors
///
/// As [`parse`].
pub fn cache_coherent(line: &CommandLine) -> Result<bool, CmdlineError> {
    Ok(line.switch("dma.coherent")?.unwrap_or(true))
}
