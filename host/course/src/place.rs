//! Marked places in the source.
//!
//! The marks are those of the book's anchors, `// ANCHOR: exercise-1-row` and `// ANCHOR_END: exercise-1-row`,
//! each on a line of its own. What stands between is the solution, or the stub.

use std::ops::Range;

use anyhow::{Context, Result, ensure};

const BEGIN: &str = "// ANCHOR: ";
const END: &str = "// ANCHOR_END: ";

/// The bytes of `text` between the marks of `anchor`: whole lines.
///
/// # Errors
///
/// The marks are not there, there twice, or in the wrong order.
pub fn find(text: &str, anchor: &str) -> Result<Range<usize>> {
    let begin = only_line(text, BEGIN, anchor)?;
    let end = only_line(text, END, anchor)?;
    ensure!(begin.end <= end.start, "the marks of {anchor} are in the wrong order");
    Ok(begin.end..end.start)
}

/// The text between the marks of `anchor`.
///
/// # Errors
///
/// As [`find`].
pub fn content<'a>(text: &'a str, anchor: &str) -> Result<&'a str> {
    Ok(&text[find(text, anchor)?])
}

/// `text` with something else between the marks of `anchor`.
///
/// # Errors
///
/// As [`find`].
pub fn replace(text: &str, anchor: &str, new: &str) -> Result<String> {
    let place = find(text, anchor)?;
    Ok([&text[..place.start], new, &text[place.end..]].concat())
}

/// `text` without the two lines that mark `anchor`.
pub fn without_marks(text: &str, anchor: &str) -> String {
    let is_mark = |line: &str| [BEGIN, END].iter().any(|mark| marks(line, mark, anchor));
    text.split_inclusive('\n').filter(|line| !is_mark(line)).collect()
}

fn marks(line: &str, mark: &str, anchor: &str) -> bool {
    line.trim().strip_prefix(mark) == Some(anchor)
}

fn only_line(text: &str, mark: &str, anchor: &str) -> Result<Range<usize>> {
    let mut at = 0;
    let mut found = None;
    for line in text.split_inclusive('\n') {
        let line_range = at..at + line.len();
        at = line_range.end;
        if marks(line, mark, anchor) {
            ensure!(found.is_none(), "the mark \"{mark}{anchor}\" is there twice");
            found = Some(line_range);
        }
    }
    found.with_context(|| format!("there is no line \"{mark}{anchor}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a\n  // ANCHOR: x\n  b\n  c\n  // ANCHOR_END: x\nd\n";

    #[test]
    fn a_place_is_whole_lines() {
        assert_eq!(content(TEXT, "x").unwrap(), "  b\n  c\n");
        let other = replace(TEXT, "x", "  e\n").unwrap();
        assert_eq!(other, "a\n  // ANCHOR: x\n  e\n  // ANCHOR_END: x\nd\n");
        assert_eq!(without_marks(&other, "x"), "a\n  e\nd\n");
    }

    #[test]
    fn marks_must_be_there_once_and_in_order() {
        assert!(find(TEXT, "y").is_err());
        assert!(find(&TEXT.repeat(2), "x").is_err());
        assert!(find("// ANCHOR_END: x\n// ANCHOR: x\n", "x").is_err());
    }
}
