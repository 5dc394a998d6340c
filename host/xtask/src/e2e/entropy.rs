//! Random bytes: those that `job=random` shows are those that the host's source has given.

use std::fs;

use anyhow::{Context, Result, ensure};
use lab::{image::noise, qemu::Transport};

use super::{Case, lab::Lab};

pub const CASES: &[Case] = &[
    Case::anywhere("random-bytes-are-the-source-s", bytes),
    Case::both("random-bytes-by-polling", by_polling),
    Case::both("random-without-a-device", no_device),
    Case::once("random-refused-numbers", refused),
];

/// Less than a command of the driver's, one, a byte more, and many.
const LENGTHS: [usize; 4] = [1, 64, 65, 1000];

fn bytes(lab: &Lab) -> Result<()> {
    run(lab, "")
}

fn by_polling(lab: &Lab) -> Result<()> {
    run(lab, "virtio.polling=on")
}

fn run(lab: &Lab, options: &str) -> Result<()> {
    let source = noise(8, 17);
    let path = lab.file("source");
    fs::write(&path, &source).context("cannot write the source of random bytes")?;
    let machine = lab
        .machine()
        .object(&format!("rng-random,id=r,filename={}", path.display()))
        .device("virtio-rng-device,rng=r");
    for length in LENGTHS {
        let outcome = machine.boot(&format!("job=random bytes={length} {options}"))?;
        let details = outcome.expect_ok("random")?;
        let noun = if length == 1 { "byte" } else { "bytes" };
        ensure!(details == format!("{length} {noun}"), "the details are {details:?}");
        let hexadecimal =
            |line: &&str| !line.is_empty() && line.bytes().all(|digit| digit.is_ascii_hexdigit());
        let shown: String = outcome.lines().filter(hexadecimal).collect();
        let expected: String = source[..length].iter().map(|byte| format!("{byte:02x}")).collect();
        ensure!(
            shown == expected,
            outcome.complaint(&format!("the source gives {expected}, but shown is {shown}"))
        );
        if lab.transport != Transport::Pci {
            let device = format!("virtio-mmio 0x10008000: entropy device, {}, ", lab.transport);
            outcome.expect_words(&[&device])?;
        }
    }
    Ok(())
}

fn no_device(lab: &Lab) -> Result<()> {
    let outcome = lab.machine().boot("job=random bytes=16")?;
    outcome.expect_failed_with("random", &["no entropy device found", "virtio-rng-device"])?;
    Ok(())
}

fn refused(lab: &Lab) -> Result<()> {
    for (parameters, word) in
        [("", "bytes=N"), ("bytes=0", "bytes"), ("bytes=65537", "65536"), ("bytes=few", "few")]
    {
        lab.machine()
            .boot(&format!("job=random {parameters}"))?
            .expect_failed_with("random", &[word])?;
    }
    Ok(())
}
