//! The end of a queue, and its new beginning.

use alloc::boxed::Box;
use core::mem::ManuallyDrop;

use super::{
    super::reset::{ResetError, reset},
    Chain, Outstanding, Queue, Run, SetupError,
};

impl<M, T> Queue<M, T> {
    /// Resets the device and takes back everything that it had not returned, one chain after the
    /// other. The queue can be used again after [`Self::restart`].
    ///
    /// A chain is `None` when the device does not finish its reset: its memory is leaked on
    /// purpose then, since the device may still write to it.
    ///
    /// # Errors
    ///
    /// [`ResetError`]; the queue stays stopped for good.
    pub fn stop(
        &mut self,
        mut each: impl FnMut(Option<Box<Chain<M>>>, T),
    ) -> Result<(), ResetError> {
        let quiet = reset(&*self.transport);
        self.run = match &quiet {
            Ok(()) => Run::Stopped,
            Err(_) => Run::Lost,
        };
        for Outstanding { chain, tag } in self.outstanding.iter_mut().filter_map(Option::take) {
            each(quiet.is_ok().then(|| ManuallyDrop::into_inner(chain)), tag);
        }
        self.outstanding_count = 0;
        quiet
    }

    /// Gives the queue to the device again, empty and with the same memory, after
    /// [`Self::stop`] and a new handshake; it takes chains after [`Self::start`]. Allocates nothing.
    ///
    /// # Errors
    ///
    /// [`SetupError`]; the queue stays stopped.
    pub fn restart(&mut self) -> Result<(), SetupError> {
        let index = self.index;
        if !matches!(self.run, Run::Stopped) {
            return Err(SetupError::InUse { index });
        }
        if self.transport.queue_ready(index) {
            return Err(SetupError::InUse { index });
        }
        if self.transport.queue_size_max(index) < self.size().into() {
            return Err(SetupError::NoSuchQueue { index });
        }
        self.rings.clear();
        self.free_descriptors.clear();
        self.free_descriptors.extend((0..self.rings.size()).rev());
        (self.next_available, self.next_used, self.seen_used) = (0, 0, 0);
        self.last_notify_check = 0;
        self.transport
            .enable_queue(index, &self.rings.addresses())
            .map_err(SetupError::Transport)?;
        self.run = Run::Prepared;
        Ok(())
    }

    /// Opens a queue that was prepared by [`Self::restart`], once the device is driven again (DRIVER_OK).
    pub fn start(&mut self) {
        if matches!(self.run, Run::Prepared) {
            self.run = Run::Running;
        }
    }

    /// Frees the queue's memory if the queue is stopped. Otherwise it is leaked, as when the queue
    /// is dropped: the device may still write to it.
    pub fn release(self) {
        if matches!(self.run, Run::Stopped) {
            drop(ManuallyDrop::into_inner(self.rings));
        }
    }
}
