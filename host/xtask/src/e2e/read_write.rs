//! Reading and writing single sectors, and what is refused.

use anyhow::{Result, ensure};
use lab::{
    image::{Image, SECTOR, noise, put_sector},
    qemu::Disk,
};

use super::{Case, expect_dump, lab::Lab};

pub const CASES: &[Case] = &[
    Case::anywhere("read-shows-the-image", read),
    Case::both("read-at-the-ends", read_at_the_ends),
    Case::both("read-past-the-end", read_past_the_end),
    Case::anywhere("write-text", write_text),
    Case::both("write-hex", write_hex),
    Case::both("write-a-full-sector", write_full),
    Case::both("write-too-much", write_too_much),
    Case::both("write-past-the-end", write_past_the_end),
    Case::anywhere("read-only", read_only),
    Case::anywhere("flush", flush),
];

const SECTORS: usize = 128;

fn disk(lab: &Lab) -> Result<Image> {
    Ok(lab.image("disk", noise(SECTORS, 3))?)
}

fn expect_read(lab: &Lab, image: &Image, sector: usize, count: usize) -> Result<()> {
    let command_line = format!("job=read sector={sector} count={count}");
    let outcome = lab.machine().disk(Disk::new(image)).boot(&command_line)?;
    expect_dump(&outcome, image, sector, count)
}

fn read(lab: &Lab) -> Result<()> {
    let image = disk(lab)?;
    expect_read(lab, &image, 3, 1)?;
    expect_read(lab, &image, 17, 9)?;
    Ok(image.expect_unchanged()?)
}

fn read_at_the_ends(lab: &Lab) -> Result<()> {
    let image = disk(lab)?;
    expect_read(lab, &image, 0, 1)?;
    expect_read(lab, &image, SECTORS - 1, 1)?;
    expect_read(lab, &image, SECTORS - 3, 3)
}

fn read_past_the_end(lab: &Lab) -> Result<()> {
    let image = disk(lab)?;
    let machine = lab.machine().disk(Disk::new(&image));
    for place in
        ["sector=128", "sector=127 count=2", "sector=0 count=129", "sector=18446744073709551615"]
    {
        let outcome = machine.boot(&format!("job=read {place}"))?;
        outcome.expect_failed_with("read", &["128"])?;
        ensure!(outcome.dump().is_err(), "something was dumped for {place}");
    }
    // Sector times 512, or sector plus count, does not fit into 64 bits.
    let outcome = machine.boot("job=read sector=36028797018963968 count=2")?;
    outcome.expect_failed("read")?;
    let outcome = machine.boot("job=read sector=18446744073709551615 count=2")?;
    outcome.expect_failed("read")?;
    Ok(image.expect_unchanged()?)
}

fn write(lab: &Lab, arguments: &str, sector: usize, bytes: &[u8]) -> Result<()> {
    let image = disk(lab)?;
    let outcome = lab.machine().disk(Disk::new(&image)).boot(&format!("job=write {arguments}"))?;
    outcome.expect_ok("write")?;
    Ok(image.expect_only_sector(sector, bytes)?)
}

fn write_text(lab: &Lab) -> Result<()> {
    write(lab, "sector=5 text=\"two words\"", 5, b"two words")?;
    write(lab, "text=one sector=127", 127, b"one")
}

fn write_hex(lab: &Lab) -> Result<()> {
    write(lab, "sector=0 hex=00ff7F80", 0, &[0x00, 0xff, 0x7f, 0x80])
}

fn write_full(lab: &Lab) -> Result<()> {
    let text = "x".repeat(SECTOR);
    write(lab, &format!("sector=7 text={text}"), 7, text.as_bytes())
}

fn write_too_much(lab: &Lab) -> Result<()> {
    let image = disk(lab)?;
    let text = "x".repeat(SECTOR + 1);
    let outcome =
        lab.machine().disk(Disk::new(&image)).boot(&format!("job=write sector=7 text={text}"))?;
    outcome.expect_failed_with("write", &["512"])?;
    Ok(image.expect_unchanged()?)
}

fn write_past_the_end(lab: &Lab) -> Result<()> {
    let image = disk(lab)?;
    let machine = lab.machine().disk(Disk::new(&image));
    for sector in ["128", "36028797018963968", "18446744073709551615"] {
        let outcome = machine.boot(&format!("job=write sector={sector} text=x"))?;
        outcome.expect_failed_with("write", &["128"])?;
    }
    Ok(image.expect_unchanged()?)
}

/// The demo on a read-only disk is among the cases of the demo.
fn read_only(lab: &Lab) -> Result<()> {
    let image = disk(lab)?;
    let machine = lab.machine().disk(Disk::new(&image).read_only());
    let info = machine.boot("job=info")?;
    info.expect_ok("info")?;
    info.expect_disk(0, &["read-only"])?;
    ensure!(info.features()?.contains(&"BLK_RO"), "BLK_RO is not among the features");
    machine.boot("job=write sector=5 text=x")?.expect_failed_with("write", &["read-only"])?;
    machine
        .boot("job=verify seed=1 count=20 qd=4")?
        .expect_failed_with("verify", &["read-only"])?;
    machine.boot("job=read sector=5")?.expect_ok("read")?;
    Ok(image.expect_unchanged()?)
}

fn flush(lab: &Lab) -> Result<()> {
    let image = disk(lab)?;
    lab.machine().disk(Disk::new(&image)).boot("job=flush")?.expect_ok("flush")?;
    image.expect_unchanged()?;
    // Nothing to flush where every write goes through.
    let disk = Disk::new(&image).property("write-cache=off").property("config-wce=off");
    lab.machine().disk(disk).boot("job=flush")?.expect_ok("flush")?;

    let mut expected = image.before().to_vec();
    put_sector(&mut expected, 9, b"kept")?;
    lab.machine()
        .disk(Disk::new(&image))
        .boot("job=write sector=9 text=kept")?
        .expect_ok("write")?;
    lab.machine().disk(Disk::new(&image)).boot("job=flush")?.expect_ok("flush")?;
    Ok(image.expect(&expected)?)
}
