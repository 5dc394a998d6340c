//! The disks that are found, their slots and names, and the choice of one for a job.

use anyhow::{Context, Result, ensure};
use lab::{
    image::{ANSWER, Image, lab_disk, noise},
    outcome::Outcome,
    qemu::Disk,
};

use super::{
    Case, expect_dump,
    lab::{Lab, Machine},
};

pub const CASES: &[Case] = &[
    Case::both("info", info),
    Case::both("info-block-size-4096", block_size),
    Case::both("info-cache", cache),
    Case::both("serial-of-20-characters", long_serial),
    Case::both("serial-missing", no_serial),
    Case::both("disks-by-serial", by_serial),
    Case::both("disks-by-index", by_index),
    Case::both("disks-unknown", unknown),
    Case::both("disk-in-slot-3", slot_three),
    Case::both("disks-in-all-slots", all_slots),
    Case::both("device-without-driver", no_driver),
];

fn info(lab: &Lab) -> Result<()> {
    let image = lab.image("disk", noise(2048, 1))?;
    let outcome = lab.machine().disk(Disk::new(&image)).boot("job=info")?;
    outcome.expect_ok("info")?;
    outcome.expect_words(&[
        "Virtio MMIO device found at 0x10008000 with size 0x1000, device id 2,",
        &format!("version: {}", lab.transport.version().context("no virtio-mmio")?),
    ])?;
    outcome.expect_words(&[
        "virtio-mmio 0x10008000: block device, ",
        &lab.transport.to_string(),
        "vendor 0x554d4551",
        "irq 8",
    ])?;
    outcome.expect_disk(
        0,
        &[
            "serial \"lab\"",
            "2048 sectors (1.0 MiB)",
            "block size 512",
            "read-write",
            "writeback cache",
        ],
    )?;
    for words in [["serial", "\"lab\""], ["capacity", "2048 sectors"], ["read-only", "no"]] {
        outcome.expect_words(&["info: ", words[0], words[1]])?;
    }
    ensure!(outcome.disks() == 1, "{} disks found instead of 1", outcome.disks());
    // Empty slots are nothing to talk about.
    outcome.expect_no_line_with("0x10007000")?;
    Ok(image.expect_unchanged()?)
}

fn block_size(lab: &Lab) -> Result<()> {
    let image = lab.image("disk", noise(2048, 1))?;
    let disk =
        Disk::new(&image).property("logical_block_size=4096").property("physical_block_size=4096");
    let outcome = lab.machine().disk(disk).boot("job=info")?;
    outcome.expect_ok("info")?;
    outcome.expect_words(&["info: block size", "4096 bytes"])?;
    Ok(outcome.expect_disk(0, &["2048 sectors (1.0 MiB)", "block size 4096"])?)
}

fn cache(lab: &Lab) -> Result<()> {
    let image = lab.image("disk", noise(64, 1))?;
    for (setting, words) in [("on", "writeback cache"), ("off", "writethrough cache")] {
        let disk = Disk::new(&image).property(format!("write-cache={setting}"));
        let outcome = lab.machine().disk(disk).boot("job=info")?;
        outcome.expect_ok("info")?;
        outcome.expect_disk(0, &[words])?;
    }
    Ok(())
}

/// The longest there is: no zero byte ends it.
fn long_serial(lab: &Lab) -> Result<()> {
    const SERIAL: &str = "abcdefghij0123456789";
    let image = lab.image("disk", lab_disk(64)?)?;
    let machine = lab.machine().disk(Disk::new(&image).serial(SERIAL));
    let outcome = machine.boot(&format!("disk={SERIAL}"))?;
    outcome.expect_ok("demo")?;
    outcome.expect_disk(0, &[&format!("serial \"{SERIAL}\"")])?;
    Ok(image.expect_only_sector(0, ANSWER)?)
}

fn no_serial(lab: &Lab) -> Result<()> {
    let image = lab.image("disk", lab_disk(64)?)?;
    lab.machine().disk(Disk::new(&image).no_serial()).boot("")?.expect_ok("demo")?;
    Ok(image.expect_only_sector(0, ANSWER)?)
}

/// Three disks with different serial numbers and contents.
fn three<'a>(lab: &'a Lab) -> Result<(Machine<'a>, Vec<(&'static str, Image)>)> {
    let mut machine = lab.machine();
    let mut images = Vec::new();
    for (seed, serial) in ["alpha", "beta", "gamma"].into_iter().enumerate() {
        let image = lab.image(serial, noise(64, seed as u64))?;
        machine = machine.disk(Disk::new(&image).serial(serial));
        images.push((serial, image));
    }
    Ok((machine, images))
}

