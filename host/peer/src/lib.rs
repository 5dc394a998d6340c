//! The benchmark's peer: the loads of `job=bench` through the crate `virtio-drivers`, on the same OSTD.
//!
//! `make bench` measures it beside the kernel and Linux.
//!
//! `job=bench mode=randread|randwrite|read|write bs=BYTES qd=N [count=N|seconds=S] [complete=irq|poll]`
//! on the kernel command line, and on the console one line of JSON with the keys of the kernel's own
//! `job=bench`. What is not measured here is `null`. `qd` is the depth that was used: the crate's queue
//! holds [`disk::MAX_DEPTH`] requests, and a deeper load is run at that depth. `qd_asked` is the depth
//! that was asked for.
//!
//! Where the two kernels could differ besides the driver, this one has it the easier way: one task, no
//! clock read for each request, no deadline for an answer, and no restart after a bad one. Requests and
//! buffers are made once, as many answers as there are are taken at once, and an idle CPU halts, all as
//! in the kernel.
//!
//! The crate asks its users for unsafe code, all of it in [`memory`] and [`disk`].

#![cfg(target_os = "none")]
#![no_std]
#![deny(unsafe_code)]

extern crate alloc;

pub mod disk;
pub mod load;
pub mod machine;
pub mod memory;
pub mod scheduler;

use alloc::{boxed::Box, format, string::String};
use core::panic::PanicInfo;

use ostd::boot::boot_info;

use self::{
    disk::Disk,
    load::Load,
    machine::{Slot, Verdict, exit},
};

/// The entry, in OSTD's bootstrap context: one CPU, interrupts on, no task yet.
#[ostd::main]
fn main() {
    // The device tree's memory is not reserved: what is needed of it is copied out first.
    let slots = machine::prepare();
    if let Err(error) = scheduler::start(move || bench(&slots)) {
        failed(&format!("the task cannot be started ({error:?})"));
    }
}

fn bench(slots: &[Slot]) {
    match measure(slots) {
        Ok(json) => {
            ostd::early_println!("job bench: {}", json);
            ostd::early_println!("job bench: ok");
            exit(Verdict::Success)
        }
        Err(reason) => failed(&reason),
    }
}

fn measure(slots: &[Slot]) -> Result<String, String> {
    let load = Load::parse(&boot_info().kernel_cmdline)?;
    // Never dropped: after a run that failed the device may still write to its requests.
    let disk = Box::leak(Box::new(Disk::open(slots, load.depth(), load.block, load.complete)?));
    load.warm_up().run(disk, 0)?;
    let before = disk.interrupts();
    let measured = load.run(disk, 1)?;
    Ok(load.json(&measured, disk.interrupts() - before))
}

fn failed(reason: &str) -> ! {
    ostd::early_println!("job bench: failed: {}", reason);
    exit(Verdict::Failure)
}

#[ostd::panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    failed(&format!("{info}"))
}
