//! Pictures on screens, compared pixel by pixel with what the job must have drawn.
//!
//! A picture of a screen does not tell who has drawn it: QEMU fills a screen without a guest's picture with one of its
//! own. So the device's own trace says, each time, that the guest shows as many pixels there.

pub mod paint;
pub mod plot;
pub mod screen;

use anyhow::{Result, ensure};
use lab::{
    picture::{Picture, Rgb},
    qemu::Gpu,
};

use self::screen::Screen;
use super::{Case, lab::Lab};

pub const CASES: &[Case] = &[
    Case::anywhere("picture-fills-the-screen", fills),
    Case::anywhere("picture-on-a-larger-screen", larger),
    Case::anywhere("picture-on-a-smaller-screen", smaller),
    Case::anywhere("picture-of-a-square", square),
    Case::anywhere("picture-without-edid", without_edid),
    Case::anywhere("picture-on-the-second-output", second_output),
    Case::anywhere("picture-follows-the-size", resized),
    Case::once("picture-after-a-restart", restarted),
    Case::once("picture-without-a-gpu", no_gpu),
];

/// The size of the classic picture.
const SIZE: (u32, u32) = (1024, 768);

/// The classic picture on a screen of this size: red tells the column, green the row, blue their sum, each modulo 256.
fn classic_on(screen: (u32, u32)) -> Picture {
    placed(SIZE, screen, |x, y| [x as u8, y as u8, (x + y) as u8])
}

/// A picture of this size on a screen: in its middle, with black around it, or as much of its upper left part as there
/// is room for.
fn placed(size: (u32, u32), screen: (u32, u32), pixel: impl Fn(u32, u32) -> Rgb) -> Picture {
    let margin = |screen: u32, size: u32| screen.saturating_sub(size) / 2;
    let (left, top) = (margin(screen.0, size.0), margin(screen.1, size.1));
    let inside = |at: u32, start: u32, size: u32| at.checked_sub(start).filter(|at| *at < size);
    Picture::from_fn(screen.0, screen.1, |x, y| {
        match (inside(x, left, size.0), inside(y, top, size.1)) {
            (Some(x), Some(y)) => pixel(x, y),
            _ => [0; 3],
        }
    })
}

/// Shows the classic picture on a screen of this size, and checks what the kernel says of its place.
fn show(lab: &Lab, gpu: &Gpu, size: (u32, u32), place: &str) -> Result<()> {
    let mut screen = Screen::start(lab, gpu, "picture")?;
    screen.expect(0, &classic_on(size))?;
    let outcome = screen.end()?;
    let details = outcome.expect_ok("picture")?;
    ensure!(details == place, outcome.complaint(&format!("the place is {details:?}")));
    Ok(())
}

fn fills(lab: &Lab) -> Result<()> {
    show(lab, &Gpu::new(SIZE.0, SIZE.1), SIZE, "1024x768 at (0, 0) on a screen of 1024x768")
}

fn larger(lab: &Lab) -> Result<()> {
    let place = "1024x768 at (128, 16) on a screen of 1280x800";
    show(lab, &Gpu::new(1280, 800), (1280, 800), place)
}

fn smaller(lab: &Lab) -> Result<()> {
    let place = "640x480 at (0, 0) on a screen of 640x480, clipped from 1024x768";
    show(lab, &Gpu::new(640, 480), (640, 480), place)
}

fn without_edid(lab: &Lab) -> Result<()> {
    let place = "1024x768 at (128, 16) on a screen of 1280x800";
    show(lab, &Gpu::new(1280, 800).without_edid(), (1280, 800), place)
}

fn square(lab: &Lab) -> Result<()> {
    for size in [(640, 480), (200, 300)] {
        let mut screen = Screen::start(lab, &Gpu::new(size.0, size.1), "picture shape=square")?;
        screen.expect(0, &placed((256, 256), size, |_, _| [255, 0, 0]))?;
        screen.end()?.expect_ok("picture")?;
    }
    Ok(())
}

/// A display is connected to the second output, too, while the machine starts; the first one stays empty.
fn second_output(lab: &Lab) -> Result<()> {
    let gpu = Gpu::new(1280, 800).outputs(2);
    let size = (640, 480);
    let (job, ready) = ("picture output=1 hold=on", "job picture: ok ");
    let mut screen = Screen::start_job_on_second(lab, lab.machine().gpu(&gpu), size, job, ready)?;
    screen.expect(1, &classic_on(size))?;
    screen.expect_nothing(0)?;
    screen.end()?.expect_ok("picture")?;
    Ok(())
}

/// Somebody makes the window smaller, larger, and as it was.
fn resized(lab: &Lab) -> Result<()> {
    let mut screen = Screen::start(lab, &Gpu::new(SIZE.0, SIZE.1), "picture")?;
    screen.expect(0, &classic_on(SIZE))?;
    let mut vnc = screen.vnc()?;
    for (width, height) in [(640, 480), (1280, 800), (801, 599), SIZE] {
        vnc.resize(width as u16, height as u16)?;
        let expected = classic_on((width, height));
        screen.wait_for(0, &expected)?;
        screen.wait_for_vnc(&mut vnc, &expected)?;
    }
    screen.end()?;
    Ok(())
}

/// The device finds nonsense in a queue while the picture is shown, and asks for a reset. The picture comes back.
fn restarted(lab: &Lab) -> Result<()> {
    let mut screen = Screen::start(lab, &Gpu::new(SIZE.0, SIZE.1), "picture")?;
    let expected = classic_on(SIZE);
    screen.expect(0, &expected)?;
    for queue in [0, 1] {
        screen.break_queue(queue)?;
        screen.wait_for_restart()?;
        screen.wait_for(0, &expected)?;
    }
    screen.end()?;
    Ok(())
}

fn no_gpu(lab: &Lab) -> Result<()> {
    let outcome = lab.machine().boot("job=picture hold=on")?;
    outcome.expect_failed_with("picture", &["virtio-gpu-device"])?;
    Ok(())
}
