//! The device tree, for kernels on OSTD: from a `compatible` name to register ranges and interrupts.
//!
//! [`devices`] lists the nodes of one kind with everything that a driver needs in order to reach its
//! device, [`pci_hosts`] the ways to a PCI bus; what a device is and what drives it is not this crate's
//! business. The blob is opened with
//! the [`fdt`] crate, in the version that is part of OSTD's public API.
//!
//! ```no_run
//! # fn look(fdt: &fdt::Fdt<'_>) {
//! for node in device_tree::devices(fdt, "virtio,mmio") {
//!     match node {
//!         // Hand `range` to `IoMem::acquire`, and `interrupt` to `IrqChip::map_fdt_pin_to`.
//!         Ok(node) => println!("{} at {:#x}", node.name, node.range.start),
//!         // The sentence names the node; the others are not affected.
//!         Err(error) => println!("{error}"),
//!     }
//! }
//! # }
//! ```
//!
//! Sections cited are those of the Devicetree Specification, release 0.4. Addresses are `usize`, which
//! must have 64 bits.
//!
//! # Trust
//!
//! The tree comes from outside, so nothing in a property is trusted: each is read as raw bytes, checked,
//! and refused with an error that names the node. The structure around the properties is walked by the
//! `fdt` crate, which panics when that is broken: a name without an end, a token out of place, a NOP token
//! between two nodes. OSTD walks the same blob with the same crate when it boots, so there is little of
//! this that gets as far as here, and nothing that could be done about it without the blob's bytes.
//!
//! The blob lies in memory that OSTD may hand out to others. Ask early; what [`devices`] returns is a copy.
//!
//! # OSTD
//!
//! The search itself knows nothing of OSTD. Two things follow OSTD 0.18: [`MAX_RANGE`], and the interrupt
//! controllers that are known, which are those of RISC-V ([`Interrupt`]).

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::{borrow::ToOwned, collections::BTreeMap, string::String, vec::Vec};
use core::ops::Range;

use fdt::{Fdt, node::FdtNode};

use self::interrupt::Plics;
pub use self::{
    error::{NodeError, NodeFault},
    interrupt::{Interrupt, InterruptError},
    interrupt_map::InterruptMap,
    pci::{PciHost, PciSpace, PciWindow, pci_hosts},
    serial::{SerialError, serial_port},
};

mod error;
mod interrupt;
mod interrupt_map;
mod pci;
mod serial;
#[cfg(test)]
mod tests;

/// Nodes below this depth (the root has depth 0) are not visited.
pub const MAX_DEPTH: usize = 16;

/// The largest register range accepted, in bytes: 16 MiB. It is far beyond what a device on virtio-mmio
/// has, and OSTD can still map it without running out of kernel addresses.
pub const MAX_RANGE: usize = 16 << 20;

/// Physical addresses have 56 bits (RISC-V privileged specification, Sv39 and Sv48). The page table would
/// silently drop the others.
const ADDRESS_END: usize = 1 << 56;

/// A device as its node describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceNode {
    /// The node's name, such as `virtio_mmio@10001000`.
    pub name: String,
    /// Its `compatible` names, the most specific one first (section 2.3.1). Bytes that are not UTF-8 are
    /// replaced.
    pub compatible: Vec<String>,
    /// Its registers: the first entry of `reg`. Not empty, at most [`MAX_RANGE`] long, and apart from the
    /// range of every other node listed with it.
    pub range: Range<usize>,
    /// Its first interrupt. An error here leaves a device that can be polled.
    pub interrupt: Result<Interrupt, InterruptError>,
}

/// All nodes whose `compatible` names include `compatible`, in the order of the tree. Those that are not
/// available (a `status` other than `okay`, on themselves or on a bus above them, section 2.3.4) are left
/// out.
///
/// # Errors
///
/// A node that cannot be used is an error in its place and does no harm to the others: no proper `reg`; a
/// range that is empty, longer than [`MAX_RANGE`], beyond the address space, or overlapping the range of
/// an earlier node; a bus above it that maps addresses (`ranges` is there and not empty) or gives no access
/// to its children at all (no `ranges`). A node at [`MAX_DEPTH`] that still has children is an error too,
/// as what is below it is not known.
pub fn devices(fdt: &Fdt<'_>, compatible: &str) -> Vec<Result<DeviceNode, NodeError>> {
    let plics = Plics::of(fdt);
    let mut taken = Taken(BTreeMap::new());
    search(fdt, compatible, |node, around| {
        Ok(DeviceNode {
            name: node.name.to_owned(),
            compatible: compatible_names(node)
                .map(|name| String::from_utf8_lossy(name).into_owned())
                .collect(),
            range: taken.claim(first_range(node, around, MAX_RANGE)?)?,
            interrupt: plics.interrupt_of(node, around.interrupt_parent),
        })
    })
}

