//! The compiler's messages about the mutants.

use std::{collections::BTreeMap, ops::Range, path::PathBuf};

use serde_json::Value;

use super::{source::Mutant, splice::Spliced};

/// The files as they were compiled.
pub type Mutated = BTreeMap<PathBuf, Spliced>;

/// An error of the compiler.
#[derive(Debug, Default)]
pub struct Error {
    /// As it is shown to people.
    pub rendered: String,
    message: String,
    /// The places that it is about, the most important first.
    spans: Vec<Span>,
}

#[derive(Debug)]
struct Span {
    file: PathBuf,
    bytes: Range<usize>,
    line: usize,
    is_primary: bool,
}

/// The errors in what cargo prints as JSON.
pub fn errors(output: &str) -> Vec<Error> {
    let lines = output.lines().filter(|line| line.starts_with('{'));
    let messages = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let errors = messages.map(|line| line["message"].clone());
    errors
        .filter(|message| message["level"] == "error")
        .map(|message| error(&message))
        // "aborting due to 3 previous errors"
        .filter(|error| !error.spans.is_empty())
        .collect()
}

fn error(message: &Value) -> Error {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let number = |value: &Value| value.as_u64().unwrap_or_default() as usize;
    let spans = message["spans"].as_array().into_iter().flatten();
    let mut spans: Vec<_> = spans
        .map(|span| Span {
            file: text(&span["file_name"]).into(),
            bytes: number(&span["byte_start"])..number(&span["byte_end"]),
            line: number(&span["line_start"]),
            is_primary: span["is_primary"] == true,
        })
        .collect();
    spans.sort_by_key(|span| !span.is_primary);
    Error { rendered: text(&message["rendered"]), message: text(&message["message"]), spans }
}

/// The number of the mutant that is to blame for an error; `None` if none can be.
pub fn blame(error: &Error, mutated: &Mutated, mutants: &[&Mutant]) -> Option<u32> {
    let places = || error.spans.iter().filter_map(|span| Some((span, mutated.get(&span.file)?)));
    // What was inserted there.
    let touched = places().find_map(|(span, spliced)| {
        let extents = extents(spliced);
        let touching = || {
            let overlaps =
                |bytes: &Range<usize>| bytes.start < span.bytes.end && span.bytes.start < bytes.end;
            let inserted = spliced.inserted.iter().filter(move |(bytes, _)| overlaps(bytes));
            inserted.filter_map(|(_, number)| Some((*number, extents.get(number)?)))
        };
        // The innermost of those around it, or the outermost of those in it.
        let around = touching().filter(|(_, extent)| contains(extent, &span.bytes));
        around
            .min_by_key(|(_, extent)| extent.len())
            .or_else(|| touching().max_by_key(|(_, extent)| extent.len()))
            .map(|(number, _)| number)
    });
    // An assignment that is missing shows somewhere else, where the variable is used.
    let missing = || {
        let (span, _) = places().next()?;
        let name = error.message.split('`').nth(1)?;
        let start = format!("leave out `{name} = ");
        let assignments = mutants
            .iter()
            .filter(|mutant| mutant.file == span.file && mutant.change.starts_with(&start));
        assignments.min_by_key(|mutant| mutant.line.abs_diff(span.line)).map(|it| it.number)
    };
    // What is around it.
    let innermost = || {
        places().find_map(|(span, spliced)| {
            let extents = extents(spliced).into_iter();
            let around = extents.filter(|(_, extent)| contains(extent, &span.bytes));
            around.min_by_key(|(_, extent)| extent.len()).map(|(number, _)| number)
        })
    };
    touched.or_else(missing).or_else(innermost)
}

/// From the first to the last change of each mutant in a file.
fn extents(spliced: &Spliced) -> BTreeMap<u32, Range<usize>> {
    let mut extents: BTreeMap<u32, Range<usize>> = BTreeMap::new();
    for (bytes, number) in spliced.inserted.iter().filter(|(_, number)| *number > 0) {
        let extent = extents.entry(*number).or_insert(bytes.clone());
        *extent = extent.start.min(bytes.start)..extent.end.max(bytes.end);
    }
    extents
}

fn contains(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}
