//! Sizes of screens, places on them, and the pixels of a whole one.

use core::{fmt, ops::Range};

use super::Error;

/// The bytes of a pixel.
pub const BYTES_PER_PIXEL: usize = 4;

/// The most pixels of a side.
pub const MAX_SIDE: u32 = 16_384;

/// The most bytes of a frame.
pub const MAX_BYTES: usize = 64 << 20;

/// The order of a pixel's bytes in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PixelFormat {
    /// Red, green, blue, and a fourth byte that is ignored.
    R8G8B8A8,
}

impl fmt::Display for PixelFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::R8G8B8A8 => f.write_str("R8G8B8A8"),
        }
    }
}

/// A size in pixels that a screen can have: neither side is 0, and the frame has no more than [`MAX_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode {
    width: u32,
    height: u32,
}

impl Mode {
    /// The mode of this size.
    ///
    /// # Errors
    ///
    /// [`Error::BadMode`] for a size that no screen can have.
    pub const fn new(width: u32, height: u32) -> Result<Self, Error> {
        let sides = width > 0 && height > 0 && width <= MAX_SIDE && height <= MAX_SIDE;
        let mode = Self { width, height };
        if sides && mode.bytes() <= MAX_BYTES {
            Ok(mode)
        } else {
            Err(Error::BadMode { width, height })
        }
    }

    /// The pixels of a row.
    pub const fn width(self) -> u32 {
        self.width
    }

    /// The number of rows.
    pub const fn height(self) -> u32 {
        self.height
    }

    /// The bytes of a row. The next one follows at once.
    pub const fn stride(self) -> usize {
        self.width as usize * BYTES_PER_PIXEL
    }

    /// The bytes of a frame.
    pub const fn bytes(self) -> usize {
        self.stride() * self.height as usize
    }

    /// All of the screen.
    pub const fn area(self) -> Rect {
        Rect::new(0, 0, self.width, self.height)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// A part of a screen, in pixels from its upper left corner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rect {
    /// The first column.
    pub x: u32,
    /// The first row.
    pub y: u32,
    /// The number of columns.
    pub width: u32,
    /// The number of rows.
    pub height: u32,
}

impl Rect {
    /// The part of this place and size.
    pub const fn new(x: u32, y: u32, width: u32, height: u32) -> Self {
        Self { x, y, width, height }
    }

    /// Returns `true` if it has no pixels.
    pub const fn is_empty(self) -> bool {
        self.width == 0 || self.height == 0
    }

    /// Its columns.
    pub const fn columns(self) -> Range<u32> {
        self.x..self.x.saturating_add(self.width)
    }

    /// Its rows.
    pub const fn rows(self) -> Range<u32> {
        self.y..self.y.saturating_add(self.height)
    }

    /// The part of it that lies on a screen of this size.
    pub fn clip(self, mode: Mode) -> Self {
        let (right, bottom) =
            (self.columns().end.min(mode.width), self.rows().end.min(mode.height));
        let (x, y) = (self.x.min(right), self.y.min(bottom));
        Self { x, y, width: right - x, height: bottom - y }
    }
}

impl fmt::Display for Rect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{} at ({}, {})", self.width, self.height, self.x, self.y)
    }
}

/// The pixels of a whole screen: its mode's number of bytes, row by row.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    pixels: &'a [u8],
    mode: Mode,
}

impl<'a> Frame<'a> {
    /// The frame of these pixels.
    ///
    /// # Errors
    ///
    /// [`Error::WrongLength`] if there are not as many bytes as the mode has.
    pub const fn new(pixels: &'a [u8], mode: Mode) -> Result<Self, Error> {
        if pixels.len() == mode.bytes() {
            Ok(Self { pixels, mode })
        } else {
            Err(Error::WrongLength { found: pixels.len(), expected: mode.bytes() })
        }
    }

    /// Its size.
    #[inline]
    pub const fn mode(self) -> Mode {
        self.mode
    }

    /// All its bytes.
    #[inline]
    pub const fn pixels(self) -> &'a [u8] {
        self.pixels
    }

    /// Checks areas of it that are to be shown.
    ///
    /// # Errors
    ///
    /// [`Error::OutsideFrame`] for one that leaves the frame, or has no pixels.
    #[inline]
    pub fn check(self, areas: &[Rect]) -> Result<(), Error> {
        let mode = self.mode;
        match areas.iter().find(|area| area.is_empty() || area.clip(mode) != **area) {
            Some(area) => Err(Error::OutsideFrame { area: *area, mode }),
            None => Ok(()),
        }
    }
}
