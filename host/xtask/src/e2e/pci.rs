//! Virtio devices on PCI: every interface that they have, behind bridges, and several on one pin.

use anyhow::{Result, ensure};
use lab::{arch::Arch, image::noise, outcome::Outcome, qemu::Disk, replay::Workload};

use super::{
    Case, PC, check_verify, expect_dump,
    lab::{Lab, Machine},
};

pub const CASES: &[Case] = &[
    Case::on_pci("pci-devices-of-every-kind", every_kind),
    Case::on_pci("pci-disks-behind-bridges", behind_bridges),
    Case::on_pci("pci-six-disks", six_disks),
    Case::on_pci("pci-interfaces", interfaces),
    Case::on_pci("pci-legacy-only", legacy_only),
    Case::on_pci("pci-polling", polling),
    Case { name: "pci-behind-ports", machines: &[PC], run: behind_ports },
];

/// Sectors on the disks here: 1 MiB.
const SECTORS: usize = 2048;

const BOUND: &str = "driver bound, with its interrupt";

/// Checks that the kernel tells of a function at this address with this number, and what became of it.
fn expect_function(outcome: &Outcome, function: &str, fate: &str) -> Result<()> {
    let start = format!("pci {function} class=");
    let lines: Vec<&str> = outcome.lines().collect();
    let told = lines.windows(2).any(|pair| pair[0].starts_with(&start) && pair[1].trim() == fate);
    ensure!(told, outcome.complaint(&format!("there is no {start:?} with {fate:?}")));
    Ok(())
}

/// A transitional disk, a modern source of random bytes, and a device that nobody drives.
fn every_kind(lab: &Lab) -> Result<()> {
    let image = lab.image("disk", noise(SECTORS, 5))?;
    let outcome = lab
        .machine()
        .disk(Disk::new(&image).property("addr=3"))
        .device("virtio-rng-device,addr=4,disable-legacy=on")
        .device("virtio-balloon-device,addr=5")
        .boot("job=devices")?;
    let details = outcome.expect_ok("devices")?;
    ensure!(details.ends_with(" functions on PCI with 3 devices"), "{details}");
    let fate = |id, name, fate| format!("device id {id} ({name}), {fate}");
    expect_function(&outcome, "00:03.0 1af4:1001", &fate(2, "block", BOUND))?;
    expect_function(&outcome, "00:04.0 1af4:1044", &fate(4, "entropy", BOUND))?;
    let none = fate(5, "memory balloon", "there is no driver for it");
    expect_function(&outcome, "00:05.0 1af4:1002", &none)?;
    let irq = match lab.arch {
        Arch::Riscv64 => "irq 35",
        _ => "irq by message",
    };
    outcome.expect_words(&[&format!(
        "virtio-pci 00:03.0: block device, modern, vendor 0x1af4, {irq}"
    )])?;
    Ok(())
}

/// A machine with a disk in the root, one behind a port of PCI Express, and one behind a bridge of the old
/// PCI behind another port.
fn bridged<'a>(lab: &'a Lab, disks: [Disk; 3]) -> Machine<'a> {
    let [root, near, far] = disks;
    lab.machine()
        .device("pcie-root-port,id=p1,chassis=1,slot=1,addr=2")
        .device("pcie-pci-bridge,id=b1,bus=p1")
        .device("pcie-root-port,id=p2,chassis=2,slot=2,addr=3")
        .disk(root.serial("root").property("addr=5"))
        .disk(near.serial("near").property("bus=p2"))
        .disk(far.serial("far").property("bus=b1,addr=3"))
        .limit_seconds(300)
}

fn behind_bridges(lab: &Lab) -> Result<()> {
    let workload = Workload { seed: 11, count: 400, depth: 32, span: SECTORS as u64, max: 32 };
    let image = |name| lab.image(name, noise(SECTORS, workload.seed));
    let images = [image("root")?, image("near")?, image("far")?];
    let machine = bridged(lab, images.each_ref().map(Disk::new));
    let outcome = machine.boot("job=devices")?;
    outcome.expect_ok("devices")?;
    ensure!(outcome.disks() == 3, outcome.complaint("there should be three disks"));
    // The bridge and the second port are numbered in the order in which they are found.
    let fate = format!("device id 2 (block), {BOUND}");
    expect_function(&outcome, "00:05.0 1af4:1001", &fate)?;
    expect_function(&outcome, "02:03.0 1af4:1001", &fate)?;
    expect_function(&outcome, "03:00.0 1af4:1042", &fate)?;
    for (name, image) in ["root", "near", "far"].iter().zip(&images) {
        let outcome = machine.boot(&format!("{} disk={name}", workload.command_line()))?;
        check_verify(&workload, &outcome, image, &[])?;
    }
    Ok(())
}

