//! The place of one character.

use embedded_graphics_core::pixelcolor::Rgb888;

/// One place in the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The character; a blank where there is none.
    pub char: char,
    /// The columns that it takes.
    pub width: Width,
    /// The colour of the character.
    pub foreground: Rgb888,
    /// The colour behind it.
    pub background: Rgb888,
}

/// The columns that a cell's character takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// One.
    Single,
    /// Two: this one and the next, which is [`Width::Covered`].
    Double,
    /// None: the character before takes this one as well.
    Covered,
}

impl Cell {
    /// The cell with its colours changed about.
    pub(crate) fn inverted(self) -> Self {
        Self { foreground: self.background, background: self.foreground, ..self }
    }

    /// The cell without its character.
    pub(crate) fn blanked(self) -> Self {
        Self { char: ' ', width: Width::Single, ..self }
    }
}
