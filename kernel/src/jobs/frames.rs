//! `job=frames mode=full|line|rect|copy count=N [icount=on|off]`: the cost of a change of the picture.
//!
//! `full` changes every pixel of the screen, `line` a row of characters, `rect` 16 x 16 pixels; `copy` copies all pixels
//! to DMA memory and leaves the device alone. Drawing is not measured. It prints one line of JSON; instructions are told
//! with `icount=on` only, as QEMU counts them exactly under `-icount` and something else without.

use alloc::{format, string::String, vec::Vec};

use display::{Error, Framebuffer, Mode, Rect};
use dma::Pieces;

use super::{Failure, Run, Screen};
use crate::{
    arch,
    cmdline::{CmdlineError, CommandLine},
    console::println,
    progress,
};

/// The height of a line of text, in pixels.
const LINE: u32 = 16;

pub(super) struct Frames {
    mode: &'static str,
    count: usize,
    icount: bool,
}

impl Run for Frames {
    const NAME: &'static str = "frames";
    const PARAMETERS: &'static [&'static str] =
        &["mode=full|line|rect|copy", "count=N", "icount=on|off"];
    type Needs = Screen;

    fn parse(line: &CommandLine) -> Result<Self, CmdlineError> {
        let modes = [("full", "full"), ("line", "line"), ("rect", "rect"), ("copy", "copy")];
        let mode = line.one_of("mode", &modes)?;
        let count = line.number_in("count", 1..=1_000_000)?;
        Ok(Self {
            mode: mode.ok_or(CmdlineError::missing("mode=full|line|rect|copy"))?,
            count: count.ok_or(CmdlineError::missing("count=N"))?,
            icount: line.switch("icount")?.unwrap_or(false),
        })
    }

    fn run(&self, screen: &Screen) -> Result<String, Failure> {
        let _open = progress::begin("measuring");
        let measured = Framebuffer::new(screen.clone()).and_then(|mut framebuffer| {
            framebuffer.flush()?;
            // Once for the caches, and then for the record.
            self.measure(&mut framebuffer, self.count.div_ceil(10))?;
            self.measure(&mut framebuffer, self.count)
        });
        let (mode, ticks, instructions) =
            measured.map_err(|error| Failure::Screen { doing: "measuring", error })?;
        let us = |ticks: u64| ticks as f64 * 1e6 / ostd::arch::tsc_freq() as f64;
        let at = |share: usize| us(ticks.get(ticks.len() * share / 100).copied().unwrap_or(0));
        let instructions = match self.icount {
            true => format!("{:.1}", instructions as f64 / self.count as f64),
            false => String::from("null"),
        };
        println!(
            "job frames: {{\"mode\":\"{}\",\"width\":{},\"height\":{},\"count\":{},\"p50_us\":{:.1},\
             \"p99_us\":{:.1},\"instructions\":{instructions}}}",
            self.mode,
            mode.width(),
            mode.height(),
            self.count,
            at(50),
            at(99),
        );
        Ok(String::new())
    }
}

impl Frames {
    /// The size of the screen, the ticks of each of `count` changes, the shortest first, and the instructions of all.
    fn measure(
        &self,
        framebuffer: &mut Framebuffer,
        count: usize,
    ) -> Result<(Mode, Vec<u64>, u64), Error> {
        let mode = framebuffer.mode();
        let pixels = framebuffer.pixels();
        let copy = match self.mode {
            "copy" => Some(Pieces::alloc(pixels.as_ptr().addr(), pixels.len())),
            _ => None,
        };
        let copy = copy.transpose().map_err(|_| Error::NoMemory)?;
        let area = match self.mode {
            "rect" => Rect::new(mode.width() / 2, mode.height() / 2, 16, 16),
            "line" => Rect::new(0, mode.height() / 2, mode.width(), LINE),
            _ => mode.area(),
        };
        let area = area.clip(mode);
        let (mut ticks, mut instructions) = (Vec::with_capacity(count), 0);
        for i in 0..count {
            draw(framebuffer, area, i as u8);
            let (start, before) = (ostd::arch::read_tsc(), arch::instructions());
            match &copy {
                Some(pieces) => {
                    pieces.write(0, framebuffer.pixels()).map_err(|_| Error::NoMemory)?;
                }
                None if self.mode == "rect" => framebuffer.flush_rect(area)?,
                None => framebuffer.flush()?,
            }
            instructions += arch::instructions().wrapping_sub(before);
            ticks.push(ostd::arch::read_tsc().saturating_sub(start));
        }
        ticks.sort_unstable();
        Ok((mode, ticks, instructions))
    }
}

/// Gives all pixels of an area another colour.
fn draw(framebuffer: &mut Framebuffer, area: Rect, shade: u8) {
    let stride = framebuffer.mode().stride();
    let columns = 4 * area.columns().start as usize..4 * area.columns().end as usize;
    let rows = framebuffer.pixels_mut(area).chunks_exact_mut(stride);
    for row in rows.skip(area.y as usize).take(area.height as usize) {
        row.get_mut(columns.clone()).unwrap_or_default().fill(shade);
    }
}
