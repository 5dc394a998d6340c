//! The picture on the screen, and the bar above it: the palette, the brush, and the last message.

use alloc::{borrow::ToOwned, string::String, sync::Arc};

use display::{Error, Framebuffer, Mode, Screen};
use embedded_graphics::{
    Drawable,
    draw_target::{DrawTarget, DrawTargetExt},
    geometry::{Point, Size},
    pixelcolor::{Rgb888, RgbColor},
    primitives::{Circle, Line, PointsIter, Primitive, PrimitiveStyle, Rectangle},
};

use super::{super::caption, bmp::Picture, painter::HELP};

/// The rows of the bar.
pub(super) const BAR: u32 = 24;

/// The colours, by their keys from 1 on. The last one is the paper's, and wipes out.
pub(super) const PALETTE: [Rgb888; 8] = [
    Rgb888::BLACK,
    Rgb888::RED,
    Rgb888::GREEN,
    Rgb888::BLUE,
    Rgb888::YELLOW,
    Rgb888::MAGENTA,
    Rgb888::CYAN,
    PAPER,
];

const PAPER: Rgb888 = Rgb888::WHITE;

/// The frame of a colour in the palette, where it is not the chosen one.
const FRAME: Rgb888 = Rgb888::new(96, 96, 96);

/// The columns of a colour in the palette: its key, and the colour in a frame.
const COLOR_WIDTH: u32 = 32;
/// The first column of the brush, and of the message.
const BRUSH_LEFT: u32 = COLOR_WIDTH * PALETTE.len() as u32 + 4;
const MESSAGE_LEFT: u32 = BRUSH_LEFT + BAR + 4;

/// The diameters of brushes, in pixels. All are odd, so that a brush has a middle.
const THINNEST: u32 = 1;
const FIRST: u32 = 3;
const THICKEST: u32 = 21;
const STEP: u32 = 2;

/// Something that is pointed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spot {
    Picture,
    /// A colour of the palette.
    Color(usize),
    /// Another part of the bar.
    Bar,
}

/// A screen to draw on.
pub(super) struct Easel {
    framebuffer: Framebuffer,
    /// The place of the chosen colour in the palette.
    chosen: usize,
    brush: u32,
    message: String,
}

impl Easel {
    /// An empty picture, the first colour and a thin brush.
    pub fn new(screen: Arc<dyn Screen>) -> Result<Self, Error> {
        let framebuffer = Framebuffer::new(screen)?;
        let mut easel = Self { framebuffer, chosen: 0, brush: FIRST, message: HELP.to_owned() };
        easel.draw_bar();
        easel.clear();
        Ok(easel)
    }

    /// The size of the screen.
    pub fn mode(&self) -> Mode {
        self.framebuffer.mode()
    }

    /// The thing at a place.
    pub fn spot(&self, at: Point) -> Spot {
        let (Ok(x), Ok(y)) = (usize::try_from(at.x), u32::try_from(at.y)) else { return Spot::Bar };
        match x / COLOR_WIDTH as usize {
            _ if y >= BAR => Spot::Picture,
            number if number < PALETTE.len() => Spot::Color(number),
            _ => Spot::Bar,
        }
    }

    /// Draws a line with round ends, in the chosen colour and as thick as the brush. Where both places are the same, it
    /// is a dot.
    ///
    /// The line is made of dots. A line of the library's own has no round ends, and for a thick one of many pixels the
    /// library's numbers are too small.
    pub fn stroke(&mut self, from: Point, to: Point) {
        let style = PrimitiveStyle::with_fill(self.color());
        let (brush, paper) = (self.brush, paper(self.mode()));
        let mut paper = self.framebuffer.clipped(&paper);
        for point in Line::new(from, to).points() {
            let dot = Circle::with_center(point, brush).into_styled(style);
            let Ok(()) = dot.draw(&mut paper);
        }
    }

    /// Chooses the colour at a place of the palette; nothing happens where there is none.
    pub fn choose(&mut self, number: usize) {
        if number < PALETTE.len() && number != self.chosen {
            let earlier = core::mem::replace(&mut self.chosen, number);
            self.draw_color(earlier);
            self.draw_color(number);
            self.draw_brush();
        }
    }

    /// Takes the next thicker brush, or the next thinner one, if there is one.
    pub fn change_brush(&mut self, thicker: bool) {
        self.brush = match thicker {
            true => (self.brush + STEP).min(THICKEST),
            false => self.brush.saturating_sub(STEP).max(THINNEST),
        };
        self.draw_brush();
    }

