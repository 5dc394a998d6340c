//! Access to device registers.
//!
//! [`acquire`] is OSTD's `IoMem::acquire` with a way around lost inter-processor interrupts.
//!
//! To map registers, OSTD interrupts the other CPUs and waits until each has flushed its TLB. On RISC-V,
//! OSTD 0.18.0 first does what it was interrupted for and then clears the interrupt's pending bit
//! (`HwIrqLine::ack`). Whatever was asked for between these two stays in the other CPU's queue until the next
//! inter-processor interrupt, and the CPU that waits for it waits for ever. Two mappings in a row are enough.
//! So while one is under way, the boot CPU's timer interrupts the others again and again.

use core::{
    ops::Range,
    sync::atomic::{AtomicBool, Ordering},
};

use ostd::{cpu::CpuSet, io::IoMem, smp::inter_processor_call, timer};
use spin::Once;

/// Set while the boot CPU may be waiting for the others.
static ACQUIRING: AtomicBool = AtomicBool::new(false);

/// Acquires the registers at these physical addresses, which are never given back. To be called on the
/// boot CPU with IRQs enabled, by one caller at a time.
///
/// # Errors
///
/// OSTD's: the range is not I/O memory, or has been acquired before.
pub fn acquire(range: Range<usize>) -> Result<IoMem, ostd::Error> {
    static REPEATED: Once<()> = Once::new();

    REPEATED.call_once(|| timer::register_callback_on_cpu(interrupt_again));
    ACQUIRING.store(true, Ordering::Relaxed);
    let memory = IoMem::acquire(range);
    ACQUIRING.store(false, Ordering::Relaxed);
    memory
}

/// Interrupts every CPU, which then does what is in its queue, while registers are being acquired.
/// Runs for each tick of the boot CPU's timer.
fn interrupt_again() {
    if ACQUIRING.load(Ordering::Relaxed) {
        inter_processor_call(&CpuSet::new_full(), || {});
    }
}
