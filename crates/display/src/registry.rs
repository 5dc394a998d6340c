//! The screens of this kernel.

use alloc::{sync::Arc, vec::Vec};

use ostd::sync::SpinLock;

use super::Screen;

static SCREENS: SpinLock<Vec<Arc<dyn Screen>>> = SpinLock::new(Vec::new());

/// Adds a screen and returns its index, by which people name it.
pub fn register(screen: Arc<dyn Screen>) -> usize {
    let mut screens = SCREENS.lock();
    screens.push(screen);
    screens.len() - 1
}

/// All screens, in the order of their registration.
pub fn all() -> Vec<Arc<dyn Screen>> {
    SCREENS.lock().clone()
}
