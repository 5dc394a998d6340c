//! A machine in which somebody paints, and the picture as it must be.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow, ensure};
use embedded_graphics::{
    Drawable,
    geometry::{OriginDimensions, Point},
    image,
    pixelcolor::{Rgb888, RgbColor},
    primitives::{Circle, Line, PointsIter, Primitive, PrimitiveStyle},
};
use lab::{
    outcome::Outcome,
    picture::Picture,
    qemu::{Disk, Gpu, KEYBOARD, TABLET, gpu_trace::Told},
};
use serde_json::Value;
use sfs_proof::{
    image::Image,
    reader::{self, ROOT},
};
use tinybmp::Bmp;

use crate::{
    churn,
    e2e::{
        drawn::Drawn,
        input::{absolute, button, key},
        lab::Lab,
        pictures::screen::Screen,
    },
};

/// The screen, and the rows of the bar at its top.
pub const SIZE: (u32, u32) = (640, 480);
pub const BAR: u32 = 24;

/// The line with which the job begins to listen.
const READY: &str = "paint: 1-8 colour";

/// The blocks of the file system: 8 MiB.
const BLOCKS: u32 = 2 << 10;

/// The colours by their keys, from 1 on.
pub const COLORS: [Rgb888; 8] = [
    Rgb888::BLACK,
    Rgb888::RED,
    Rgb888::GREEN,
    Rgb888::BLUE,
    Rgb888::YELLOW,
    Rgb888::MAGENTA,
    Rgb888::CYAN,
    Rgb888::WHITE,
];

/// The picture as it must be, below the bar.
pub struct Expected(pub Drawn);

impl Expected {
    pub fn new(size: (u32, u32)) -> Self {
        Self(Drawn(Picture::from_fn(size.0, size.1 - BAR, |_, _| [255; 3])))
    }

    /// Draws dots of a brush along lines, in places of the screen.
    pub fn draw(&mut self, color: Rgb888, brush: u32, places: &[(u32, u32)]) {
        let place =
            |at: &(u32, u32)| Point::new(at.0 as i32, at.1 as i32) - Point::new(0, BAR as i32);
        let style = PrimitiveStyle::with_fill(color);
        for pair in [&places[..1], places].concat().windows(2) {
            for point in Line::new(place(&pair[0]), place(&pair[1])).points() {
                let Ok(()) = Circle::with_center(point, brush).into_styled(style).draw(&mut self.0);
            }
        }
    }

    pub fn picture(&self) -> &Picture {
        &self.0.0
    }
}

/// A picture of a screen without the bar.
fn below_bar(screen: &Picture) -> Picture {
    let (width, height) = screen.size();
    Picture::from_fn(width, height.saturating_sub(BAR), |x, y| {
        screen.pixel(x, y + BAR).unwrap_or_default()
    })
}

/// A machine in which somebody paints.
pub struct Painting<'a> {
    pub screen: Screen<'a>,
    /// The output that shows it.
    output: u32,
    pub expected: Expected,
    /// The keys that were pressed last.
    pub color: Rgb888,
    pub brush: u32,
}

impl<'a> Painting<'a> {
    pub fn start(lab: &'a Lab<'a>, pointer: &str, disk: Option<Disk>, job: &str) -> Result<Self> {
        let machine = lab.machine().gpu(&Gpu::new(SIZE.0, SIZE.1)).device(pointer).device(KEYBOARD);
        let machine = match disk {
            Some(disk) => machine.disk(disk),
            None => machine,
        };
        Ok(Self::new(Screen::start_job(lab, machine, job, READY)?, 0))
    }

    /// With a tablet, on the second output of a GPU whose first one has another size.
    pub fn start_on_second_output(lab: &'a Lab<'a>) -> Result<Self> {
        let gpu = Gpu::new(1024, 768).outputs(2);
        let machine = lab.machine().gpu(&gpu).device(TABLET).device(KEYBOARD);
        let job = "paint output=1";
        Ok(Self::new(Screen::start_job_on_second(lab, machine, SIZE, job, READY)?, 1))
    }

    fn new(screen: Screen<'a>, output: u32) -> Self {
        Self { screen, output, expected: Expected::new(SIZE), color: COLORS[0], brush: 3 }
    }

    /// Presses keys one after the other, and lets them go in the opposite order.
    pub fn press(&mut self, names: &[&str]) -> Result<()> {
        for name in names {
            self.screen.send(&[key(name, true)])?;
        }
        for name in names.iter().rev() {
            self.screen.send(&[key(name, false)])?;
        }
        Ok(())
    }

    pub fn choose(&mut self, number: usize) -> Result<()> {
        self.color = COLORS[number - 1];
        self.press(&[number.to_string().as_str()])
    }

    /// Draws with the tablet from one place over others to the last, and waits for the picture. The device has room for
    /// 64 events, so there are few places.
    pub fn draw(&mut self, places: &[(u32, u32)]) -> Result<()> {
        self.draw_and(places, |_| Ok(()))
    }

