//! How the kernel ends: with a verdict that the host sees as QEMU's exit status.
//!
//! QEMU's `virt` machine has SiFive's test device (`sifive,test0` in the device tree). Writing a finisher
//! code to its first register ends QEMU (`hw/misc/sifive_test.c`): 0x5555 with status 0, and
//! `status << 16 | 0x3333` with that status. Without the device there is still the firmware's power-off,
//! but QEMU then exits with 0 whatever the verdict is.
//!
//! [`exit`] and [`panic_report`] take no lock and allocate nothing, so they may be called from any
//! context: a panic handler, an interrupt handler, with IRQs off.

use core::{
    fmt::{self, Write},
    panic::PanicInfo,
    sync::atomic::{AtomicBool, Ordering},
};

use device_tree::{DeviceNode, NodeError};
use fdt::Fdt;
use ostd::{
    arch::{read_tsc, tsc_freq},
    io::IoMem,
    mm::VmIoOnce,
    power::{ExitCode, poweroff},
};
use spin::Once;

use crate::io_memory;

/// What the kernel's run came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything that was asked for was done. Exit status 0.
    Success,
    /// Anything else. Exit status 1.
    Failure,
}

impl Verdict {
    /// What to write to the test device: `FINISHER_PASS`, or `FINISHER_FAIL` with the exit status in the
    /// upper half.
    const fn finisher_code(self) -> u32 {
        match self {
            Self::Success => 0x5555,
            Self::Failure => 1 << 16 | 0x3333,
        }
    }
}

impl From<Verdict> for ExitCode {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Success => Self::Success,
            Verdict::Failure => Self::Failure,
        }
    }
}

/// The test device's registers. Acquired once and kept, as a panic is too late to map anything.
static TEST_DEVICE: Once<IoMem> = Once::new();

/// Finds the test device in the device tree and keeps it for [`exit`]. Calling it again changes nothing.
///
/// # Errors
///
/// There is no such device, or its registers cannot be had. [`exit`] then powers off through the
/// firmware, and the host cannot tell failure from success.
pub fn init(fdt: &Fdt<'_>) -> Result<(), PowerError> {
    let acquire = || {
        let range = find_test_device(fdt)?.range;
        io_memory::acquire(range).map_err(PowerError::NotAcquired)
    };
    TEST_DEVICE.try_call_once(acquire).map(|_| ())
}

fn find_test_device(fdt: &Fdt<'_>) -> Result<DeviceNode, PowerError> {
    let mut error = PowerError::NoTestDevice;
    for compatible in ["sifive,test1", "sifive,test0"] {
        for node in device_tree::devices(fdt, compatible) {
            match node {
                Ok(node) => return Ok(node),
                Err(broken) => error = PowerError::BrokenNode(broken),
            }
        }
    }
    Err(error)
}

/// Why there is no test device to exit through.
#[derive(Debug)]
pub enum PowerError {
    /// The device tree names none.
    NoTestDevice,
    /// The device tree's node cannot be used.
    BrokenNode(NodeError),
    /// OSTD does not give the registers away.
    NotAcquired(ostd::Error),
}

impl fmt::Display for PowerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTestDevice => f.write_str("no sifive,test device in the device tree")?,
            Self::BrokenNode(error) => write!(f, "the sifive,test device is unusable: {error}")?,
            Self::NotAcquired(error) => {
                write!(f, "the sifive,test device's registers are taken: {error:?}")?;
            }
        }
        f.write_str("; QEMU's exit status will not tell failure from success")
    }
}

impl core::error::Error for PowerError {}

/// Ends the machine.
pub fn exit(verdict: Verdict) -> ! {
    // Nothing else may run from here on, least of all something that ends with another verdict.
    let _irqs = ostd::irq::disable_local();
    if let Some(device) = TEST_DEVICE.get()
        && device.write_once(0, &verdict.finisher_code()).is_ok()
    {
        // QEMU ends a moment later. Asking the firmware within that moment would replace the exit status,
        // since it powers off through the same device.
        wait_one_second();
    }
    // Directly, as OSTD's own power-off is not there yet when OSTD itself panics while it starts.
    match verdict {
        Verdict::Success => sbi_rt::system_reset(sbi_rt::Shutdown, sbi_rt::NoReason),
        Verdict::Failure => sbi_rt::system_reset(sbi_rt::Shutdown, sbi_rt::SystemFailure),
    };
    poweroff(verdict.into());
}

fn wait_one_second() {
    let start = read_tsc();
    while read_tsc().wrapping_sub(start) < tsc_freq() {
        core::hint::spin_loop();
    }
}

/// Prints `panic: MESSAGE at FILE:LINE` and ends the machine with [`Verdict::Failure`]. A panic while it
/// prints (from a `Display` of the message) ends the machine at once.
///
/// It writes straight to the firmware's console. OSTD's `early_println!` formats its arguments while it
/// holds the console's lock, so a panic in one of those would wait for that lock for ever.
pub fn panic_report(info: &PanicInfo<'_>) -> ! {
    static PANICKING: AtomicBool = AtomicBool::new(false);

    // With IRQs on, the timer could switch to a task that goes on as if nothing had happened.
    let _irqs = ostd::irq::disable_local();
    if !PANICKING.swap(true, Ordering::Relaxed) {
        // It never fails, and there would be nowhere to say so. The line may have been begun by others.
        let _ = write_report(&mut FirmwareConsole, info);
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

/// The SBI debug console, which OSTD prints to as well, without OSTD's lock.
struct FirmwareConsole;

impl Write for FirmwareConsole {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            sbi_rt::console_write_byte(byte);
        }
        Ok(())
    }
}

#[cfg(ktest)]
mod tests {
    use ostd::prelude::ktest;

    use super::*;

    #[ktest]
    fn finisher_codes_are_those_of_qemu() {
        assert_eq!(Verdict::Success.finisher_code(), 0x5555);
        assert_eq!(Verdict::Failure.finisher_code(), 0x1_3333);
    }

    #[ktest]
    fn the_test_device_of_this_machine_is_found() {
        let fdt = ostd::arch::boot::DEVICE_TREE.get().unwrap();
        assert_eq!(find_test_device(fdt).unwrap().range, 0x10_0000..0x10_1000);
    }

    #[ktest]
    fn init_can_be_repeated() {
        let fdt = ostd::arch::boot::DEVICE_TREE.get().unwrap();
        assert!(init(fdt).is_ok());
        assert!(init(fdt).is_ok());
    }
}
