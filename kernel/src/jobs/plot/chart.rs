//! The picture of a histogram.

use alloc::{
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};
use core::{convert::Infallible, fmt};

use embedded_graphics::{
    draw_target::DrawTarget,
    geometry::{Point, Size},
    pixelcolor::{Rgb888, RgbColor},
    primitives::Rectangle,
};

use super::{
    super::{bench::Histogram, caption, text::Count},
    scale::{self, Scale},
};

/// The pixels around the bars: names of numbers at the left, the title above, names of durations below.
const LEFT: u32 = 88;
const RIGHT: u32 = 40;
const TOP: u32 = 40;
const BOTTOM: u32 = 40;

/// The pixels of a bar with the gap behind it.
const BAR: u32 = 8;

const AXIS: Rgb888 = Rgb888::new(160, 160, 160);
const GRID: Rgb888 = Rgb888::new(48, 48, 48);
const BARS: Rgb888 = Rgb888::new(36, 114, 200);

/// The shares of requests that are marked, with their names and colours.
const PERCENTILES: [(f64, &str, Rgb888); 3] = [
    (0.5, "p50", Rgb888::new(35, 209, 139)),
    (0.99, "p99", Rgb888::new(245, 245, 67)),
    (0.999, "p99.9", Rgb888::new(241, 76, 76)),
];

/// Durations, ready to be drawn in any size.
pub(super) struct Chart {
    title: String,
    /// The durations in microseconds, the shortest first, and their numbers.
    durations: Vec<(f64, u32)>,
    percentiles: [f64; PERCENTILES.len()],
    total: u64,
    scale: Scale,
}

impl Chart {
    /// The chart of durations in ticks of the machine's timer.
    pub fn new(title: String, histogram: &Histogram) -> Self {
        let ticks_per_us = ostd::arch::tsc_freq() as f64 / 1e6;
        // There is no logarithm of 0: what took less than a tick counts as one.
        let us = |ticks: u64| ticks.max(1) as f64 / ticks_per_us;
        let durations: Vec<_> =
            histogram.durations().map(|(ticks, count)| (us(ticks), count)).collect();
        let end = |duration: Option<&(f64, u32)>| duration.map_or(1.0, |(duration, _)| *duration);
        let scale = Scale::of(end(durations.first()), end(durations.last()));
        let percentiles = PERCENTILES.map(|(share, ..)| us(histogram.percentile(share)));
        Self { title, durations, percentiles, total: histogram.total(), scale }
    }

    /// Draws it as large as the picture is. Of a picture that is too small for bars, only the title is drawn.
    pub fn draw(&self, picture: &mut impl DrawTarget<Color = Rgb888, Error = Infallible>) {
        let Ok(()) = picture.clear(Rgb888::BLACK);
        let size = picture.bounding_box().size;
        let title = format!("{}, {}", self.title, Count(self.total, "request"));
        caption::draw(picture, Point::new(8, 8), &title);
        let room = Size::new(
            size.width.saturating_sub(LEFT + RIGHT) / BAR * BAR,
            size.height.saturating_sub(TOP + BOTTOM),
        );
        if room.width > 0 && room.height > 0 {
            Drawing { chart: self, picture, room }.draw();
        }
    }

    /// The numbers of requests in so many parts of the axis.
    fn parts(&self, parts: u32) -> Vec<u64> {
        let mut sums = vec![0; parts as usize];
        let last = sums.len().saturating_sub(1);
        for (duration, count) in &self.durations {
            // The longest may lie on the end of the axis.
            let part = (self.scale.place(*duration) * f64::from(parts)) as usize;
            if let Some(sum) = sums.get_mut(part.min(last)) {
                *sum += u64::from(*count);
            }
        }
        sums
    }
}

/// The ends of the axis, and the percentiles.
impl fmt::Display for Chart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ends = self.scale.exponents();
        let [from, to] = [*ends.start(), *ends.end()].map(|end| scale::name(scale::power(end)));
        write!(f, "{} from {from} to {to}", Count(self.total, "request"))?;
        PERCENTILES.iter().zip(self.percentiles).try_for_each(|((_, name, _), duration)| {
            write!(f, ", {name} {}", scale::name(duration))
        })
    }
}

