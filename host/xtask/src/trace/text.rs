//! The trace as text.

use std::fmt::Write as _;

use lab::language::Language;

use super::{
    steps::{Act, Lane, Trace},
    words,
};

/// One line for each step, and the chain below its own.
pub fn text(trace: &Trace, language: Language) -> String {
    let mut text = words::heading(trace, language) + "\n";
    for line in words::queue(trace, language) {
        text += &format!("{line}\n");
    }
    text.push('\n');
    for step in &trace.steps {
        let words::Words { title, detail } = words::step(trace, step, language);
        let name = |lane: Lane| words::lane(lane, language).0;
        let lanes = match step.from == step.to {
            true => name(step.from).to_owned(),
            false => format!("{} → {}", name(step.from), name(step.to)),
        };
        let time = words::grouped(step.at);
        let colon = language.of(": ", "：");
        let _ = writeln!(text, "{time:>9} µs  {}  {title}{colon}{detail}", padded(&lanes, 15));
        if let Some(frame) = step.main_frame().and_then(|place| step.frames.get(place)) {
            let _ = writeln!(text, "{:31}{}:{}", "", frame.file.display(), frame.line);
        }
        if step.act == Act::Linked {
            for line in chain(trace, language) {
                let _ = writeln!(text, "{:31}{line}", "");
            }
        }
    }
    text.push('\n');
    for note in words::notes(language).iter().filter(|note| !note.is_empty()) {
        text += &format!("{note}\n");
    }
    text
}

/// The segments of the chain, one in a line.
pub fn chain(trace: &Trace, language: Language) -> Vec<String> {
    let segments = &trace.chain.segments;
    let columns = if language == Language::En { 13 } else { 6 };
    let line = |(number, segment): (usize, &super::chain::Segment)| {
        let direction = words::direction(segment.device_writes, language);
        let part = words::part(number, segments.len(), language);
        let (address, length) = (segment.address, segment.length);
        format!("{number}  {address:#x} {length:>5}  {} {part}", padded(direction, columns))
    };
    segments.iter().enumerate().map(line).collect()
}

/// Fills up with spaces; a Chinese character is two columns wide.
fn padded(text: &str, columns: usize) -> String {
    let wide = |c: char| if c >= '\u{2e80}' { 2 } else { 1 };
    let width: usize = text.chars().map(wide).sum();
    format!("{text}{}", " ".repeat(columns.saturating_sub(width)))
}
