//! Virtio devices on virtio-mmio: from the device tree to a device that works.
//!
//! ```text
//!   device tree node -> transport -> reset, status handshake, features -> device driver
//!                       mmio.rs      init.rs                              blk/, ...
//!                                                                           |
//!                                                            queue/ <-------+
//! ```
//!
//! A new kind of device is a new module beside [`blk`] and one more arm in [`bind`].
//!
//! "Section" in this and the other files means the VIRTIO specification, version 1.3.

pub mod blk;
pub mod init;
pub mod mmio;
pub mod options;
pub mod queue;
pub mod reset;
pub mod transport;

#[cfg(ktest)]
mod fake;
#[cfg(ktest)]
mod hostile;
#[cfg(ktest)]
mod tests;

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::fmt;

use device_tree::{DeviceNode, Interrupt};
use fdt::Fdt;
use ostd::{
    irq::IrqLine,
    sync::{LocalIrqDisabled, SpinLock},
};

use self::{
    blk::VirtioBlk,
    init::{Features, InitError},
    mmio::{MmioTransport, SlotError},
    options::Options,
    transport::{Transport, Version},
};
use crate::{
    arch::{
        io_memory,
        irq::{self, MappedIrqLine},
    },
    block,
    console::println,
    unusable,
};

/// The node name by which a device tree announces a virtio-mmio slot (section 4.2.1).
const COMPATIBLE: &str = "virtio,mmio";

/// A device that has been bound to its driver.
trait VirtioDevice: Send + Sync {
    /// Deals with an interrupt. Runs in interrupt context.
    fn handle_interrupt(&self);

    /// Tells the driver that interrupts reach it from now on. Until then it polls.
    fn use_interrupts(&self);

    /// Called for every tick of the boot CPU's timer, in interrupt context: for deadlines.
    fn tick(&self);
}

/// Finds all virtio-mmio devices and binds them to their drivers.
///
/// Says on the console what was found. A slot or device that cannot be used does not stop the
/// others. To be called once, from `kernel_main`, with IRQs enabled.
pub fn probe(fdt: &Fdt<'_>, options: &Options) {
    for node in device_tree::devices(fdt, COMPATIBLE) {
        match node {
            Ok(node) => probe_slot(&node, options),
            Err(error) => log::warn!("{error}"),
        }
    }
    ostd::timer::register_callback_on_cpu(tick);
}

fn probe_slot(node: &DeviceNode, options: &Options) {
    let address = node.range.start;
    let transport = match open_slot(node) {
        Ok(transport) => Arc::new(transport),
        Err(SlotError::Empty) => return,
        Err(error) => return println!("virtio-mmio {address:#x}: {error}, skipped"),
    };
    let id = transport.device_id();
    let Some(driver) = bind(id) else {
        return println!(
            "virtio-mmio {address:#x}: device id {id} ({}), no driver, skipped",
            device_name(id)
        );
    };
    println!(
        "virtio-mmio {address:#x}: device id {id} ({}), version {}, {:#x} bytes, vendor {:#x}, {}",
        device_name(id),
        match transport.version() {
            Version::Legacy => "1 (legacy)",
            Version::Modern => "2 (modern)",
        },
        node.range.len(),
        transport.vendor_id(),
        Irq(node)
    );
    match driver(address, transport, options) {
        Ok(device) if options.polling => keep(device, None),
        Ok(device) => connect(address, node, device),
        Err(error) => {
            unusable::record(device_name(id), format_args!("virtio-mmio {address:#x}"), error)
        }
    }
}

fn open_slot(node: &DeviceNode) -> Result<MmioTransport, SlotError> {
    MmioTransport::new(io_memory::acquire(node.range.clone()).map_err(SlotError::Access)?)
}

/// Initialises a device and makes it known to those who use its kind.
type Driver = fn(usize, Arc<dyn Transport>, &Options) -> Result<Arc<dyn VirtioDevice>, InitError>;

/// The driver for devices of this id.
fn bind(device_id: u32) -> Option<Driver> {
    match device_id {
        blk::DEVICE_ID => Some(bind_block_device),
        _ => None,
    }
}

fn bind_block_device(
    address: usize,
    transport: Arc<dyn Transport>,
    options: &Options,
) -> Result<Arc<dyn VirtioDevice>, InitError> {
    use block::BlockDevice;

    let disk = Arc::new(VirtioBlk::new(transport, options)?);
    println!("virtio-mmio {address:#x}: features {}", disk.feature_names());
    let info = disk.info();
    let index = block::register(disk.clone());
    println!("disk {index}: {info}");
    Ok(disk)
}

/// Devices live until power-off, with the interrupt lines that call them.
static BOUND: SpinLock<Vec<Bound>, LocalIrqDisabled> = SpinLock::new(Vec::new());

struct Bound {
    device: Arc<dyn VirtioDevice>,
    _line: Option<Box<MappedIrqLine>>,
}

fn keep(device: Arc<dyn VirtioDevice>, line: Option<MappedIrqLine>) {
    BOUND.lock().push(Bound { device, _line: line.map(Box::new) });
}

fn tick() {
    for bound in BOUND.lock().iter() {
        bound.device.tick();
    }
}

/// Leads the node's interrupt to the device; where that fails the device is polled.
fn connect(address: usize, node: &DeviceNode, device: Arc<dyn VirtioDevice>) {
    let line = node
        .interrupt
        .as_ref()
        .map_err(|error| ConnectError::Node(*error))
        .and_then(|interrupt| connect_line(*interrupt, &device));
    match line {
        Ok(line) => {
            device.use_interrupts();
            keep(device, Some(line));
        }
        Err(error) => {
            log::warn!("virtio-mmio {address:#x}: no interrupt, polling instead: {error}");
            keep(device, None);
        }
    }
}

fn connect_line(
    interrupt: Interrupt,
    device: &Arc<dyn VirtioDevice>,
) -> Result<MappedIrqLine, ConnectError> {
    let mut line = IrqLine::alloc().map_err(ConnectError::Line)?;
    // Weak: the line is kept beside the device, and must not keep it alive.
    let device = Arc::downgrade(device);
    line.on_active(move |_| {
        if let Some(device) = device.upgrade() {
            device.handle_interrupt();
        }
    });
    irq::map(&interrupt, line).map_err(ConnectError::Map)
}

/// Why a device's interrupt cannot be used.
enum ConnectError {
    Node(device_tree::InterruptError),
    Line(ostd::Error),
    Map(irq::MapError),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(error) => error.fmt(f),
            Self::Line(error) => write!(f, "there is no interrupt line left ({error:?})"),
            Self::Map(error) => error.fmt(f),
        }
    }
}

/// A node's interrupt, for people to read.
struct Irq<'a>(&'a DeviceNode);

impl fmt::Display for Irq<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.interrupt {
            Ok(interrupt) => write!(f, "irq {}", interrupt.number),
            Err(_) => f.write_str("no irq"),
        }
    }
}

/// What the specification calls a device of this id (section 5).
fn device_name(device_id: u32) -> &'static str {
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
