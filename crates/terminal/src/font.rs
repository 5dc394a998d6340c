//! The shapes of characters.

use embedded_graphics_core::geometry::Size;

/// The pixels of one cell.
pub const CELL: Size = Size::new(8, 16);

/// The shape of a character, one or two cells wide: says which pixels belong to it.
pub(crate) enum Shape {
    /// The font's, as wide as it should be.
    Glyph(&'static unifont::Glyph),
    /// The font's with two pixels put together to one: the font has it wide, and `unicode-width` does not.
    Narrowed(&'static unifont::Glyph),
    /// A box, for what the font does not have.
    Box { right: u32 },
}

impl Shape {
    pub(crate) fn of(char: char, width: u32) -> Self {
        match unifont::get_glyph(char) {
            Some(glyph) if glyph.is_fullwidth() && width <= CELL.width => Self::Narrowed(glyph),
            Some(glyph) => Self::Glyph(glyph),
            None => Self::Box { right: width.saturating_sub(2) },
        }
    }

    pub(crate) fn contains(&self, x: u32, y: u32) -> bool {
        let pixel = |glyph: &unifont::Glyph, x: u32| glyph.get_pixel(x as usize, y as usize);
        match *self {
            Self::Glyph(glyph) => pixel(glyph, x),
            Self::Narrowed(glyph) => pixel(glyph, 2 * x) || pixel(glyph, 2 * x + 1),
            Self::Box { right } => {
                let (top, bottom) = (2, CELL.height - 3);
                let is_within = (1..=right).contains(&x) && (top..=bottom).contains(&y);
                is_within && (x == 1 || x == right || y == top || y == bottom)
            }
        }
    }
}
