//! The shape of a cursor.

use alloc::{boxed::Box, vec, vec::Vec};

use super::BYTES_PER_PIXEL;

/// A picture of 64 x 64 pixels that lies over the screen, and the pixel of it that points.
///
/// Its bytes are red, green, blue and alpha: 0 is not seen, 255 hides what is below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CursorImage {
    pixels: Box<[u8]>,
    hot_x: u32,
    hot_y: u32,
}

impl CursorImage {
    /// The pixels of a side.
    pub const SIDE: u32 = 64;

    /// A picture that nothing is seen of, which points with this pixel; one outside of the picture stands for
    /// the last.
    pub fn new(hot_x: u32, hot_y: u32) -> Self {
        let pixels = vec![0; (Self::SIDE * Self::SIDE) as usize * BYTES_PER_PIXEL];
        let last = Self::SIDE - 1;
        Self { pixels: pixels.into_boxed_slice(), hot_x: hot_x.min(last), hot_y: hot_y.min(last) }
    }

    /// Gives the pixel of this place a colour. Nothing happens outside of the picture.
    pub fn set(&mut self, x: u32, y: u32, rgba: [u8; BYTES_PER_PIXEL]) {
        if x < Self::SIDE && y < Self::SIDE {
            let (pixels, _) = self.pixels.as_chunks_mut();
            if let Some(pixel) = pixels.get_mut((y * Self::SIDE + x) as usize) {
                *pixel = rgba;
            }
        }
    }

    /// All bytes, row by row.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// All bytes with blue first and red third, as many devices take them.
    pub fn blue_first(&self) -> Vec<u8> {
        let (pixels, _) = self.pixels.as_chunks::<BYTES_PER_PIXEL>();
        pixels.iter().flat_map(|&[r, g, b, a]| [b, g, r, a]).collect()
    }

    /// Column and row of the pixel that points.
    pub fn hot_spot(&self) -> (u32, u32) {
        (self.hot_x, self.hot_y)
    }
}
