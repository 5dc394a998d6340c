//! The bus of virtio-mmio slots, which the device tree announces.

use alloc::{string::ToString, sync::Arc, vec::Vec};
use core::fmt;

use device_tree::DeviceNode;
use fdt::Fdt;
use ostd::irq::IrqLine;
use virtio::{
    device::{VirtioDevice, attach},
    transport::{
        Transport, Version,
        mmio::{MmioTransport, SlotError},
    },
};

use super::{
    Options, bind,
    connect::ConnectError,
    found::{self, Content, Driver, Slot},
    keep, keep_mapped,
};
use crate::{
    arch::{
        io_memory,
        irq::{self, MappedIrqLine},
    },
    console::println,
    unusable,
};

/// The node name by which a device tree announces a virtio-mmio slot (VIRTIO 1.3, section 4.2.1).
const COMPATIBLE: &str = "virtio,mmio";

// ANCHOR: probe
/// Looks into every slot.
pub(super) fn probe(fdt: &Fdt<'_>, options: &Options) {
    for node in device_tree::devices(fdt, COMPATIBLE) {
        found::record(match node {
            Ok(node) => Slot::Good { content: probe_slot(&node, options), node },
            Err(error) => {
                log::warn!("{error}");
                Slot::Bad(error)
            }
        });
    }
}
// ANCHOR_END: probe

fn probe_slot(node: &DeviceNode, options: &Options) -> Content {
    let transport = match open_slot(node) {
        Ok(transport) => transport,
        Err(error) => {
            if error != SlotError::Empty {
                println!("{}: {error}, skipped", Place(node.range.start));
            }
            return Content::Nothing(error);
        }
    };
    let (id, version) = (transport.device_id(), transport.version());
    Content::Device { id, version, driver: drive(node, transport, options) }
}

/// Gives the device to its driver.
fn drive(node: &DeviceNode, transport: MmioTransport, options: &Options) -> Driver {
    let place = Place(node.range.start);
    let id = transport.device_id();
    println!(
        "Virtio MMIO device found at {:#x} with size {:#x}, device id {id}, version: {}",
        node.range.start,
        node.range.len(),
        match transport.version() {
            Version::Legacy => 1,
            Version::Modern => 2,
        },
    );
    let name = bind::device_name(id);
    let Some(driver) = bind::driver(id) else {
        println!("{place}: {name} device, no driver, skipped");
        return Driver::None;
    };
    println!(
        "{place}: {name} device, {}, vendor {:#x}, {}",
        match transport.version() {
            Version::Legacy => "legacy",
            Version::Modern => "modern",
        },
        transport.vendor_id(),
        Irq(node)
    );
    match driver(&place, Arc::new(transport), &options.virtio) {
        Ok(device) if options.polling => {
            keep(device, Vec::new());
            Driver::Polling("virtio.polling=on".to_string())
        }
        Ok(device) => connect(&place, node, device),
        Err(error) => {
            unusable::record(name, place, error);
            Driver::Failed(error.to_string())
        }
    }
}

fn open_slot(node: &DeviceNode) -> Result<MmioTransport, SlotError> {
    MmioTransport::new(io_memory::acquire(node.range.clone()).map_err(SlotError::Access)?)
}

/// Leads the node's interrupt to the device; where that fails the device is polled.
fn connect(place: &Place, node: &DeviceNode, device: Arc<dyn VirtioDevice>) -> Driver {
    match connect_line(node, &device) {
        Ok(line) => {
            device.use_interrupts();
            keep(device, Vec::new());
            keep_mapped(line);
            Driver::Bound
        }
        Err(error) => {
            log::warn!("{place}: no interrupt, polling instead: {error}");
            keep(device, Vec::new());
            Driver::Polling(error.to_string())
        }
    }
}

fn connect_line(
    node: &DeviceNode,
    device: &Arc<dyn VirtioDevice>,
) -> Result<MappedIrqLine, ConnectError> {
    let interrupt = node.interrupt.as_ref().map_err(|error| ConnectError::Node(*error))?;
    let mut line = IrqLine::alloc().map_err(ConnectError::Line)?;
    attach(&mut line, device);
    irq::map(interrupt, line).map_err(ConnectError::Map)
}

/// A slot's bus and address, for people to read.
pub(super) struct Place(usize);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "virtio-mmio {:#x}", self.0)
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
