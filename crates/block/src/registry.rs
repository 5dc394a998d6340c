//! The disks of this kernel.

use alloc::{sync::Arc, vec::Vec};

use ostd::sync::SpinLock;

use super::BlockDevice;

static DISKS: SpinLock<Vec<Arc<dyn BlockDevice>>> = SpinLock::new(Vec::new());

/// Adds a disk and returns its index, by which people name it.
pub fn register(disk: Arc<dyn BlockDevice>) -> usize {
    let mut disks = DISKS.lock();
    disks.push(disk);
    disks.len() - 1
}

/// All disks, in the order of their registration.
pub fn all() -> Vec<Arc<dyn BlockDevice>> {
    DISKS.lock().clone()
}
