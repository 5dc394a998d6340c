//! A disk that fails: every error must arrive at the operation that it hit, and nowhere else.

use anyhow::{Result, ensure};

use super::{
    Case,
    disk::{Access, Disk, Fault},
    image::{SECTOR, lab_disk, noise},
    lab::Lab,
    replay::Workload,
};

pub const CASES: &[Case] = &[
    Case::both("fault-read-once", read_once),
    Case::both("fault-read-always", read_always),
    Case::both("fault-write-once", write_once),
    Case::both("fault-write-always", write_always),
    Case::both("fault-write-everywhere", write_everywhere),
    Case::both("fault-flush-once", flush_once),
    Case::both("fault-flush-always", flush_always),
    Case::both("fault-and-recovery", recovery),
    Case::both("fault-in-the-demo", demo),
];

/// Linux's EIO and ENOSPC; the device reports both as an I/O error.
const EIO: u32 = 5;
const ENOSPC: u32 = 28;

const WORKLOAD: Workload = Workload { seed: 31, count: 800, span: 256, max: 16 };
/// A sector in the midst of the workload.
const SECTOR_HIT: u64 = 100;

fn fault(access: Access, errno: u32) -> Fault {
    Fault { access, sector: None, errno, once: false }
}

fn at(sector: u64, fault: Fault) -> Fault {
    Fault { sector: Some(sector), ..fault }
}

fn once(fault: Fault) -> Fault {
    Fault { once: true, ..fault }
}

/// The operations in `failed` must fail, and no others.
fn run(lab: &Lab, fault: Fault, depth: u32, failed: &[u32]) -> Result<()> {
    let image = lab.image("disk", noise(256, 31))?;
    let machine = lab.machine().disk(Disk::new(&image).fault(fault));
    WORKLOAD.check_with_errors(&machine.boot(&WORKLOAD.command_line(depth))?, &image, failed)
}

fn first(operations: Vec<u32>) -> Vec<u32> {
    operations.into_iter().take(1).collect()
}

/// One at a time, so that it is certain which read of the sector is the first.
fn read_once(lab: &Lab) -> Result<()> {
    run(
        lab,
        once(at(SECTOR_HIT, fault(Access::Read, EIO))),
        1,
        &first(WORKLOAD.reads_of(SECTOR_HIT)?),
    )
}

fn read_always(lab: &Lab) -> Result<()> {
    run(lab, at(SECTOR_HIT, fault(Access::Read, EIO)), 16, &WORKLOAD.reads_of(SECTOR_HIT)?)
}

fn write_once(lab: &Lab) -> Result<()> {
    run(
        lab,
        once(at(SECTOR_HIT, fault(Access::Write, ENOSPC))),
        16,
        &first(WORKLOAD.writes_of(SECTOR_HIT)?),
    )
}

fn write_always(lab: &Lab) -> Result<()> {
    run(lab, at(SECTOR_HIT, fault(Access::Write, ENOSPC)), 16, &WORKLOAD.writes_of(SECTOR_HIT)?)
}

/// Hundreds of errors: only the first twenty are named, all are counted.
fn write_everywhere(lab: &Lab) -> Result<()> {
    let writes = WORKLOAD.writes()?;
    ensure!(writes.len() > 20, "the workload has too few writes for this case");
    run(lab, fault(Access::Write, ENOSPC), 16, &writes)
}

/// One at a time, because a flush reaches the disk only if something was written before it.
fn flush_once(lab: &Lab) -> Result<()> {
    run(lab, once(fault(Access::Flush, EIO)), 1, &first(WORKLOAD.flushes_after_a_write()?))
}

fn flush_always(lab: &Lab) -> Result<()> {
    run(lab, fault(Access::Flush, EIO), 1, &WORKLOAD.flushes_after_a_write()?)
}

/// The neighbours of a bad sector can be read, and the sector itself once it is good again.
fn recovery(lab: &Lab) -> Result<()> {
    let image = lab.image("disk", noise(256, 32))?;
    let bad = lab.machine().disk(Disk::new(&image).fault(at(SECTOR_HIT, fault(Access::Read, EIO))));
    bad.boot("job=read sector=100")?.expect_failed_with("read", &["I/O error"])?;
    bad.boot("job=read sector=96 count=8")?.expect_failed_with("read", &["I/O error"])?;
    bad.boot("job=read sector=99")?.expect_ok("read")?;
    bad.boot("job=read sector=101")?.expect_ok("read")?;

    let good = lab.machine().disk(Disk::new(&image)).boot("job=read sector=100")?;
    good.expect_ok("read")?;
    let (address, bytes) = good.dump()?;
    let start = 100 * SECTOR;
    ensure!(
        address == start as u64 && bytes == image.before()[start..][..SECTOR],
        "the dump is not what the image holds"
    );
    image.expect_unchanged()
}

fn demo(lab: &Lab) -> Result<()> {
    let image = lab.image("disk", lab_disk(64)?)?;
    for fault in [
        at(0, fault(Access::Read, EIO)),
        at(1, fault(Access::Write, EIO)),
        fault(Access::Write, ENOSPC),
    ] {
        let outcome = lab.machine().disk(Disk::new(&image).fault(fault)).boot("job=demo")?;
        outcome.expect_failed_with("demo", &["I/O error"])?;
        image.expect_unchanged()?;
    }
    Ok(())
}