    /// Makes the picture empty.
    pub fn clear(&mut self) {
        let area = paper(self.mode());
        let Ok(()) = self.framebuffer.fill_solid(&area, PAPER);
    }

    /// Writes a message on the bar, instead of the one before.
    pub fn say(&mut self, message: &str) {
        self.message = message.to_owned();
        self.draw_message();
    }

    /// The picture without the bar.
    pub fn picture(&self) -> Picture<'_> {
        let mode = self.mode();
        let rows = self.framebuffer.pixels().get(BAR as usize * mode.stride()..);
        Picture { width: mode.width(), pixels: rows.unwrap_or_default() }
    }

    /// Takes over the size that the screen has now, and returns it if it is another one. The upper left part of the
    /// picture stays.
    ///
    /// # Errors
    ///
    /// The screen's.
    pub fn follow_resize(&mut self) -> Result<Option<Mode>, Error> {
        let earlier = self.mode();
        let Some(mode) = self.framebuffer.follow_resize()? else { return Ok(None) };
        let (right, bottom) = (earlier.width(), earlier.height().max(BAR));
        let beside = area((right, BAR), (mode.width(), mode.height()));
        let below = area((0, bottom), (mode.width(), mode.height()));
        for new in [beside, below] {
            let Ok(()) = self.framebuffer.fill_solid(&new, PAPER);
        }
        self.draw_bar();
        Ok(Some(mode))
    }

    /// Shows what has changed.
    ///
    /// # Errors
    ///
    /// The screen's. The next flush shows the same again.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.framebuffer.flush()
    }

    fn color(&self) -> Rgb888 {
        PALETTE.get(self.chosen).copied().unwrap_or_default()
    }

    fn draw_bar(&mut self) {
        let bar = Rectangle::new(Point::zero(), Size::new(self.mode().width(), BAR));
        let Ok(()) = self.framebuffer.fill_solid(&bar, Rgb888::BLACK);
        for number in 0..PALETTE.len() {
            self.draw_color(number);
        }
        self.draw_brush();
        self.draw_message();
    }

    /// Draws a colour of the palette, with its key to the left.
    fn draw_color(&mut self, number: usize) {
        let color = PALETTE.get(number).copied().unwrap_or_default();
        let frame = if number == self.chosen { Rgb888::WHITE } else { FRAME };
        // No more than the palette is wide.
        let left = number as i32 * COLOR_WIDTH as i32;
        let key = char::from_digit(number as u32 + 1, 10).unwrap_or(' ');
        caption::draw(&mut self.framebuffer, Point::new(left + 2, 4), key.encode_utf8(&mut [0; 4]));
        for (inset, color) in [(0_i32, frame), (2, color)] {
            let corner = Point::new(left + 11 + inset, 2 + inset);
            let side = Size::new_equal(20 - 2 * inset.unsigned_abs());
            let Ok(()) = self.framebuffer.fill_solid(&Rectangle::new(corner, side), color);
        }
    }

    /// Draws the brush as a dot on paper.
    fn draw_brush(&mut self) {
        let left = BRUSH_LEFT.cast_signed();
        let paper = Rectangle::new(Point::new(left, 0), Size::new_equal(BAR));
        let Ok(()) = self.framebuffer.fill_solid(&paper, PAPER);
        let middle = (BAR / 2).cast_signed();
        let dot = Circle::with_center(Point::new(left + middle, middle), self.brush);
        let style = PrimitiveStyle::with_fill(self.color());
        let Ok(()) = dot.into_styled(style).draw(&mut self.framebuffer);
    }

    fn draw_message(&mut self) {
        let all = area((MESSAGE_LEFT, 0), (self.mode().width(), BAR));
        let Ok(()) = self.framebuffer.fill_solid(&all, Rgb888::BLACK);
        let at = Point::new(MESSAGE_LEFT.cast_signed(), 4);
        caption::draw(&mut self.framebuffer, at, &self.message);
    }
}

/// The part of a screen that is drawn on.
fn paper(mode: Mode) -> Rectangle {
    area((0, BAR), (mode.width(), mode.height()))
}

/// The pixels from one place on up to another, which is not part of it; none if that lies before.
fn area(from: (u32, u32), to: (u32, u32)) -> Rectangle {
    let size = Size::new(to.0.saturating_sub(from.0), to.1.saturating_sub(from.1));
    Rectangle::new(Point::new(from.0.cast_signed(), from.1.cast_signed()), size)
}
