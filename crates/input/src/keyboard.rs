//! From keys to characters, as a keyboard with the layout of the United States has them.

use super::{Event, codes::*};

/// Released, pressed, repeated: the values of a key.
const RELEASED: i32 = 0;
const PRESSED: i32 = 1;
const REPEATED: i32 = 2;

/// The keys that are followed: all that evdev numbers (`KEY_CNT`).
const KEYS: usize = 0x300;

/// The keys that type a character other than a letter: alone, and with shift.
const SIGNS: &[(u16, char, char)] = &[
    (KEY_1, '1', '!'),
    (KEY_2, '2', '@'),
    (KEY_3, '3', '#'),
    (KEY_4, '4', '$'),
    (KEY_5, '5', '%'),
    (KEY_6, '6', '^'),
    (KEY_7, '7', '&'),
    (KEY_8, '8', '*'),
    (KEY_9, '9', '('),
    (KEY_0, '0', ')'),
    (KEY_MINUS, '-', '_'),
    (KEY_EQUAL, '=', '+'),
    (KEY_LEFTBRACE, '[', '{'),
    (KEY_RIGHTBRACE, ']', '}'),
    (KEY_SEMICOLON, ';', ':'),
    (KEY_APOSTROPHE, '\'', '"'),
    (KEY_GRAVE, '`', '~'),
    (KEY_BACKSLASH, '\\', '|'),
    (KEY_102ND, '\\', '|'),
    (KEY_COMMA, ',', '<'),
    (KEY_DOT, '.', '>'),
    (KEY_SLASH, '/', '?'),
    (KEY_SPACE, ' ', ' '),
    (KEY_ENTER, '\n', '\n'),
    (KEY_KPENTER, '\n', '\n'),
    (KEY_TAB, '\t', '\t'),
    (KEY_BACKSPACE, '\u{8}', '\u{8}'),
    (KEY_ESC, '\u{1b}', '\u{1b}'),
    (KEY_KPASTERISK, '*', '*'),
    (KEY_KPMINUS, '-', '-'),
    (KEY_KPPLUS, '+', '+'),
    (KEY_KPSLASH, '/', '/'),
    (KEY_KPEQUAL, '=', '='),
    (KEY_KPDOT, '.', '.'),
    (KEY_KP0, '0', '0'),
    (KEY_KP1, '1', '1'),
    (KEY_KP2, '2', '2'),
    (KEY_KP3, '3', '3'),
    (KEY_KP4, '4', '4'),
    (KEY_KP5, '5', '5'),
    (KEY_KP6, '6', '6'),
    (KEY_KP7, '7', '7'),
    (KEY_KP8, '8', '8'),
    (KEY_KP9, '9', '9'),
];

/// The letters, by the rows of their keys, which are numbered one after the other.
const LETTERS: [(u16, &str); 3] = [(KEY_Q, "qwertyuiop"), (KEY_A, "asdfghjkl"), (KEY_Z, "zxcvbnm")];

/// A key that was pressed, or that repeats as it is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stroke {
    /// The key's code.
    pub code: u16,
    /// The character that it types: with shift, and for letters Caps Lock, and with Ctrl a control character as
    /// in ASCII. `None` where it types none, as the arrows.
    pub character: Option<char>,
    /// An Alt key is pressed.
    pub alt: bool,
}

/// The state of a keyboard, or of several that belong together, from its events.
#[derive(Clone, Debug)]
pub struct Keyboard {
    pressed: [u64; KEYS / 64],
    caps_lock: bool,
    /// The rest of the group is incomplete.
    ignores: bool,
}

impl Default for Keyboard {
    fn default() -> Self {
        Self::new()
    }
}

impl Keyboard {
    /// No key is pressed, and Caps Lock is off.
    pub const fn new() -> Self {
        Self { pressed: [0; KEYS / 64], caps_lock: false, ignores: false }
    }

    /// Takes in an event; gives the key that was pressed or repeats by it.
    pub fn event(&mut self, event: Event) -> Option<Stroke> {
        if event.is_dropped() {
            // A key may have been released meanwhile: a Ctrl that stays pressed would be worse than one that does not.
            self.pressed = [0; KEYS / 64];
            self.ignores = true;
        } else if event.is_report() {
            self.ignores = false;
        }
        let Event { kind: EV_KEY, code, value } = event else { return None };
        if self.ignores {
            return None;
        }
        let is_down = match value {
            RELEASED => false,
            PRESSED | REPEATED => true,
            _ => return None,
        };
        let word = self.pressed.get_mut(usize::from(code / 64))?;
        let bit = 1 << (code % 64);
        *word = if is_down { *word | bit } else { *word & !bit };
        if code == KEY_CAPSLOCK && value == PRESSED {
            self.caps_lock = !self.caps_lock;
        }
        let alt = self.is_pressed(KEY_LEFTALT) || self.is_pressed(KEY_RIGHTALT);
        is_down.then(|| Stroke { code, character: self.character(code), alt })
    }

    /// Returns `true` if this key, or button, is pressed.
    pub fn is_pressed(&self, code: u16) -> bool {
        let word = self.pressed.get(usize::from(code / 64));
        word.is_some_and(|word| word >> (code % 64) & 1 != 0)
    }

    /// Returns `true` if Caps Lock is on.
    pub fn caps_lock(&self) -> bool {
        self.caps_lock
    }

    fn character(&self, code: u16) -> Option<char> {
        let shift = self.is_pressed(KEY_LEFTSHIFT) || self.is_pressed(KEY_RIGHTSHIFT);
        let typed = match (letter(code), SIGNS.iter().find(|(key, ..)| *key == code)) {
            (Some(letter), _) if shift != self.caps_lock => letter.to_ascii_uppercase(),
            (Some(letter), _) => letter,
            (None, Some((_, alone, with_shift))) => *if shift { with_shift } else { alone },
            (None, None) => return None,
        };
        match self.is_pressed(KEY_LEFTCTRL) || self.is_pressed(KEY_RIGHTCTRL) {
            true => control(typed),
            false => Some(typed),
        }
    }
}

fn letter(code: u16) -> Option<char> {
    LETTERS.iter().find_map(|(first, row)| {
        let place = usize::from(code.checked_sub(*first)?);
        row.as_bytes().get(place).copied().map(char::from)
    })
}

/// The control character of a key that is pressed with Ctrl: those of ASCII, where there is one.
fn control(typed: char) -> Option<char> {
    match typed {
        ' ' | '@' => Some('\0'),
        '?' => Some('\u{7f}'),
        'a'..='z' | 'A'..='Z' | '['..='_' => Some(char::from(typed as u8 & 0x1f)),
        already if already.is_ascii_control() => Some(already),
        _ => None,
    }
}