/// So many that there are not enough pins for each to have its own.
fn six_disks(lab: &Lab) -> Result<()> {
    let workload = Workload { seed: 12, count: 400, depth: 8, span: SECTORS as u64, max: 16 };
    let names = ["a", "b", "c", "d", "e", "f"];
    let mut images = Vec::new();
    let mut machine = lab.machine().limit_seconds(300);
    for (name, place) in names.iter().zip(2..) {
        let image = lab.image(name, noise(SECTORS, workload.seed))?;
        machine = machine.disk(Disk::new(&image).serial(name).property(format!("addr={place}")));
        images.push(image);
    }
    let outcome = machine.boot("job=devices")?;
    let details = outcome.expect_ok("devices")?;
    ensure!(details.ends_with(" with 6 devices"), "{details}");
    let bound = outcome.lines().filter(|line| line.ends_with(BOUND)).count();
    ensure!(bound == names.len(), outcome.complaint(&format!("{bound} disks have an interrupt")));
    // The first and the fifth share a pin.
    for index in [0, 4] {
        let outcome =
            machine.boot(&format!("{} disk={}", workload.command_line(), names[index]))?;
        check_verify(&workload, &outcome, &images[index], &[])?;
    }
    Ok(())
}

/// Properties by which QEMU's device changes what its capabilities say.
fn interfaces(lab: &Lab) -> Result<()> {
    let image = lab.image("disk", noise(SECTORS, 13))?;
    for properties in [
        "disable-legacy=on",
        "disable-legacy=off",
        "disable-legacy=on,page-per-vq=on",
        "modern-pio-notify=on",
        "disable-legacy=on,vectors=0",
        "disable-legacy=on,num-queues=8",
    ] {
        let disk = Disk::new(&image).property(format!("addr=3,{properties}"));
        let outcome = lab.machine().disk(disk).boot("job=read sector=7 count=3")?;
        expect_dump(&outcome, &image, 7, 3)?;
    }
    Ok(())
}

/// A device that has the interface of before VirtIO 1.0 only is refused, and the reason said.
fn legacy_only(lab: &Lab) -> Result<()> {
    let image = lab.image("disk", noise(SECTORS, 14))?;
    let disk = Disk::new(&image).property("addr=3,disable-modern=on,disable-legacy=off");
    let outcome = lab.machine().disk(disk).boot("job=read sector=7")?;
    outcome.expect_failed_with("read", &["virtio-pci 00:03.0", "legacy interface"])?;
    Ok(())
}

fn polling(lab: &Lab) -> Result<()> {
    let image = lab.image("disk", noise(SECTORS, 15))?;
    let machine = |properties: &str| {
        let disk = Disk::new(&image).property(format!("addr=3,disable-legacy=on{properties}"));
        lab.machine().disk(disk)
    };
    let outcome = machine("").boot("job=devices virtio.polling=on")?;
    let fate = "device id 2 (block), driver bound, polling: virtio.polling=on";
    expect_function(&outcome, "00:03.0 1af4:1042", fate)?;
    // Without messages there is a pin on RISC-V, and nothing on a PC.
    let outcome = machine(",vectors=0").boot("job=devices")?;
    let fate = match lab.arch {
        Arch::Riscv64 => BOUND,
        _ => "driver bound, polling: it cannot interrupt by message",
    };
    expect_function(&outcome, "00:03.0 1af4:1042", &format!("device id 2 (block), {fate}"))
}

/// A PC of before PCI Express, QEMU's machine `pc`: its configuration space is behind two ports, and nowhere in memory.
/// With 3 GiB of memory, OSTD does not reach the tables of ACPI there.
fn behind_ports(lab: &Lab) -> Result<()> {
    let workload = Workload { seed: 16, count: 300, depth: 8, span: SECTORS as u64, max: 16 };
    let image = lab.image("disk", noise(SECTORS, workload.seed))?;
    let machine = lab
        .machine()
        .options(["-machine", "pc", "-m", "4G"].map(str::to_owned))
        .disk(Disk::new(&image).property("addr=5"));
    let outcome = machine.boot("job=devices")?;
    outcome.expect_ok("devices")?;
    expect_function(&outcome, "00:05.0 1af4:1001", &format!("device id 2 (block), {BOUND}"))?;
    let outcome = machine.boot(&workload.command_line())?;
    check_verify(&workload, &outcome, &image, &[])
}
