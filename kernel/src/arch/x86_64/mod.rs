//! x86-64, on a PC with ACPI.

pub mod io_memory;
pub mod irq;
pub mod pci;
pub mod power;
pub mod serial;

use fdt::Fdt;

pub use super::panic_console::PanicConsole;

/// Keeps nothing: ACPI's tables stay where they are, and OSTD reads them itself.
pub fn init() {}

/// The kernel's command line.
///
/// Where QEMU has loaded the kernel by itself, its first word is the kernel's file, which is left out. A path
/// with a blank in it is not understood. OSTD takes a command line that is not UTF-8 for an empty one.
pub fn command_line() -> &'static [u8] {
    let info = ostd::boot::boot_info();
    arguments(&info.bootloader_name, &info.kernel_cmdline).as_bytes()
}

fn arguments<'a>(boot_loader: &str, command_line: &'a str) -> &'a str {
    // QEMU calls itself so (`hw/i386/multiboot.c`).
    if boot_loader != "qemu" {
        return command_line;
    }
    command_line.split_once(' ').map_or("", |(_file, arguments)| arguments)
}

/// None: a PC is described by ACPI.
pub fn device_tree() -> Option<&'static Fdt<'static>> {
    None
}

/// The time-stamp counter of the current CPU, in the place of a count of instructions, for which OSTD sets no
/// counter up.
///
/// QEMU's emulator advances it with each instruction under `-icount` only, and with its clock without. A real
/// processor has it follow a clock in any case.
pub fn instructions() -> u64 {
    ostd::arch::read_tsc()
}

#[cfg(ktest)]
mod tests {
    use ostd::prelude::ktest;

    use super::*;

    #[ktest]
    fn the_file_in_front_of_qemu_s_command_line_is_left_out() {
        assert_eq!(arguments("qemu", "target/kernel.elf job=read sector=3"), "job=read sector=3");
        assert_eq!(arguments("qemu", "target/kernel.elf "), "");
        assert_eq!(arguments("qemu", "target/kernel.elf"), "");
        assert_eq!(arguments("GRUB 2.12", "job=read sector=3"), "job=read sector=3");
    }
}
