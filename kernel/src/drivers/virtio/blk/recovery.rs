//! What happens when the device cannot be trusted any more.

use core::fmt;

use super::{super::queue::Violation, VirtioBlk};
use crate::block::Error;

/// Why a device is taken out of use.
pub(super) enum Reason {
    /// It broke a rule.
    Violation(Violation),
    /// It says that it cannot go on.
    NeedsReset,
    /// Nobody uses it any more.
    Dropped,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Violation(violation) => violation.fmt(f),
            Self::NeedsReset => f.write_str("it asks to be reset"),
            Self::Dropped => f.write_str("its driver has gone"),
        }
    }
}

impl VirtioBlk {
    /// Takes the device out of use: resets it, and ends all outstanding requests with
    /// [`Error::Broken`]. Returns how many there were. May be called from any context.
    pub(super) fn give_up(&self, reason: &Reason) -> usize {
        let mut ended = 0;
        let mut first = true;
        for channel in &self.channels {
            let Some(mut lane) = channel.lane.lock().take() else { continue };
            if core::mem::take(&mut first) && !matches!(reason, Reason::Dropped) {
                log::error!("block device \"{}\" is out of use: {reason}", self.info.serial);
            }
            let quiet = lane.queue.stop(|chain, mut request| {
                if let Some(mut chain) = chain {
                    chain.unlink(&mut request);
                }
                self.complete(request, Err(Error::Broken));
                ended += 1;
            });
            match quiet {
                Ok(()) => lane.queue.free(),
                Err(error) => {
                    log::error!("{error}; the memory of its queue and of what was in it is lost");
                }
            }
            channel.waiting_for_room.wake_all();
        }
        ended
    }
}
