//! The input devices of this kernel.

use alloc::{sync::Arc, vec::Vec};

use ostd::sync::SpinLock;

use super::InputDevice;

static DEVICES: SpinLock<Vec<Arc<dyn InputDevice>>> = SpinLock::new(Vec::new());

/// Adds a device and returns its index, by which people name it.
pub fn register(device: Arc<dyn InputDevice>) -> usize {
    let mut devices = DEVICES.lock();
    devices.push(device);
    devices.len() - 1
}

/// All devices, in the order of their registration.
pub fn all() -> Vec<Arc<dyn InputDevice>> {
    DEVICES.lock().clone()
}
