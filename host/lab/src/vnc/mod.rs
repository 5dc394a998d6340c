//! A client of QEMU's VNC server: it sees screen and cursor as a person does, points, types, and asks for another
//! size of the screen.
//!
//! It speaks RFB 3.8 (RFC 6143) over a Unix socket, with the extensions Cursor, ExtendedDesktopSize and
//! SetDesktopSize. QEMU answers the last with "request forwarded" and changes the size when the guest does; the
//! client libraries that were looked at take that for a failure.

mod error;
mod wire;

#[cfg(test)]
mod tests;

use std::{os::unix::net::UnixStream, path::Path, time::Duration};

pub use self::error::VncError;
use self::wire::Wire;
use crate::picture::{Picture, Rgb};

type Result<T> = std::result::Result<T, VncError>;

/// Pixels as they are.
const RAW: i32 = 0;
/// A cursor that the client draws.
const CURSOR: i32 = -239;
/// A size of the screen that changes, and that the client may change.
const EXTENDED_DESKTOP_SIZE: i32 = -308;

/// The client's messages.
const SET_PIXEL_FORMAT: u8 = 0;
const SET_ENCODINGS: u8 = 2;
const FRAMEBUFFER_UPDATE_REQUEST: u8 = 3;
const KEY_EVENT: u8 = 4;
const POINTER_EVENT: u8 = 5;
const SET_DESKTOP_SIZE: u8 = 251;

/// The server's messages.
const FRAMEBUFFER_UPDATE: u8 = 0;
const SET_COLOUR_MAP_ENTRIES: u8 = 1;
const BELL: u8 = 2;
const SERVER_CUT_TEXT: u8 = 3;

/// Four bytes for a pixel: red, green, blue, and one without a meaning.
const PIXEL_FORMAT: [u8; 16] = [32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 0, 8, 16, 0, 0, 0];
const PIXEL_BYTES: usize = 4;

/// The left button of a pointer, for [`Vnc::point`].
pub const LEFT: u8 = 1;

/// A connection to a VNC server, with what it has shown so far.
#[derive(Debug)]
pub struct Vnc {
    wire: Wire,
    screen: Picture,
    cursor: Option<Cursor>,
    /// The pixels that have been seen since the whole screen was asked for, and the number of the others.
    seen: Vec<bool>,
    missing: usize,
    /// The status of the last answer to a request for another size.
    answer: Option<u16>,
}

/// The shape of a cursor.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cursor {
    /// Width and height.
    pub size: (u16, u16),
    /// The pixel that points.
    pub hotspot: (u16, u16),
    /// Row by row; `None` where the screen can be seen through the cursor.
    pub pixels: Vec<Option<Rgb>>,
}

impl Vnc {
    /// Connects to the socket, and waits at most `patience` for whatever is to come.
    ///
    /// # Errors
    ///
    /// Nobody is there, or it is no VNC server, or it wants a password.
    pub fn connect(socket: &Path, patience: Duration) -> Result<Self> {
        Self::over(UnixStream::connect(socket).map_err(VncError::NotThere)?, patience)
    }

    /// Begins the conversation on a connection that is there.
    ///
    /// # Errors
    ///
    /// It is no VNC server, or it wants a password.
    pub fn over(stream: UnixStream, patience: Duration) -> Result<Self> {
        let (mut wire, (width, height)) = Wire::open(stream, patience)?;
        let mut message = vec![SET_PIXEL_FORMAT, 0, 0, 0];
        message.extend(PIXEL_FORMAT);
        wire.send(&message)?;
        let encodings = [RAW, CURSOR, EXTENDED_DESKTOP_SIZE];
        let mut message = vec![SET_ENCODINGS, 0, 0, encodings.len() as u8];
        message.extend(encodings.iter().flat_map(|encoding| encoding.to_be_bytes()));
        wire.send(&message)?;
        let screen = black(width, height);
        Ok(Self { wire, screen, cursor: None, seen: Vec::new(), missing: 0, answer: None })
    }

    /// The whole screen as it is now, without the cursor.
    ///
    /// # Errors
    ///
    /// The server does not show it.
    pub fn screen(&mut self) -> Result<&Picture> {
        self.ask_for_all()?;
        while self.missing > 0 {
            // A screen of another size is to be seen anew.
            let size = self.screen.size();
            self.receive()?;
            if self.screen.size() != size {
                self.ask_for_all()?;
            }
        }
        Ok(&self.screen)
    }

    /// The cursor's shape as it was with the last [`screen`](Self::screen); `None` if the server has not told of any.
    pub fn cursor(&self) -> Option<&Cursor> {
        self.cursor.as_ref()
    }

    /// Asks for another size of the screen. The screen has it when the guest has changed it.
    ///
    /// # Errors
    ///
    /// The server does not pass the wish on.
    pub fn resize(&mut self, width: u16, height: u16) -> Result<()> {
        // The one screen with the number 0 is all of the area.
        let mut message = vec![SET_DESKTOP_SIZE, 0];
        message.extend([width, height].map(u16::to_be_bytes).as_flattened());
        message.extend([1, 0, 0, 0, 0, 0]);
        message.extend([0, 0, width, height].map(u16::to_be_bytes).as_flattened());
        message.extend([0; 4]);
        self.answer = None;
        self.wire.send(&message)?;
        loop {
            self.receive()?;
            match self.answer {
                // Done, or forwarded to the guest.
                Some(0 | 4) => return Ok(()),
                Some(status) => return Err(VncError::Size { width, height, status }),
                None => {}
            }
        }
    }