fn by_serial(lab: &Lab) -> Result<()> {
    let (machine, images) = three(lab)?;
    for (serial, image) in &images {
        let outcome = machine.boot(&format!("job=read sector=3 disk={serial}"))?;
        expect_read(&outcome, image)?;
    }
    machine.boot("job=write sector=5 text=here disk=beta")?.expect_ok("write")?;
    for (serial, image) in &images {
        if *serial == "beta" {
            image.expect_only_sector(5, b"here")?;
        } else {
            image.expect_unchanged()?;
        }
    }
    Ok(())
}

/// The numbers are those that the kernel gave the disks.
fn by_index(lab: &Lab) -> Result<()> {
    let (machine, images) = three(lab)?;
    let listing = machine.boot("job=info")?;
    ensure!(listing.disks() == 3, "{} disks found instead of 3", listing.disks());
    for index in 0..3 {
        let description = listing.disk(index)?;
        let (_, image) = images
            .iter()
            .find(|(serial, _)| description.contains(&format!("\"{serial}\"")))
            .with_context(|| format!("which disk is {description:?}?"))?;
        let outcome = machine.boot(&format!("job=read sector=3 disk={index}"))?;
        expect_read(&outcome, image)?;
        if index == 0 {
            // Where no disk is named it is the first.
            expect_read(&machine.boot("job=read sector=3")?, image)?;
        }
    }
    Ok(())
}

fn unknown(lab: &Lab) -> Result<()> {
    let (machine, images) = three(lab)?;
    for name in ["delta", "3", "-1", "99999999999999999999"] {
        let outcome = machine.boot(&format!("job=write sector=5 text=here disk={name}"))?;
        outcome.expect_failed_with("write", &[name, "alpha", "beta", "gamma"])?;
    }
    Ok(images.iter().try_for_each(|(_, image)| image.expect_unchanged())?)
}

fn slot_three(lab: &Lab) -> Result<()> {
    let image = lab.image("disk", lab_disk(64)?)?;
    let outcome = lab.machine().disk(Disk::new(&image).slot(3)).boot("")?;
    outcome.expect_ok("demo")?;
    outcome.expect_words(&["virtio-mmio 0x10004000: block device, ", "irq 4"])?;
    Ok(image.expect_only_sector(0, ANSWER)?)
}

fn all_slots(lab: &Lab) -> Result<()> {
    let mut machine = lab.machine();
    let mut images = Vec::new();
    for slot in 0..8 {
        let image = lab.image(&format!("s{slot}"), noise(64, u64::from(slot)))?;
        machine = machine.disk(Disk::new(&image).serial(&format!("s{slot}")).slot(slot));
        images.push(image);
    }
    let listing = machine.boot("job=info")?;
    listing.expect_ok("info")?;
    ensure!(listing.disks() == 8, "{} disks found instead of 8", listing.disks());
    for slot in 1..=8 {
        let address = format!("virtio-mmio 0x1000{slot}000: block device, ");
        listing.expect_words(&[&address, &format!("irq {slot}")])?;
    }
    for slot in [0, 4, 7] {
        expect_read(&machine.boot(&format!("job=read sector=3 disk=s{slot}"))?, &images[slot])?;
    }
    machine.boot("job=write sector=5 text=here disk=s6")?.expect_ok("write")?;
    for (slot, image) in images.iter().enumerate() {
        if slot == 6 {
            image.expect_only_sector(5, b"here")?;
        } else {
            image.expect_unchanged()?;
        }
    }
    Ok(())
}

fn no_driver(lab: &Lab) -> Result<()> {
    let image = lab.image("disk", lab_disk(64)?)?;
    let machine = lab
        .machine()
        .device("virtio-balloon-device")
        .disk(Disk::new(&image))
        .device("virtio-serial-device");
    let outcome = machine.boot("")?;
    outcome.expect_ok("demo")?;
    for (slot, id, line) in [
        (8, 5, "memory balloon device, no driver, skipped"),
        (7, 2, "block device, "),
        (6, 3, "console device, no driver, skipped"),
    ] {
        outcome.expect_words(&[&format!(
            "Virtio MMIO device found at 0x1000{slot}000 with size 0x1000, device id {id},"
        )])?;
        outcome.expect_words(&[&format!("virtio-mmio 0x1000{slot}000: {line}")])?;
    }
    Ok(image.expect_only_sector(0, ANSWER)?)
}

/// Checks the dump of `job=read sector=3`.
fn expect_read(outcome: &Outcome, image: &Image) -> Result<()> {
    expect_dump(outcome, image, 3, 1)
}
