//! From keys to bytes.

use alloc::vec::Vec;
use core::time::Duration;

use input::{
    Keyboard, Reader, Stroke,
    codes::{KEY_DELETE, KEY_DOWN, KEY_END, KEY_HOME, KEY_LEFT, KEY_RIGHT, KEY_UP},
};

use crate::task;

/// The most events that wait to be read: those of hundreds of keys.
const CAPACITY: usize = 1024;

/// The time after which somebody may have read what was typed before.
const WAIT: Duration = Duration::from_millis(20);

/// Listens to all keyboards together. What is typed from now on waits to be read.
pub(super) fn listen() -> Reader {
    Reader::open(&input::all(), CAPACITY)
}

/// Types on the console what is typed on the keyboards, as long as there are any.
pub(super) fn run(reader: &Reader) {
    let mut keyboard = Keyboard::new();
    while let Some(arrived) = reader.next() {
        let Some(stroke) = keyboard.event(arrived.event) else {
            continue;
        };
        let bytes = bytes(&stroke);
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let count = crate::typing::type_in(rest);
            rest = rest.get(count..).unwrap_or_default();
            if count == 0 {
                task::sleep(WAIT);
            }
        }
    }
}

/// The bytes that a terminal sends for a key.
fn bytes(stroke: &Stroke) -> Vec<u8> {
    let sequence = match stroke.code {
        KEY_UP => "\x1b[A",
        KEY_DOWN => "\x1b[B",
        KEY_RIGHT => "\x1b[C",
        KEY_LEFT => "\x1b[D",
        KEY_HOME => "\x1b[H",
        KEY_END => "\x1b[F",
        KEY_DELETE => "\x1b[3~",
        _ => {
            let mut buffer = [0; 4];
            let typed = stroke.character.map(|character| character.encode_utf8(&mut buffer));
            return typed.map_or_else(Vec::new, |text| text.as_bytes().to_vec());
        }
    };
    sequence.into()
}

#[cfg(ktest)]
mod tests {
    use input::{
        Event,
        codes::{
            EV_KEY, KEY_A, KEY_BACKSPACE, KEY_C, KEY_CAPSLOCK, KEY_ENTER, KEY_LEFTCTRL,
            KEY_LEFTSHIFT, KEY_TAB,
        },
    };
    use ostd::prelude::ktest;

    use super::*;

    /// The bytes of keys, each of which is pressed (1), repeats (2) or is released (0).
    fn typed(keys: &[(u16, i32)]) -> Vec<u8> {
        let mut keyboard = Keyboard::new();
        let events = keys.iter().map(|(code, value)| Event::new(EV_KEY, *code, *value));
        events.filter_map(|event| keyboard.event(event)).flat_map(|stroke| bytes(&stroke)).collect()
    }

    #[ktest]
    fn keys_type_what_a_terminal_sends() {
        assert_eq!(typed(&[(KEY_A, 1), (KEY_A, 0), (KEY_ENTER, 1)]), b"a\n");
        assert_eq!(typed(&[(KEY_LEFTSHIFT, 1), (KEY_A, 1), (KEY_LEFTSHIFT, 0), (KEY_A, 1)]), b"Aa");
        assert_eq!(typed(&[(KEY_CAPSLOCK, 1), (KEY_CAPSLOCK, 0), (KEY_A, 1)]), b"A");
        assert_eq!(typed(&[(KEY_LEFTCTRL, 1), (KEY_C, 1), (KEY_C, 0)]), b"\x03");
        assert_eq!(typed(&[(KEY_TAB, 1), (KEY_BACKSPACE, 1)]), b"\t\x08");
        assert_eq!(typed(&[(KEY_UP, 1), (KEY_LEFT, 1), (KEY_DELETE, 1)]), b"\x1b[A\x1b[D\x1b[3~");
    }

    #[ktest]
    fn a_key_that_is_held_repeats() {
        assert_eq!(typed(&[(KEY_A, 1), (KEY_A, 2), (KEY_A, 2), (KEY_A, 0)]), b"aaa");
        assert_eq!(typed(&[(KEY_LEFT, 1), (KEY_LEFT, 2)]), b"\x1b[D\x1b[D");
    }

    #[ktest]
    fn keys_without_meaning_type_nothing() {
        assert_eq!(typed(&[(KEY_LEFTSHIFT, 1), (0x110, 1), (0x2ff, 1), (u16::MAX, 1)]), b"");
    }
}
