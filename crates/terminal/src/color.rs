//! Colours, as the sequence SGR chooses them (ECMA-48 section 8.3.117, and xterm's 256 colours).

use embedded_graphics_core::pixelcolor::{Rgb888, RgbColor};
use vte::Params;

use crate::cell::{Cell, Width};

/// The first 16 colours: eight, and the same bright.
const NAMED: [Rgb888; 16] = [
    Rgb888::BLACK,
    Rgb888::new(205, 49, 49),
    Rgb888::new(13, 188, 121),
    Rgb888::new(229, 229, 16),
    Rgb888::new(36, 114, 200),
    Rgb888::new(188, 63, 188),
    Rgb888::new(17, 168, 205),
    Rgb888::new(229, 229, 229),
    Rgb888::new(102, 102, 102),
    Rgb888::new(241, 76, 76),
    Rgb888::new(35, 209, 139),
    Rgb888::new(245, 245, 67),
    Rgb888::new(59, 142, 234),
    Rgb888::new(214, 112, 214),
    Rgb888::new(41, 184, 219),
    Rgb888::WHITE,
];

const FOREGROUND: Color = Color::Numbered(7);
const BACKGROUND: Color = Color::Numbered(0);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Color {
    /// One of xterm's 256 colours.
    Numbered(u8),
    Exact(Rgb888),
}

impl Color {
    /// The colour that stands behind 38 or 48: `5` and a number, or `2` and three values.
    fn extended(values: &[u16]) -> Option<Self> {
        let byte = |value: u16| u8::try_from(value).ok();
        match *values {
            [5, number] => byte(number).map(Self::Numbered),
            // With colons, the number of a colour space may stand before the values.
            [2, red, green, blue] | [2, _, red, green, blue] => {
                Some(Self::Exact(Rgb888::new(byte(red)?, byte(green)?, byte(blue)?)))
            }
            _ => None,
        }
    }

    fn rgb(self) -> Rgb888 {
        match self {
            Self::Exact(rgb) => rgb,
            Self::Numbered(number @ 232..) => {
                let gray = (number - 232) * 10 + 8;
                Rgb888::new(gray, gray, gray)
            }
            // A cube with a side of six.
            Self::Numbered(number @ 16..) => {
                let level = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
                let place = number - 16;
                Rgb888::new(level(place / 36), level(place / 6 % 6), level(place % 6))
            }
            Self::Numbered(number) => {
                NAMED.get(usize::from(number)).copied().unwrap_or(Rgb888::BLACK)
            }
        }
    }
}

/// The colours of what is written next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    foreground: Color,
    background: Color,
    bold: bool,
    inverse: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self { foreground: FOREGROUND, background: BACKGROUND, bold: false, inverse: false }
    }
}

impl Style {
    /// Does what the parameters of an SGR say, one after the other. Those that are not known change nothing.
    pub(crate) fn select(&mut self, params: &Params) {
        let mut params = params.iter();
        while let Some(param) = params.next() {
            match *param {
                // With semicolons, the values are parameters of their own.
                [code @ (38 | 48)] => {
                    let mut next =
                        || params.next().and_then(|values| values.first().copied()).unwrap_or(0);
                    let color = match next() {
                        2 => Color::extended(&[2, next(), next(), next()]),
                        5 => Color::extended(&[5, next()]),
                        _ => None,
                    };
                    self.set(code, color);
                }
                [code @ (38 | 48), ref values @ ..] => self.set(code, Color::extended(values)),
                [code] => self.select_one(code),
                _ => {}
            }
        }
    }

    fn select_one(&mut self, code: u16) {
        let number = |first: u16| u8::try_from(code - first).unwrap_or_default();
        match code {
            0 => *self = Self::default(),
            1 => self.bold = true,
            22 => self.bold = false,
            7 => self.inverse = true,
            27 => self.inverse = false,
            30..=37 => self.foreground = Color::Numbered(number(30)),
            39 => self.foreground = FOREGROUND,
            40..=47 => self.background = Color::Numbered(number(40)),
            49 => self.background = BACKGROUND,
            90..=97 => self.foreground = Color::Numbered(number(90) + 8),
            100..=107 => self.background = Color::Numbered(number(100) + 8),
            _ => {}
        }
    }

    /// Sets the colour that 38 or 48 means, if the values made one.
    fn set(&mut self, code: u16, color: Option<Color>) {
        let ground = if code == 48 { &mut self.background } else { &mut self.foreground };
        *ground = color.unwrap_or(*ground);
    }

    /// A cell with this character.
    pub(crate) fn cell(&self, char: char, width: Width) -> Cell {
        let foreground = match self.foreground {
            // There is one weight of glyphs: bold text is bright instead, as on the first colour terminals.
            Color::Numbered(number @ ..=7) if self.bold => Color::Numbered(number + 8),
            color => color,
        };
        let cell =
            Cell { char, width, foreground: foreground.rgb(), background: self.background.rgb() };
        if self.inverse { cell.inverted() } else { cell }
    }

    /// A cell of which the character has been erased.
    pub(crate) fn blank(&self) -> Cell {
        Self { inverse: false, bold: false, ..*self }.cell(' ', Width::Single)
    }
}
