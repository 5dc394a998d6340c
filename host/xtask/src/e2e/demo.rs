//! The demo: what it prints, and that it changes one sector of the disk and nothing else.

use std::fs;

use anyhow::{Context, Result, ensure};
use lab::{
    image::{ANSWER, GREETING, Image, SECTOR, lab_disk, noise, put_sector, strings},
    outcome::Outcome,
    qemu::Disk,
};

use super::{
    Case,
    lab::{Lab, Machine},
};

pub const CASES: &[Case] = &[
    Case::anywhere("demo-writes-one-sector", writes_one_sector),
    Case::anywhere("demo-twice", twice),
    Case::once("demo-on-the-disk-of-mkimage", disk_of_mkimage),
    Case::both("demo-overwrites-the-whole-sector", overwrites),
    Case::anywhere("demo-refuses-a-foreign-disk", foreign_disk),
    Case::both("demo-on-blocks-of-4096-bytes", large_blocks),
    Case::both("demo-on-one-sector", one_sector),
    Case::both("demo-on-no-sector", no_sector),
    Case::anywhere("demo-on-a-read-only-disk", read_only),
    Case::once_anywhere("demo-without-a-disk", no_disk),
];

const READ: &str = "Testing block device read...";
const WRITE: &str = "Testing block device write...";

fn with_disk<'a>(lab: &'a Lab, image: &Image) -> Machine<'a> {
    lab.machine().disk(Disk::new(image))
}

/// Checks that the demo read this text, wrote its own, and read that back, in this order.
fn expect_demo(outcome: &Outcome, found: &str) -> Result<()> {
    outcome.expect_ok("demo")?;
    let answer = std::str::from_utf8(ANSWER)?;
    let expected = [
        READ,
        &format!("Read string: {found}"),
        WRITE,
        &format!("Read string from a fresh request: {answer}"),
    ];
    for line in expected {
        outcome.expect_line(line)?;
    }
    let said: Vec<_> = outcome.lines().filter(|line| expected.contains(line)).collect();
    ensure!(said == expected, outcome.complaint(&format!("the order of the lines is {said:?}")));
    Ok(())
}

/// Without a command line the demo runs.
fn writes_one_sector(lab: &Lab) -> Result<()> {
    let image = lab.image("disk", lab_disk(2048)?)?;
    let outcome = with_disk(lab, &image).boot("")?;
    expect_demo(&outcome, "Hello World from Image!")?;
    if let Some(version) = lab.transport.version() {
        outcome.expect_line(&format!(
            "Virtio MMIO device found at 0x10008000 with size 0x1000, device id 2, version: {version}"
        ))?;
        outcome.expect_line(&format!(
            "virtio-mmio 0x10008000: block device, {}, vendor 0x554d4551, irq 8",
            lab.transport
        ))?;
    }
    Ok(image.expect_only_sector(0, ANSWER)?)
}

fn twice(lab: &Lab) -> Result<()> {
    let image = lab.image("disk", lab_disk(2048)?)?;
    let machine = with_disk(lab, &image);
    expect_demo(&machine.boot("job=demo")?, "Hello World from Image!")?;
    expect_demo(&machine.boot("job=demo")?, "Hello, Virtio Block Device!")?;
    Ok(image.expect_only_sector(0, ANSWER)?)
}

