//! The trace as a picture: lanes are columns, time runs down, one row for each step.

use std::fmt::Write as _;

use lab::language::Language;

use super::{
    steps::{Act, Lane, Trace},
    text, words,
};

/// All lengths are in the picture's own units; it is meant to be seen so many pixels wide.
pub const WIDTH: f64 = 700.0;
const MARGIN: f64 = 8.0;
/// The lanes' lines, from left to right.
pub const LANES: [(Lane, f64); 4] =
    [(Lane::Driver, 112.0), (Lane::Queue, 290.0), (Lane::Device, 468.0), (Lane::Host, 640.0)];
/// The right end of the times.
const TIMES: f64 = 70.0;
const ROW: f64 = 27.0;
const GAP: f64 = 22.0;
const LINE: f64 = 16.0;
/// The room between a step and its figures.
const BETWEEN: f64 = 10.0;
/// Font sizes.
const SMALL: f64 = 12.0;
const NORMAL: f64 = 13.0;
const LARGE: f64 = 17.0;

const STYLE: &str = "\
text{font-family:system-ui,'Noto Sans','Noto Sans CJK SC',sans-serif;fill:#111}\
.m{font-family:ui-monospace,'DejaVu Sans Mono','Noto Sans Mono CJK SC',monospace}\
.halo{stroke:#fff;stroke-width:5px;stroke-linejoin:round;paint-order:stroke}\
.life{stroke:#999;stroke-width:1.2}\
.arrow{stroke:#111;stroke-width:1.6;fill:none}\
.head{fill:#111}\
.box{fill:#fff;stroke:#444;stroke-width:1}";

/// Draws.
pub fn svg(trace: &Trace, language: Language) -> String {
    let mut picture = Picture { body: String::new(), y: 30.0 };
    picture.text(MARGIN, LARGE, "", &words::heading(trace, language));
    picture.y += 22.0;
    for line in words::queue(trace, language) {
        picture.text(MARGIN, SMALL, "", &line);
        picture.y += LINE;
    }
    picture.y += 6.0;
    picture.heads(language);
    let lifelines = picture.y;
    let mut before = 0;
    for (number, step) in trace.steps.iter().enumerate() {
        let wait = step.at.saturating_sub(before);
        // Where a fifth of all time goes by, the scale is broken for all to see.
        if number > 0 && wait * 5 >= trace.duration() {
            picture.gap(wait);
        }
        before = step.at;
        let _ = write!(picture.body, "<g class=\"step\" data-step=\"{}\">", number + 1);
        picture.step(step.at, (step.from, step.to), &words::step(trace, step, language));
        if step.act == Act::Linked {
            picture.table(&text::chain(trace, language));
        }
        picture.body += "</g>\n";
    }
    let end = picture.y + 4.0;
    picture.y += 24.0;
    for note in words::notes(language).iter().filter(|note| !note.is_empty()) {
        picture.text(MARGIN, SMALL, "", note);
        picture.y += LINE;
    }
    let height = picture.y;
    let lifelines: String = LANES
        .iter()
        .map(|(_, x)| format!("<path class=\"life\" d=\"M{x} {lifelines}V{end}\"/>"))
        .collect();
    let title = escaped(&words::heading(trace, language));
    let body = picture.body;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\" aria-label=\"{title}\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n{lifelines}\n\
         {body}</svg>\n"
    )
}

struct Picture {
    body: String,
    /// The lower end of what is drawn.
    y: f64,
}

impl Picture {
    /// Text that begins at `x`, on the line `y`.
    fn text(&mut self, x: f64, size: f64, class: &str, text: &str) {
        self.text_at(x, self.y, size, class, "start", text);
    }

    fn text_at(&mut self, x: f64, y: f64, size: f64, class: &str, anchor: &str, text: &str) {
        let text = escaped(text);
        let _ = write!(
            self.body,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" text-anchor=\"{anchor}\" class=\"{class}\">\
             {text}</text>"
        );
    }

    /// The names of the lanes, in boxes.
    fn heads(&mut self, language: Language) {
        for (lane, x) in LANES {
            let (name, what) = words::lane(lane, language);
            let half: f64 = width(what, SMALL).max(width(name, NORMAL)) / 2.0 + 6.0;
            let left = (x - half).min(WIDTH - MARGIN - 2.0 * half).max(MARGIN);
            let middle = left + half;
            let _ = write!(
                self.body,
                "<rect class=\"box\" x=\"{left:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"38\" rx=\"3\"/>",
                self.y,
                2.0 * half
            );
            self.text_at(middle, self.y + 16.0, NORMAL, "b", "middle", name);
            self.text_at(middle, self.y + 32.0, SMALL, "", "middle", what);
        }
        self.text_at(TIMES, self.y + 32.0, SMALL, "m", "end", "µs");
        self.y += 38.0;
    }

