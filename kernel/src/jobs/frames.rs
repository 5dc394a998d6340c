//! `job=frames mode=full|line|rect|copy count=N [complete=adaptive|irq|poll] [icount=on|off]`: the cost of a change of
//! the picture.
//!
//! `full` changes every pixel of the screen, `line` a row of characters, `rect` 16 x 16 pixels; `copy` copies all pixels
//! to DMA memory and leaves the device alone. Drawing is not measured. It prints one line of JSON; instructions are told
//! with `icount=on` only, as QEMU counts them exactly under `-icount` and something else without: those of a change, and
//! those without the looks at the device that found nothing, of which there are the more the slower the host is.

use alloc::{format, string::String, vec::Vec};

use display::{Error, Framebuffer, Rect};
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
    complete: &'static str,
    icount: bool,
}

/// The cost of one change.
struct Cost {
    ticks: u64,
    instructions: u64,
    looks: u64,
    sleeps: u64,
}

impl Run for Frames {
    const NAME: &'static str = "frames";
    const PARAMETERS: &'static [&'static str] =
        &["mode=full|line|rect|copy", "count=N", "complete=adaptive|irq|poll", "icount=on|off"];
    type Needs = Screen;

    fn parse(line: &CommandLine) -> Result<Self, CmdlineError> {
        let modes = [("full", "full"), ("line", "line"), ("rect", "rect"), ("copy", "copy")];
        let mode = line.one_of("mode", &modes)?;
        let count = line.number_in("count", 1..=1_000_000)?;
        let ways = [("adaptive", "adaptive"), ("irq", "irq"), ("poll", "poll")];
        Ok(Self {
            mode: mode.ok_or(CmdlineError::missing("mode=full|line|rect|copy"))?,
            count: count.ok_or(CmdlineError::missing("count=N"))?,
            complete: line.one_of("complete", &ways)?.unwrap_or("adaptive"),
            icount: line.switch("icount")?.unwrap_or(false),
        })
    }

    fn run(&self, screen: &Screen) -> Result<String, Failure> {
        let _open = progress::begin("measuring");
        let look_for = |ticks| screen.waiting().map_or((), |waiting| waiting.look_for(ticks));
        look_for(match self.complete {
            "irq" => Some(0),
            "poll" => Some(u64::MAX),
            _ => None,
        });
        let measured = Framebuffer::new(screen.clone()).and_then(|mut framebuffer| {
            framebuffer.flush()?;
            // Once for the caches, and then for the record.
            self.measure(&mut framebuffer, self.count.div_ceil(10))?;
            Ok((framebuffer.mode(), self.measure(&mut framebuffer, self.count)?))
        });
        look_for(None);
        let (mode, mut costs) =
            measured.map_err(|error| Failure::Screen { doing: "measuring", error })?;
        let mean = |figure: fn(&Cost) -> u64| {
            costs.iter().map(figure).sum::<u64>() as f64 / costs.len() as f64
        };
        let (instructions, looks, sleeps) =
            (mean(|cost| cost.instructions), mean(|cost| cost.looks), mean(|cost| cost.sleeps));
        let counted = match self.icount {
            true => format!("{instructions:.1},\"without_wait\":{:.1}", without_wait(&costs)),
            false => String::from("null"),
        };
        costs.sort_unstable_by_key(|cost| cost.ticks);
        let at = |share: usize| {
            let ticks = costs.get(costs.len() * share / 100).map_or(0, |cost| cost.ticks);
            ticks as f64 * 1e6 / ostd::arch::tsc_freq() as f64
        };
        println!(
            "job frames: {{\"mode\":\"{}\",\"complete\":\"{}\",\"width\":{},\"height\":{},\"count\":{},\
             \"p50_us\":{:.1},\"p99_us\":{:.1},\"looks\":{looks:.2},\"sleeps\":{sleeps:.2},\
             \"instructions\":{counted}}}",
            self.mode,
            self.complete,
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
    /// The costs of each of `count` changes.
    fn measure(&self, framebuffer: &mut Framebuffer, count: usize) -> Result<Vec<Cost>, Error> {
        let mode = framebuffer.mode();
        let copy = match self.mode {
            "copy" => Some(Pieces::of(framebuffer.pixels()).map_err(|_| Error::NoMemory)?),
            _ => None,
        };
        let area = match self.mode {
            "rect" => Rect::new(mode.width() / 2, mode.height() / 2, 16, 16),
            "line" => Rect::new(0, mode.height() / 2, mode.width(), LINE),
            _ => mode.area(),
        };
        let area = area.clip(mode);
        let screen = framebuffer.screen().clone();
        let waits = || screen.waiting().map_or((0, 0), |w| (w.looks(), w.sleeps()));
        let mut costs = Vec::with_capacity(count);
        for i in 0..count {
            draw(framebuffer, area, i as u8);
            let (looks, sleeps) = waits();
            let (start, before) = (ostd::arch::read_tsc(), arch::instructions());
            match &copy {
                Some(pieces) => {
                    pieces.write(0, framebuffer.pixels()).map_err(|_| Error::NoMemory)?;
                }
                None if self.mode == "rect" => framebuffer.flush_rect(area)?,
                None => framebuffer.flush()?,
            }
            let instructions = arch::instructions().wrapping_sub(before);
            let ticks = ostd::arch::read_tsc().saturating_sub(start);
            let after = waits();
            let (looks, sleeps) = (after.0 - looks, after.1 - sleeps);
            costs.push(Cost { ticks, instructions, looks, sleeps });
        }
        Ok(costs)
    }
}

/// The instructions of a change that looks at the device once, and finds it done: where the straight line through all
/// changes, by their looks, is at one.
fn without_wait(costs: &[Cost]) -> f64 {
    let mean =
        |figure: &dyn Fn(&Cost) -> f64| costs.iter().map(figure).sum::<f64>() / costs.len() as f64;
    let looks = mean(&|cost| cost.looks as f64);
    let instructions = mean(&|cost| cost.instructions as f64);
    let square = |number: f64| number * number;
    let spread = mean(&|cost| square(cost.looks as f64 - looks));
    let together =
        mean(&|cost| (cost.looks as f64 - looks) * (cost.instructions as f64 - instructions));
    match spread > 0.0 {
        true => instructions - together / spread * (looks - 1.0),
        false => instructions,
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
