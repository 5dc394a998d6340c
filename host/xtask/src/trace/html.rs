//! The trace as a page to step through, with the source beside each step. It needs no other file and no network.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use lab::language::Language;

use super::{
    steps::{Act, Step, Trace},
    svg::{escaped, svg},
    words,
};
use crate::symbols::Frame;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The lines of source that are shown before and behind the one of a step.
const AROUND: usize = 3;

/// Makes the page; `root` is the repository.
pub fn html(trace: &Trace, root: &Path, language: Language) -> Result<String> {
    let heading = escaped(&words::heading(trace, language));
    let mut source = Source { root: root.to_owned(), files: BTreeMap::new() };
    let mut state = State { available: trace.available, used: trace.used, ..State::default() };
    let mut sections = String::new();
    let mut before = 0;
    for (number, step) in trace.steps.iter().enumerate() {
        state.apply(step);
        sections += &section(trace, step, (number + 1, before), &state, &mut source, language)?;
        before = step.at;
    }
    let queue = escaped(&words::queue(trace, language).join(" "));
    let notes = words::notes(language).map(escaped).join(" ");
    let (previous, next) = (language.of("← Back", "← 上一步"), language.of("Next →", "下一步 →"));
    let keys = language.of(
        "Arrow keys step, too; a click in the picture goes there.",
        "也可用方向键逐步查看；点击图中的步骤可直接跳转。",
    );
    let picture = svg(trace, language);
    let code = match language {
        Language::En => "en",
        Language::Zh => "zh-CN",
    };
    Ok(format!(
        "<!DOCTYPE html>\n<html lang=\"{code}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{heading}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<header><h1>{heading}</h1><p>{queue}</p><p>{notes}</p></header>\n\
         <nav><button id=\"previous\">{previous}</button><span id=\"count\"></span>\
         <button id=\"next\">{next}</button><small>{keys}</small></nav>\n<main>\n<div id=\"steps\">\n{sections}</div>\n\
         <div id=\"picture\">\n{picture}</div>\n</main>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n"
    ))
}

/// The queue's indices as they are after a step.
#[derive(Default)]
struct State {
    available: u64,
    used: u64,
    /// The used index at which the driver wants an interrupt, once it has said so.
    used_event: Option<u64>,
    linked: bool,
}

impl State {
    fn apply(&mut self, step: &Step) {
        match step.act {
            Act::Linked => self.linked = true,
            Act::Published { index, .. } => self.available = index,
            Act::Returned { index } => self.used = index,
            Act::Armed { event } => self.used_event = Some(event),
            _ => {}
        }
    }
}

fn section(
    trace: &Trace,
    step: &Step,
    (number, before): (usize, u64),
    state: &State,
    source: &mut Source,
    language: Language,
) -> Result<String> {
    let words::Words { title, detail } = words::step(trace, step, language);
    let name = |lane| words::lane(lane, language).0;
    let lanes = match step.from == step.to {
        true => name(step.from).to_owned(),
        false => format!("{} → {}", name(step.from), name(step.to)),
    };
    let (at, wait) = (words::grouped(step.at), words::grouped(step.at.saturating_sub(before)));
    let mut html = format!(
        "<section>\n<h2>{number}. {}</h2>\n<p class=\"where\">{lanes} · {at} µs (+{wait})</p>\n\
         <p class=\"detail\"><code>{}</code></p>\n",
        escaped(&title),
        escaped(&detail)
    );
    if !step.frames.is_empty() {
        let _ = writeln!(html, "<h3>{}</h3>", language.of("Source", "源代码"));
        for (depth, frame) in step.frames.iter().enumerate() {
            html += &details(frame, step.main_frame() == Some(depth), source)?;
        }
    }
    let evidence = match step.is_of_qemu() {
        true => language.of("QEMU's trace", "QEMU 的跟踪记录"),
        false => language.of("What the kernel did", "内核的动作"),
    };
    let _ = writeln!(html, "<h3>{evidence}</h3>\n<pre>{}</pre>", escaped(&step.evidence));
    html += &queue(trace, state, language);
    html += "</section>\n";
    Ok(html)
}

/// One function of the stack with the lines around its place.
fn details(frame: &Frame, open: bool, source: &mut Source) -> Result<String> {
    let open = if open { " open" } else { "" };
    let place = format!("{}:{}", frame.file.display(), frame.line);
    let mut html = format!(
        "<details{open}><summary><code>{}</code> {}</summary>\n<pre>",
        escaped(&short(&frame.function)),
        escaped(&place)
    );
    for (number, line) in source.around(frame)? {
        let line = escaped(&format!("{number:>4}  {line}"));
        match number == frame.line {
            true => html += &format!("<span class=\"here\">{line}</span>\n"),
            false => html += &format!("{line}\n"),
        }
    }
    html += "</pre></details>\n";
    Ok(html)
}