    /// A place where much time goes by.
    fn gap(&mut self, wait: u64) {
        let y = self.y + GAP / 2.0 + 2.0;
        let (left, right) = (LANES[0].1 - 14.0, LANES[3].1 + 14.0);
        let mut path = format!("M{left} {y}");
        let mut x = left;
        while x + 12.0 <= right {
            let _ = write!(path, "l3 -3l6 6l3 -3");
            x += 12.0;
        }
        let _ = write!(
            self.body,
            "<path d=\"{path}\" fill=\"none\" stroke=\"#555\" stroke-width=\"1\"/>"
        );
        let label = format!("{} µs", words::grouped(wait));
        self.text_at(WIDTH / 2.0 + 40.0, y + 4.0, SMALL, "halo", "middle", &label);
        self.y += GAP;
    }

    /// One line of text, and below it the arrow; a dot stands in front of it.
    fn step(&mut self, at: u64, (from, to): (Lane, Lane), words: &words::Words) {
        let (from, to) = (place(from), place(to));
        let (baseline, arrow) = (self.y + 14.0, self.y + 21.0);
        self.text_at(TIMES, baseline, SMALL, "m", "end", &words::grouped(at));
        // Beside the left end of the arrow, or as far to the right as there is room.
        let wide = width(&words.title, NORMAL) + BETWEEN + mono_width(&words.detail, SMALL);
        let (left, room) = (from.min(to) + 10.0, WIDTH - MARGIN - wide);
        let (x, anchor) = match from == to && left > room {
            true => (from - 10.0, "end"),
            false => (left.min(room), "start"),
        };
        let (title, detail) = (escaped(&words.title), escaped(&words.detail));
        let _ = write!(
            self.body,
            "<text x=\"{x:.1}\" y=\"{baseline:.1}\" font-size=\"{NORMAL}\" text-anchor=\"{anchor}\" class=\"halo\">{title}\
             <tspan class=\"m\" dx=\"{BETWEEN}\" font-size=\"{SMALL}\">{detail}</tspan></text>"
        );
        if from == to {
            let y = baseline - 4.0;
            let _ =
                write!(self.body, "<circle class=\"head\" cx=\"{from}\" cy=\"{y:.1}\" r=\"4\"/>");
        } else {
            let towards = if to > from { -1.0 } else { 1.0 };
            let (shaft, back) = (to + towards * 8.0, to + towards * 10.0);
            let (upper, lower) = (arrow - 4.5, arrow + 4.5);
            let _ = write!(
                self.body,
                "<path class=\"arrow\" d=\"M{from} {arrow:.1}H{shaft}\"/>\
                 <path class=\"head\" d=\"M{to} {arrow:.1}L{back} {upper:.1}V{lower:.1}Z\"/>"
            );
        }
        self.y += ROW;
    }

    /// The chain, in a box beside the driver's lane.
    fn table(&mut self, lines: &[String]) {
        let wide = lines.iter().map(|line| mono_width(line, SMALL)).fold(0.0, f64::max);
        let (x, height) = (LANES[0].1 + 12.0, lines.len() as f64 * LINE + 10.0);
        let _ = write!(
            self.body,
            "<rect class=\"box\" x=\"{x}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{height}\" rx=\"3\"/>",
            self.y + 4.0,
            wide + 20.0
        );
        for (number, line) in lines.iter().enumerate() {
            let y = self.y + 4.0 + (number as f64 + 1.0) * LINE;
            // As many spaces as there are.
            let line = line.replace(' ', "\u{a0}");
            self.text_at(x + 10.0, y, SMALL, "m", "start", &line);
        }
        self.y += height + 6.0;
    }
}

fn place(lane: Lane) -> f64 {
    LANES.iter().find(|(known, _)| *known == lane).map_or(0.0, |(_, x)| *x)
}

/// The room that a text needs; rather too much than too little, but for fonts that are wider than most.
pub fn width(text: &str, size: f64) -> f64 {
    text.chars().map(|c| if c >= '\u{2e80}' { size } else { 0.53 * size }).sum()
}

/// The same for letters that are all as wide as another.
pub fn mono_width(text: &str, size: f64) -> f64 {
    text.chars().map(|c| if c >= '\u{2e80}' { size } else { 0.61 * size }).sum()
}

/// Text as XML has it.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
