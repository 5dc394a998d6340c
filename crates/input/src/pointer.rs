//! The place on a screen that a mouse or a tablet points at.

use super::{DeviceInfo, Event, codes::*};

/// A pointer on a screen, moved by mice and tablets.
///
/// A mouse moves it by so many points; a tablet, or a touch screen, puts it to a place, where its range is as
/// wide as the screen. It never leaves the screen.
#[derive(Clone, Debug)]
pub struct Pointer {
    width: u32,
    height: u32,
    x: u32,
    y: u32,
    /// The buttons `BTN_LEFT` to `BTN_TASK` as bits, and behind them `BTN_TOUCH`.
    buttons: u16,
    /// Something has changed since the last group.
    changed: bool,
    /// The rest of the group is incomplete.
    ignores: bool,
}

impl Pointer {
    /// A pointer in the middle of a screen of so many points, with no button pressed.
    pub const fn new(width: u32, height: u32) -> Self {
        let (x, y) = (width / 2, height / 2);
        Self { width, height, x, y, buttons: 0, changed: false, ignores: false }
    }

    /// Gives the screen another size.
    pub fn resize(&mut self, width: u32, height: u32) {
        (self.width, self.height) = (width, height);
        self.x = moved(self.x, 0, width);
        self.y = moved(self.y, 0, height);
    }

    /// Takes in an event of the device that `info` is about. Returns `true` at the end of a group that has moved the
    /// pointer or changed a button: only then do place and buttons belong together.
    pub fn event(&mut self, event: Event, info: &DeviceInfo) -> bool {
        let Event { kind, code, value } = event;
        let (x, y, buttons) = (self.x, self.y, self.buttons);
        match kind {
            EV_SYN if event.is_dropped() => {
                // The button may have been released meanwhile.
                self.buttons = 0;
                self.ignores = true;
            }
            EV_SYN if event.is_report() => {
                self.ignores = false;
                return core::mem::take(&mut self.changed);
            }
            _ if self.ignores => {}
            EV_REL if code == REL_X => self.x = moved(x, value, self.width),
            EV_REL if code == REL_Y => self.y = moved(y, value, self.height),
            EV_ABS => {
                let place = |length| info.axis(code).map(|axis| axis.place(value, length));
                match code {
                    ABS_X => self.x = place(self.width).unwrap_or(x),
                    ABS_Y => self.y = place(self.height).unwrap_or(y),
                    _ => {}
                }
            }
            EV_KEY => {
                let bit = bit(code);
                self.buttons = if value == 0 { buttons & !bit } else { buttons | bit };
            }
            _ => {}
        }
        self.changed |= (x, y, buttons) != (self.x, self.y, self.buttons);
        false
    }

    /// Its place: points from the left, and from the top.
    pub fn place(&self) -> (u32, u32) {
        (self.x, self.y)
    }

    /// Returns `true` if a button is pressed: one from `BTN_LEFT` to `BTN_TASK`, or `BTN_TOUCH`.
    pub fn is_pressed(&self, button: u16) -> bool {
        self.buttons & bit(button) != 0
    }
}

/// The bit of a button; none for those that are not followed.
fn bit(code: u16) -> u16 {
    match code {
        BTN_LEFT..=BTN_TASK => 1 << (code - BTN_LEFT),
        BTN_TOUCH => 1 << 8,
        _ => 0,
    }
}

/// A place on a line of `length` points, moved by so many.
fn moved(place: u32, by: i32, length: u32) -> u32 {
    place.saturating_add_signed(by).min(length.saturating_sub(1))
}
