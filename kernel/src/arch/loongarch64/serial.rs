//! The serial port, for what is typed: OSTD's own. Nobody can be told of a byte that has come, as there are neither
//! interrupts for it nor a timer to look by.

use core::fmt;

/// A serial port that is listened to. There is none.
#[derive(Debug)]
pub enum SerialPort {}

/// Refuses.
///
/// # Errors
///
/// [`OpenError`].
pub fn open(_on_interrupt: fn()) -> Result<SerialPort, OpenError> {
    Err(OpenError)
}

impl SerialPort {
    /// The next byte, if there is one.
    pub fn receive(&mut self) -> Option<u8> {
        match *self {}
    }

    /// Interrupts when a byte comes, or does not.
    pub fn set_interrupts(&mut self, _on: bool) {
        match *self {}
    }
}

/// Nothing can be typed.
#[derive(Debug)]
pub struct OpenError;

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing can be typed: OSTD has no interrupts here that would tell of it")
    }
}

impl core::error::Error for OpenError {}