/// The kernel's command line as it stands in the tree (section 3.6), not necessarily UTF-8.
pub fn boot_arguments<'a>(fdt: &Fdt<'a>) -> Option<&'a [u8]> {
    property(fdt.find_node("/chosen")?, "bootargs")
}

/// The number that every tree starts with (section 5.2). The `fdt` crate opens no blob without it.
pub const MAGIC: u32 = 0xd00d_feed;

/// The address in the kernel's memory of the blob's structure block (section 5.4). `None` if its first node is
/// no root with a property, or an impossible one.
///
/// It is told from the root's first property, before which nothing is expected but the root's beginning: NOP
/// tokens there make it too high. The blob itself starts a little before the block, with what the `fdt` crate
/// keeps to itself: the header of 40 bytes and the memory reservation block of 16 or more.
pub fn structure_address(fdt: &Fdt<'_>) -> Option<usize> {
    /// The token BEGIN_NODE, the root's empty name with its padding, the token PROP, and the property's length
    /// and name, of four bytes each (section 5.4.1).
    const BEFORE_FIRST_VALUE: usize = 5 * 4;

    let root = fdt.all_nodes().next().filter(|root| root.name == "/")?;
    root.properties().next()?.value.as_ptr().addr().checked_sub(BEFORE_FIRST_VALUE)
}

/// The properties that a node takes over from those above it.
#[derive(Clone, Copy)]
struct Surroundings {
    address_cells: Option<u32>,
    size_cells: Option<u32>,
    addressing: Addressing,
    interrupt_parent: Result<u32, InterruptError>,
}

/// The relation of the addresses of a bus's children to the processor's (section 2.3.8).
#[derive(Clone, Copy)]
enum Addressing {
    Direct,
    Mapped,
    Unreachable,
}

impl Surroundings {
    fn of_root(root: FdtNode<'_, '_>) -> Self {
        Self {
            address_cells: cells(root, "#address-cells", 2),
            size_cells: cells(root, "#size-cells", 1),
            addressing: Addressing::Direct,
            interrupt_parent: interrupt::parent_for_children(root, Err(InterruptError::NoParent)),
        }
    }

    /// The surroundings of the children of `node`, `node` itself being surrounded by `self`.
    fn below(&self, node: FdtNode<'_, '_>) -> Self {
        Self {
            // Not inherited: a node without them has the defaults of section 2.3.5.
            address_cells: cells(node, "#address-cells", 2),
            size_cells: cells(node, "#size-cells", 1),
            addressing: match (self.addressing, property(node, "ranges")) {
                (Addressing::Direct, Some([])) => Addressing::Direct,
                (Addressing::Direct, Some(_)) => Addressing::Mapped,
                (Addressing::Direct, None) => Addressing::Unreachable,
                (above, _) => above,
            },
            interrupt_parent: interrupt::parent_for_children(node, self.interrupt_parent),
        }
    }
}

/// Describes all nodes whose `compatible` names include `compatible`, as [`devices`] says.
fn search<T>(
    fdt: &Fdt<'_>,
    compatible: &str,
    describe: impl FnMut(FdtNode<'_, '_>, &Surroundings) -> Result<T, NodeFault>,
) -> Vec<Result<T, NodeError>> {
    let mut search = Search { compatible: compatible.as_bytes(), describe, found: Vec::new() };
    if let Some(root) = fdt.all_nodes().next() {
        search.visit_children(root, &Surroundings::of_root(root), 0);
    }
    search.found
}

struct Search<'s, T, F> {
    compatible: &'s [u8],
    describe: F,
    found: Vec<Result<T, NodeError>>,
}

