//! The kernel's account of the device tree and of the slots in it.

use anyhow::{Result, ensure};
use lab::{
    image::noise,
    qemu::{Disk, Transport},
};

use super::{Case, lab::Lab};

pub const CASES: &[Case] = &[
    Case::both("devices-of-every-kind", every_kind),
    Case::both("devices-that-fail-or-poll", fails_or_polls),
    Case::once("devices-of-an-empty-machine", none),
];

/// QEMU's board `virt` has so many slots.
const SLOTS: usize = 8;

/// A disk, a source of random bytes and a network card, in this order from the highest slot down.
fn every_kind(lab: &Lab) -> Result<()> {
    let image = lab.image("disk", noise(4, 5))?;
    let outcome = lab
        .machine()
        .disk(Disk::new(&image).slot(7))
        .device("virtio-rng-device,bus=virtio-mmio-bus.6")
        .device("virtio-net-device,bus=virtio-mmio-bus.0")
        .boot("job=devices")?;
    ensure!(outcome.expect_ok("devices")? == "8 slots with 3 devices", "wrong details");
    outcome.expect_words(&["device tree: magic 0xd00dfeed, "])?;
    // In the machine's memory, which starts at 0x8000_0000.
    outcome.expect_words(&["device tree: structure block at 0x8"])?;
    let version = match lab.transport {
        Transport::Legacy => "1 (legacy)",
        Transport::Modern | Transport::Pci => "2 (modern)",
    };
    let bound = "driver bound, with its interrupt";
    let contents = |slot| match slot {
        7 => format!("device id 2 (block), version {version}, {bound}"),
        6 => format!("device id 4 (entropy), version {version}, {bound}"),
        0 => format!("device id 1 (network), version {version}, there is no driver for it"),
        _ => "empty slot".to_owned(),
    };
    let lines: Vec<&str> = outcome.lines().collect();
    for slot in 0..SLOTS {
        let start = 0x1000_1000 + 0x1000 * slot;
        let node = format!(
            "virtio_mmio@{start:x} compatible=\"virtio,mmio\" reg={start:#x}+0x1000 interrupts={} \
             interrupt-parent=0x",
            slot + 1
        );
        let expected = contents(slot);
        let told =
            lines.windows(2).any(|pair| pair[0].starts_with(&node) && pair[1].trim() == expected);
        ensure!(told, outcome.complaint(&format!("there is no {node:?} with {expected:?}")));
    }
    Ok(())
}

fn fails_or_polls(lab: &Lab) -> Result<()> {
    let image = lab.image("disk", noise(4, 5))?;
    let machine = lab.machine().disk(Disk::new(&image));
    let outcome = machine.boot("job=devices virtio.polling=on")?;
    outcome.expect_ok("devices")?;
    outcome.expect_words(&["driver bound, polling: virtio.polling=on"])?;
    // The disk cannot be used, and the job does not need it.
    let outcome = machine.boot("job=devices virtio.queue_size=2 virtio.indirect_desc=off")?;
    ensure!(outcome.expect_ok("devices")? == "8 slots with 1 device", "wrong details");
    outcome.expect_words(&["driver failed: a queue of 2 entries"])?;
    Ok(())
}

fn none(lab: &Lab) -> Result<()> {
    let outcome = lab.machine().boot("job=devices")?;
    ensure!(outcome.expect_ok("devices")? == "8 slots with 0 devices", "wrong details");
    let empty = outcome.lines().filter(|line| line.trim() == "empty slot").count();
    ensure!(empty == SLOTS, outcome.complaint(&format!("{empty} slots are empty")));
    Ok(())
}
