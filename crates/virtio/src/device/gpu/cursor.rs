//! The cursor over an output (section 5.7.6.10).

use alloc::{sync::Arc, vec::Vec};
use core::sync::atomic::Ordering;

use display::{BYTES_PER_PIXEL, CursorImage, Error, Mode};

use super::{
    CURSORQ, Device, Gpu, Note,
    command::{Command, Format, kind},
    output::Output,
    resource::{Resource, Step},
};

/// A cursor that has been set.
#[derive(Clone)]
pub(super) struct Cursor {
    resource: Arc<Resource>,
    hot_spot: (u32, u32),
    at: (u32, u32),
    is_hidden: bool,
}

impl Cursor {
    /// The command by which it is seen where it is, or not seen.
    fn update(&self, output: u32) -> Command {
        let resource = if self.is_hidden { 0 } else { self.resource.number };
        let (at, hot_spot) = (self.at, self.hot_spot);
        kind::UPDATE_CURSOR.with([output, at.0, at.1, 0, resource, hot_spot.0, hot_spot.1, 0])
    }
}

/// All is done by the task that holds the output.
impl Output {
    /// Shows a cursor of this shape.
    pub fn set_cursor(
        &self,
        device: &Device<Gpu>,
        image: &CursorImage,
        at: (u32, u32),
    ) -> Result<(), Error> {
        let mode = Mode::new(CursorImage::SIDE, CursorImage::SIDE)?;
        // Devices do not convert the format of cursors: it is blue that comes first.
        let (pixels, _) = image.pixels().as_chunks::<BYTES_PER_PIXEL>();
        let pixels: Vec<u8> = pixels.iter().flat_map(|&[r, g, b, a]| [b, g, r, a]).collect();
        self.find_cursor(device)?;
        let known = self.state.lock().cursor.clone();
        let resource = match known {
            Some(Cursor { resource, .. }) => {
                resource.write(&pixels, mode.area())?;
                self.run(device, [resource.transfer(mode.area())])?;
                resource
            }
            None => {
                let format = Format::B8G8R8A8Unorm;
                let resource = Resource::new(&device.driver, format, &pixels, mode)?;
                self.introduce(device, &resource)?;
                resource
            }
        };
        let cursor = Cursor { resource, hot_spot: image.hot_spot(), at, is_hidden: false };
        {
            let mut state = self.state.lock();
            (state.cursor, state.prepared) = (Some(cursor.clone()), None);
        }
        post(device, cursor.update(self.number))
    }

    /// Moves the cursor, and shows it if it was hidden.
    pub fn move_cursor(&self, device: &Device<Gpu>, at: (u32, u32)) -> Result<(), Error> {
        self.find_cursor(device)?;
        let mut state = self.state.lock();
        let cursor = state.cursor.as_mut().ok_or(Error::NoCursor)?;
        let was_hidden = cursor.is_hidden;
        (cursor.at, cursor.is_hidden) = (at, false);
        let command = match was_hidden {
            true => cursor.update(self.number),
            false => {
                let resource = cursor.resource.number;
                kind::MOVE_CURSOR.with([self.number, at.0, at.1, 0, resource, 0, 0, 0])
            }
        };
        drop(state);
        post(device, command)
    }

    /// Takes the cursor off the screen.
    pub fn hide_cursor(&self, device: &Device<Gpu>) -> Result<(), Error> {
        let mut state = self.state.lock();
        let Some(cursor) = &mut state.cursor else { return Ok(()) };
        cursor.is_hidden = true;
        let command = cursor.update(self.number);
        drop(state);
        post(device, command)
    }

    /// Tells a device of the cursor that has forgotten it by a reset.
    pub fn find_cursor(&self, device: &Device<Gpu>) -> Result<(), Error> {
        if !self.is_cursor_lost.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        let Some(cursor) = self.state.lock().cursor.clone() else { return Ok(()) };
        let told = self.introduce(device, &cursor.resource);
        self.state.lock().prepared = None;
        let told = told.and_then(|()| post(device, cursor.update(self.number)));
        told.inspect_err(|_| self.is_cursor_lost.store(true, Ordering::Relaxed))
    }
}

/// Gives the device a command about a cursor. Nobody waits until it is done, nor looks after it before there is no room.
fn post(device: &Device<Gpu>, command: Command) -> Result<(), Error> {
    Ok(device.send_all(CURSORQ, [Step::from(command)], || Note::Nobody)?)
}
