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

#[cfg(ktest)]
mod tests {
    use ostd::prelude::ktest;

    use super::*;

    #[ktest]
    fn the_machine_has_a_bus() {
        let bridges = host_bridges();
        let [Ok(bridge)] = &bridges[..] else { panic!("{bridges:?}") };
        assert_eq!((bridge.name.as_str(), &bridge.bus.buses), ("pci@30000000", &(0..=255)));
        let Resources::Assign(windows) = &bridge.bus.resources else { panic!("{bridge:?}") };
        assert!(windows.io.is_some() && windows.memory.is_some() && windows.high.is_some());
        let Interrupts::Pins(Ok(map)) = &bridge.interrupts else { panic!("{bridge:?}") };
        assert!((0..32).all(|device| (1..=4).all(|pin| map.interrupt(device << 3, pin).is_ok())));
        // QEMU's host bridge is a function itself.
        let found = bridge.bus.find();
        let numbers = found.functions.iter().map(|function| {
            let identity = function.identity();
            (function.address().bits(), identity.vendor, identity.device, identity.class >> 8)
        });
        assert_eq!(numbers.collect::<Vec<_>>(), [(0, 0x1b36, 0x0008, 0x0600)]);
        assert_eq!(found.faults, []);
    }

    #[ktest]
    fn windows_are_chosen_by_their_kind() {
        let window = |space, prefetchable, bus| PciWindow {
            space,
            prefetchable,
            bus,
            cpu: 0x1000,
            size: 0x1000,
        };
        let chosen = windows(&[
            window(PciSpace::Memory32, true, 1),
            window(PciSpace::Memory64, true, 2),
            window(PciSpace::Memory32, false, 3),
            window(PciSpace::Memory32, false, 4),
        ]);
        let expected = |bus| Some(Window { bus, cpu: 0x1000, size: 0x1000 });
        assert_eq!(chosen, Windows { io: None, memory: expected(3), high: expected(2) });
        assert_eq!(windows(&[]), Windows::default());
    }
}
