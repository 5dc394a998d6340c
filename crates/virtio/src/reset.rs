//! Resetting a device, VIRTIO 1.3 section 2.4: the only thing that makes it let go of memory.

use core::{fmt, hint};

use super::transport::{DeviceStatus, Transport};

/// The reads of the status before the device is given up. A read takes about a microsecond
/// under QEMU, whose devices are reset by the time of the first.
const STATUS_READS: usize = 100_000;

/// Resets the device and waits until it says that it is done.
///
/// On success the device has forgotten all queues and touches no memory. May be called from any
/// context; it takes at most about as long as 100,000 register reads.
///
/// # Errors
///
/// [`ResetError`] when the status does not become 0. The device may still use any memory it
/// was ever given.
// ANCHOR: reset
pub fn reset(transport: &dyn Transport) -> Result<(), ResetError> {
    transport.set_status(DeviceStatus::empty());
    for _ in 0..STATUS_READS {
        if transport.status().is_empty() {
            return Ok(());
        }
        hint::spin_loop();
    }
    Err(ResetError { status: transport.status() })
}
// ANCHOR_END: reset

/// The device does not finish its reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResetError {
    /// The device status when waiting ended.
    pub status: DeviceStatus,
}

impl fmt::Display for ResetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the device does not finish its reset (status {:#x})", self.status.bits())
    }
}

impl core::error::Error for ResetError {}
