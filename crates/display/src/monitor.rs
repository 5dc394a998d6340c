//! The monitor that is connected to an output.

use alloc::string::String;

use ostd::sync::SpinLock;

use super::{Edid, Error, Mode};

/// The size of an output that tells none.
const FALLBACK: (u32, u32) = (1024, 768);

/// All that is known about the monitor on an output, of which the size may change.
pub struct Monitor {
    known: SpinLock<(Option<(u32, u32)>, Edid)>,
}

impl Monitor {
    /// One of which nothing is known.
    pub fn new() -> Self {
        Self { known: SpinLock::new((None, Edid::default())) }
    }

    /// Notes the size of the output; `None` while it is switched off.
    pub fn set_size(&self, size: Option<(u32, u32)>) {
        self.known.lock().0 = size;
    }

    /// Notes the monitor's account of itself, unless it makes no sense.
    pub fn read_edid(&self, bytes: &[u8]) {
        if let Some(edid) = Edid::parse(bytes) {
            self.known.lock().1 = edid;
        }
    }

    /// Its name; empty if it has none.
    pub fn name(&self) -> String {
        self.known.lock().1.name.clone()
    }

    /// The size of the output, or while it is switched off the one that the monitor prefers.
    ///
    /// # Errors
    ///
    /// [`Error::BadMode`] if no screen can have that size.
    pub fn mode(&self) -> Result<Mode, Error> {
        let known = self.known.lock();
        let (width, height) = known.0.or(known.1.preferred).unwrap_or(FALLBACK);
        Mode::new(width, height)
    }
}

impl Default for Monitor {
    fn default() -> Self {
        Self::new()
    }
}
