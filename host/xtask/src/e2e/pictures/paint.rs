//! Painting: what events draw is compared pixel by pixel with the same lines drawn here, on the screen and in the file
//! that is saved.

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
    picture::{Picture, Rgb},
    qemu::{Disk, Gpu, KEYBOARD, MOUSE, TABLET, gpu_trace::Told},
    vnc::LEFT,
};
use serde_json::Value;
use sfs_proof::{
    image::Image,
    reader::{self, ROOT},
};
use tinybmp::Bmp;

use super::screen::Screen;
use crate::{
    churn,
    e2e::{
        Case,
        drawn::Drawn,
        input::{absolute, button, key, relative},
        lab::Lab,
    },
};

pub const CASES: &[Case] = &[
    Case::both("paint-with-a-tablet", tablet),
    Case::once("paint-with-a-mouse", mouse),
    Case::once("paint-over-vnc", over_vnc),
    Case::once("paint-saves-and-replaces", saves),
    Case::once("paint-cannot-save", cannot_save),
    Case::once("paint-ends", ends),
    Case::once("paint-refused", refused),
];

/// The screen, and the rows of the bar at its top.
const SIZE: (u32, u32) = (640, 480);
const BAR: u32 = 24;

/// The line with which the job begins to listen.
const READY: &str = "paint: 1 to 8 choose a colour";

/// The blocks of the file system: 8 MiB.
const BLOCKS: u32 = 2 << 10;

