//! The kernel of another author, which reads disks with the crates of this repository and shares no other
//! code with this kernel.

use anyhow::Result;
use lab::{
    image::{lab_disk, noise, put_sector},
    qemu::Disk,
};

use super::{Case, lab::Lab};

/// Its package, and how the names of its cases begin.
pub const PACKAGE: &str = "own-kernel";

pub const CASES: &[Case] = &[
    Case::both("own-kernel-reads-a-disk", one_disk),
    Case::both("own-kernel-reads-every-disk", several_disks),
    Case::both("own-kernel-on-a-disk-without-sectors", no_sector),
];

fn said(text: &str) -> String {
    format!("own kernel: sector 0 holds \"{text}\"")
}

fn one_disk(lab: &Lab) -> Result<()> {
    let image = lab.image("disk", lab_disk(64)?)?;
    let outcome = lab.machine().disk(Disk::new(&image)).boot_kernel(lab.own_kernel()?, "")?;
    outcome.expect_success()?;
    outcome.expect_line(&said("Hello World from Image!"))?;
    Ok(image.expect_unchanged()?)
}

/// Devices of other kinds, and empty slots, are passed over.
fn several_disks(lab: &Lab) -> Result<()> {
    let mut machine = lab.machine().device("virtio-rng-device");
    let texts = ["the first of them", "and the second"];
    for (text, serial) in texts.into_iter().zip(["a", "b"]) {
        let mut contents = noise(8, 3);
        put_sector(&mut contents, 0, text.as_bytes())?;
        machine = machine.disk(Disk::new(&lab.image(serial, contents)?).serial(serial));
    }
    let outcome = machine.boot_kernel(lab.own_kernel()?, "")?;
    outcome.expect_success()?;
    Ok(texts.iter().try_for_each(|text| outcome.expect_line(&said(text)))?)
}

fn no_sector(lab: &Lab) -> Result<()> {
    let image = lab.image("disk", Vec::new())?;
    let outcome = lab.machine().disk(Disk::new(&image)).boot_kernel(lab.own_kernel()?, "")?;
    outcome.expect_success()?;
    outcome.expect_words(&["own kernel: ", "0 sectors"])?;
    Ok(outcome.expect_no_line_with("holds")?)
}
