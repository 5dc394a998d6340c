//! The console: what the kernel says to people, as opposed to what it logs.
//!
//! [`copy`] is there for jobs that show the console elsewhere.

pub mod copy;

use alloc::{string::String, vec::Vec};
use core::{fmt::Arguments, str};

use self::copy::Copied;

/// Prints one line, with the arguments of [`core::format_args!`].
///
/// OSTD's own macro of this name does not take arguments from the surrounding scope.
macro_rules! println {
    ($($argument:tt)*) => { $crate::console::print_line(format_args!($($argument)*)) };
}

pub(crate) use println;

/// Prints one line. The console is locked and IRQs are off while it is formatted.
pub fn print_line(line: Arguments<'_>) {
    ostd::early_print!("{}", Copied(format_args!("{line}\n")));
}

/// Prints text as it stands, without an end of line.
pub fn print(text: &str) {
    // The console is locked and IRQs are off while a piece is printed: the timer and the keyboard wait no longer
    // than that.
    for piece in pieces(text) {
        ostd::early_print!("{}", Copied(format_args!("{piece}")));
    }
}

/// Cuts text into pieces of at most [`PIECE`] bytes.
fn pieces(mut text: &str) -> impl Iterator<Item = &str> {
    core::iter::from_fn(move || {
        let (piece, rest) = text.split_at_checked(text.floor_char_boundary(PIECE))?;
        text = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

/// The most bytes that are printed at once.
pub const PIECE: usize = 128;

/// Prints bytes that should be UTF-8 and come in pieces, which may end inside a character.
#[derive(Default)]
pub struct Bytes {
    /// The beginning of a character whose rest is still to come.
    begun: Vec<u8>,
}

impl Bytes {
    /// Prints the next piece. What is not UTF-8 becomes the replacement character.
    pub fn print(&mut self, bytes: &[u8]) {
        print(&self.decode(bytes));
    }

    /// Prints the replacement character if the last piece has ended inside a character.
    pub fn end(self) {
        print(&String::from_utf8_lossy(&self.begun));
    }

    fn decode(&mut self, bytes: &[u8]) -> String {
        let mut text = String::new();
        self.begun.extend_from_slice(bytes);
        let mut chunks = self.begun.utf8_chunks().peekable();
        let mut rest: &[u8] = &[];
        while let Some(chunk) = chunks.next() {
            text.push_str(chunk.valid());
            let is_last = chunks.peek().is_none();
            if is_last && is_begun(chunk.invalid()) {
                rest = chunk.invalid();
            } else if !chunk.invalid().is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        self.begun = rest.to_vec();
        text
    }
}

/// Says that more bytes could make a character of these.
fn is_begun(bytes: &[u8]) -> bool {
    str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(ktest)]
mod tests {
    use ostd::prelude::ktest;

    use super::*;

    #[ktest]
    fn long_text_is_cut_between_characters() {
        let text = "x\u{20ac}".repeat(100);
        let pieces: Vec<_> = pieces(&text).collect();
        assert!(pieces.len() == 4 && pieces.iter().all(|piece| piece.len() <= PIECE));
        assert_eq!(pieces.concat(), text);
        assert_eq!(super::pieces("").count(), 0);
    }

    #[ktest]
    fn characters_that_come_in_two_pieces_are_put_together() {
        let text = "a\u{20ac}\u{1f600}";
        for cut in 0..=text.len() {
            let mut bytes = Bytes::default();
            let (first, second) = text.as_bytes().split_at(cut);
            assert_eq!(bytes.decode(first) + &bytes.decode(second), text, "{cut}");
        }
    }

    #[ktest]
    fn what_is_not_utf_8_is_replaced() {
        let mut bytes = Bytes::default();
        assert_eq!(bytes.decode(b"a\xffb\xe2\x82"), "a\u{fffd}b");
        assert_eq!(bytes.decode(b"c\x80\xe2"), "\u{fffd}c\u{fffd}");
        assert_eq!(bytes.begun, b"\xe2");
    }
}
