//! `iops.svg`: requests a second against the queue depth.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use super::{
    Bench,
    cells::grouped,
    load::{Complete, DEPTHS, Medium, Subject, random_read},
    sample::Spread,
};

const SIZE: (u32, u32) = (860, 540);
/// The SVG names a font; whoever shows it has one of that kind.
const FONT: &str = "sans-serif";

/// Subjects, how they are called in the plot, and their colours.
const LINES: [(Subject, &str, RGBColor); 7] = [
    (Subject::Host, "host, no guest", RGBColor(120, 120, 120)),
    (Subject::Ours(Complete::Adaptive), "this kernel", RGBColor(0, 158, 115)),
    (Subject::Ours(Complete::Hybrid), "this kernel, hybrid", RGBColor(0, 114, 178)),
    (Subject::Ours(Complete::Irq), "this kernel, interrupts", RGBColor(86, 180, 233)),
    (
        Subject::Peer(Complete::Irq),
        "virtio-drivers, interrupts, 16 at most",
        RGBColor(204, 121, 167),
    ),
    (Subject::Peer(Complete::Poll), "virtio-drivers, polling, 16 at most", RGBColor(230, 159, 0)),
    (Subject::Linux, "Linux with fio", RGBColor(213, 94, 0)),
];

/// Draws the medians, with the lowest and highest figure of each as an error bar. Draws nothing if
/// there is nothing to draw.
pub fn draw(bench: &Bench, path: &Path) -> Result<()> {
    let line = |subject| -> Vec<(f64, Spread)> {
        DEPTHS
            .into_iter()
            .filter_map(|depth| {
                let load = random_read(Medium::Null, depth);
                Some((f64::from(depth), bench.results.iops(load, subject)?))
            })
            .collect()
    };
    let lines = LINES.map(|(subject, name, colour)| (line(subject), name, colour));
    let figures: Vec<f64> = lines
        .iter()
        .flat_map(|(points, ..)| points.iter().flat_map(|point| [point.1.min, point.1.max]))
        .collect();
    let (Some(lowest), Some(highest)) = (
        figures.iter().copied().min_by(f64::total_cmp),
        figures.iter().copied().max_by(f64::total_cmp),
    ) else {
        return Ok(());
    };
    // Whole decades.
    let decade = |figure: f64| 10f64.powf(figure);
    let range = decade(lowest.max(1.0).log10().floor())..decade(highest.max(10.0).log10().ceil());
    drawing(&lines, range, bench, path)
        .map_err(|error| anyhow!("cannot draw {}: {error}", path.display()))
}

type Line = (Vec<(f64, Spread)>, &'static str, RGBColor);

fn drawing(
    lines: &[Line],
    range: std::ops::Range<f64>,
    bench: &Bench,
    path: &Path,
) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let rounds = bench.rounds;
    let caption = format!(
        "4 KiB random reads from a null disk, {}, 1 virtual CPU, {rounds} round{}",
        bench.board,
        if rounds == 1 { "" } else { "s" }
    );
    let mut chart = ChartBuilder::on(&area)
        .caption(caption, (FONT, 20))
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(72)
        .build_cartesian_2d(
            (0.9f64..72.0).log_scale().base(2.0).with_key_points(DEPTHS.map(f64::from).into()),
            range.log_scale(),
        )?;
    chart
        .configure_mesh()
        .x_desc("queue depth")
        .y_desc("requests per second")
        .x_label_formatter(&|depth| format!("{depth:.0}"))
        .y_label_formatter(&|iops| grouped(*iops))
        .light_line_style(BLACK.mix(0.06))
        .bold_line_style(BLACK.mix(0.15))
        .label_style((FONT, 14))
        .axis_desc_style((FONT, 15))
        .draw()?;
    for (points, name, colour) in lines.iter().filter(|line| !line.0.is_empty()) {
        let stroke = colour.stroke_width(2);
        let medians = points.iter().map(|(depth, iops)| (*depth, iops.median));
        chart
            .draw_series(LineSeries::new(medians.clone(), stroke).point_size(3))?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 22, y)], stroke));
        chart.draw_series(points.iter().map(|(depth, iops)| {
            ErrorBar::new_vertical(*depth, iops.min, iops.median, iops.max, colour.filled(), 6)
        }))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .label_font((FONT, 14))
        .draw()?;
    area.present()?;
    Ok(())
}