/// A chart on its way to a picture.
struct Drawing<'a, D> {
    chart: &'a Chart,
    picture: &'a mut D,
    /// The pixels for the bars.
    room: Size,
}

impl<D: DrawTarget<Color = Rgb888, Error = Infallible>> Drawing<'_, D> {
    fn draw(mut self) {
        let sums = self.chart.parts(self.room.width / BAR);
        let highest = sums.iter().copied().max().unwrap_or(0).max(1);
        self.durations();
        self.counts(highest);
        for (number, sum) in (0..).zip(&sums) {
            // A bar of few is seen, too.
            let height = self.height(*sum, highest).max(u32::from(*sum > 0));
            self.fill((number * BAR, self.room.height - height), (BAR - 1, height), BARS);
        }
        self.percentiles();
        let Size { width, height } = self.room;
        self.fill((0, height), (width, 1), AXIS);
        self.fill((0, 0), (1, height), AXIS);
    }

    /// The pixels of a number, where `highest` is as high as there is room.
    fn height(&self, number: u64, highest: u64) -> u32 {
        let height = u128::from(number) * u128::from(self.room.height) / u128::from(highest);
        u32::try_from(height).unwrap_or(u32::MAX).min(self.room.height)
    }

    /// The axis of durations: a line for each power of ten with its name, and marks between.
    fn durations(&mut self) {
        let (scale, height) = (self.chart.scale, self.room.height);
        for exponent in scale.exponents() {
            let power = scale::power(exponent);
            let x = self.column(power);
            self.fill((x, 0), (1, height + 8), GRID);
            let name = scale::name(power);
            self.caption((x, height + 12), caption::width(&name) / 2, &name);
            for digit in 2..10 {
                let place = power * f64::from(digit);
                if scale.place(place) < 1.0 {
                    let x = self.column(place);
                    self.fill((x, height), (1, 4), AXIS);
                }
            }
        }
    }

    /// The axis of numbers.
    fn counts(&mut self, highest: u64) {
        let step = scale::step(highest);
        for mark in (0..=5).map(|mark: u64| mark.saturating_mul(step)) {
            if mark <= highest {
                let y = self.room.height - self.height(mark, highest);
                self.fill((0, y), (self.room.width, 1), GRID);
                let name = mark.to_string();
                self.caption((0, y.saturating_sub(8)), caption::width(&name) + 8, &name);
            }
        }
    }

    /// A line for each percentile, with its name in a row of its own: they may be close to each other.
    fn percentiles(&mut self) {
        let percentiles = PERCENTILES.iter().zip(self.chart.percentiles);
        for (row, ((_, name, color), duration)) in (0..).zip(percentiles) {
            let x = self.column(duration);
            self.fill((x, 0), (1, self.room.height), *color);
            let text = format!("{name} {}", scale::name(duration));
            let width = caption::width(&text) + 4;
            // To the left of the line if there is no room to the right.
            let back = if x + width > self.room.width { width } else { 0 };
            self.caption((x + 4, row * caption::HEIGHT), back, &text);
        }
    }

    /// The column of a duration.
    fn column(&self, duration: f64) -> u32 {
        // What is below 0 becomes 0.
        let column = (self.chart.scale.place(duration) * f64::from(self.room.width)) as u32;
        column.min(self.room.width)
    }

    /// Writes a text that begins so many pixels before a place among the bars.
    fn caption(&mut self, at: (u32, u32), back: u32, text: &str) {
        let (x, y) = ((LEFT + at.0).saturating_sub(back), TOP + at.1);
        caption::draw(self.picture, Point::new(x.cast_signed(), y.cast_signed()), text);
    }

    /// Fills a part of the room for the bars, or of the margins behind it.
    fn fill(&mut self, at: (u32, u32), size: (u32, u32), color: Rgb888) {
        let (x, y) = (LEFT + at.0, TOP + at.1);
        let corner = Point::new(x.cast_signed(), y.cast_signed());
        let Ok(()) =
            self.picture.fill_solid(&Rectangle::new(corner, Size::new(size.0, size.1)), color);
    }
}

#[cfg(ktest)]
mod tests {
    use embedded_graphics::{
        Pixel,
        geometry::{Dimensions, OriginDimensions},
    };
    use ostd::prelude::ktest;

