//! LoongArch, on a machine that a device tree describes.
//!
//! OSTD 0.18 starts one processor here, lets nobody outside have an interrupt, and has no timer: what would come
//! with a tick, such as the deadline of a request, never comes. Devices are polled.

pub mod io_memory;
pub mod irq;
// The host bridge of QEMU's machine is RISC-V's.
#[path = "../riscv/pci.rs"]
pub mod pci;
pub mod power;
pub mod serial;

use fdt::Fdt;

pub use super::panic_console::PanicConsole;

/// Keeps what the device tree says of power-off. Logs what it lacks.
pub fn init() {
    if let Some(fdt) = device_tree()
        && let Err(error) = power::init(fdt)
    {
        log::warn!("{error}");
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

/// The stable counter, in the place of a count of instructions, for which OSTD sets no counter up. It follows a
/// clock.
pub fn instructions() -> u64 {
    ostd::arch::read_tsc()
}
