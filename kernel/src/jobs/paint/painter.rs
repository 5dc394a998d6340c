//! From events to strokes.

use alloc::sync::Arc;

use display::{CursorImage, Error, Screen};
use embedded_graphics::geometry::Point;
use input::{
    DeviceInfo, Event, Keyboard, Pointer,
    codes::{BTN_LEFT, BTN_TOUCH, EV_ABS, EV_REL},
};

use super::{
    bmp::Picture,
    easel::{Easel, Spot},
};

/// The keys there are, for people. It fits the bar of a screen of 640 pixels.
pub(super) const HELP: &str = "1-8 colour, +- brush, c clear, s save, q end";

/// The value of a key that has just been pressed.
const PRESSED: i32 = 1;

/// The cursor's arms, in pixels from the one that points.
const ARM: u32 = 8;

/// Something that a person wants and the painter cannot do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// The picture as a file.
    Save,
    /// The end.
    End,
}

/// Somebody who draws.
pub(super) struct Painter {
    screen: Arc<dyn Screen>,
    easel: Easel,
    pointer: Pointer,
    keyboard: Keyboard,
    pen: Pen,
    cursor: Cursor,
    strokes: u64,
}

/// The pen, which is down while a button is pressed.
#[derive(Clone, Copy)]
enum Pen {
    Up,
    /// It draws, and was here last.
    Draws(Point),
    /// It was put down beside the picture.
    Beside,
}

/// The cursor as the screen knows it.
#[derive(Clone, Copy)]
enum Cursor {
    /// It has not been told yet.
    New,
    At((u32, u32)),
    /// The screen has none.
    None,
}

impl Painter {
    /// Puts an empty picture onto the screen.
    pub fn new(screen: Arc<dyn Screen>) -> Result<Self, Error> {
        let easel = Easel::new(screen.clone())?;
        let mode = easel.mode();
        Ok(Self {
            screen,
            easel,
            pointer: Pointer::new(mode.width(), mode.height()),
            keyboard: Keyboard::new(),
            pen: Pen::Up,
            cursor: Cursor::New,
            strokes: 0,
        })
    }

    /// Takes in an event of the device that `info` is about. What it changes is seen after [`Self::show`].
    pub fn event(&mut self, event: Event, info: &DeviceInfo) -> Option<Wish> {
        // The groups of a keyboard are none of a pointer's business.
        let points = info.codes(EV_REL).is_some() || info.codes(EV_ABS).is_some();
        if points && self.pointer.event(event, info) {
            self.pointed();
        }
        let stroke = self.keyboard.event(event);
        // Not again while it is held.
        let pressed = stroke.filter(|_| event.value == PRESSED)?;
        self.pressed(pressed.character?)
    }

    // ANCHOR: pointed
    /// The pointer has moved, or a button has changed.
    fn pointed(&mut self) {
        let pointer = &self.pointer;
        let (x, y) = pointer.place();
        let at = Point::new(x.cast_signed(), y.cast_signed());
        let is_down = pointer.is_pressed(BTN_LEFT) || pointer.is_pressed(BTN_TOUCH);
        self.pen = match self.pen {
            _ if !is_down => Pen::Up,
            Pen::Beside => Pen::Beside,
            Pen::Draws(from) => {
                self.easel.stroke(from, at);
                Pen::Draws(at)
            }
            Pen::Up => match self.easel.spot(at) {
                Spot::Picture => {
                    self.strokes += 1;
                    self.easel.stroke(at, at);
                    Pen::Draws(at)
                }
                Spot::Color(number) => {
                    self.easel.choose(number);
                    Pen::Beside
                }
                Spot::Bar => Pen::Beside,
            },
        };
    }
    // ANCHOR_END: pointed

    fn pressed(&mut self, character: char) -> Option<Wish> {
        match character {
            '1'..='8' => self.easel.choose(character as usize - '1' as usize),
            // The key of `+` without shift.
            '+' | '=' => self.easel.change_brush(true),
            '-' => self.easel.change_brush(false),
            'c' | 'C' => self.easel.clear(),
            's' | 'S' => return Some(Wish::Save),
            'q' | 'Q' | '\u{1b}' => return Some(Wish::End),
            _ => {}
        }
        None
    }

    /// The strokes so far: from a button's press to its release.
    pub fn strokes(&self) -> u64 {
        self.strokes
    }

    /// The picture as it is.
    pub fn picture(&self) -> Picture<'_> {
        self.easel.picture()
    }

    /// Writes a message on the bar.
    pub fn say(&mut self, message: &str) {
        self.easel.say(message);
    }

    /// Has the screen show what has changed, and takes over its size if that is another one.
    ///
    /// # Errors
    ///
    /// The screen's. The next call shows the same again.
    pub fn show(&mut self) -> Result<(), Error> {
        if let Some(mode) = self.easel.follow_resize()? {
            self.pointer.resize(mode.width(), mode.height());
            // A line to a place of another size would be none that anybody has drawn.
            self.pen = Pen::Up;
        }
        self.easel.flush()?;
        self.show_cursor()
    }

    fn show_cursor(&mut self) -> Result<(), Error> {
        let place = self.pointer.place();
        let told = match self.cursor {
            Cursor::None => return Ok(()),
            Cursor::At(earlier) if earlier == place => return Ok(()),
            Cursor::At(_) => self.screen.move_cursor(place.0, place.1),
            Cursor::New => self.screen.set_cursor(&cursor(), place.0, place.1),
        };
        self.cursor = match told {
            Ok(()) => Cursor::At(place),
            Err(Error::NoCursor) => Cursor::None,
            Err(error) => return Err(error),
        };
        Ok(())
    }

    /// Shows the last changes, and takes the cursor away.
    ///
    /// # Errors
    ///
    /// The screen's.
    pub fn end(&mut self) -> Result<(), Error> {
        self.show()?;
        match self.cursor {
            Cursor::At(_) => self.screen.hide_cursor(),
            Cursor::New | Cursor::None => Ok(()),
        }
    }
}

/// A black cross with white edges, so that it is seen on any colour. Through its middle the picture is seen.
pub(super) fn cursor() -> CursorImage {
    const BLACK: [u8; 4] = [0, 0, 0, 255];
    const WHITE: [u8; 4] = [255; 4];
    let mut image = CursorImage::new(ARM, ARM);
    for along in (0..=2 * ARM).filter(|along| along.abs_diff(ARM) > 1) {
        for (across, color) in [(ARM - 1, WHITE), (ARM, BLACK), (ARM + 1, WHITE)] {
            image.set(along, across, color);
            image.set(across, along, color);
        }
    }
    image
}
