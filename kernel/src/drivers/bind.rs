//! From a device's number to its driver.

use alloc::sync::Arc;
use core::fmt::Display;

use block::BlockDevice;
use display::Screen;
use virtio::{
    device::{
        VirtioDevice,
        blk::{self, VirtioBlk},
        gpu::{self, VirtioGpu},
        rng::{self, VirtioRng},
    },
    handshake::InitError,
    options::Options,
    transport::Transport,
};

use super::entropy;
use crate::console::println;

/// Initialises the device at a place and makes it known to those who use its kind.
pub(super) type Driver =
    fn(&dyn Display, Arc<dyn Transport>, &Options) -> Result<Arc<dyn VirtioDevice>, InitError>;

/// The driver for devices of this id.
pub(super) fn driver(device_id: u32) -> Option<Driver> {
    match device_id {
        blk::DEVICE_ID => Some(bind_block_device),
        rng::DEVICE_ID => Some(bind_entropy_device),
        gpu::DEVICE_ID => Some(bind_gpu),
        _ => None,
    }
}

fn bind_block_device(
    place: &dyn Display,
    transport: Arc<dyn Transport>,
    options: &Options,
) -> Result<Arc<dyn VirtioDevice>, InitError> {
    let disk = Arc::new(VirtioBlk::new(transport, options)?);
    println!("{place}: features {}", disk.feature_names());
    let (info, device) = (disk.info(), disk.device());
    let index = block::register(disk);
    println!("disk {index}: {info}");
    Ok(device)
}

fn bind_entropy_device(
    _place: &dyn Display,
    transport: Arc<dyn Transport>,
    options: &Options,
) -> Result<Arc<dyn VirtioDevice>, InitError> {
    let source = Arc::new(VirtioRng::new(transport, options)?);
    let device = source.device();
    entropy::register(source);
    Ok(device)
}

fn bind_gpu(
    _place: &dyn Display,
    transport: Arc<dyn Transport>,
    options: &Options,
) -> Result<Arc<dyn VirtioDevice>, InitError> {
    let gpu = VirtioGpu::new(transport, options)?;
    for screen in gpu.screens() {
        let info = screen.info();
        let index = display::register(screen);
        println!("screen {index}: {info}");
    }
    Ok(gpu.device())
}

/// The name of a kind of device in the specification (VIRTIO 1.3, section 5).
pub(super) fn device_name(device_id: u32) -> &'static str {
    match device_id {
        1 => "network",
        2 => "block",
        3 => "console",
        4 => "entropy",
        5 => "memory balloon",
        8 => "SCSI host",
        9 => "9P transport",
        16 => "GPU",
        18 => "input",
        19 => "socket",
        20 => "crypto",
        24 => "memory",
        25 => "sound",
        26 => "file system",
        27 => "persistent memory",
        _ => "unknown",
    }
}

#[cfg(ktest)]
mod tests {
    use ostd::prelude::ktest;

    use super::*;

    #[ktest]
    fn devices_that_nobody_drives_have_a_name_and_no_driver() {
        for id in [1, 3, 0x7fff, u32::MAX] {
            assert!(driver(id).is_none(), "{id}");
        }
        for id in [blk::DEVICE_ID, rng::DEVICE_ID, gpu::DEVICE_ID] {
            assert!(driver(id).is_some(), "{id}");
        }
        assert_eq!((device_name(2), device_name(0x7fff)), ("block", "unknown"));
    }
}
