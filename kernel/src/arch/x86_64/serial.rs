//! The serial port, for what is typed: the PC's first, which OSTD prints to and keeps for itself.
//!
//! OSTD has set it up without a queue and has it interrupt for each byte that comes. That is never changed: a
//! byte that nobody fetches holds the interrupt pin, and the I/O APIC sees no other edge until it is fetched.

use core::fmt;

use ostd::{arch::serial::SERIAL_PORT, irq::IrqLine};

use super::irq::{self, MappedIrqLine};
use crate::arch::MapError;

/// The interrupt of the first serial port.
const INTERRUPT: u8 = 4;

/// A serial port that is listened to.
pub struct SerialPort {
    _line: MappedIrqLine,
}

/// Opens the port; `on_interrupt` is called in interrupt context whenever a byte has come while none was
/// waiting. To be called once, in a task on the boot CPU.
///
/// # Errors
///
/// There is no port, or its interrupt cannot be used.
pub fn open(on_interrupt: fn()) -> Result<SerialPort, OpenError> {
    SERIAL_PORT.get().ok_or(OpenError::NoPort)?;
    let mut line = IrqLine::alloc().map_err(OpenError::Line)?;
    line.on_active(move |_| on_interrupt());
    let line = irq::map_isa(INTERRUPT, line).map_err(OpenError::Map)?;
    Ok(SerialPort { _line: line })
}

impl SerialPort {
    /// The next byte, if there is one. OSTD's lock of the console is held for the moment.
    pub fn receive(&mut self) -> Option<u8> {
        SERIAL_PORT.get()?.lock().recv()
    }

    /// Does nothing: OSTD has its interrupts on, and a byte that is not fetched is the last one to interrupt.
    pub fn set_interrupts(&mut self, _on: bool) {}
}

/// The reason for which nothing can be typed.
#[derive(Debug)]
pub enum OpenError {
    /// OSTD has no port.
    NoPort,
    /// OSTD has no line left for its interrupt.
    Line(ostd::Error),
    /// The interrupt controller does not take its interrupt.
    Map(MapError),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPort => f.write_str("the machine has no serial port to type on"),
            Self::Line(error) => {
                write!(f, "there is no interrupt line left for the serial port ({error:?})")
            }
            Self::Map(error) => write!(f, "the serial port's interrupt cannot be used: {error}"),
        }
    }
}

impl core::error::Error for OpenError {}