    use super::*;

    /// A picture of pixels that a test can look at.
    struct Pixels {
        size: Size,
        pixels: Vec<Rgb888>,
    }

    impl Pixels {
        fn new(width: u32, height: u32) -> Self {
            let pixels = vec![Rgb888::WHITE; (width * height) as usize];
            Self { size: Size::new(width, height), pixels }
        }

        fn column(&self, x: u32, color: Rgb888) -> usize {
            let column = self.pixels.iter().skip(x as usize).step_by(self.size.width as usize);
            column.filter(|pixel| **pixel == color).count()
        }
    }

    impl OriginDimensions for Pixels {
        fn size(&self) -> Size {
            self.size
        }
    }

    impl DrawTarget for Pixels {
        type Color = Rgb888;
        type Error = Infallible;

        fn draw_iter<I>(&mut self, pixels: I) -> Result<(), Infallible>
        where
            I: IntoIterator<Item = Pixel<Rgb888>>,
        {
            for Pixel(at, color) in pixels {
                if self.bounding_box().contains(at) {
                    self.pixels[at.y as usize * self.size.width as usize + at.x as usize] = color;
                }
            }
            Ok(())
        }
    }

    /// So many requests of each duration, in microseconds.
    fn chart(durations: &[(u64, u32)]) -> Chart {
        let mut histogram = Histogram::new();
        for (us, count) in durations {
            let ticks = us * ostd::arch::tsc_freq() / 1_000_000;
            (0..*count).for_each(|_| histogram.record(ticks));
        }
        Chart::new("latency".into(), &histogram)
    }

    #[ktest]
    fn bars_are_as_high_as_there_are_requests() {
        // 200 us and 400 us are seen as two bars, the second of half the height.
        let chart = chart(&[(200, 90), (400, 45), (2_000, 1)]);
        let mut picture = Pixels::new(LEFT + RIGHT + 800, TOP + BOTTOM + 300);
        chart.draw(&mut picture);
        let scale = Scale::of(200.0, 2000.0);
        let bar = |us: f64| LEFT + (scale.place(us) * 100.0) as u32 * BAR + 5;
        assert!(chart.to_string().starts_with("136 requests from 100 us to 10 ms, p50 "));
        let heights = [200.0, 400.0, 2000.0].map(|us| picture.column(bar(us * 1.0001), BARS));
        // Lines of percentiles may lie on a bar, and none of their captions does so low.
        assert_eq!(heights[1], 150, "{heights:?}");
        assert!(heights[0] > 250 && (1..=3).contains(&heights[2]), "{heights:?}");
        let bars: usize = (0..picture.size.width).filter(|x| picture.column(*x, BARS) > 0).count();
        assert!((2 * 7..=3 * 7).contains(&bars), "{bars}");
    }

    #[ktest]
    fn percentiles_are_lines_at_their_place() {
        let chart = chart(&[(200, 900), (5_000, 100)]);
        let mut picture = Pixels::new(LEFT + RIGHT + 800, TOP + BOTTOM + 300);
        chart.draw(&mut picture);
        for ((_, _, color), duration) in PERCENTILES.iter().zip(chart.percentiles) {
            let column = LEFT + (chart.scale.place(duration) * 800.0) as u32;
            // The last one lies on the one before.
            let seen = picture.column(column, *color);
            assert!(seen >= 250 || *color == PERCENTILES[1].2, "{duration}: {seen}");
        }
    }

    #[ktest]
    fn any_size_and_any_durations_are_drawn() {
        let charts =
            [chart(&[]), chart(&[(0, 1)]), chart(&[(1, 3), (100_000_000, u8::MAX.into())])];
        for chart in &charts {
            for (width, height) in
                [(1, 1), (LEFT + RIGHT, 500), (200, TOP + BOTTOM + 1), (640, 480)]
            {
                let mut picture = Pixels::new(width, height);
                chart.draw(&mut picture);
                assert_eq!(picture.column(width - 1, Rgb888::WHITE), 0);
            }
        }
        assert!(charts[0].to_string().starts_with("0 requests from 1 us to 10 us"));
    }
}