    /// Moves the pointer to a pixel, with buttons down such as [`LEFT`], or none: 0.
    ///
    /// # Errors
    ///
    /// The server has gone.
    pub fn point(&mut self, x: u16, y: u16, buttons: u8) -> Result<()> {
        let [x, y] = [x, y].map(u16::to_be_bytes);
        self.wire.send(&[POINTER_EVENT, buttons, x[0], x[1], y[0], y[1]])
    }

    /// Presses a key or lets it go. X11's number of a key with a Latin letter is the letter's.
    ///
    /// # Errors
    ///
    /// The server has gone.
    pub fn key(&mut self, key: u32, down: bool) -> Result<()> {
        let mut message = vec![KEY_EVENT, down.into(), 0, 0];
        message.extend(key.to_be_bytes());
        self.wire.send(&message)
    }

    fn ask_for_all(&mut self) -> Result<()> {
        let (width, height) = self.screen.size();
        self.missing = width as usize * height as usize;
        self.seen = vec![false; self.missing];
        // No rectangle of the protocol is larger.
        let [width, height] = [width as u16, height as u16];
        let mut message = vec![FRAMEBUFFER_UPDATE_REQUEST, 0];
        message.extend([0, 0, width, height].map(u16::to_be_bytes).as_flattened());
        self.wire.send(&message)
    }

    /// Takes in one message.
    fn receive(&mut self) -> Result<()> {
        match self.wire.u8()? {
            FRAMEBUFFER_UPDATE => {
                self.wire.u8()?;
                for _ in 0..self.wire.u16()? {
                    self.rectangle()?;
                }
            }
            SET_COLOUR_MAP_ENTRIES => {
                let _: [u8; 3] = self.wire.array()?;
                let count = self.wire.u16()?;
                self.wire.bytes(usize::from(count) * 6)?;
            }
            BELL => {}
            SERVER_CUT_TEXT => {
                let _: [u8; 3] = self.wire.array()?;
                self.wire.text()?;
            }
            other => return Err(VncError::Message(other)),
        }
        Ok(())
    }

    fn rectangle(&mut self) -> Result<()> {
        let at = (self.wire.u16()?, self.wire.u16()?);
        let size = (self.wire.u16()?, self.wire.u16()?);
        match self.wire.i32()? {
            RAW => self.pixels(at, size),
            CURSOR => self.shape(at, size),
            EXTENDED_DESKTOP_SIZE => self.sizes(at, size),
            other => Err(VncError::Encoding(other)),
        }
    }

    fn pixels(&mut self, at: (u16, u16), size: (u16, u16)) -> Result<()> {
        let (width, _) = self.screen.size();
        for row in 0..size.1 {
            let bytes = self.wire.bytes(usize::from(size.0) * PIXEL_BYTES)?;
            for (column, pixel) in (0..size.0).zip(bytes.as_chunks::<PIXEL_BYTES>().0) {
                let (x, y) =
                    (u32::from(at.0) + u32::from(column), u32::from(at.1) + u32::from(row));
                if !self.screen.set(x, y, [pixel[0], pixel[1], pixel[2]]) {
                    return Err(VncError::Outside { size, at, screen: self.screen.size() });
                }
                let seen = self.seen.get_mut(y as usize * width as usize + x as usize);
                if let Some(seen) = seen.filter(|seen| !**seen) {
                    *seen = true;
                    self.missing -= 1;
                }
            }
        }
        Ok(())
    }

    /// Pixels, and one bit for each that can be seen, with rows of whole bytes.
    fn shape(&mut self, hotspot: (u16, u16), size: (u16, u16)) -> Result<()> {
        let [width, height] = [size.0, size.1].map(usize::from);
        let pixels = self.wire.bytes(width * height * PIXEL_BYTES)?;
        let row = width.div_ceil(8);
        let mask = self.wire.bytes(row * height)?;
        let opaque = |index: usize| {
            let (x, y) = (index % width, index / width);
            mask.get(y * row + x / 8).is_some_and(|byte| byte & (0x80 >> (x % 8)) != 0)
        };
        let colours = pixels.as_chunks::<PIXEL_BYTES>().0.iter().enumerate();
        let pixels = colours
            .map(|(index, [red, green, blue, _])| opaque(index).then_some([*red, *green, *blue]));
        self.cursor = Some(Cursor { size, hotspot, pixels: pixels.collect() });
        Ok(())
    }

    /// A change of the size, or the answer to a wish for one.
    fn sizes(&mut self, (cause, status): (u16, u16), size: (u16, u16)) -> Result<()> {
        /// The client that is told has asked for it.
        const OWN_WISH: u16 = 1;
        let screens = self.wire.u8()?;
        self.wire.bytes(3 + usize::from(screens) * 16)?;
        if cause == OWN_WISH {
            self.answer = Some(status);
        }
        let accepted = cause != OWN_WISH || status == 0;
        if accepted && self.screen.size() != (size.0.into(), size.1.into()) {
            self.screen = black(size.0, size.1);
            (self.seen, self.missing) = (Vec::new(), 0);
        }
        Ok(())
    }
}

fn black(width: u16, height: u16) -> Picture {
    Picture::from_fn(width.into(), height.into(), |_, _| [0; 3])
}
