//! Access to device registers.

use core::ops::Range;

use ostd::io::IoMem;

/// Acquires the registers at these physical addresses, which are never given back. To be called with IRQs
/// enabled.
///
/// # Errors
///
/// OSTD's: the range is not I/O memory, or has been acquired before.
pub fn acquire(range: Range<usize>) -> Result<IoMem, ostd::Error> {
    IoMem::acquire(range)
}
