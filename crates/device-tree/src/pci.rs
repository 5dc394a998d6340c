//! PCI host bridges with configuration space in memory (ECAM), and the addresses that they let through.
//!
//! The binding is that of Open Firmware for PCI (IEEE 1275), in the form of `pci-host-ecam-generic`.

use alloc::{borrow::ToOwned, string::String, vec::Vec};
use core::ops::{Range, RangeInclusive};

use fdt::{Fdt, node::FdtNode};

use super::{
    ADDRESS_END, InterruptError, InterruptMap, NodeError, NodeFault, Surroundings, cells,
    first_range, interrupt::Plics, property, search, take_number,
};

/// The `compatible` name of such a host bridge.
const COMPATIBLE: &str = "pci-host-ecam-generic";

/// The bytes of configuration space for each bus.
const BUS_BYTES: usize = 1 << 20;

/// No bridge has more buses.
const MAX_BUSES: usize = 256;

/// A PCI host bridge as its node describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PciHost {
    /// The node's name, such as `pci@30000000`.
    pub name: String,
    /// The physical address of the first bus's configuration space; each bus has 1 MiB.
    pub config: usize,
    /// The buses, for all of which there is room in the node's register range.
    pub buses: RangeInclusive<u8>,
    /// The addresses that go through, in the order of the tree.
    pub windows: Vec<PciWindow>,
    /// From a function's pin to an interrupt. An error here leaves functions that can be polled.
    pub interrupts: Result<InterruptMap, InterruptError>,
}

/// Addresses on the bus that the processor can use. They end below 2^56 on the processor's side, and do not
/// overflow on the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PciWindow {
    /// The space that they are in.
    pub space: PciSpace,
    /// Reading has no effects there.
    pub prefetchable: bool,
    /// The first address on the bus.
    pub bus: u64,
    /// The same as a physical address.
    pub cpu: usize,
    /// The length in bytes, not 0.
    pub size: usize,
}

/// A space of addresses on a PCI bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PciSpace {
    /// Ports.
    Io,
    /// Memory with addresses of 32 bits.
    Memory32,
    /// Memory with addresses of 64 bits.
    Memory64,
}

/// All PCI host bridges whose configuration space is memory, in the order of the tree.
///
/// # Errors
///
/// As for [`devices`](super::devices), a node that cannot be used is an error in its place.
pub fn pci_hosts(fdt: &Fdt<'_>) -> Vec<Result<PciHost, NodeError>> {
    let plics = Plics::of(fdt);
    search(fdt, COMPATIBLE, |node, around| {
        let registers = first_range(node, around, MAX_BUSES * BUS_BYTES)?;
        if (cells(node, "#address-cells", 2), cells(node, "#size-cells", 1)) != (Some(3), Some(2)) {
            return Err(NodeFault::NotPciCells);
        }
        Ok(PciHost {
            name: node.name.to_owned(),
            buses: buses(node, &registers)?,
            config: registers.start,
            windows: windows(node, around)?,
            interrupts: InterruptMap::of(node, &plics),
        })
    })
}

/// The buses for which there is configuration space; `bus-range` says how many there are at most.
fn buses(node: FdtNode<'_, '_>, registers: &Range<usize>) -> Result<RangeInclusive<u8>, NodeFault> {
    let (first, last) = match property(node, "bus-range") {
        None => (0, u64::from(u8::MAX)),
        Some(value) => {
            let (first, rest) = take_number(value, 1).ok_or(NodeFault::BadBusRange)?;
            let (last, rest) = take_number(rest, 1).ok_or(NodeFault::BadBusRange)?;
            rest.is_empty().then_some((first, last)).ok_or(NodeFault::BadBusRange)?
        }
    };
    let room = (registers.len() / BUS_BYTES) as u64;
    let last = (first + room).checked_sub(1).ok_or(NodeFault::BadBusRange)?.min(last);
    match (u8::try_from(first), u8::try_from(last)) {
        (Ok(first), Ok(last)) if room > 0 && first <= last => Ok(first..=last),
        _ => Err(NodeFault::BadBusRange),
    }
}

/// The entries of `ranges` that are memory or I/O.
fn windows(node: FdtNode<'_, '_>, around: &Surroundings) -> Result<Vec<PciWindow>, NodeFault> {
    let Some(parent_cells @ 1..=2) = around.address_cells else { return Err(NodeFault::BadCells) };
    let mut rest = property(node, "ranges").unwrap_or_default();
    let mut windows = Vec::new();
    while !rest.is_empty() {
        let mut take = |cells| {
            let (number, behind) = take_number(rest, cells).ok_or(NodeFault::ShortRanges)?;
            rest = behind;
            Ok(number)
        };
        let [flags, bus, cpu, size] = [take(1)?, take(2)?, take(parent_cells)?, take(2)?];
        let space = match flags >> 24 & 0b11 {
            0b01 => PciSpace::Io,
            0b10 => PciSpace::Memory32,
            0b11 => PciSpace::Memory64,
            // Configuration space, which `reg` is about.
            _ => continue,
        };
        let bad = NodeFault::BadWindow { bus };
        let end = cpu.checked_add(size).filter(|end| *end <= ADDRESS_END as u64);
        if size == 0 || end.is_none() || bus.checked_add(size).is_none() {
            return Err(bad);
        }
        let address = |number| usize::try_from(number).map_err(|_| bad.clone());
        windows.push(PciWindow {
            space,
            prefetchable: flags & 1 << 30 != 0,
            bus,
            cpu: address(cpu)?,
            size: address(size)?,
        });
    }
    Ok(windows)
}
