//! From bytes to keys.
//!
//! A terminal sends UTF-8 with escape sequences in it, which `vte` takes apart: it takes any bytes, holds
//! a bounded amount of them, and is what a widely used terminal is built on.

use alloc::collections::VecDeque;

use vte::{Params, Parser, Perform};

use crate::typing::CTRL_C;

/// A key that the editor knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// A character to put into the line.
    Char(char),
    /// The end of the line.
    Enter,
    Left,
    Right,
    /// The older line of the history.
    Up,
    /// The newer line of the history.
    Down,
    Home,
    End,
    /// Removes the character before the cursor.
    Backspace,
    /// Removes the character at the cursor.
    Delete,
    /// Removes the word before the cursor.
    DeleteWord,
    /// Removes everything before the cursor.
    DeleteBefore,
    /// Removes everything from the cursor on.
    DeleteAfter,
    ClearScreen,
    /// Ctrl-C.
    Cancel,
    /// Ctrl-D: the end of the input in an empty line, and otherwise as [`Key::Delete`].
    EndOfInput,
}

/// Takes bytes apart.
#[derive(Default)]
pub(super) struct Decoder {
    parser: Parser,
    keys: Keys,
    /// The last byte was a carriage return, so that a line feed behind it says nothing new.
    after_return: bool,
}

impl Decoder {
    /// Takes in more bytes.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let after_return = core::mem::replace(&mut self.after_return, *byte == b'\r');
            match byte {
                b'\n' if after_return => {}
                // They end what a sequence has begun: otherwise one without an end would swallow everything.
                b'\r' | b'\n' => self.afresh(Key::Enter),
                &CTRL_C => self.afresh(Key::Cancel),
                byte => self.parser.advance(&mut self.keys, &[*byte]),
            }
        }
    }

    fn afresh(&mut self, key: Key) {
        self.parser = Parser::default();
        self.keys.shifted = false;
        self.keys.ready.push_back(key);
    }

    /// The next key.
    pub(super) fn next(&mut self) -> Option<Key> {
        self.keys.ready.pop_front()
    }
}

/// The keys that were found.
#[derive(Default)]
struct Keys {
    ready: VecDeque<Key>,
    /// ESC O came: the next letter is a key (SS3, which some terminals send for cursor keys).
    shifted: bool,
}

impl Keys {
    fn cursor_key(&mut self, letter: char) {
        self.ready.extend(match letter {
            'A' => Some(Key::Up),
            'B' => Some(Key::Down),
            'C' => Some(Key::Right),
            'D' => Some(Key::Left),
            'H' => Some(Key::Home),
            'F' => Some(Key::End),
            _ => None,
        });
    }
}

impl Perform for Keys {
    fn print(&mut self, char: char) {
        if core::mem::take(&mut self.shifted) {
            self.cursor_key(char);
            return;
        }
        self.ready.push_back(if char == '\x7f' { Key::Backspace } else { Key::Char(char) });
    }

    fn execute(&mut self, byte: u8) {
        self.ready.extend(match byte {
            b'\t' => Some(Key::Char('\t')),
            1 => Some(Key::Home),
            2 => Some(Key::Left),
            4 => Some(Key::EndOfInput),
            5 => Some(Key::End),
            6 => Some(Key::Right),
            8 => Some(Key::Backspace),
            11 => Some(Key::DeleteAfter),
            12 => Some(Key::ClearScreen),
            14 => Some(Key::Down),
            16 => Some(Key::Up),
            21 => Some(Key::DeleteBefore),
            23 => Some(Key::DeleteWord),
            _ => None,
        });
    }

    fn csi_dispatch(&mut self, params: &Params, _intermediates: &[u8], _ignore: bool, last: char) {
        let number = params.iter().next().and_then(|values| values.first().copied());
        match (last, number) {
            ('~', Some(1 | 7)) => self.ready.push_back(Key::Home),
            ('~', Some(4 | 8)) => self.ready.push_back(Key::End),
            ('~', Some(3)) => self.ready.push_back(Key::Delete),
            (letter, _) => self.cursor_key(letter),
        }
    }

    fn esc_dispatch(&mut self, _intermediates: &[u8], _ignore: bool, byte: u8) {
        self.shifted = byte == b'O';
    }
}

#[cfg(ktest)]
mod tests {
    use alloc::vec::Vec;

    use ostd::prelude::ktest;

    use super::*;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut decoder = Decoder::default();
        decoder.feed(bytes);
        core::iter::from_fn(|| decoder.next()).collect()
    }

    fn text(text: &str) -> Vec<Key> {
        text.chars().map(Key::Char).collect()
    }

    #[ktest]
    fn text_is_utf_8() {
        assert_eq!(keys("a\u{e9}\u{4f60}\u{1f600}".as_bytes()), text("a\u{e9}\u{4f60}\u{1f600}"));
        assert_eq!(keys(b"a\xffb\xc3"), text("a\u{fffd}b"));
        assert_eq!(keys(b"a b\tc"), text("a b\tc"));
    }

    #[ktest]
    fn a_line_ends_once() {
        use Key::Enter;
        assert_eq!(keys(b"\r\n\r\n\n\n\r\r"), [Enter; 6]);
    }

    #[ktest]
    fn keys_of_several_terminals_are_known() {
        use Key::*;
        assert_eq!(keys(b"\x1b[A\x1b[B\x1b[C\x1b[D"), [Up, Down, Right, Left]);
        assert_eq!(
            keys(b"\x1bOA\x1bOB\x1bOC\x1bOD\x1bOHx"),
            [Up, Down, Right, Left, Home, Char('x')]
        );
        assert_eq!(
            keys(b"\x1b[H\x1b[F\x1b[1~\x1b[4~\x1b[7~\x1b[8~"),
            [Home, End, Home, End, Home, End]
        );
        assert_eq!(keys(b"\x1b[3~\x7f\x08"), [Delete, Backspace, Backspace]);
        assert_eq!(keys(b"\x1b[1;5C"), [Right]);
        assert_eq!(keys(&[1, 2, 4, 5, 6]), [Home, Left, EndOfInput, End, Right]);
        assert_eq!(
            keys(&[11, 12, 14, 16, 21, 23, 3]),
            [DeleteAfter, ClearScreen, Down, Up, DeleteBefore, DeleteWord, Cancel]
        );
    }

    #[ktest]
    fn what_is_no_key_is_left_out() {
        assert_eq!(
            keys(b"\x00\x1b[200~a\x1b[201~\x1b[R\x1b[;R\x1b[99999999999999;0R\x1bz\x1b[?6c"),
            text("a")
        );
    }

    #[ktest]
    fn no_sequence_outlives_its_line() {
        for begun in [
            &b"\x1b"[..],
            b"\x1b[",
            b"\x1b[1;",
            b"\x1bO",
            b"\x1b]",
            b"\x1bP1;",
            b"\x1b_",
            b"\xe2\x82",
        ] {
            for (end, key) in [(b'\r', Key::Enter), (b'\n', Key::Enter), (3, Key::Cancel)] {
                let found = keys(&[begun, &[end], b"ok"].concat());
                assert!(found.ends_with(&[key, Key::Char('o'), Key::Char('k')]), "{begun:?}");
            }
        }
    }
}
