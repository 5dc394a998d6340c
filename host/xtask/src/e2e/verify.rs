//! Random reads, writes and flushes, with the disk compared byte for byte afterwards.

use anyhow::{Result, ensure};
use lab::{console::counts, image::noise, qemu::Disk, replay::Workload};

use super::{Case, check_verify, lab::Lab};

/// Sectors on the disks here: 8 MiB.
const SECTORS: usize = 16384;

pub const CASES: &[Case] = &[
    Case::both("verify-100000-operations", many),
    Case::anywhere("verify-depth-1", depth::<1>),
    Case::anywhere("verify-depth-32", depth::<32>),
    Case::both("verify-crowded", crowded),
    Case::both("verify-more-in-flight-than-the-queue-holds", queue_too_full),
    Case::anywhere("verify-polling", polling),
    Case::anywhere("verify-large-operations", large),
    Case::both("verify-large-operations-in-few-segments", few_segments),
    Case::both("verify-large-operations-without-indirect", no_indirect),
    Case::once_anywhere("verify-notices-lost-writes", lost_writes),
];

/// Runs the workload on a fresh disk and checks everything there is to check. `options` go to the
/// kernel's command line, `properties` to QEMU's device.
fn run(lab: &Lab, workload: Workload, options: &str, properties: &str) -> Result<()> {
    let image = lab.image("disk", noise(SECTORS, workload.seed))?;
    let machine = lab.machine().disk(Disk::new(&image).property(properties)).limit_seconds(600);
    let outcome = machine.boot(&format!("{} {options}", workload.command_line()))?;
    check_verify(&workload, &outcome, &image, &[])
}

/// Nothing leaks: slots, descriptors and memory last for any number of requests.
fn many(lab: &Lab) -> Result<()> {
    run(lab, Workload { seed: 5, count: 100_000, depth: 32, span: 4096, max: 8 }, "", "")
}

fn depth<const DEPTH: u32>(lab: &Lab) -> Result<()> {
    run(lab, Workload { seed: 1, count: 1500, depth: DEPTH, span: 8192, max: 32 }, "", "")
}

/// So few sectors that operations are in each other's way all the time.
fn crowded(lab: &Lab) -> Result<()> {
    run(lab, Workload { seed: 2, count: 1500, depth: 32, span: 24, max: 12 }, "", "")
}

/// Requests that find no room must wait for it.
fn queue_too_full(lab: &Lab) -> Result<()> {
    let workload = Workload { seed: 7, count: 1500, depth: 300, span: 16384, max: 4 };
    run(lab, workload, "virtio.queue_size=8", "")?;
    run(lab, workload, "virtio.queue_size=8 virtio.indirect_desc=off", "")
}

fn polling(lab: &Lab) -> Result<()> {
    run(
        lab,
        Workload { seed: 3, count: 1000, depth: 16, span: 8192, max: 32 },
        "virtio.polling=on",
        "",
    )
}

const LARGE: Workload = Workload { seed: 4, count: 150, depth: 8, span: 16384, max: 512 };

fn large(lab: &Lab) -> Result<()> {
    run(lab, LARGE, "", "")
}

/// The device allows two segments per request.
fn few_segments(lab: &Lab) -> Result<()> {
    run(lab, LARGE, "", "queue-size=4")
}

/// Each segment takes a descriptor of the queue, which has four.
fn no_indirect(lab: &Lab) -> Result<()> {
    run(lab, LARGE, "virtio.queue_size=4 virtio.indirect_desc=off", "")
}

/// The check itself is checked: a disk that takes every write, keeps none and reads as zeros must
/// not pass.
fn lost_writes(lab: &Lab) -> Result<()> {
    let workload = Workload { seed: 6, count: 300, depth: 8, span: 256, max: 8 };
    let outcome = lab.machine().disk(Disk::forgetful(SECTORS)).boot(&workload.command_line())?;
    let reason = outcome.expect_failed("verify")?;
    let found = counts(reason);
    ensure!(
        found.get("mismatches").is_some_and(|mismatches| *mismatches > 0),
        "no mismatch was noticed: {reason:?}"
    );
    ensure!(found.get("errors") == Some(&0), "a lost write is no I/O error: {reason:?}");
    Ok(())
}
