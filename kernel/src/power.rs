//! The end of the kernel's run, with a verdict that the host sees as QEMU's exit status.
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

/// The outcome of the kernel's run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything that was asked for was done. Exit status 0.
    Success,
    /// Anything else. Exit status 1.
    Failure,
}

impl From<Verdict> for ExitCode {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Success => Self::Success,
            Verdict::Failure => Self::Failure,
        }
    }
}

/// Ends the machine.
pub fn exit(verdict: Verdict) -> ! {
    // Nothing else may run from here on, least of all something that ends with another verdict.
    let _irqs = ostd::irq::disable_local();
    arch::power::off(verdict)
}

/// Prints `panic: MESSAGE at FILE:LINE` and ends the machine with [`Verdict::Failure`]. A panic while it
/// prints (from a `Display` of the message) ends the machine at once.
pub fn panic_report(info: &PanicInfo<'_>) -> ! {
    static PANICKING: AtomicBool = AtomicBool::new(false);

    // With IRQs on, the timer could switch to a task that goes on as if nothing had happened.
    let _irqs = ostd::irq::disable_local();
    if !PANICKING.swap(true, Ordering::Relaxed) {
        // It never fails, and there would be nowhere to say so. The line may have been begun by others.
        let _ = write_report(&mut arch::PanicConsole, info);
    }
    exit(Verdict::Failure);
}

fn write_report(out: &mut impl Write, info: &PanicInfo<'_>) -> fmt::Result {
    write!(out, "\npanic: {}", info.message())?;
    if let Some(location) = info.location() {
        write!(out, " at {}:{}", location.file(), location.line())?;
    }
    out.write_char('\n')
}
