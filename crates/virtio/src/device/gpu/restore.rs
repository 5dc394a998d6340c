//! Resets of the device: what it has forgotten, and how the picture comes back.

use core::{mem, sync::atomic::Ordering};

use display::Error;

use super::{CONTROLQ, Device, Gpu, Note, output::Output};

/// Called in any context.
impl Output {
    /// The device was reset. If it complied, it has forgotten all backings.
    pub fn stopped(&self, complied: bool) {
        let mut state = self.state.lock();
        state.is_lost = !complied;
        if complied {
            state.retired.clear();
        }
        self.is_cursor_lost.store(true, Ordering::Relaxed);
    }

    /// Shows again what was shown, from its backing, by commands that nobody waits for. The next flush does what is
    /// left, and the cursor.
    pub fn restore(&self, device: &Device<Gpu>) {
        // Held until all is sent: no resource is moved on meanwhile.
        let state = self.state.lock();
        let Some(shown) = &state.shown else { return };
        self.is_stale.store(false, Ordering::Relaxed);
        let introduction = shown.introduction().into_iter();
        let mut steps = introduction.chain(shown.showing(self.number)).peekable();
        let sent = device.send_some(CONTROLQ, &mut steps, || {
            self.restoring.fetch_add(1, Ordering::Relaxed);
            Note::Restores(self.number as usize)
        });
        if sent.is_err() || steps.next().is_some() {
            self.is_stale.store(true, Ordering::Relaxed);
        }
    }

    /// One of those commands has come back.
    pub fn restored(&self, result: Result<(), Error>) {
        self.restoring.fetch_sub(1, Ordering::Relaxed);
        if result.is_err() {
            self.is_stale.store(true, Ordering::Relaxed);
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        let mut state = self.state.lock();
        if state.is_lost {
            // For good: the device may read it for ever.
            mem::forget(mem::take(&mut *state));
        }
    }
}