/// The disk of `make run`, from its making to its making anew, as `strings` shows it.
fn disk_of_mkimage(lab: &Lab) -> Result<()> {
    // The script makes the disk in the folder above its own.
    let tools = lab.file("tools");
    fs::create_dir(&tools)?;
    let script = lab.root.join("tools/mkimage.sh");
    fs::copy(&script, tools.join("mkimage.sh"))
        .with_context(|| format!("cannot copy {}", script.display()))?;
    let mkimage = |arguments: &[&str]| -> Result<()> {
        let arguments = [&["tools/mkimage.sh"], arguments].concat();
        Ok(lab.run("bash", &arguments)?.expect_success()?)
    };
    let path = lab.file("blk.img");
    let expect = |text: &[u8]| -> Result<()> {
        let disk = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        ensure!(disk.len() == 1 << 20, "the disk has {} bytes", disk.len());
        let (found, text) = (strings(&disk), [std::str::from_utf8(text)?]);
        ensure!(found == text, "the disk should hold the text {text:?} alone: {found:?}");
        Ok(())
    };

    mkimage(&[])?;
    expect(GREETING)?;
    let machine = lab.machine().disk(Disk::file(&path));
    expect_demo(&machine.boot("")?, "Hello World from Image!")?;
    expect(ANSWER)?;
    // A disk that is there is left alone.
    mkimage(&[])?;
    expect(ANSWER)?;
    mkimage(&["--reset"])?;
    expect(GREETING)
}

/// The old content of the sector must not show behind the text.
fn overwrites(lab: &Lab) -> Result<()> {
    for text in [GREETING, ANSWER] {
        let mut contents = lab_disk(64)?;
        let full = [text, &vec![b'x'; SECTOR - text.len()]].concat();
        put_sector(&mut contents, 0, &full)?;
        let image = lab.image("disk", contents)?;
        let outcome = with_disk(lab, &image).boot("job=demo")?;
        outcome.expect_ok("demo")?;
        outcome.expect_words(&["Read string: Hello", "xxx"])?;
        image.expect_only_sector(0, ANSWER)?;
    }
    Ok(())
}

fn foreign_disk(lab: &Lab) -> Result<()> {
    // Close to the greeting is not the greeting, and somewhere else is not at the start.
    let contents: [&[u8]; 4] =
        [&noise(1, 9), b"Hello World from Imagf!", b" Hello World from Image!", b""];
    for start in contents {
        let mut contents = noise(64, 9);
        put_sector(&mut contents, 0, start)?;
        let image = lab.image("disk", contents)?;
        let outcome = with_disk(lab, &image).boot("job=demo")?;
        outcome.expect_failed_with(
            "demo",
            &[
                "sector 0 holds ",
                ", and neither \"Hello World from Image!\" nor \"Hello, Virtio Block Device!\", so \
                 nothing was written to it; ",
                "make reset-image",
            ],
        )?;
        // It is read out.
        outcome.expect_line(READ)?;
        outcome.expect_words(&["Read string: "])?;
        outcome.expect_no_line_with(WRITE)?;
        image.expect_unchanged()?;
    }
    Ok(())
}

/// The text takes a part of the first block; the rest of the block stays.
fn large_blocks(lab: &Lab) -> Result<()> {
    let image = lab.image("disk", lab_disk(64)?)?;
    let disk =
        Disk::new(&image).property("logical_block_size=4096").property("physical_block_size=4096");
    let machine = lab.machine().disk(disk);
    let outcome = machine.boot("job=demo")?;
    expect_demo(&outcome, "Hello World from Image!")?;
    outcome.expect_disk(0, &["block size 4096"])?;
    expect_demo(&machine.boot("job=demo")?, "Hello, Virtio Block Device!")?;
    Ok(image.expect_only_sector(0, ANSWER)?)
}

/// The smallest disk on which there is room.
fn one_sector(lab: &Lab) -> Result<()> {
    let image = lab.image("disk", lab_disk(1)?)?;
    expect_demo(&with_disk(lab, &image).boot("job=demo")?, "Hello World from Image!")?;
    Ok(image.expect_only_sector(0, ANSWER)?)
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
    outcome.expect_line("Read string: Hello World from Image!")?;
    Ok(image.expect_unchanged()?)
}

fn no_disk(lab: &Lab) -> Result<()> {
    lab.machine().boot("job=demo")?.expect_failed_with("demo", &["no disk found"])?;
    Ok(lab.machine().boot("job=read sector=0")?.expect_failed_with("read", &["no disk found"])?)
}
