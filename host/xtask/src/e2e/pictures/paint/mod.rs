//! Painting: what events draw is compared pixel by pixel with the same lines drawn here, on the screen and in the file
//! that is saved. The cursor, which no picture shows, is taken from QEMU's trace and from what a VNC client gets.

mod painting;

use std::fs;

use anyhow::{Result, bail, ensure};
use embedded_graphics::pixelcolor::RgbColor;
use lab::{
    picture::{Picture, Rgb},
    qemu::{Disk, Gpu, KEYBOARD, MOUSE, TABLET, gpu_trace},
    vnc::LEFT,
};
use sfs_proof::{
    image::Image,
    reader::{self, ROOT},
};

use self::painting::{BAR, COLORS, Cursor, Expected, Painting, SIZE, at, cursors, disk, saved};
use crate::{
    churn,
    e2e::{
        Case,
        input::{button, key, relative},
        lab::Lab,
    },
};

pub const CASES: &[Case] = &[
    Case::both("paint-with-a-tablet", tablet),
    Case::once("paint-with-a-mouse", mouse),
    Case::once("paint-over-vnc", over_vnc),
    Case::both("paint-shows-its-cursor", cursor),
    Case::once("paint-on-the-second-output", second_output),
    Case::once("paint-across-restarts", restarted),
    Case::once("paint-saves-and-replaces", saves),
    Case::once("paint-cannot-save", cannot_save),
    Case::once("paint-ends", ends),
    Case::once("paint-refused", refused),
];

/// Lines and dots in all colours, brushes, and the palette itself; the file.
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

/// QEMU is told the cursor's shape once, then each place, and at the end that there is none.
fn cursor(lab: &Lab) -> Result<()> {
    let mut painting = Painting::start(lab, TABLET, None, "paint hold=on")?;
    let middle = (SIZE.0 / 2, SIZE.1 / 2);
    painting.wait_for_cursor(middle)?;
    painting.expect_cross()?;
    let places = [(5, 6), (SIZE.0 - 1, SIZE.1 - 1), (0, 0), (600, 400), (600, 399)];
    for place in places {
        painting.screen.send(&at(place))?;
        painting.wait_for_cursor(place)?;
    }
    // Over what is drawn, too.
    let end = (300, 200);
    painting.draw(&[(100, 100), end])?;
    painting.wait_for_cursor(end)?;
    painting.expect_cross()?;
    // The machine stays, as one that switches off may not get to what the cursor queue still has.
    painting.screen.send(&[key("q", true)])?;
    painting.wait_for_no_cursor()?;
    painting.screen.wait_for_line("job paint:")?;
    painting.screen.end()?.expect_ok("paint")?;

    let told = cursors(&gpu_trace::read(&lab.file("trace"))?, 0);
    let [first, moves @ .., last] = told.as_slice() else { bail!("no cursor: {told:?}") };
    let shape = first.shape;
    ensure!(*first == Cursor { at: middle, moves: false, shape }, "first: {first:?}");
    let expected = places.map(|at| Cursor { at, moves: true, shape });
    ensure!(moves.starts_with(&expected), "the cursor was moved so: {moves:?}");
    ensure!(moves.iter().all(|told| told.moves && told.shape == shape), "{moves:?}");
    ensure!(*last == Cursor { at: end, moves: false, shape: 0 }, "last: {last:?}");
    Ok(())
}

/// A display is connected to the second output too, and the first one stays empty.
fn second_output(lab: &Lab) -> Result<()> {
    let mut painting = Painting::start_on_second_output(lab)?;
    painting.draw(&[(100, 100), (639, 479), (5, 300)])?;
    painting.choose(3)?;
    painting.draw(&[(5, 30), (400, 30)])?;
    painting.wait_for_cursor((400, 30))?;
    painting.expect_cross()?;
    painting.screen.expect_nothing(0)?;
    painting.end("q")?.expect_ok("paint")?;
    Ok(())
}

/// The GPU is restarted while somebody draws a line: picture and cursor come back, and the line goes on.
fn restarted(lab: &Lab) -> Result<()> {
    let mut painting = Painting::start(lab, TABLET, None, "paint")?;
    painting.draw(&[(100, 100), (200, 150)])?;
    for (queue, y) in [(0, 200), (1, 300)] {
        let before = cursors(&painting.screen.trace()?, 0).len();
        let end = (320, y + 100);
        painting.draw_and(&[(50, y), (500, y + 20), end], |screen| screen.break_queue(queue))?;
        painting.screen.wait_for_restart()?;
        painting.wait_for_cursor(end)?;
        let told = cursors(&painting.screen.trace()?, 0).split_off(before);
        ensure!(told.iter().any(|told| !told.moves), "no shape after the restart: {told:?}");
        painting.expect_cross()?;
    }
    ensure!(painting.end("q")?.expect_ok("paint")? == "3 strokes, saved=0", "the details");
    Ok(())
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
