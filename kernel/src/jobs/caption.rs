//! One line of text on a screen, in the font of the console: it has Chinese names too.

use core::convert::Infallible;

use embedded_graphics::{
    draw_target::{DrawTarget, DrawTargetExt},
    geometry::{Point, Size},
    pixelcolor::Rgb888,
    primitives::Rectangle,
};
use terminal::{CELL, Terminal, View};
use unicode_width::UnicodeWidthStr;

/// The pixels of a line from top to bottom.
pub(super) const HEIGHT: u32 = CELL.height;

/// The pixels that a text takes from left to right.
pub(super) fn width(text: &str) -> u32 {
    u32::try_from(text.width().min(terminal::MOST - 1)).unwrap_or(0) * CELL.width
}

/// Draws a text, light on black, with its upper left corner at `at`, which is no negative place. Of a text that does
/// not fit the screen, the left part is drawn.
pub(super) fn draw(
    target: &mut impl DrawTarget<Color = Rgb888, Error = Infallible>,
    at: Point,
    text: &str,
) {
    let width = width(text);
    // The cursor stands in the last column, which is not drawn.
    let mut terminal = Terminal::new((width / CELL.width) as usize + 1, 1);
    terminal.feed(text.as_bytes());
    let area = Rectangle::new(at, Size::new(width, HEIGHT));
    let mut clipped = target.clipped(&area);
    let Ok(_) = View::new().draw(&mut terminal, &mut clipped.cropped(&area));
}
