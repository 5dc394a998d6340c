//! A kernel that reads the first sector of every virtio disk, with nothing of this project but its crates.
//!
//! It finds the disks in the device tree, drives them by polling, and powers off. The page "Your own
//! kernel" of the book goes through it.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::{
    format,
    string::{String, ToString},
    sync::Arc,
};

use block::{BlockDevice, SECTOR_SIZE};
use device_tree::DeviceNode;
use ostd::{
    arch::boot::DEVICE_TREE,
    early_println,
    io::IoMem,
    power::{ExitCode, poweroff},
};
use virtio::{
    device::blk::{self, VirtioBlk},
    options::Options,
    transport::{Transport, mmio::MmioTransport},
};

#[ostd::main]
fn kernel_main() {
    let tree = DEVICE_TREE.get().expect("QEMU's RISC-V machines have a device tree");
    for node in device_tree::devices(tree, "virtio,mmio") {
        match node.map_err(|error| error.to_string()).and_then(|node| read_disk(&node)) {
            Ok(Some(text)) => early_println!("own kernel: sector 0 holds \"{}\"", text),
            Ok(None) => {}
            Err(error) => early_println!("own kernel: {}", error),
        }
    }
    poweroff(ExitCode::Success);
}

/// Reads the text in sector 0 of the disk in a virtio-mmio slot; `None` if there is none in it.
fn read_disk(node: &DeviceNode) -> Result<Option<String>, String> {
    let registers = IoMem::acquire(node.range.clone()).map_err(|error| format!("{error:?}"))?;
    // An empty slot is no fault.
    let Ok(transport) = MmioTransport::new(registers) else { return Ok(None) };
    if transport.device_id() != blk::DEVICE_ID {
        return Ok(None);
    }
    let disk = VirtioBlk::new(Arc::new(transport), &Options::default());
    let disk = disk.map_err(|error| error.to_string())?;
    // ANCHOR: read
    let mut sector = [0; SECTOR_SIZE];
    disk.read_block(0, &mut sector).map_err(|error| error.to_string())?;
    // ANCHOR_END: read
    let text = sector.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(Some(String::from_utf8_lossy(text).into_owned()))
}
