//! From keys to characters.

use alloc::string::String;

use ostd::prelude::ktest;

use super::*;

/// A keyboard that is typed on.
#[derive(Default)]
struct Typist(Keyboard);

impl Typist {
    fn down(&mut self, code: u16) -> Option<char> {
        let stroke = self.0.event(Event::new(EV_KEY, code, 1));
        assert_eq!(stroke.map(|stroke| stroke.code), Some(code));
        assert_eq!(self.0.event(REPORT), None);
        stroke.and_then(|stroke| stroke.character)
    }

    fn up(&mut self, code: u16) {
        assert_eq!(self.0.event(Event::new(EV_KEY, code, 0)), None);
    }

    fn strike(&mut self, code: u16) -> Option<char> {
        let character = self.down(code);
        self.up(code);
        character
    }

    /// All keys that type a character, in the order of their codes.
    fn all(&mut self) -> String {
        let modifiers = [KEY_CAPSLOCK, KEY_LEFTCTRL, KEY_LEFTSHIFT, KEY_RIGHTCTRL, KEY_RIGHTSHIFT];
        let codes = (0..0x300).filter(|code| !modifiers.contains(code));
        codes.filter_map(|code| self.strike(code)).collect()
    }
}

#[ktest]
fn a_keyboard_types_what_is_printed_on_its_keys() {
    let mut typist = Typist::default();
    assert_eq!(
        typist.all(),
        "\x1b1234567890-=\x08\tqwertyuiop[]\nasdfghjkl;'`\\zxcvbnm,./* 789-456+1230.\\\n/="
    );
    for shift in [KEY_LEFTSHIFT, KEY_RIGHTSHIFT] {
        assert_eq!(typist.down(shift), None);
        assert_eq!(
            typist.all(),
            "\x1b!@#$%^&*()_+\x08\tQWERTYUIOP{}\nASDFGHJKL:\"~|ZXCVBNM<>?* 789-456+1230.|\n/="
        );
        typist.up(shift);
    }
    assert_eq!(typist.strike(KEY_A), Some('a'));
}

#[ktest]
fn caps_lock_is_for_letters() {
    let mut typist = Typist::default();
    assert_eq!(typist.strike(KEY_CAPSLOCK), None);
    assert!(typist.0.caps_lock());
    assert_eq!((typist.strike(KEY_Q), typist.strike(KEY_1)), (Some('Q'), Some('1')));
    typist.down(KEY_LEFTSHIFT);
    assert_eq!((typist.strike(KEY_Q), typist.strike(KEY_1)), (Some('q'), Some('!')));
    typist.up(KEY_LEFTSHIFT);
    // Holding it changes nothing.
    typist.down(KEY_CAPSLOCK);
    typist.0.event(Event::new(EV_KEY, KEY_CAPSLOCK, 2));
    typist.up(KEY_CAPSLOCK);
    assert!(!typist.0.caps_lock());
    assert_eq!(typist.strike(KEY_Q), Some('q'));
}

#[ktest]
fn ctrl_makes_control_characters() {
    let mut typist = Typist::default();
    typist.down(KEY_RIGHTCTRL);
    assert_eq!(typist.strike(KEY_C), Some('\x03'));
    assert_eq!(typist.strike(KEY_LEFTBRACE), Some('\x1b'));
    assert_eq!(typist.strike(KEY_SPACE), Some('\0'));
    assert_eq!(typist.strike(KEY_ENTER), Some('\n'));
    assert_eq!(typist.strike(KEY_1), None);
    typist.down(KEY_LEFTSHIFT);
    assert_eq!(typist.strike(KEY_C), Some('\x03'));
    assert_eq!(typist.strike(KEY_MINUS), Some('\x1f'));
    assert_eq!(typist.strike(KEY_SLASH), Some('\x7f'));
    typist.up(KEY_RIGHTCTRL);
    // The other one is still held.
    typist.down(KEY_RIGHTSHIFT);
    typist.up(KEY_LEFTSHIFT);
    assert_eq!(typist.strike(KEY_C), Some('C'));
}

#[ktest]
fn keys_that_are_held_repeat_and_arrows_type_nothing() {
    let mut keyboard = Keyboard::new();
    keyboard.event(Event::new(EV_KEY, KEY_LEFTALT, 1));
    for value in [1, 2, 2] {
        let stroke = keyboard.event(Event::new(EV_KEY, KEY_X, value));
        let expected = Stroke { code: KEY_X, character: Some('x'), alt: true };
        assert_eq!(stroke, Some(expected));
    }
    assert!(keyboard.is_pressed(KEY_X) && keyboard.is_pressed(KEY_LEFTALT));
    keyboard.event(Event::new(EV_KEY, KEY_LEFTALT, 0));
    let stroke = keyboard.event(Event::new(EV_KEY, KEY_UP, 1));
    assert_eq!(stroke, Some(Stroke { code: KEY_UP, character: None, alt: false }));
}

#[ktest]
fn a_key_whose_release_is_missing_is_not_pressed() {
    let mut typist = Typist::default();
    typist.down(KEY_LEFTCTRL);
    typist.0.event(Event::dropped(9));
    assert!(!typist.0.is_pressed(KEY_LEFTCTRL));
    // The rest of a group of which the beginning is missing.
    assert_eq!(typist.0.event(Event::new(EV_KEY, KEY_A, 1)), None);
    typist.0.event(REPORT);
    assert!(!typist.0.is_pressed(KEY_A));
    assert_eq!(typist.strike(KEY_A), Some('a'));
}

#[ktest]
fn a_keyboard_takes_any_event_at_all() {
    let mut keyboard = Keyboard::new();
    for kind in [1, 2, 3, 4, 0x11, 0xffff, 0] {
        for code in 0..=u16::MAX {
            for value in [i32::MIN, -1, 0, 1, 2, 3, i32::MAX] {
                keyboard.event(Event::new(kind, code, value));
            }
        }
    }
    keyboard.event(Event::dropped(0));
    keyboard.event(REPORT);
    assert!((0..=u16::MAX).all(|code| !keyboard.is_pressed(code)));
}
