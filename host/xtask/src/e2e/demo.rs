//! The demo: what it prints, and that it changes one sector of the disk and nothing else.

use anyhow::Result;
use lab::{
    image::{ANSWER, Image, SECTOR, lab_disk, noise, put_sector},
    qemu::Disk,
};

use super::{
    Case,
    lab::{Lab, Machine},
};

pub const CASES: &[Case] = &[
    Case::both("demo-writes-one-sector", writes_one_sector),
    Case::both("demo-twice", twice),
    Case::both("demo-overwrites-the-whole-sector", overwrites),
    Case::both("demo-refuses-a-foreign-disk", foreign_disk),
    Case::both("demo-on-one-sector", one_sector),
    Case::both("demo-on-no-sector", no_sector),
    Case::both("demo-on-a-read-only-disk", read_only),
    Case::once("demo-without-a-disk", no_disk),
];

fn with_disk<'a>(lab: &'a Lab, image: &Image) -> Machine<'a> {
    lab.machine().disk(Disk::new(image))
}

/// Without a command line the demo runs.
fn writes_one_sector(lab: &Lab) -> Result<()> {
    let image = lab.image("disk", lab_disk(2048)?)?;
    let outcome = with_disk(lab, &image).boot("")?;
    outcome.expect_ok("demo")?;
    outcome.expect_line("demo: sector 0 holds \"Hello World from Image!\"")?;
    outcome.expect_line("demo: sector 1 was empty")?;
    outcome
        .expect_line("demo: wrote \"Hello, Virtio Block Device!\" to sector 1 and read it back")?;
    outcome.expect_words(&[
        "virtio-mmio 0x10008000: device id 2 (block)",
        &format!("version {}", lab.transport.version()),
        "irq 8",
    ])?;
    Ok(image.expect_only_sector(1, ANSWER)?)
}

fn twice(lab: &Lab) -> Result<()> {
    let image = lab.image("disk", lab_disk(2048)?)?;
    let machine = with_disk(lab, &image);
    machine.boot("job=demo")?.expect_ok("demo")?;
    let second = machine.boot("job=demo")?;
    second.expect_ok("demo")?;
    second.expect_line("demo: sector 1 held \"Hello, Virtio Block Device!\"")?;
    Ok(image.expect_only_sector(1, ANSWER)?)
}

/// What the sector held before must not show behind the text.
fn overwrites(lab: &Lab) -> Result<()> {
    let mut contents = lab_disk(64)?;
    put_sector(&mut contents, 1, &[b'x'; SECTOR])?;
    let image = lab.image("disk", contents)?;
    let outcome = with_disk(lab, &image).boot("job=demo")?;
    outcome.expect_ok("demo")?;
    outcome.expect_words(&["demo: sector 1 held \"xxx"])?;
    Ok(image.expect_only_sector(1, ANSWER)?)
}

fn foreign_disk(lab: &Lab) -> Result<()> {
    let image = lab.image("disk", noise(64, 9))?;
    with_disk(lab, &image).boot("job=demo")?.expect_failed_with("demo", &["sector 0"])?;
    image.expect_unchanged()?;

    // Close to the greeting is not the greeting.
    let mut contents = lab_disk(64)?;
    put_sector(&mut contents, 0, b"Hello World from Imagf!")?;
    let image = lab.image("close", contents)?;
    with_disk(lab, &image).boot("job=demo")?.expect_failed_with("demo", &["sector 0"])?;
    Ok(image.expect_unchanged()?)
}

fn one_sector(lab: &Lab) -> Result<()> {
    let mut contents = vec![0; SECTOR];
    put_sector(&mut contents, 0, b"Hello World from Image!")?;
    let image = lab.image("disk", contents)?;
    let outcome = with_disk(lab, &image).boot("job=demo")?;
    outcome.expect_failed_with("demo", &["1 sector"])?;
    Ok(image.expect_unchanged()?)
}

fn no_sector(lab: &Lab) -> Result<()> {
    let image = lab.image("disk", Vec::new())?;
    let outcome = with_disk(lab, &image).boot("job=demo")?;
    outcome.expect_failed_with("demo", &["sector"])?;
    Ok(image.expect_unchanged()?)
}

fn read_only(lab: &Lab) -> Result<()> {
    let image = lab.image("disk", lab_disk(64)?)?;
    let outcome = lab.machine().disk(Disk::new(&image).read_only()).boot("job=demo")?;
    outcome.expect_failed_with("demo", &["read-only"])?;
    outcome.expect_line("demo: sector 0 holds \"Hello World from Image!\"")?;
    Ok(image.expect_unchanged()?)
}

fn no_disk(lab: &Lab) -> Result<()> {
    lab.machine().boot("job=demo")?.expect_failed_with("demo", &["no disk found"])?;
    Ok(lab.machine().boot("job=read sector=0")?.expect_failed_with("read", &["no disk found"])?)
}
