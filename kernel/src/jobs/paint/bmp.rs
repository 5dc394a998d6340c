//! A picture as a bitmap file of 24 bits a pixel, which every program of pictures reads.
//!
//! Such a file is a header of two parts (BITMAPFILEHEADER and BITMAPINFOHEADER, in Microsoft's documentation of the
//! Windows GDI) and the rows from the lowest one on: blue, green, red, and zeros up to a multiple of four bytes. All
//! numbers begin with their lowest byte.

use alloc::vec::Vec;

use display::BYTES_PER_PIXEL;

/// The bytes of both headers.
pub(super) const HEADER: usize = 54;

/// Pixels as a screen has them.
pub(super) struct Picture<'a> {
    /// The pixels of a row.
    pub width: u32,
    /// Red, green, blue and a byte without a meaning for each pixel, row by row from the top.
    pub pixels: &'a [u8],
}

impl<'a> Picture<'a> {
    /// The bytes of a row here.
    fn stride(&self) -> usize {
        self.width as usize * BYTES_PER_PIXEL
    }

    /// The number of rows.
    pub fn height(&self) -> u32 {
        self.pixels.len().checked_div(self.stride()).map_or(0, |rows| rows as u32)
    }

    /// The headers. A screen has too few pixels for any number of them to overflow.
    pub fn header(&self) -> [u8; HEADER] {
        const BITS: u16 = 24;
        /// About 72 dots an inch, in dots a metre.
        const RESOLUTION: u32 = 2835;
        let row = (self.width * 3).next_multiple_of(4);
        let bytes = row.saturating_mul(self.height());
        let (start, information) = (HEADER as u32, 40_u32);
        let mut header = [0; HEADER];
        let mut rest = header.iter_mut();
        let mut put = |bytes: &[u8]| rest.by_ref().zip(bytes).for_each(|(to, from)| *to = *from);
        put(b"BM");
        put(&start.saturating_add(bytes).to_le_bytes());
        put(&[0; 4]);
        put(&start.to_le_bytes());
        put(&information.to_le_bytes());
        put(&self.width.to_le_bytes());
        // Positive: from the lowest row on.
        put(&self.height().to_le_bytes());
        // Planes, bits, and no compression.
        put(&1_u16.to_le_bytes());
        put(&BITS.to_le_bytes());
        put(&[0; 4]);
        put(&bytes.to_le_bytes());
        put(&RESOLUTION.to_le_bytes());
        put(&RESOLUTION.to_le_bytes());
        // No table of colours.
        put(&[0; 8]);
        header
    }

    /// The rows as they follow on the headers.
    pub fn rows(&self) -> impl Iterator<Item = Vec<u8>> + use<'a> {
        self.pixels.chunks_exact(self.stride().max(1)).rev().map(|row| {
            let pixels = row.as_chunks::<BYTES_PER_PIXEL>().0.iter();
            let mut bytes: Vec<u8> = pixels.flat_map(|&[r, g, b, _]| [b, g, r]).collect();
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes
        })
    }
}
