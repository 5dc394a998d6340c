//! `job=rects scene=NAME seed=S [pause=N]`: draws pictures, and shows areas of them only.
//!
//! Pictures and areas are those of [`plan::rects`], so that the host knows what the screen must show. The first picture
//! is shown whole. Then each step draws all pixels anew, and shows its areas; whatever else of the new picture is seen
//! was not asked for. Before step N, counted from 1, the job waits until something is typed.

use alloc::{
    format,
    string::{String, ToString},
};

use display::{BYTES_PER_PIXEL, Error, Framebuffer, Rect};
use plan::rects::{Area, Colours, Scene, steps};

use super::super::{Failure, Run, Screen, text::Count};
use crate::{
    cmdline::{CmdlineError, CommandLine},
    console::println,
    progress, typing,
};

/// A step that fails is tried once more: it could be that the device was restarted.
const ATTEMPTS: usize = 2;

pub struct Rects {
    scene: Scene,
    seed: u64,
    pause: Option<usize>,
}

impl Run for Rects {
    const NAME: &'static str = "rects";
    const PARAMETERS: &'static [&'static str] =
        &["scene=places|edges|several", "seed=S", "pause=N"];
    type Needs = Screen;

    fn parse(line: &CommandLine) -> Result<Self, CmdlineError> {
        let scene = line.one_of("scene", &Scene::ALL)?;
        Ok(Self {
            scene: scene.ok_or(CmdlineError::missing("scene=places|edges|several"))?,
            seed: line.number("seed")?.ok_or(CmdlineError::missing("seed=S"))?,
            pause: line.number("pause")?,
        })
    }

    fn run(&self, screen: &Screen) -> Result<String, Failure> {
        let failed = |error| Failure::Screen { doing: "showing areas", error };
        if self.pause.is_some() {
            typing::open().map_err(|error| Failure::Other(error.to_string()))?;
        }
        let showing = progress::begin("showing areas");
        let mut framebuffer = Framebuffer::new(screen.clone()).map_err(failed)?;
        let size = (framebuffer.mode().width(), framebuffer.mode().height());
        let colours = Colours::new(self.seed, size);
        let steps = steps(self.scene, self.seed, size).ok_or_else(|| {
            let mode = framebuffer.mode();
            Failure::Other(format!("a screen of {mode} is too small or too large for this job"))
        })?;
        let mut count = 0;
        draw(framebuffer.pixels_mut(Rect::default()), colours, 0);
        framebuffer.flush().map_err(failed)?;
        for (number, areas) in (1..).zip(&steps) {
            if self.pause == Some(number) {
                println!("rects: waiting before step {number}");
                typing::read(&mut [0]);
            }
            show(&mut framebuffer, colours, number as u32, areas).map_err(failed)?;
            count += areas.len();
        }
        drop(showing);
        Ok(format!("{}, {}", Count(steps.len() as u64, "step"), Count(count as u64, "area")))
    }
}

/// Draws all of a picture, and shows areas of it.
fn show(
    framebuffer: &mut Framebuffer,
    colours: Colours,
    picture: u32,
    areas: &[Area],
) -> Result<(), Error> {
    for area in areas.iter().map(rect) {
        framebuffer.pixels_mut(area);
    }
    // Nothing else has changed as far as the framebuffer knows.
    draw(framebuffer.pixels_mut(Rect::default()), colours, picture);
    let mut shown = Ok(());
    for _ in 0..ATTEMPTS {
        shown = match areas {
            [area] => framebuffer.flush_rect(rect(area)),
            _ => framebuffer.flush(),
        };
        match &shown {
            Ok(()) => break,
            Err(error) => log::warn!("rects: {error}"),
        }
    }
    shown
}

fn draw(pixels: &mut [u8], colours: Colours, picture: u32) {
    let (pixels, _) = pixels.as_chunks_mut::<BYTES_PER_PIXEL>();
    for (pixel, [red, green, blue]) in pixels.iter_mut().zip(colours.rows(picture).flatten()) {
        *pixel = [red, green, blue, u8::MAX];
    }
}

fn rect(area: &Area) -> Rect {
    Rect::new(area.x, area.y, area.width, area.height)
}
