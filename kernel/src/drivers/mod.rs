//! Drivers: from nodes of the device tree to devices that the rest of the kernel uses.

pub mod virtio;
