//! The console: what the kernel says to people, as opposed to what it logs.

use core::fmt::Arguments;

/// Prints one line, with the arguments of [`core::format_args!`].
///
/// OSTD's own macro of this name does not take arguments from the surrounding scope.
macro_rules! println {
    ($($argument:tt)*) => { $crate::console::print_line(format_args!($($argument)*)) };
}

pub(crate) use println;

/// Prints one line. The console is locked and IRQs are off while it is formatted.
pub fn print_line(line: Arguments<'_>) {
    ostd::early_println!("{}", line);
}
