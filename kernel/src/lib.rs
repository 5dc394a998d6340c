//! A teaching framekernel: a VirtIO driver stack in safe Rust on OSTD.
//!
//! `kernel_main` brings the floors up one by one, from the logger to the disks, and then does the
//! job that the command line names. The run ends with the machine's power-off, and QEMU's exit
//! status says how it went.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod arch;
pub mod cmdline;
pub mod console;
pub mod drivers;
pub mod fs;
pub mod jobs;
pub mod logger;
pub mod power;
pub mod progress;
pub mod task;
pub mod typing;
pub mod unusable;

use alloc::format;

use ostd::cpu::CpuId;

/// The kernel's entry, in OSTD's bootstrap context: one CPU, interrupts on, no task yet.
#[ostd::main]
fn kernel_main() {
    logger::init();
    // A device tree's memory is not reserved: everything that is needed of it is copied out here, before
    // anything else runs.
    arch::init();
    let job = match jobs::Job::parse(arch::command_line()) {
        Ok(job) => job,
        Err(mistake) => jobs::refuse(mistake),
    };
    progress::watch(job.name());
    let setting_up = progress::begin("setting up the devices");
    drivers::probe(job.driver_options());
    drop(setting_up);
    let started = task::init().and_then(|()| {
        task::Builder::new(job.name()).on(CpuId::bsp()).spawn(|| job.run_and_exit())
    });
    if let Err(error) = started {
        jobs::refuse(format!("{error}"));
    }
}

#[ostd::panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    power::panic_report(info)
}