impl<T, F> Search<'_, T, F>
where
    F: FnMut(FdtNode<'_, '_>, &Surroundings) -> Result<T, NodeFault>,
{
    fn visit_children(&mut self, node: FdtNode<'_, '_>, around: &Surroundings, depth: usize) {
        for child in node.children() {
            if depth == MAX_DEPTH {
                self.found.push(Err(NodeError::new(node.name, NodeFault::TooDeep)));
                return;
            }
            if !is_available(child) {
                continue;
            }
            if is_compatible(child, self.compatible) {
                let found = (self.describe)(child, around);
                self.found.push(found.map_err(|fault| NodeError::new(child.name, fault)));
            }
            self.visit_children(child, &around.below(child), depth + 1);
        }
    }
}

/// The ranges that nodes have, start to end.
struct Taken(BTreeMap<usize, usize>);

impl Taken {
    fn claim(&mut self, range: Range<usize>) -> Result<Range<usize>, NodeFault> {
        // What is taken does not overlap, so only the last one that starts before the end can reach in.
        if let Some((&start, &end)) = self.0.range(..range.end).next_back()
            && end > range.start
        {
            return Err(NodeFault::Overlaps { earlier: start..end });
        }
        self.0.insert(range.start, range.end);
        Ok(range)
    }
}

/// The first entry of `reg` (section 2.3.6), at most `max` bytes long.
fn first_range(
    node: FdtNode<'_, '_>,
    around: &Surroundings,
    max: usize,
) -> Result<Range<usize>, NodeFault> {
    match around.addressing {
        Addressing::Direct => {}
        Addressing::Mapped => return Err(NodeFault::Mapped),
        Addressing::Unreachable => return Err(NodeFault::Unreachable),
    }
    let (Some(address_cells @ 1..=2), Some(size_cells @ 1..=2)) =
        (around.address_cells, around.size_cells)
    else {
        return Err(NodeFault::BadCells);
    };
    let value = property(node, "reg").ok_or(NodeFault::NoReg)?;
    let (address, rest) = take_number(value, address_cells).ok_or(NodeFault::ShortReg)?;
    let (size, _) = take_number(rest, size_cells).ok_or(NodeFault::ShortReg)?;

    // Further entries are of no interest here, half an entry is a sign that the cells are wrong.
    let entry_length = value.len() - rest.len() + 4 * size_cells as usize;
    if !value.len().is_multiple_of(entry_length) {
        return Err(NodeFault::ShortReg);
    }

    let start = usize::try_from(address).map_err(|_| NodeFault::OutOfAddresses)?;
    let size = usize::try_from(size).map_err(|_| NodeFault::OutOfAddresses)?;
    let end = start
        .checked_add(size)
        .filter(|end| *end <= ADDRESS_END)
        .ok_or(NodeFault::OutOfAddresses)?;
    match size {
        0 => Err(NodeFault::Empty),
        _ if size > max => Err(NodeFault::TooLarge { size, max }),
        _ => Ok(start..end),
    }
}

/// Splits a big-endian number of one or two cells of 32 bits off the front of `bytes`.
fn take_number(bytes: &[u8], cells: u32) -> Option<(u64, &[u8])> {
    if cells == 1 {
        let (number, rest) = bytes.split_first_chunk::<4>()?;
        Some((u64::from(u32::from_be_bytes(*number)), rest))
    } else {
        let (number, rest) = bytes.split_first_chunk::<8>()?;
        Some((u64::from_be_bytes(*number), rest))
    }
}

/// A cell count; `None` if it is there and not a number of 32 bits.
fn cells(node: FdtNode<'_, '_>, name: &str, default: u32) -> Option<u32> {
    match property(node, name) {
        None => Some(default),
        Some(value) => number32(value),
    }
}

/// The value of a property that is one number of 32 bits.
fn number32(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_be_bytes)
}

fn property<'a>(node: FdtNode<'_, 'a>, name: &str) -> Option<&'a [u8]> {
    node.property(name).map(|property| property.value)
}

fn is_available(node: FdtNode<'_, '_>) -> bool {
    matches!(property(node, "status"), None | Some(b"okay\0" | b"ok\0"))
}

fn is_compatible(node: FdtNode<'_, '_>, wanted: &[u8]) -> bool {
    compatible_names(node).any(|name| name == wanted)
}

fn compatible_names<'a>(node: FdtNode<'_, 'a>) -> impl Iterator<Item = &'a [u8]> {
    let names = property(node, "compatible").unwrap_or_default();
    names.split(|byte| *byte == 0).filter(|name| !name.is_empty())
}
