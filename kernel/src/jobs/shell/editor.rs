//! Reads lines from the console, and shows them while they are typed.
//!
//! Of the crates that edit lines without `std`, none takes everything that can come: one asks the terminal where
//! its cursor is before each line, loses what was typed meanwhile and panics at `ESC [ R`; one deletes bytes and
//! not characters; one has no lines longer than the terminal's. So `vte` takes the bytes apart,
//! `unicode-width` tells the width of characters, and [`Line`] does the little that is left.

use alloc::{format, string::String};

use unicode_width::UnicodeWidthChar;

use super::{
    keys::{Decoder, Key},
    line::{Line, Outcome},
};
use crate::{console, typing};

/// The columns that are used. Terminals have at least as many; of a longer line the part around the cursor is
/// shown.
const COLUMNS: usize = 80;

/// The most bytes that are read at once. The line is shown when all of them are in it.
const MOST_AT_ONCE: usize = 256;

/// Reads lines with a history.
#[derive(Default)]
pub(super) struct Editor {
    decoder: Decoder,
    line: Line,
}

impl Editor {
    /// Reads a line, sleeping until there is one.
    pub(super) fn read_line(&mut self, prompt: &str) -> Outcome {
        let mut bytes = [0; MOST_AT_ONCE];
        loop {
            while let Some(key) = self.decoder.next() {
                if key == Key::Enter {
                    self.show(prompt);
                }
                if key == Key::ClearScreen {
                    console::print("\x1b[H\x1b[J");
                }
                if let Some(outcome) = self.line.press(key) {
                    console::print(if outcome == Outcome::Cancelled { "^C\n" } else { "\n" });
                    return outcome;
                }
            }
            self.show(prompt);
            let count = typing::read(&mut bytes);
            self.decoder.feed(bytes.get(..count).unwrap_or_default());
        }
    }

    /// Forgets what was typed ahead.
    pub(super) fn forget(&mut self) {
        self.decoder = Decoder::default();
    }

    fn show(&self, prompt: &str) {
        console::print(&shown(prompt, &self.line));
    }
}

/// The bytes by which the terminal shows the line in place of the one that it shows so far.
fn shown(prompt: &str, line: &Line) -> String {
    let (before, after) = line.around_cursor();
    let prompt = end_that_fits(prompt, COLUMNS / 2);
    // One column is for the cursor behind the last character.
    let room = COLUMNS - 1 - width(prompt);
    let before = end_that_fits(before, room);
    let after = start_that_fits(after, room - width(before));
    let column = width(prompt) + width(before);
    let text: String = [before, after].concat().chars().map(printable).collect();
    format!("\r{prompt}{text}\x1b[K\r\x1b[{}C", column.max(1))
}

/// The longest end of a text that is at most so wide.
fn end_that_fits(text: &str, columns: usize) -> &str {
    let mut left = columns;
    let fits = text.char_indices().rev().take_while(|(_, char)| take_columns(&mut left, *char));
    let start = fits.last().map_or(text.len(), |(at, _)| at);
    text.get(start..).unwrap_or_default()
}

/// The longest start of a text that is at most so wide.
fn start_that_fits(text: &str, columns: usize) -> &str {
    let mut left = columns;
    let mut chars = text.char_indices();
    let end =
        chars.find(|(_, char)| !take_columns(&mut left, *char)).map_or(text.len(), |(at, _)| at);
    text.get(..end).unwrap_or_default()
}

fn take_columns(left: &mut usize, char: char) -> bool {
    left.checked_sub(width_of(char)).inspect(|rest| *left = *rest).is_some()
}

fn width(text: &str) -> usize {
    text.chars().map(width_of).sum()
}

fn width_of(char: char) -> usize {
    // A control character is shown as a blank.
    char.width().unwrap_or(1)
}

fn printable(char: char) -> char {
    if char.is_control() { ' ' } else { char }
}

#[cfg(ktest)]
mod tests {
    use ostd::prelude::ktest;

    use super::*;

    fn line(text: &str, back: usize) -> Line {
        let mut line = Line::default();
        for char in text.chars() {
            line.press(Key::Char(char));
        }
        (0..back).for_each(|_| {
            line.press(Key::Left);
        });
        line
    }

    #[ktest]
    fn the_cursor_stands_behind_what_was_typed() {
        assert_eq!(shown("> ", &line("", 0)), "\r> \x1b[K\r\x1b[2C");
        assert_eq!(shown("> ", &line("abc", 0)), "\r> abc\x1b[K\r\x1b[5C");
        assert_eq!(shown("> ", &line("abc", 2)), "\r> abc\x1b[K\r\x1b[3C");
        // Two columns each.
        assert_eq!(
            shown("> ", &line("\u{4f60}\u{597d}", 1)),
            "\r> \u{4f60}\u{597d}\x1b[K\r\x1b[4C"
        );
        assert_eq!(shown("> ", &line("a\tb", 0)), "\r> a b\x1b[K\r\x1b[5C");
    }

    #[ktest]
    fn of_a_long_line_the_part_around_the_cursor_is_shown() {
        let digits = "0123456789".repeat(1000);
        let text = |line: &Line| shown("> ", line).replace("\r> ", "");
        assert!(text(&line(&digits, 0)).starts_with(&digits[10_000 - 77..]));
        assert!(text(&line(&digits, 0)).ends_with("\x1b[79C"));
        assert!(text(&line(&digits, 5000)).ends_with("\x1b[79C"));
        assert!(text(&line(&digits, 10_000)).starts_with(&[&digits[..77], "\x1b"].concat()));
        assert!(text(&line(&digits, 9990)).ends_with("\x1b[12C"));
        // Nothing is cut in two.
        assert!(
            text(&line(&"\u{4f60}".repeat(100), 0))
                .starts_with(&["\u{4f60}".repeat(38).as_str(), "\x1b"].concat())
        );
    }

    #[ktest]
    fn of_a_long_prompt_the_end_is_shown() {
        let prompt = ["/folder".repeat(100).as_str(), "> "].concat();
        assert!(shown(&prompt, &line("abc", 0)).ends_with("> abc\x1b[K\r\x1b[43C"));
    }
}
