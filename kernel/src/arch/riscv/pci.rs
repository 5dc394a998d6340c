//! PCI host bridges, from the device tree.

use alloc::{sync::Arc, vec::Vec};

use ::pci::{Ecam, Resources, Window, Windows};
use device_tree::{NodeError, NodeFault, PciHost, PciSpace, PciWindow};

use super::io_memory;
use crate::arch::{HostBridge, Interrupts};

/// The host bridges of the machine. To be called while the device tree can be read.
///
/// # Errors
///
/// A node that cannot be used is an error in its place.
pub fn host_bridges() -> Vec<Result<HostBridge, NodeError>> {
    let nodes = super::device_tree().map(device_tree::pci_hosts).unwrap_or_default();
    nodes.into_iter().map(|node| host_bridge(node?)).collect()
}

/// Firmware for RISC-V starts a kernel without having looked at the bus, so everything is placed here.
fn host_bridge(node: PciHost) -> Result<HostBridge, NodeError> {
    let Some(access) = Ecam::new(node.config, node.buses.clone(), io_memory::acquire) else {
        return Err(NodeError { name: node.name, fault: NodeFault::OutOfAddresses });
    };
    let resources = Resources::Assign(windows(&node.windows));
    Ok(HostBridge {
        name: node.name,
        bus: ::pci::HostBridge { access: Arc::new(access), buses: node.buses, resources },
        interrupts: Interrupts::Pins(node.interrupts),
    })
}

/// The first window of each kind. BARs of both kinds are put into that for memory of 32 bits, so it must not
/// be one for prefetchable memory only.
fn windows(windows: &[PciWindow]) -> Windows {
    let first = |wanted: fn(&PciWindow) -> bool| {
        let window = windows.iter().find(|window| wanted(window))?;
        Some(Window { bus: window.bus, cpu: window.cpu as u64, size: window.size as u64 })
    };
    Windows {
        io: first(|window| window.space == PciSpace::Io),
        memory: first(|window| window.space == PciSpace::Memory32 && !window.prefetchable),
        high: first(|window| window.space == PciSpace::Memory64),
    }
}
