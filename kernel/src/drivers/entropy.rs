//! The sources of random bytes.

use alloc::{sync::Arc, vec::Vec};

use ostd::sync::SpinLock;
use virtio::device::rng::VirtioRng;

static SOURCES: SpinLock<Vec<Arc<VirtioRng>>> = SpinLock::new(Vec::new());

/// Adds a source.
pub fn register(source: Arc<VirtioRng>) {
    SOURCES.lock().push(source);
}

/// The first source there is.
pub fn first() -> Option<Arc<VirtioRng>> {
    SOURCES.lock().first().cloned()
}