    /// The same, but `meanwhile` happens at the first place, when the button is pressed and all of it is shown.
    pub fn draw_and(
        &mut self,
        places: &[(u32, u32)],
        meanwhile: impl FnOnce(&mut Screen<'a>) -> Result<()>,
    ) -> Result<()> {
        self.screen.send(&at(places[0]))?;
        self.screen.send(&[button("left", true)])?;
        self.expected.draw(self.color, self.brush, &places[..1]);
        self.wait_for_picture()?;
        self.wait_for_cursor(places[0])?;
        meanwhile(&mut self.screen)?;
        for place in &places[1..] {
            self.screen.send(&at(*place))?;
        }
        self.screen.send(&[button("left", false)])?;
        self.expected.draw(self.color, self.brush, places);
        self.wait_for_picture()
    }

    pub fn wait_for_picture(&mut self) -> Result<()> {
        let (output, expected) = (self.output, self.expected.picture());
        self.screen.wait_until("the picture was as expected", |screen| {
            let found = below_bar(&screen.picture(output)?);
            screen.compare(&found, expected)
        })
    }

    /// Waits until the last that QEMU was told of the cursor is that it points there.
    pub fn wait_for_cursor(&mut self, place: (u32, u32)) -> Result<()> {
        let output = self.output;
        self.screen.wait_until("the cursor was at its place", |screen| {
            let told = cursors(&screen.trace()?, output);
            let is_there = told.last().is_some_and(|told| told.at == place && told.shape != 0);
            ensure!(is_there, "the cursor is not at {place:?}: {:?}", told.last());
            Ok(())
        })
    }

    /// Waits until the last that QEMU was told of the cursor is that there is none.
    pub fn wait_for_no_cursor(&mut self) -> Result<()> {
        let output = self.output;
        self.screen.wait_until("the cursor was hidden", |screen| {
            let told = cursors(&screen.trace()?, output);
            ensure!(told.last().is_some_and(|told| told.shape == 0), "last: {:?}", told.last());
            Ok(())
        })
    }

    /// Checks what a VNC client gets as the cursor: a black cross with white edges, which points with its middle.
    pub fn expect_cross(&self) -> Result<()> {
        let mut vnc = self.screen.vnc()?;
        vnc.screen()?;
        let cursor = vnc.cursor().context("the VNC client has got no cursor")?;
        let (size, hotspot) = (cursor.size, cursor.hotspot);
        ensure!((size, hotspot) == ((64, 64), (8, 8)), "{size:?} pixels, pointing at {hotspot:?}");
        let arm = |along: usize, across: usize| match (along.abs_diff(8), across.abs_diff(8)) {
            (2..=8, 0) => Some([0; 3]),
            (2..=8, 1) => Some([255; 3]),
            _ => None,
        };
        for (index, pixel) in cursor.pixels.iter().enumerate() {
            let (x, y) = (index % 64, index / 64);
            let expected = arm(x, y).or(arm(y, x));
            ensure!(*pixel == expected, "({x}, {y}) of the cursor is {pixel:?}, not {expected:?}");
        }
        Ok(())
    }

    /// Ends it by a key.
    pub fn end(mut self, name: &str) -> Result<Outcome> {
        self.screen.send(&[key(name, true)])?;
        let outcome = self.screen.finish()?;
        outcome.expect_success()?;
        Ok(outcome)
    }
}

/// Something that QEMU was told of a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub at: (u32, u32),
    /// It kept its shape.
    pub moves: bool,
    /// The resource with its shape; 0 if it is not to be seen.
    pub shape: u32,
}

/// All that QEMU was told of the cursor over an output.
pub fn cursors(trace: &[Told], output: u32) -> Vec<Cursor> {
    let cursor = |told: &Told| match *told {
        Told::Cursor { output: of, at, moves, resource } if of == output => {
            Some(Cursor { at, moves, shape: resource })
        }
        _ => None,
    };
    trace.iter().filter_map(cursor).collect()
}

/// The events by which a tablet tells a place on the screen, as QEMU makes them of one in its window.
pub fn at((x, y): (u32, u32)) -> [Value; 2] {
    let position = |at: u32, of: u32| at as usize * 0x7fff / of as usize;
    [absolute("x", position(x, SIZE.0)), absolute("y", position(y, SIZE.1))]
}

/// A disk without files.
pub fn disk(lab: &Lab) -> Result<PathBuf> {
    let path = lab.file("sfs.img");
    fs::write(&path, churn::empty_disk(BLOCKS)?).context("cannot write the image")?;
    Ok(path)
}

/// The names in the root directory of a disk, and the picture in one of the files.
pub fn saved(path: &Path, name: &str) -> Result<(Vec<String>, Picture)> {
    let image = Image::of_file(&fs::read(path)?);
    let reading = reader::read(&image);
    ensure!(reading.broken().is_none(), "the file system is damaged: {:?}", reading.broken());
    let names = reading.names(ROOT);
    let number = names.get(name).with_context(|| format!("there is no {name} in {names:?}"))?;
    let bytes = reading.content(&image, *number);
    let bmp = Bmp::<Rgb888>::from_slice(&bytes).map_err(|error| anyhow!("{name}: {error:?}"))?;
    let mut drawn = Drawn(Picture::from_fn(bmp.size().width, bmp.size().height, |_, _| [1, 2, 3]));
    let Ok(()) = image::Image::new(&bmp, Point::zero()).draw(&mut drawn);
    Ok((names.keys().map(|name| (*name).to_owned()).collect(), drawn.0))
}