/// The colours by their keys, from 1 on.
const COLORS: [Rgb888; 8] = [
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
struct Expected(Drawn);

impl Expected {
    fn new(size: (u32, u32)) -> Self {
        Self(Drawn(Picture::from_fn(size.0, size.1 - BAR, |_, _| [255; 3])))
    }

    /// Draws dots of a brush along lines, in places of the screen.
    fn draw(&mut self, color: Rgb888, brush: u32, places: &[(u32, u32)]) {
        let place =
            |at: &(u32, u32)| Point::new(at.0 as i32, at.1 as i32) - Point::new(0, BAR as i32);
        let style = PrimitiveStyle::with_fill(color);
        for pair in [&places[..1], places].concat().windows(2) {
            for point in Line::new(place(&pair[0]), place(&pair[1])).points() {
                let Ok(()) = Circle::with_center(point, brush).into_styled(style).draw(&mut self.0);
            }
        }
    }

    fn picture(&self) -> &Picture {
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
struct Painting<'a> {
    screen: Screen<'a>,
    expected: Expected,
    /// The keys that were pressed last.
    color: Rgb888,
    brush: u32,
}

impl<'a> Painting<'a> {
    fn start(lab: &'a Lab<'a>, pointer: &str, disk: Option<Disk>, job: &str) -> Result<Self> {
        let machine = lab.machine().gpu(&Gpu::new(SIZE.0, SIZE.1)).device(pointer).device(KEYBOARD);
        let machine = match disk {
            Some(disk) => machine.disk(disk),
            None => machine,
        };
        let screen = Screen::start_job(lab, machine, job, READY)?;
        Ok(Self { screen, expected: Expected::new(SIZE), color: COLORS[0], brush: 3 })
    }

    /// Presses keys one after the other, and lets them go in the opposite order.
    fn press(&mut self, names: &[&str]) -> Result<()> {
        for name in names {
            self.screen.send(&[key(name, true)])?;
        }
        for name in names.iter().rev() {
            self.screen.send(&[key(name, false)])?;
        }
        Ok(())
    }

    fn choose(&mut self, number: usize) -> Result<()> {
        self.color = COLORS[number - 1];
        self.press(&[number.to_string().as_str()])
    }

    /// Draws with the tablet from one place over others to the last, and waits for the picture. The device has room for
    /// 64 events, so there are few places.
    fn draw(&mut self, places: &[(u32, u32)]) -> Result<()> {
        self.screen.send(&at(places[0]))?;
        self.screen.send(&[button("left", true)])?;
        for place in &places[1..] {
            self.screen.send(&at(*place))?;
        }
        self.screen.send(&[button("left", false)])?;
        self.expected.draw(self.color, self.brush, places);
        self.wait_for_picture()
    }

    fn wait_for_picture(&mut self) -> Result<()> {
        let expected = self.expected.picture();
        self.screen.wait_until("the picture was as expected", |screen| {
            let found = below_bar(&screen.picture(0)?);
            screen.compare(&found, expected)
        })
    }

    /// Ends it by a key.
    fn end(mut self, name: &str) -> Result<Outcome> {
        self.screen.send(&[key(name, true)])?;
        let outcome = self.screen.finish()?;
        outcome.expect_success()?;
        Ok(outcome)
    }
}

/// The events by which a tablet tells a place on the screen, as QEMU makes them of one in its window.
fn at((x, y): (u32, u32)) -> [Value; 2] {
    let position = |at: u32, of: u32| at as usize * 0x7fff / of as usize;
    [absolute("x", position(x, SIZE.0)), absolute("y", position(y, SIZE.1))]
}

/// A disk without files.
fn disk(lab: &Lab) -> Result<PathBuf> {
    let path = lab.file("sfs.img");
    fs::write(&path, churn::empty_disk(BLOCKS)?).context("cannot write the image")?;
    Ok(path)
}

/// The names in the root directory of a disk, and the picture in one of the files.
fn saved(path: &Path, name: &str) -> Result<(Vec<String>, Picture)> {
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

/// Lines and dots in all colours, brushes, and the palette itself; the cursor; the file.
fn tablet(lab: &Lab) -> Result<()> {
    let path = disk(lab)?;
    let mut painting = Painting::start(lab, TABLET, Some(Disk::file(&path)), "paint")?;
    painting.wait_for_picture()?;
    for number in 1..=8 {
        painting.choose(number)?;
        let y = 40 + 50 * number as u32;
        painting.draw(&[(20, y), (300, y - 13), (320, y + 20), (320, y + 20), (35, 470)])?;
    }
    painting.choose(5)?;
    for (keys, brush) in [(vec!["minus"], 1), (vec!["minus"], 1), (vec!["shift", "equal"], 3)] {
        painting.press(&keys)?;
        painting.brush = brush;
        painting.draw(&[(500 + brush, 100), (639, 479)])?;
    }
    for _ in 0..9 {
        painting.press(&["kp_add"])?;
        painting.brush += 2;
    }
    painting.draw(&[(400, 200), (640 - 1, 300), (0, 300)])?;
    // Into the bar, which is not drawn on, and from there, which chooses the second colour.
    let bar = painting.screen.picture(0)?;
    painting.draw(&[(450, 60), (450, 3)])?;
    let now = painting.screen.picture(0)?;
    let rows =
        |picture: &Picture| Picture::from_fn(SIZE.0, BAR, |x, y| picture.pixel(x, y).unwrap());
    painting.screen.compare(&rows(&now), &rows(&bar))?;
    painting.screen.send(&at((40, 12)))?;
    painting.screen.send(&[button("left", true)])?;
    painting.screen.send(&at((600, 200)))?;
    painting.screen.send(&[button("left", false)])?;
    painting.color = COLORS[1];
    painting.draw(&[(600, 400)])?;
    let palette = painting.screen.picture(0)?;
    for (number, color) in (0_u32..).zip(COLORS) {
        let color: Rgb = [color.r(), color.g(), color.b()];
        let pixel = |x| palette.pixel(32 * number + x, 12);
        ensure!(pixel(21) == Some(color), "colour {number} is {:?}", pixel(21));
        let frame = if number == 1 { 255 } else { 96 };
        ensure!(pixel(11) == Some([frame; 3]), "the frame of colour {number} is {:?}", pixel(11));
    }
    cursor(&mut painting, (600, 400))?;
    painting.press(&["s"])?;
    painting.screen.wait_for_line("paint: saved /paint.bmp, 640x456 pixels")?;
    let expected = painting.expected.picture().clone();
    let outcome = painting.end("q")?;
    let details = outcome.expect_ok("paint")?;
    ensure!(details == "14 strokes, saved=1", "the details are {details:?}");
    let (names, picture) = saved(&path, "paint.bmp")?;
    ensure!(names == ["paint.bmp"], "the files are {names:?}");
    Ok(picture.expect(&expected)?)
}

/// The driver has told QEMU to show the cursor, and then to move it to each place; a VNC client sees a cross.
fn cursor(painting: &mut Painting<'_>, last: (u32, u32)) -> Result<()> {
    let mut vnc = painting.screen.vnc()?;
    vnc.screen()?;
    let shape = vnc.cursor().context("the VNC client has got no cursor")?;
    ensure!(
        (shape.size, shape.hotspot) == ((64, 64), (8, 8)),
        "{:?} {:?}",
        shape.size,
        shape.hotspot
    );
    let cross = |along: usize, across: usize| match (along, along.abs_diff(8), across.abs_diff(8)) {
        (0..=16, 2.., 0) => Some([0; 3]),
        (0..=16, 2.., 1) => Some([255; 3]),
        _ => None,
    };
    for (index, pixel) in shape.pixels.iter().enumerate() {
        let (x, y) = (index % 64, index / 64);
        let expected = cross(x, y).or(cross(y, x));
        ensure!(*pixel == expected, "({x}, {y}) of the cursor is {pixel:?}, not {expected:?}");
    }
    painting.screen.wait_until("the cursor was at its place", |screen| {
        let told: Vec<_> = screen.trace()?;
        let mut cursors = told.iter().filter_map(|told| match told {
            Told::Cursor { at, moves, resource, .. } => Some((*at, *moves, *resource)),
            _ => None,
        });
        let first = cursors.next().context("there is no cursor")?;
        ensure!(first.0 == (SIZE.0 / 2, SIZE.1 / 2) && !first.1 && first.2 != 0, "{first:?}");
        let end = cursors.last().context("the cursor was not moved")?;
        ensure!(end.0 == last && end.1, "{end:?}");
        Ok(())
    })
}

/// A mouse tells movements; the pointer begins in the middle.
fn mouse(lab: &Lab) -> Result<()> {
    let mut painting = Painting::start(lab, MOUSE, None, "paint")?;
    let (x, y) = (SIZE.0 / 2, SIZE.1 / 2);
    for group in [
        vec![relative("x", -100), relative("y", 30)],
        vec![button("left", true)],
        vec![relative("x", 50)],
        vec![relative("x", 50), relative("y", -150)],
        vec![button("left", false)],
        vec![relative("x", 1000)],
    ] {
        painting.screen.send(&group)?;
    }
    let places = [(x - 100, y + 30), (x - 50, y + 30), (x, y - 120)];
    painting.expected.draw(COLORS[0], 3, &places);
    painting.wait_for_picture()?;
    let outcome = painting.end("esc")?;
    ensure!(outcome.expect_ok("paint")? == "1 stroke, saved=0", "the details");
    Ok(())
}

/// Somebody paints in a window that is made smaller and larger; what is left of the picture stays.
/// QEMU takes the width of a pointer's range for a multiple of 16 pixels, so each width is one.
fn over_vnc(lab: &Lab) -> Result<()> {
    let mut painting = Painting::start(lab, TABLET, None, "paint")?;
    let mut vnc = painting.screen.vnc()?;
    let mut size = SIZE;
    for (number, next) in [(304, 200), (800, 600), SIZE].into_iter().enumerate() {
        let places = [(30, 60), (size.0 - 5, size.1 - 5), (100 + number as u32, 40)];
        for (index, (x, y)) in places.iter().enumerate() {
            vnc.point(*x as u16, *y as u16, if index == 0 { 0 } else { LEFT })?;
            vnc.point(*x as u16, *y as u16, LEFT)?;
        }
        vnc.point(places[2].0 as u16, places[2].1 as u16, 0)?;
        painting.expected.draw(COLORS[0], 3, &places);
        painting.wait_for_picture()?;
        // Otherwise the button's release may come behind the new size.
        vnc.screen()?;
        vnc.resize(next.0 as u16, next.1 as u16)?;
        let mut expected = Expected::new(next);
        let (old, new) = (painting.expected.picture(), &mut expected.0.0);
        for (x, y) in (0..next.0).flat_map(|x| (0..next.1 - BAR).map(move |y| (x, y))) {
            new.set(x, y, old.pixel(x, y).unwrap_or([255; 3]));
        }
        painting.expected = expected;
        painting.wait_for_picture()?;
        size = next;
    }
    painting.end("q")?.expect_ok("paint")?;
    Ok(())
}

/// The second picture replaces the first one; a name that people here give, in a directory.
fn saves(lab: &Lab) -> Result<()> {
    let path = disk(lab)?;
    let name = "\u{753b}.bmp";
    let job = format!("paint image=/{name}");
    let mut painting = Painting::start(lab, TABLET, Some(Disk::file(&path)), &job)?;
    painting.draw(&[(100, 100), (200, 200)])?;
    for round in 0..2 {
        painting.press(&["s"])?;
        let message = format!("paint: saved /{name}, 640x456 pixels");
        painting.screen.wait_for_line(&message)?;
        if round == 0 {
            painting.press(&["c"])?;
            painting.expected = Expected::new(SIZE);
            painting.draw(&[(300, 50), (50, 300)])?;
        }
    }
    let expected = painting.expected.picture().clone();
    let outcome = painting.end("q")?;
    ensure!(outcome.expect_ok("paint")? == "2 strokes, saved=2", "the details");
    let (names, picture) = saved(&path, name)?;
    ensure!(names == [name], "the files are {names:?}");
    Ok(picture.expect(&expected)?)
}

/// Whatever keeps the picture from being saved is told, and painting goes on.
fn cannot_save(lab: &Lab) -> Result<()> {
    let path = disk(lab)?;
    let full = lab.file("full.img");
    // Less than the picture has.
    let small = churn::empty_disk(64)?;
    fs::write(&full, &small)?;
    let empty = lab.image("empty", vec![0; 1 << 20])?;
    for (disk, job, message) in [
        (None, "paint", "not saved: no disk found"),
        (Some(Disk::file(&path)), "paint image=/none/x.bmp", "not saved: /none/x.bmp: "),
        (Some(Disk::file(&full)), "paint", "not saved: /paint.bmp: "),
        (Some(Disk::new(&empty)), "paint", "not saved: the disk \"lab\" cannot be mounted"),
    ] {
        let mut painting = Painting::start(lab, TABLET, disk, job)?;
        painting.draw(&[(100, 100), (200, 200)])?;
        painting.press(&["s"])?;
        painting.screen.wait_for_line(&format!("paint: {message}"))?;
        painting.draw(&[(300, 100), (200, 300)])?;
        let outcome = painting.end("q")?;
        ensure!(outcome.expect_ok("paint")? == "2 strokes, saved=0", "the details");
    }
    // Nothing is left of what did not fit.
    let reading = reader::read(&Image::of_file(&fs::read(&full)?));
    let before = reader::read(&Image::of_file(&small));
    ensure!(reading.broken().is_none(), "the file system is damaged: {:?}", reading.broken());
    ensure!(reading.names(ROOT) == before.names(ROOT), "the files are {:?}", reading.names(ROOT));
    Ok(())
}

fn ends(lab: &Lab) -> Result<()> {
    let mut painting = Painting::start(lab, TABLET, None, "paint")?;
    painting.screen.type_in(b"\x03")?;
    painting.screen.finish()?.expect_failed_with("paint", &["interrupted"])?;
    Ok(())
}

fn refused(lab: &Lab) -> Result<()> {
    let gpu = Gpu::new(SIZE.0, SIZE.1);
    lab.machine()
        .device(KEYBOARD)
        .boot("job=paint")?
        .expect_failed_with("paint", &["no screen"])?;
    lab.machine().gpu(&gpu).boot("job=paint")?.expect_failed_with("paint", &["no input device"])?;
    let path = disk(lab)?;
    let machine = lab.machine().gpu(&gpu).device(TABLET).disk(Disk::file(&path));
    machine.boot("job=paint disk=none")?.expect_failed_with("paint", &["no disk \"none\""])?;
    Ok(())
}
