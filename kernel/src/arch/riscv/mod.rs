//! RISC-V, on firmware with the supervisor binary interface (SBI).

pub mod io_memory;
pub mod irq;
pub mod pci;
pub mod power;
pub mod serial;

use core::fmt;

use fdt::Fdt;

/// Keeps what the device tree says of power-off and of the serial port. Logs what it lacks.
pub fn init() {
    if let Some(fdt) = device_tree() {
        if let Err(error) = power::init(fdt) {
            log::warn!("{error}");
        }
        serial::find(fdt);
    }
}

/// The kernel's command line, to be read as early as the device tree.
pub fn command_line() -> &'static [u8] {
    device_tree().and_then(device_tree::boot_arguments).unwrap_or_default()
}

/// The device tree that the machine was booted with, if it has one. The memory that it lies in is not
/// reserved: it can be read only until the kernel starts to use memory.
pub fn device_tree() -> Option<&'static Fdt<'static>> {
    ostd::arch::boot::DEVICE_TREE.get()
}

/// The number of instructions that the current CPU has executed since some moment in the past.
///
/// QEMU counts instructions under `-icount` only, and gives its clock without.
pub fn instructions() -> u64 {
    ::riscv::register::instret::read64()
}

/// The console of a kernel that panics: the firmware's debug console, to which OSTD prints as well,
/// without OSTD's lock.
///
/// OSTD's `early_println!` formats its arguments while it holds that lock, so a panic in one of those
/// would wait for it for ever. Usable in any context; writing never fails.
pub struct PanicConsole;

impl fmt::Write for PanicConsole {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            sbi_rt::console_write_byte(byte);
        }
        Ok(())
    }
}
