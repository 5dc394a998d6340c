//! Queues of every size, from both sides.

use anyhow::{Result, ensure};
use lab::{image::noise, process::End, qemu::Disk, replay::Workload};

use super::{Case, check_verify, lab::Lab};

pub const CASES: &[Case] = &[
    Case::both("queue-of-device-4", device::<4>),
    Case::both("queue-of-device-8", device::<8>),
    Case::both("queue-of-device-64", device::<64>),
    Case::both("queue-of-device-256", device::<256>),
    Case::both("queue-of-device-1024", device::<1024>),
    Case::both("queue-of-driver-2", driver::<2>),
    Case::both("queue-of-driver-4", driver::<4>),
    Case::both("queue-of-driver-16", driver::<16>),
    Case::both("queue-of-driver-256", driver::<256>),
    Case::both("queue-of-driver-too-large", driver_too_large),
    Case::both("queue-of-driver-not-a-power-of-two", driver_odd),
    Case::both("queue-of-driver-4-without-indirect", four_without_indirect),
    Case::both("queue-too-small-without-indirect", too_small),
    Case::once("queue-refused-by-qemu", refused_by_qemu),
];

const WORKLOAD: Workload = Workload { seed: 21, count: 500, depth: 16, span: 1024, max: 16 };

fn run(lab: &Lab, property: &str, options: &str, sizes: &[u32]) -> Result<()> {
    let image = lab.image("disk", noise(1024, 21))?;
    let machine = lab.machine().disk(Disk::new(&image).property(property));
    let outcome = machine.boot(&format!("{} {options}", WORKLOAD.command_line()))?;
    check_verify(&WORKLOAD, &outcome, &image, &[])?;
    let parts: Vec<&str> = outcome.disk(0)?.split(", ").collect();
    ensure!(
        sizes.iter().any(|size| parts.contains(&format!("queue {size}").as_str())),
        "the queue should have one of the sizes {sizes:?}: {parts:?}"
    );
    Ok(())
}

/// Up to version 10 QEMU's transport says 1024 whatever the device's property is, and takes what
/// the driver chooses; the property still limits the segments of a request.
fn device<const SIZE: u32>(lab: &Lab) -> Result<()> {
    run(lab, &format!("queue-size={SIZE}"), "", &[SIZE, 1024])
}

fn driver<const SIZE: u32>(lab: &Lab) -> Result<()> {
    run(lab, "queue-size=256", &format!("virtio.queue_size={SIZE}"), &[SIZE])
}

/// A driver that asks for more entries than the device has gets those that the device has.
fn driver_too_large(lab: &Lab) -> Result<()> {
    run(lab, "queue-size=64", "virtio.queue_size=1024", &[64, 1024])
}

/// The number of entries is a power of two.
fn driver_odd(lab: &Lab) -> Result<()> {
    run(lab, "queue-size=256", "virtio.queue_size=100", &[64])
}

fn four_without_indirect(lab: &Lab) -> Result<()> {
    run(lab, "queue-size=256,indirect_desc=off", "virtio.queue_size=4", &[4])
}

/// Header, data and status of a request take three descriptors.
fn too_small(lab: &Lab) -> Result<()> {
    let image = lab.image("disk", noise(64, 21))?;
    let machine = lab.machine().disk(Disk::new(&image).property("indirect_desc=off"));
    for job in ["job=read sector=0", "job=write sector=0 text=x"] {
        let outcome = machine.boot(&format!("{job} virtio.queue_size=2"))?;
        outcome.expect_refused()?;
        outcome.expect_words(&["queue", "descriptor"])?;
        outcome
            .expect_words(&["failed: the disk at virtio-mmio 0x10008000 could not be used: "])?;
    }
    Ok(image.expect_unchanged()?)
}

/// QEMU itself refuses a device with a queue of two, so no other case has one.
fn refused_by_qemu(lab: &Lab) -> Result<()> {
    let image = lab.image("disk", noise(64, 21))?;
    for size in ["2", "3", "2048"] {
        let outcome = lab
            .machine()
            .disk(Disk::new(&image).property(format!("queue-size={size}")))
            .boot("")?;
        // QEMU's own status on every machine.
        ensure!(outcome.end() == End::Exited(1), "QEMU: {}", outcome.end());
        outcome.expect_words(&["queue-size"])?;
    }
    Ok(())
}
