//! `job=picture`: shows a picture that a host can compare pixel by pixel.

use alloc::string::{String, ToString};
use core::fmt;

use display::{BYTES_PER_PIXEL, Error, Framebuffer, Mode, Rect};
use embedded_graphics::{
    draw_target::DrawTarget,
    geometry::{Point, Size},
    pixelcolor::{Rgb888, RgbColor},
    primitives::Rectangle,
};

use super::{Failure, Run, Screen, follow};
use crate::{
    cmdline::{CmdlineError, CommandLine},
    console::println,
    progress,
};

/// The size of the classic picture.
const CLASSIC: (u32, u32) = (1024, 768);

/// The side of the square.
const SQUARE: u32 = 256;

pub(super) struct Picture {
    shape: Shape,
    hold: bool,
}

/// The picture to show.
#[derive(Clone, Copy, Debug)]
enum Shape {
    /// Red tells the column, green the row and blue their sum, each modulo 256.
    Classic,
    /// A red square on black.
    Square,
}

impl Run for Picture {
    const NAME: &'static str = "picture";
    const PARAMETERS: &'static [&'static str] = &["shape=classic|square"];
    type Needs = Screen;

    fn parse(line: &CommandLine) -> Result<Self, CmdlineError> {
        let shapes = [("classic", Shape::Classic), ("square", Shape::Square)];
        let shape = line.one_of("shape", &shapes)?.unwrap_or(Shape::Classic);
        Ok(Self { shape, hold: line.switch("hold")?.unwrap_or(false) })
    }

    fn run(&self, screen: &Screen) -> Result<String, Failure> {
        let showing = progress::begin("showing the picture");
        let failed = |error| Failure::Screen { doing: "showing the picture", error };
        let mut framebuffer = Framebuffer::new(screen.clone()).map_err(failed)?;
        let place = self.shape.show(&mut framebuffer).map_err(failed)?;
        drop(showing);
        if self.hold {
            let shape = self.shape;
            follow::spawn(Self::NAME, framebuffer, move |framebuffer| {
                println!("picture: {}", shape.show(framebuffer)?);
                Ok(())
            })?;
        }
        Ok(place.to_string())
    }
}

impl Shape {
    /// Draws it, and shows it.
    fn show(self, framebuffer: &mut Framebuffer) -> Result<Place, Error> {
        let size = match self {
            Self::Classic => CLASSIC,
            Self::Square => (SQUARE, SQUARE),
        };
        let place = Place::of(size, framebuffer.mode());
        match self {
            Self::Classic => framebuffer.setup_framebuffer(|pixels| {
                draw_classic(pixels, &place);
                Ok::<(), Error>(())
            })?,
            Self::Square => {
                let Rect { x, y, width, height } = place.area;
                let square = Rectangle::new(
                    Point::new(x.cast_signed(), y.cast_signed()),
                    Size::new(width, height),
                );
                let Ok(()) = framebuffer.clear(Rgb888::BLACK);
                let Ok(()) = framebuffer.fill_solid(&square, Rgb888::RED);
            }
        }
        framebuffer.flush()?;
        Ok(place)
    }
}

// ANCHOR: classic
/// Draws the part of the classic picture that lies on the screen, and black around it.
fn draw_classic(pixels: &mut [u8], place: &Place) {
    let Rect { x: left, y: top, width, height } = place.area;
    pixels.fill(0);
    let rows = pixels.chunks_exact_mut(place.screen.stride()).skip(top as usize);
    for (y, row) in (0..height).zip(rows) {
        let (columns, _) = row.as_chunks_mut::<BYTES_PER_PIXEL>();
        for (x, pixel) in (0..width).zip(columns.iter_mut().skip(left as usize)) {
            // Each modulo 256.
            *pixel = [x as u8, y as u8, (x + y) as u8, u8::MAX];
        }
    }
}
// ANCHOR_END: classic

/// The place of a picture: in the middle of the screen, or as much of its upper left part as there is room for.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    area: Rect,
    size: (u32, u32),
    screen: Mode,
}

impl Place {
    fn of(size: (u32, u32), screen: Mode) -> Self {
        let place = |size: u32, room: u32| (room.saturating_sub(size) / 2, size.min(room));
        let (x, width) = place(size.0, screen.width());
        let (y, height) = place(size.1, screen.height());
        Self { area: Rect::new(x, y, width, height), size, screen }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { area, size: (width, height), screen } = self;
        write!(f, "{area} on a screen of {screen}")?;
        match (area.width, area.height) == (*width, *height) {
            true => Ok(()),
            false => write!(f, ", clipped from {width}x{height}"),
        }
    }
}

#[cfg(ktest)]
mod tests {
    use alloc::{format, vec};

    use ostd::prelude::ktest;

    use super::*;

    fn place(size: (u32, u32), width: u32, height: u32) -> Place {
        Place::of(size, Mode::new(width, height).unwrap())
    }

    #[ktest]
    fn a_picture_is_centred_or_clipped() {
        for (screen, area, text) in [
            ((1024, 768), (0, 0, 1024, 768), "1024x768 at (0, 0) on a screen of 1024x768"),
            ((1280, 800), (128, 16, 1024, 768), "1024x768 at (128, 16) on a screen of 1280x800"),
            (
                (640, 480),
                (0, 0, 640, 480),
                "640x480 at (0, 0) on a screen of 640x480, clipped from 1024x768",
            ),
            (
                (2000, 600),
                (488, 0, 1024, 600),
                "1024x600 at (488, 0) on a screen of 2000x600, clipped from 1024x768",
            ),
        ] {
            let place = place(CLASSIC, screen.0, screen.1);
            let (x, y, width, height) = area;
            assert_eq!(place.area, Rect::new(x, y, width, height));
            assert_eq!(format!("{place}"), text);
        }
    }

    #[ktest]
    fn the_classic_picture_tells_columns_and_rows() {
        let place = place(CLASSIC, 1030, 780);
        let mut pixels = vec![7; place.screen.bytes()];
        draw_classic(&mut pixels, &place);
        let pixel = |x: usize, y: usize| {
            let at = y * place.screen.stride() + x * BYTES_PER_PIXEL;
            <[u8; 4]>::try_from(&pixels[at..at + 4]).unwrap()
        };
        assert_eq!((pixel(2, 300), pixel(300, 5), pixel(1027, 300)), ([0; 4], [0; 4], [0; 4]));
        assert_eq!(pixel(3, 6), [0, 0, 0, 255]);
        assert_eq!(pixel(3 + 300, 6 + 7), [44, 7, 51, 255]);
        assert_eq!(pixel(3 + 1023, 6 + 767), [255, 255, 254, 255]);
    }
}
