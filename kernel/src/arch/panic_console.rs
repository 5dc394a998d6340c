//! A console for a kernel that panics, where OSTD prints to a serial port of its own.

use core::{fmt, hint};

use ostd::arch::serial::SERIAL_PORT;

/// The console of a kernel that panics: the serial port, to which OSTD prints as well.
///
/// It is OSTD's, and the way to it leads through a lock. Another CPU that holds it is waited for, and not for
/// ever: the CPU that panics may have been within a line itself, whose `Display` has panicked. Then nothing is
/// printed, and the exit status alone tells of the panic. Usable in any context; writing never fails.
pub struct PanicConsole;

/// So often the lock is tried: for longer than it takes to print a line, and for less than a second.
const TRIES: u32 = 1_000_000;

impl fmt::Write for PanicConsole {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let Some(port) = SERIAL_PORT.get() else {
            return Ok(());
        };
        for _ in 0..TRIES {
            if let Some(mut port) = port.try_lock() {
                return port.write_str(text);
            }
            hint::spin_loop();
        }
        Ok(())
    }
}
