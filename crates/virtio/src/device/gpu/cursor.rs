//! The cursor over an output (section 5.7.6.10).

use alloc::sync::Arc;
use core::sync::atomic::Ordering;

use display::{CursorImage, Error, Mode};

use super::{
    CURSORQ, GpuScreen, Note,
    command::{B8G8R8A8_UNORM, Command, kind},
    resource::Resource,
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
    fn update(&mut self, output: u32) -> Command {
        let resource = if self.is_hidden { 0 } else { self.resource.number };
        let (at, hot_spot) = (self.at, self.hot_spot);
        kind::UPDATE_CURSOR.with([output, at.0, at.1, 0, resource, hot_spot.0, hot_spot.1, 0])
    }

    /// Moves it, and shows it if it was hidden.
    pub fn move_to(&mut self, at: (u32, u32), output: u32) -> Command {
        let was_hidden = self.is_hidden;
        (self.at, self.is_hidden) = (at, false);
        match was_hidden {
            true => self.update(output),
            false => kind::MOVE_CURSOR.with([output, at.0, at.1, 0, self.resource.number, 0, 0, 0]),
        }
    }

    /// Takes it off the screen.
    pub fn hide(&mut self, output: u32) -> Command {
        self.is_hidden = true;
        self.update(output)
    }
}

/// All is done by the task that holds the output.
impl GpuScreen {
    /// Shows a cursor of this shape.
    pub(super) fn replace_cursor(&self, image: &CursorImage, at: (u32, u32)) -> Result<(), Error> {
        let mode = Mode::new(CursorImage::SIDE, CursorImage::SIDE)?;
        let pixels = image.blue_first();
        self.find_cursor()?;
        let known = self.output.cursor.lock().as_ref().map(|cursor| cursor.resource.clone());
        let resource = match known {
            Some(resource) => {
                resource.write(&pixels, mode.area())?;
                self.run([resource.transfer(mode.area())])?;
                resource
            }
            None => self.make_known(B8G8R8A8_UNORM, &pixels, mode)?,
        };
        let cursor = Cursor { resource, hot_spot: image.hot_spot(), at, is_hidden: false };
        *self.output.cursor.lock() = Some(cursor);
        self.change_cursor(Cursor::update)
    }

    /// Changes the cursor, and gives the device the command for that.
    pub(super) fn change_cursor(
        &self,
        change: impl FnOnce(&mut Cursor, u32) -> Command,
    ) -> Result<(), Error> {
        self.find_cursor()?;
        let mut cursor = self.output.cursor.lock();
        let command = change(cursor.as_mut().ok_or(Error::NoCursor)?, self.output.number);
        drop(cursor);
        self.post(command)
    }

    /// Tells a device of the cursor that has forgotten it by a reset.
    pub(super) fn find_cursor(&self) -> Result<(), Error> {
        if !self.output.was_reset.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        let Some(mut cursor) = self.output.cursor.lock().clone() else { return Ok(()) };
        let told = self.introduce(&cursor.resource);
        let told = told.and_then(|()| self.post(cursor.update(self.output.number)));
        if told.is_err() {
            self.output.was_reset.store(true, Ordering::Relaxed);
        }
        told
    }

    /// Gives the device a command about the cursor. Nobody waits until it is done, nor looks after it before there is no
    /// room.
    fn post(&self, command: Command) -> Result<(), Error> {
        Ok(self.device.send_all(CURSORQ, [command], || Note::Nobody)?)
    }
}
