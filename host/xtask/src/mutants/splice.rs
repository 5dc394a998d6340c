//! Changes to a source text that leave every line where it is, and tell afterwards who made them.

use std::{fmt::Write as _, ops::Range};

/// A change to a text, at a place in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Its place in the original; empty for an insertion.
    pub at: Range<usize>,
    /// The new text. `@` stands for the question whether the mutant is on.
    pub text: String,
    /// Its order among those that begin at the same place.
    side: Side,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    /// Behind an expression: those inside of it come first.
    Close,
    /// Before an expression: those around it come first.
    Open,
    /// In place of something.
    Replace,
}

impl Edit {
    /// An insertion before an expression or a statement.
    pub fn open(at: usize, text: impl Into<String>) -> Self {
        Self { at: at..at, text: text.into(), side: Side::Open }
    }

    /// An insertion behind an expression or a statement.
    pub fn close(at: usize, text: impl Into<String>) -> Self {
        Self { at: at..at, text: text.into(), side: Side::Close }
    }

    /// A replacement. It must hold as many line breaks as what it replaces.
    pub fn replace(at: Range<usize>, text: impl Into<String>) -> Self {
        Self { at, text: text.into(), side: Side::Replace }
    }
}

/// A text with changes.
#[derive(Debug)]
pub struct Spliced {
    /// The new text.
    pub text: String,
    /// The inserted ranges, in bytes of the new text, and the mutant of each.
    pub inserted: Vec<(Range<usize>, u32)>,
}

/// Makes changes, each by the mutant of a number. Those around others must stand before them. A change by
/// number 0 is none of a mutant's.
pub fn splice<'a>(original: &str, changes: impl Iterator<Item = (u32, &'a Edit)>) -> Spliced {
    let mut edits: Vec<(usize, u32, &Edit)> =
        changes.enumerate().map(|(order, (number, edit))| (order, number, edit)).collect();
    edits.sort_by_key(|(order, _, edit)| {
        let order = *order as isize;
        (edit.at.start, edit.side, if edit.side == Side::Close { -order } else { order })
    });
    let (mut text, mut inserted) = (String::new(), Vec::new());
    let mut position = 0;
    for (_, number, edit) in edits {
        text.push_str(&original[position..edit.at.start]);
        let start = text.len();
        for (index, part) in edit.text.split('@').enumerate() {
            if index > 0 {
                // A string takes everything.
                let _ = write!(text, "::mutant::on({number})");
            }
            text.push_str(part);
        }
        inserted.push((start..text.len(), number));
        position = edit.at.end;
    }
    text.push_str(&original[position..]);
    Spliced { text, inserted }
}
