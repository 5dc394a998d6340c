//! `job=plot` with the parameters of `job=bench`: measures, and draws the latencies of the requests as a histogram on
//! the screen.
//!
//! ```text
//!   scale    from durations to places on the axis, and their names
//!   chart    bars, axes, percentiles
//! ```

mod chart;
mod scale;

use alloc::string::{String, ToString};

use display::{Error, Framebuffer};

use self::chart::Chart;
use super::{DiskAndScreen, Failure, Run, bench::Bench, follow};
use crate::{
    cmdline::{CmdlineError, CommandLine},
    progress,
};

pub(super) struct Plot {
    bench: Bench,
    hold: bool,
}

impl Run for Plot {
    const NAME: &'static str = "plot";
    const PARAMETERS: &'static [&'static str] = Bench::PARAMETERS;
    type Needs = DiskAndScreen;

    fn parse(line: &CommandLine) -> Result<Self, CmdlineError> {
        Ok(Self { bench: Bench::parse(line)?, hold: line.switch("hold")?.unwrap_or(false) })
    }

    fn run(&self, DiskAndScreen { disk, screen }: &DiskAndScreen) -> Result<String, Failure> {
        let failed = |error| Failure::Screen { doing: "drawing the plot", error };
        // Before it measures: a screen that does not work is told at once.
        let mut framebuffer = Framebuffer::new(screen.clone()).map_err(failed)?;
        let measured = self.bench.measure_and_tell(Self::NAME, disk)?;
        let drawing = progress::begin("drawing the plot");
        let chart = Chart::new(self.bench.title(), &measured.latency);
        show(&chart, &mut framebuffer).map_err(failed)?;
        drop(drawing);
        let details = chart.to_string();
        if self.hold {
            follow::spawn(Self::NAME, framebuffer, move |framebuffer| show(&chart, framebuffer))?;
        }
        Ok(details)
    }
}

fn show(chart: &Chart, framebuffer: &mut Framebuffer) -> Result<(), Error> {
    chart.draw(framebuffer);
    framebuffer.flush()
}
