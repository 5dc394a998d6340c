//! A line that is being typed, and the lines that were typed before.

use alloc::{string::String, vec::Vec};
use core::mem;

use super::keys::Key;

/// The most bytes of a line. One in which more is typed is not done.
pub(super) const LONGEST: usize = 16 << 10;

/// The most lines that the history keeps.
const MOST_LINES: usize = 100;

/// The outcome of a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Somebody has typed it to its end.
    Line(String),
    /// The same, and more than [`LONGEST`] bytes of it.
    TooLong,
    /// Ctrl-C: it is not to be done.
    Cancelled,
    /// Ctrl-D: there will be no more.
    EndOfInput,
}

/// The line with its cursor, and the history.
#[derive(Default)]
pub(super) struct Line {
    text: String,
    /// The cursor's place in the text, in bytes, between two characters.
    cursor: usize,
    /// Something was typed for which there was no room.
    is_too_long: bool,
    history: Vec<String>,
    /// The line of the history that is shown, and what was there before; `None` for a line of its own.
    shown: Option<(usize, String)>,
}

impl Line {
    /// The text before the cursor, and from the cursor on.
    pub(super) fn around_cursor(&self) -> (&str, &str) {
        self.text.split_at_checked(self.cursor).unwrap_or((&self.text, ""))
    }

    /// Does what a key says. Returns what has come of the line if it ends there; then the next one begins.
    pub(super) fn press(&mut self, key: Key) -> Option<Outcome> {
        let (before, after) = self.around_cursor();
        let previous = before.chars().next_back().map_or(0, char::len_utf8);
        let next = after.chars().next().map_or(0, char::len_utf8);
        match key {
            Key::Char(char) => self.insert(char),
            Key::Enter if self.is_too_long => {
                self.clear();
                return Some(Outcome::TooLong);
            }
            Key::Enter => return Some(Outcome::Line(self.finish())),
            Key::Cancel => {
                self.clear();
                return Some(Outcome::Cancelled);
            }
            Key::EndOfInput if self.text.is_empty() => return Some(Outcome::EndOfInput),
            Key::Left => self.cursor -= previous,
            Key::Right => self.cursor += next,
            Key::Home => self.cursor = 0,
            Key::End => self.cursor = self.text.len(),
            Key::Backspace => self.remove_before(previous),
            Key::Delete | Key::EndOfInput => self.remove_after(next),
            Key::DeleteWord => {
                let is_of_word = |char: char| !char.is_whitespace();
                let rest = before.trim_end().trim_end_matches(is_of_word);
                self.remove_before(before.len() - rest.len());
            }
            Key::DeleteBefore => self.remove_before(before.len()),
            Key::DeleteAfter => self.remove_after(after.len()),
            Key::Up => self.show_older(),
            Key::Down => self.show_newer(),
            Key::ClearScreen => {}
        }
        None
    }

    fn insert(&mut self, char: char) {
        if self.text.len() + char.len_utf8() > LONGEST {
            self.is_too_long = true;
            return;
        }
        self.text.insert(self.cursor, char);
        self.cursor += char.len_utf8();
    }

    /// Removes so many bytes before the cursor.
    fn remove_before(&mut self, bytes: usize) {
        self.cursor -= bytes;
        self.remove_after(bytes);
    }

    fn remove_after(&mut self, bytes: usize) {
        self.text.drain(self.cursor..self.cursor + bytes);
    }

    fn clear(&mut self) {
        self.set(String::new());
        self.shown = None;
        self.is_too_long = false;
    }

    fn set(&mut self, text: String) {
        self.cursor = text.len();
        self.text = text;
    }

    /// Puts the line into the history, unless it is empty or just like the last one.
    fn finish(&mut self) -> String {
        let text = mem::take(&mut self.text);
        self.clear();
        if !text.trim().is_empty() && self.history.last() != Some(&text) {
            if self.history.len() == MOST_LINES {
                self.history.remove(0);
            }
            self.history.push(text.clone());
        }
        text
    }

    fn show_older(&mut self) {
        let newer = self.shown.as_ref().map_or(self.history.len(), |(index, _)| *index);
        let Some((index, text)) =
            newer.checked_sub(1).and_then(|index| Some((index, self.history.get(index)?.clone())))
        else {
            return;
        };
        let own = match self.shown.take() {
            Some((_, own)) => own,
            None => mem::take(&mut self.text),
        };
        self.shown = Some((index, own));
        self.set(text);
    }

    fn show_newer(&mut self) {
        let Some((index, own)) = self.shown.take() else {
            return;
        };
        match self.history.get(index + 1).cloned() {
            Some(text) => {
                self.shown = Some((index + 1, own));
                self.set(text);
            }
            None => self.set(own),
        }
    }
}

