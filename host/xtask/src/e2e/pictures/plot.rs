//! Plots of latencies: what is on the screen is what the kernel has measured by its own account.

use anyhow::{Context, Result, ensure};
use lab::{
    image::noise,
    picture::{Picture, Rgb},
    qemu::{Disk, Gpu},
};

use super::screen::Screen;
use crate::{
    bench::figures,
    e2e::{Case, lab::Lab},
};

pub const CASES: &[Case] = &[
    Case::both("plot-shows-latencies", shows),
    Case::once("plot-follows-the-size", resized),
    Case::once("plot-refused", refused),
];

const SIZE: (u32, u32) = (1024, 768);

/// The margins around the bars, and the pixels of a bar with its gap.
const LEFT: u32 = 88;
const RIGHT: u32 = 40;
const TOP: u32 = 40;
const BOTTOM: u32 = 40;
const BAR: u32 = 8;

const BARS: Rgb = [36, 114, 200];
/// The percentiles by the names in the kernel's figures, with the colours of their lines.
const LINES: [(&str, Rgb); 3] =
    [("p50_us", [35, 209, 139]), ("p99_us", [245, 245, 67]), ("p999_us", [241, 76, 76])];

const JOB: &str = "plot mode=randread bs=4096 qd=4 count=5000";

/// A machine that has drawn its plot.
fn plotted<'a>(lab: &'a Lab<'a>) -> Result<Screen<'a>> {
    let image = lab.image("disk", noise(2048, 7))?;
    let machine = lab.machine().gpu(&Gpu::new(SIZE.0, SIZE.1)).disk(Disk::new(&image));
    Screen::start_job(lab, machine, &format!("{JOB} hold=on"), "job plot: ok ")
}

/// The powers of ten at the ends of the axis, as the kernel tells them: `... from 10 us to 1 ms, ...`.
fn ends(details: &str) -> Result<(f64, f64)> {
    let words: Vec<_> = details.split([' ', ',']).collect();
    let after = |word: &str| -> Result<f64> {
        let place = words.iter().position(|found| *found == word).context("no such word")?;
        let number: f64 = words.get(place + 1).context("no number")?.parse()?;
        let unit = match words.get(place + 2).copied() {
            Some("us") => 1.0,
            Some("ms") => 1e3,
            Some("s") => 1e6,
            other => anyhow::bail!("{other:?} is no unit of time"),
        };
        Ok(number * unit)
    };
    Ok((after("from")?, after("to")?))
}

/// The rows of a column, between the margins, that have a colour.
fn count(picture: &Picture, x: u32, color: Rgb) -> u32 {
    let rows = TOP..picture.size().1 - BOTTOM;
    rows.filter(|y| picture.pixel(x, *y) == Some(color)).count() as u32
}

fn shows(lab: &Lab) -> Result<()> {
    let mut screen = plotted(lab)?;
    let picture = screen.picture(0)?;
    let outcome = screen.end()?;
    let details = outcome.expect_ok("plot")?;
    ensure!(details.starts_with("5000 requests from "), "the details are {details:?}");
    let (from, to) = ends(details).with_context(|| format!("in {details:?}"))?;
    let width = (SIZE.0 - LEFT - RIGHT) / BAR * BAR;
    let height = SIZE.1 - TOP - BOTTOM;
    let figures = figures("plot", outcome.console())?;
    for (number, (name, _)) in LINES.iter().enumerate() {
        let duration = figures[*name].as_f64().with_context(|| format!("no {name}"))?;
        let place = (duration / from).log10() / (to / from).log10();
        let x = LEFT + (place * f64::from(width)) as u32;
        // A line that is drawn later may lie on it.
        let colors = LINES[number..].iter().map(|(_, color)| *color);
        let lines = |x| -> u32 { colors.clone().map(|color| count(&picture, x, color)).sum() };
        // The figure has one decimal.
        let seen = (x - 1..=x + 1).map(lines).max().unwrap_or(0);
        ensure!(seen > height / 2, "{name} is not at {x}: {seen} pixels");
    }
    // In the gap of a bar there is none of its colour, and the highest fills the room but for captions.
    let columns = LEFT..LEFT + width;
    ensure!(
        columns.clone().all(|x| (x - LEFT) % BAR != BAR - 1 || count(&picture, x, BARS) == 0),
        "a gap is filled"
    );
    let highest = columns.clone().map(|x| count(&picture, x, BARS)).max().unwrap_or(0);
    ensure!(highest >= height - 60, "the highest bar has {highest} of {height} pixels");
    // The requests do not take the same time each.
    let bars = columns.filter(|x| count(&picture, *x, BARS) > 0).count();
    ensure!(bars > 7, "{bars} columns have a part of a bar");
    Ok(())
}

/// In another size it is drawn anew.
fn resized(lab: &Lab) -> Result<()> {
    let mut screen = plotted(lab)?;
    let before = screen.picture(0)?;
    for size in [(640, 480), (100, 60), SIZE] {
        screen.vnc()?.resize(size.0 as u16, size.1 as u16)?;
        screen.wait_until("the plot had another size", |screen| {
            let picture = screen.picture(0)?;
            ensure!(picture.size() == size, "{:?}", picture.size());
            Ok(())
        })?;
    }
    screen.wait_for(0, &before)?;
    screen.end()?;
    Ok(())
}

fn refused(lab: &Lab) -> Result<()> {
    let image = lab.image("disk", noise(64, 7))?;
    let gpu = Gpu::new(SIZE.0, SIZE.1);
    lab.machine()
        .disk(Disk::new(&image))
        .boot(&format!("job={JOB}"))?
        .expect_failed_with("plot", &["no screen"])?;
    lab.machine()
        .gpu(&gpu)
        .boot(&format!("job={JOB}"))?
        .expect_failed_with("plot", &["no disk"])?;
    lab.machine().gpu(&gpu).boot("job=plot bs=512")?.expect_failed_with("plot", &["mode="])?;
    Ok(())
}