fn queue(trace: &Trace, state: &State, language: Language) -> String {
    let heading = language.of("The queue after this step", "这一步之后的队列");
    let mut rows = vec![
        (language.of("available idx", "可用环 idx"), state.available.to_string()),
        (language.of("used idx", "已用环 idx"), state.used.to_string()),
    ];
    if let Some(event) = state.used_event {
        rows.push(("used_event", event.to_string()));
    }
    let rows: String = rows
        .iter()
        .map(|(name, value)| format!("<tr><th>{name}</th><td>{value}</td></tr>"))
        .collect();
    let mut html = format!("<h3>{heading}</h3>\n<table>{rows}</table>\n");
    if state.linked {
        let columns = match language {
            Language::En => ["", "address", "length", "direction", "part"],
            Language::Zh => ["", "地址", "长度", "方向", "内容"],
        };
        let columns = columns.map(|name| format!("<th>{name}</th>")).concat();
        let count = trace.chain.segments.len();
        let rows: String = trace
            .chain
            .segments
            .iter()
            .enumerate()
            .map(|(number, segment)| {
                format!(
                    "<tr><td>{number}</td><td>{:#x}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                    segment.address,
                    segment.length,
                    words::direction(segment.device_writes, language),
                    words::part(number, count, language)
                )
            })
            .collect();
        let heading = language.of("Descriptors", "描述符");
        let _ = writeln!(
            html,
            "<h3>{heading}</h3>\n<div class=\"wide\"><table><tr>{columns}</tr>\n{rows}</table></div>"
        );
    }
    html
}

/// Files of source, each read once.
struct Source {
    root: PathBuf,
    files: BTreeMap<PathBuf, Vec<String>>,
}

impl Source {
    /// The lines around a place, with their numbers.
    fn around(&mut self, frame: &Frame) -> Result<Vec<(usize, String)>> {
        if !self.files.contains_key(&frame.file) {
            let path = self.root.join(&frame.file);
            let text = fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            self.files.insert(frame.file.clone(), text.lines().map(str::to_owned).collect());
        }
        let lines = self.files.get(&frame.file).map(Vec::as_slice).unwrap_or_default();
        let first = frame.line.saturating_sub(AROUND).max(1);
        let numbered =
            (1..).zip(lines).filter(|(number, _)| (first..=frame.line + AROUND).contains(number));
        Ok(numbered.map(|(number, line)| (number, line.clone())).collect())
    }
}

/// The last two parts of a function's name: `<virtio::command::Spare<D>>::send` is `Spare::send`.
fn short(name: &str) -> String {
    let mut plain = String::new();
    let mut depth = 0;
    // A type in front, as in `<T as Trait>::f`, is what is inside of the first brackets.
    let outer = usize::from(name.starts_with('<'));
    let mut hidden = false;
    for (place, c) in name.char_indices() {
        match c {
            '<' => depth += 1,
            '>' if !name[..place].ends_with('-') => {
                depth -= 1;
                hidden &= depth >= outer;
            }
            _ if depth == outer && outer == 1 && name[place..].starts_with(" as ") => hidden = true,
            _ if depth <= outer && !hidden => plain.push(c),
            _ => {}
        }
        if outer == 1 && depth == 0 && c == '>' {
            let rest = &name[place + 1..];
            return last_two(&format!("{plain}{}", without_arguments(rest)));
        }
    }
    last_two(&plain)
}

fn without_arguments(name: &str) -> String {
    let mut depth = 0;
    name.chars()
        .filter(|c| {
            depth += i32::from(*c == '<');
            let outside = depth == 0;
            depth -= i32::from(*c == '>');
            outside
        })
        .collect()
}

fn last_two(path: &str) -> String {
    let parts: Vec<_> =
        path.split("::").filter(|part| !part.is_empty() && !part.starts_with('{')).collect();
    parts[parts.len().saturating_sub(2)..].join("::")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shortened() {
        for (name, expected) in [
            ("<virtio::command::Spare<virtio::device::blk::Blk>>::send", "Spare::send"),
            (
                "<virtio::device::blk::VirtioBlk as block::BlockDevice>::read_block",
                "VirtioBlk::read_block",
            ),
            ("kernel::jobs::read::sector::{closure#0}", "read::sector"),
            ("wait::wait::<virtio::command::InFlight<virtio::device::blk::Blk>>", "wait::wait"),
            ("main", "main"),
        ] {
            assert_eq!(short(name), expected, "{name}");
        }
    }
}
