//! The serial port, for what is typed.

pub use crate::arch::serial::{OpenError, SerialPort, open};

/// A device that bytes come from.
pub trait Port: Send {
    /// The next byte, if there is one.
    fn receive(&mut self) -> Option<u8>;

    /// Interrupts when a byte comes while none is waiting, or does not. A port may interrupt although it should
    /// not, and need not interrupt for a byte that was waiting when it should again.
    fn set_interrupts(&mut self, on: bool);
}

impl Port for SerialPort {
    fn receive(&mut self) -> Option<u8> {
        self.receive()
    }

    fn set_interrupts(&mut self, on: bool) {
        self.set_interrupts(on);
    }
}