#[cfg(ktest)]
mod tests {
    use alloc::format;

    use ostd::prelude::ktest;

    use super::{Key::*, *};

    fn type_in(line: &mut Line, text: &str) {
        for char in text.chars() {
            assert_eq!(line.press(Char(char)), None);
        }
    }

    /// The text with a bar where the cursor is.
    fn show(line: &Line) -> String {
        let (before, after) = line.around_cursor();
        format!("{before}|{after}")
    }

    #[ktest]
    fn the_cursor_moves_by_characters() {
        let mut line = Line::default();
        type_in(&mut line, "a\u{4f60}b");
        for (key, expected) in [
            (Right, "a\u{4f60}b|"),
            (Left, "a\u{4f60}|b"),
            (Left, "a|\u{4f60}b"),
            (Char('x'), "ax|\u{4f60}b"),
            (Delete, "ax|b"),
            (Backspace, "a|b"),
            (Home, "|ab"),
            (Left, "|ab"),
            (Backspace, "|ab"),
            (EndOfInput, "|b"),
            (End, "b|"),
            (Delete, "b|"),
        ] {
            assert_eq!(line.press(key), None);
            assert_eq!(show(&line), expected, "{key:?}");
        }
        assert_eq!(line.press(Enter), Some(Outcome::Line("b".into())));
        assert_eq!(show(&line), "|");
    }

    #[ktest]
    fn words_and_halves_are_removed() {
        let mut line = Line::default();
        type_in(&mut line, "one two  three");
        for (key, expected) in [
            (DeleteWord, "one two  |"),
            (DeleteWord, "one |"),
            (Char('x'), "one x|"),
            (Left, "one |x"),
            (DeleteAfter, "one |"),
            (DeleteBefore, "|"),
            (DeleteWord, "|"),
        ] {
            line.press(key);
            assert_eq!(show(&line), expected, "{key:?}");
        }
    }

    #[ktest]
    fn words_end_at_blanks_of_any_length() {
        let mut line = Line::default();
        // A blank of three bytes, and one of two.
        type_in(&mut line, "\u{4f60}\u{3000}\u{597d}\u{a0}b");
        for expected in ["\u{4f60}\u{3000}\u{597d}\u{a0}|", "\u{4f60}\u{3000}|", "|"] {
            line.press(DeleteWord);
            assert_eq!(show(&line), expected);
        }
    }

    #[ktest]
    fn older_lines_come_back_and_the_own_one_is_kept() {
        let mut line = Line::default();
        for text in ["one", "two", "two", " ", "three"] {
            type_in(&mut line, text);
            line.press(Enter);
        }
        type_in(&mut line, "own");
        for (key, expected) in [
            (Down, "own|"),
            (Up, "three|"),
            (Up, "two|"),
            (Up, "one|"),
            (Up, "one|"),
            (Down, "two|"),
            (Down, "three|"),
            (Down, "own|"),
            (Up, "three|"),
            (Char('!'), "three!|"),
        ] {
            assert_eq!(line.press(key), None);
            assert_eq!(show(&line), expected, "{key:?}");
        }
        assert_eq!(line.press(Enter), Some(Outcome::Line("three!".into())));
        assert_eq!(line.press(Up), None);
        assert_eq!(show(&line), "three!|");
    }

    #[ktest]
    fn lines_and_history_are_bounded() {
        let mut line = Line::default();
        type_in(&mut line, &"\u{4f60}".repeat(LONGEST));
        assert!((LONGEST - 2..=LONGEST).contains(&line.text.len()));
        assert_eq!(line.press(Enter), Some(Outcome::TooLong));
        assert_eq!(show(&line), "|");
        type_in(&mut line, &"a".repeat(LONGEST));
        assert_eq!(line.press(Enter), Some(Outcome::Line("a".repeat(LONGEST))));
        for number in 0..2 * MOST_LINES {
            line.press(Cancel);
            type_in(&mut line, &format!("{number}"));
            line.press(Enter);
        }
        assert_eq!(line.history.len(), MOST_LINES);
        assert_eq!(line.history.first().map(String::as_str), Some("100"));
    }

    #[ktest]
    fn a_line_can_be_dropped_and_the_input_ended() {
        let mut line = Line::default();
        type_in(&mut line, "rm -r /");
        assert_eq!(line.press(Cancel), Some(Outcome::Cancelled));
        assert_eq!(show(&line), "|");
        assert_eq!(line.press(EndOfInput), Some(Outcome::EndOfInput));
    }
}
