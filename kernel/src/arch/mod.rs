//! The architecture of the machine, as far as OSTD does not hide it: one folder for each.
//!
//! A folder has the items that are named here, and everything else in the kernel uses these. No other
//! file asks which architecture it is compiled for.
//!
//! | item             | offers                                                      |
//! |------------------|-------------------------------------------------------------|
//! | `device_tree`    | the device tree that the machine was booted with            |
//! | `instructions`   | the count of instructions of the current CPU                |
//! | `PanicConsole`   | a console that takes no lock, for a kernel that panics      |
//! | `io_memory`      | access to device registers                                  |
//! | `irq`            | leads a device's interrupt to an interrupt line             |
//! | `power`          | power-off with an exit status                               |

#[cfg(not(target_arch = "riscv64"))]
compile_error!(
    "this kernel runs on RISC-V: type `cargo osdk run --target-arch=riscv64`, or `make run`"
);

#[cfg(target_arch = "riscv64")]
mod riscv;
#[cfg(target_arch = "riscv64")]
pub use self::riscv::*;
