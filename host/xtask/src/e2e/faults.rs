//! A disk that fails: every error must arrive at the operation that it hit, and nowhere else.

use anyhow::{Result, ensure};
use lab::{
    image::{lab_disk, noise},
    qemu::{Access, Disk, EIO, ENOSPC, Fault},
    replay::Workload,
};
use plan::Kind;

use super::{Case, check_verify, expect_dump, lab::Lab};

pub const CASES: &[Case] = &[
    Case::anywhere("fault-read-once", read_once),
    Case::both("fault-read-always", read_always),
    Case::both("fault-write-once", write_once),
    Case::anywhere("fault-write-always", write_always),
    Case::both("fault-write-everywhere", write_everywhere),
    Case::anywhere("fault-flush-once", flush_once),
    Case::both("fault-flush-always", flush_always),
    Case::anywhere("fault-and-recovery", recovery),
    Case::both("fault-in-the-demo", demo),
];

const WORKLOAD: Workload = Workload { seed: 31, count: 800, depth: 16, span: 256, max: 16 };
/// A sector in the midst of the workload.
const SECTOR_HIT: u64 = 100;

const READ: Fault = Fault::every(Access::Read, EIO);
const WRITE: Fault = Fault::every(Access::Write, ENOSPC);
const FLUSH: Fault = Fault::every(Access::Flush, EIO);

/// The operations in `failed` must fail, and no others.
fn run(lab: &Lab, fault: Fault, workload: Workload, failed: &[u32]) -> Result<()> {
    ensure!(!failed.is_empty(), "the workload does not touch the fault: choose another seed");
    let image = lab.image("disk", noise(256, 31))?;
    let machine = lab.machine().disk(Disk::new(&image).fault(fault));
    check_verify(&workload, &machine.boot(&workload.command_line())?, &image, failed)
}

/// Reads or writes that touch the sector.
fn hits(kind: Kind) -> Result<Vec<u32>> {
    Ok(WORKLOAD.touching(SECTOR_HIT, kind)?)
}

fn first(operations: Vec<u32>) -> Vec<u32> {
    operations.into_iter().take(1).collect()
}

/// One at a time, so that it is certain which read of the sector is the first.
fn read_once(lab: &Lab) -> Result<()> {
    let fault = READ.at(SECTOR_HIT).once();
    run(lab, fault, WORKLOAD.at_depth(1), &first(hits(Kind::Read)?))
}

fn read_always(lab: &Lab) -> Result<()> {
    run(lab, READ.at(SECTOR_HIT), WORKLOAD, &hits(Kind::Read)?)
}

fn write_once(lab: &Lab) -> Result<()> {
    run(lab, WRITE.at(SECTOR_HIT).once(), WORKLOAD, &first(hits(Kind::Write)?))
}

fn write_always(lab: &Lab) -> Result<()> {
    run(lab, WRITE.at(SECTOR_HIT), WORKLOAD, &hits(Kind::Write)?)
}

/// Hundreds of errors: only the first twenty are named, all are counted.
fn write_everywhere(lab: &Lab) -> Result<()> {
    let writes: Vec<u32> = WORKLOAD.writes()?.map(|write| write.index).collect();
    ensure!(writes.len() > 20, "the workload has too few writes for this case");
    run(lab, WRITE, WORKLOAD, &writes)
}

/// One at a time, because a flush reaches the disk only if something was written before it.
fn flush_once(lab: &Lab) -> Result<()> {
    run(lab, FLUSH.once(), WORKLOAD.at_depth(1), &first(WORKLOAD.flushes_after_a_write()?))
}

fn flush_always(lab: &Lab) -> Result<()> {
    run(lab, FLUSH, WORKLOAD.at_depth(1), &WORKLOAD.flushes_after_a_write()?)
}

/// The neighbours of a bad sector can be read, and the sector itself once it is good again.
fn recovery(lab: &Lab) -> Result<()> {
    let image = lab.image("disk", noise(256, 32))?;
    let bad = lab.machine().disk(Disk::new(&image).fault(READ.at(SECTOR_HIT)));
    bad.boot("job=read sector=100")?.expect_failed_with("read", &["I/O error"])?;
    bad.boot("job=read sector=96 count=8")?.expect_failed_with("read", &["I/O error"])?;
    bad.boot("job=read sector=99")?.expect_ok("read")?;
    bad.boot("job=read sector=101")?.expect_ok("read")?;

    let good = lab.machine().disk(Disk::new(&image)).boot("job=read sector=100")?;
    expect_dump(&good, &image, 100, 1)?;
    Ok(image.expect_unchanged()?)
}

fn demo(lab: &Lab) -> Result<()> {
    let image = lab.image("disk", lab_disk(64)?)?;
    for fault in [READ.at(0), Fault::every(Access::Write, EIO).at(0), WRITE] {
        let outcome = lab.machine().disk(Disk::new(&image).fault(fault)).boot("job=demo")?;
        outcome.expect_failed_with("demo", &["I/O error"])?;
        image.expect_unchanged()?;
    }
    Ok(())
}
