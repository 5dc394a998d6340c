//! Screens, whatever drives them.
//!
//! This floor knows no virtio: a driver implements [`Screen`] and calls [`register`]; a job looks a screen up
//! here and draws on it through a [`Framebuffer`].
//!
//! ```text
//!   Framebuffer   pixels in memory of the CPU, drawn at leisure; remembers what has changed
//!       | flush: the changed parts
//!   Screen        copies them to memory of its own, and shows them
//! ```
//!
//! So the device never reads what is being drawn: it reads the driver's copy, and the driver writes to that
//! only while the device does not read it.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod cursor;
mod damage;
mod draw;
mod edid;
mod error;
mod framebuffer;
mod mode;
mod monitor;
mod registry;

#[cfg(ktest)]
mod tests;

use alloc::{string::String, sync::Arc};
use core::fmt;

use wait::Waiting;

pub use self::{
    cursor::CursorImage,
    damage::MAX_AREAS,
    edid::Edid,
    error::Error,
    framebuffer::Framebuffer,
    mode::{BYTES_PER_PIXEL, Frame, MAX_BYTES, MAX_SIDE, Mode, PixelFormat, Rect},
    monitor::Monitor,
    registry::{all, register},
};

/// One output that shows pixels.
///
/// Every method waits for the device, so none may be called in interrupt context or while holding a spin
/// lock. They may be called from several tasks at once; frames of different sizes on one screen replace each
/// other, the last one flushed is seen.
pub trait Screen: Send + Sync {
    /// All that is known about the screen and does not change.
    fn info(&self) -> ScreenInfo;

    /// The size that the screen has now. It may change while the kernel runs, such as when somebody resizes
    /// the window that it stands for; asking costs little while it does not.
    ///
    /// # Errors
    ///
    /// [`Error`], where the device is asked for the new size and does not tell one that can be.
    fn mode(&self) -> Result<Mode, Error>;

    /// Shows these parts of `frame`, and returns when they are seen and the frame may be drawn in again. The
    /// frame need not have the size of [`Self::mode`]: a smaller or larger one is shown as the machine sees fit.
    ///
    /// The first frame, and the first of another size, is shown whole whatever `areas` says. Until then the
    /// screen shows what it showed before.
    ///
    /// # Errors
    ///
    /// [`Error::OutsideFrame`] for an area that leaves the frame; then nothing has changed. After any other
    /// error each of the areas may or may not be seen.
    fn flush(&self, frame: Frame<'_>, areas: &[Rect]) -> Result<(), Error>;

    /// Shows a cursor of this shape with its hot spot at a pixel of the screen.
    ///
    /// # Errors
    ///
    /// [`Error::NoCursor`] if the screen has none.
    fn set_cursor(&self, image: &CursorImage, x: u32, y: u32) -> Result<(), Error> {
        let _ = (image, x, y);
        Err(Error::NoCursor)
    }

    /// Moves the cursor. It need not wait until that is seen.
    ///
    /// # Errors
    ///
    /// [`Error::NoCursor`] if none has been set.
    fn move_cursor(&self, x: u32, y: u32) -> Result<(), Error> {
        let _ = (x, y);
        Err(Error::NoCursor)
    }

    /// Takes the cursor off the screen, until it is set again. No cursor is no error.
    ///
    /// # Errors
    ///
    /// [`Error`] of the device.
    fn hide_cursor(&self) -> Result<(), Error> {
        Ok(())
    }

    /// The state of waiting for the device, for whoever measures; `None` if nobody waits for one.
    fn waiting(&self) -> Option<&Arc<Waiting>> {
        None
    }
}

/// The properties of a screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScreenInfo {
    /// The name that the screen gives itself; empty if it has none.
    pub name: String,
    /// The number of the output, where a device has several.
    pub output: u32,
    /// The bytes of a pixel.
    pub format: PixelFormat,
}

impl fmt::Display for ScreenInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\", output {}, {}", self.name, self.output, self.format)
    }
}
