//! The end of the kernel's run, with a code that the host sees as QEMU's exit status: 0 when everything
//! that was asked for was done, and 1 otherwise.
//!
//! [`exit`] and [`panic_report`] take no lock and allocate nothing, so they may be called from any
//! context: a panic handler, an interrupt handler, with IRQs off.

use core::{
    fmt::{self, Write},
    panic::PanicInfo,
    sync::atomic::{AtomicBool, Ordering},
};

use ostd::power::ExitCode;

use crate::arch;

/// Ends the machine.
pub fn exit(code: ExitCode) -> ! {
    // Nothing else may run from here on, least of all something that ends with another code.
    let _irqs = ostd::irq::disable_local();
    arch::power::off(code)
}

/// Prints `panic: MESSAGE at FILE:LINE` and ends the machine with [`ExitCode::Failure`]. A panic while it
/// prints (from a `Display` of the message) ends the machine at once.
pub fn panic_report(info: &PanicInfo<'_>) -> ! {
    static PANICKING: AtomicBool = AtomicBool::new(false);

    // With IRQs on, the timer could switch to a task that goes on as if nothing had happened.
    let _irqs = ostd::irq::disable_local();
    if !PANICKING.swap(true, Ordering::Relaxed) {
        // It never fails, and there would be nowhere to say so. The line may have been begun by others.
        let _ = write_report(&mut arch::PanicConsole, info);
    }
    exit(ExitCode::Failure);
}

fn write_report(out: &mut impl Write, info: &PanicInfo<'_>) -> fmt::Result {
    write!(out, "\npanic: {}", info.message())?;
    if let Some(location) = info.location() {
        write!(out, " at {}:{}", location.file(), location.line())?;
    }
    out.write_char('\n')
}
