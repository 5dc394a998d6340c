//! `job=paint [image=PATH]`: a person draws on the screen with a tablet or a mouse, and saves the picture as a file.
//!
//! ```text
//!   painter   from events to strokes, and to the cursor
//!   easel     the picture on the screen, and the bar with the palette above it
//!   bmp       the picture as the bytes of a file
//!   album     the file
//! ```
//!
//! Without a disk everything works but saving, which says so.

mod album;
mod bmp;
mod easel;
mod painter;

#[cfg(ktest)]
mod tests;

use alloc::{borrow::ToOwned, format, string::String};
use core::time::Duration;

use display::Error;
use input::{Arrived, Reader};

use self::{album::Album, painter::Painter};
use super::{
    Failure, Run, Studio,
    complaints::Complaints,
    text::{Count, Name},
};
use crate::{
    cmdline::{CmdlineError, CommandLine},
    console::println,
    progress,
    task::{self, Builder, Work, checkpoint},
    typing,
};

/// The events that may wait to be drawn. As many are drawn before the screen shows what they have changed.
const CAPACITY: usize = 1024;

/// The time from one picture to the next. What happens meanwhile is drawn at once.
const FRAME: Duration = Duration::from_millis(10);

/// The file of the picture where none is named.
const IMAGE: &str = "/paint.bmp";

pub(super) struct Paint {
    image: String,
}

impl Run for Paint {
    const NAME: &'static str = "paint";
    const PARAMETERS: &'static [&'static str] = &["image=PATH"];
    type Needs = Studio;

    fn parse(line: &CommandLine) -> Result<Self, CmdlineError> {
        Ok(Self { image: line.get("image").unwrap_or(IMAGE).to_owned() })
    }

    fn run(&self, studio: &Studio) -> Result<String, Failure> {
        // Without a serial port there is no Ctrl-C, and no other harm.
        if let Err(error) = typing::open() {
            log::warn!("{error}");
        }
        let work = Work::default();
        let _foreground = typing::foreground(&work);
        let (studio, image) = (studio.clone(), self.image.clone());
        Builder::new(Self::NAME).part_of(&work).spawn(move || paint(studio, image))?.join()
    }
}

/// Draws what is done with the devices until somebody presses the key that ends it.
fn paint(studio: Studio, image: String) -> Result<String, Failure> {
    let failed = |error| Failure::Screen { doing: "painting", error };
    let reader = Reader::open(&studio.devices, CAPACITY);
    let mut painter = Painter::new(studio.screen).map_err(failed)?;
    let mut album = Album::new(studio.disk, image);
    painter.show().map_err(failed)?;
    println!("paint: {}; the file is {}", painter::HELP, Name(album.path()));
    let (mut saved, mut complaints) = (0, Complaints::about("picture"));
    let _pause = progress::pause();
    loop {
        for _ in 0..CAPACITY {
            let Some(Arrived { device, event }) = reader.take() else { break };
            let Some(device) = studio.devices.get(device) else { continue };
            match painter.event(event, device.info()) {
                None => {}
                Some(painter::Wish::Save) => {
                    let message = match album.save(&painter.picture()) {
                        Ok(message) => {
                            saved += 1;
                            message
                        }
                        Err(Failure::Interrupted) => return Err(Failure::Interrupted),
                        Err(failure) => format!("not saved: {failure}"),
                    };
                    println!("paint: {message}");
                    painter.say(&message);
                }
                Some(painter::Wish::End) => {
                    painter.end().map_err(failed)?;
                    return Ok(format!("{}, saved={saved}", Count(painter.strokes(), "stroke")));
                }
            }
            // Others need the CPU too, however many events there are.
            checkpoint()?;
        }
        let shown = painter.show();
        if shown == Err(Error::Dead) {
            return Err(failed(Error::Dead));
        }
        // The next picture shows the same again.
        complaints.hear(shown);
        if reader.has_ended() {
            return Err(Failure::Other("no input device works any more".into()));
        }
        checkpoint()?;
        task::sleep(FRAME);
    }
}
