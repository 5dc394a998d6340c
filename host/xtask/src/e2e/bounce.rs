//! Devices that do not see the CPU's caches. OSTD then gives them another copy of every stream, which is
//! made at each synchronisation: data of a stream that was not synchronised are old ones.
//!
//! The processor has no instructions for its caches here, otherwise OSTD would use those, and QEMU's caches
//! are coherent whatever is done. One CPU, because OSTD maps such memory anew.

use anyhow::Result;
use lab::{
    image::{ANSWER, lab_disk, noise},
    qemu::Disk,
    replay::Workload,
};

use super::{
    Case, check_verify, expect_dump,
    lab::{Lab, Machine},
};

pub const CASES: &[Case] = &[
    Case::both("not-coherent-demo", demo),
    Case::both("not-coherent-verify", verify),
    Case::both("not-coherent-read", read),
];

const OPTION: &str = "dma.coherent=off";

fn machine<'a>(lab: &'a Lab) -> Machine<'a> {
    lab.machine().cpu("rv64,zicbom=false")
}

fn demo(lab: &Lab) -> Result<()> {
    let image = lab.image("disk", lab_disk(64)?)?;
    let machine = machine(lab).disk(Disk::new(&image));
    for found in ["Hello World from Image!", "Hello, Virtio Block Device!"] {
        let outcome = machine.boot(&format!("job=demo {OPTION}"))?;
        outcome.expect_ok("demo")?;
        outcome.expect_line(&format!("Read string: {found}"))?;
    }
    Ok(image.expect_only_sector(0, ANSWER)?)
}

fn verify(lab: &Lab) -> Result<()> {
    let workload = Workload { seed: 13, count: 600, depth: 16, span: 1024, max: 16 };
    for options in ["", "virtio.polling=on", "virtio.indirect_desc=off virtio.event_idx=off"] {
        let image = lab.image("disk", noise(1024, 13))?;
        let machine = machine(lab).disk(Disk::new(&image));
        let outcome = machine.boot(&format!("{} {OPTION} {options}", workload.command_line()))?;
        check_verify(&workload, &outcome, &image, &[])?;
    }
    Ok(())
}

/// Requests that use the same memory one after the other.
fn read(lab: &Lab) -> Result<()> {
    let image = lab.image("disk", noise(64, 13))?;
    let machine = machine(lab).disk(Disk::new(&image));
    let outcome = machine.boot(&format!("job=read sector=5 count=40 {OPTION}"))?;
    expect_dump(&outcome, &image, 5, 40)?;
    Ok(image.expect_unchanged()?)
}
