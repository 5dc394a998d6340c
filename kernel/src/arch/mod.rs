//! The architecture of the machine, as far as OSTD does not hide it: one folder for each.
//!
//! A folder has the items that are named here, and everything else in the kernel uses these. No other
//! file asks which architecture it is compiled for.
//!
//! | item             | offers                                                      |
//! |------------------|-------------------------------------------------------------|
//! | `init`           | what has to be kept of the machine's description            |
//! | `command_line`   | the kernel's command line                                   |
//! | `device_tree`    | the device tree, on machines that are described by one      |
//! | `instructions`   | the count of instructions of the current CPU                |
//! | `PanicConsole`   | a console for a kernel that panics                          |
//! | `io_memory`      | access to device registers                                  |
//! | `irq`            | leads a device's interrupt to an interrupt line             |
//! | `pci`            | the PCI host bridges: see [`HostBridge`]                    |
//! | `power`          | power-off with an exit status                               |
//! | `serial`         | the serial port, for what is typed                          |

#[cfg(not(any(target_arch = "riscv64", target_arch = "x86_64", target_arch = "loongarch64")))]
compile_error!(
    "this kernel runs on RISC-V, x86-64 and LoongArch: type `cargo osdk run --target-arch=riscv64`, or `make run`"
);

mod host_bridge;
#[cfg(target_arch = "loongarch64")]
mod loongarch64;
mod map_error;
#[cfg(not(target_arch = "riscv64"))]
mod panic_console;
#[cfg(target_arch = "riscv64")]
mod riscv;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "loongarch64")]
pub use self::loongarch64::*;
#[cfg(target_arch = "riscv64")]
pub use self::riscv::*;
#[cfg(target_arch = "x86_64")]
pub use self::x86_64::*;
pub use self::{
    host_bridge::{HostBridge, Interrupts},
    map_error::MapError,
};
