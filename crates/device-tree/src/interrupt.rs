//! From a node to its interrupt: the pin of a platform-level interrupt controller (PLIC).
//!
//! OSTD panics when it is asked for a PLIC it does not know or for a pin that the PLIC does not have. So
//! this file finds PLICs in the way OSTD 0.18 does, and has to be compared with `ostd::arch::irq` whenever
//! OSTD's version changes.

use alloc::collections::BTreeMap;
use core::fmt;

use fdt::{Fdt, node::FdtNode};

use super::{cells, number32, property};

/// One interrupt of a device: a pin that the PLIC has, of a PLIC that OSTD knows.
///
/// Only [`devices`](crate::devices) and [`InterruptMap`](crate::InterruptMap) make them, so one from the tree that the machine was booted with is
/// safe to hand to OSTD's `IrqChip::map_fdt_pin_to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Interrupt {
    /// The phandle of a PLIC that OSTD handles.
    pub parent: u32,
    /// A pin of that PLIC, at least 1.
    pub number: u32,
}

/// The reason for which a device has no interrupt that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InterruptError {
    /// Neither `interrupts` nor `interrupts-extended` is there; for a PCI function, the `interrupt-map` has no
    /// entry for it, or is not there.
    NotDescribed,
    /// A property has the wrong length.
    Malformed {
        /// The property's name.
        property: &'static str,
    },
    /// `interrupts` is there, but nothing says which controller it belongs to.
    NoParent,
    /// The controller is not there, or not a PLIC.
    NotAPlic {
        /// The phandle it is said to have.
        parent: u32,
    },
    /// The PLIC wants an interrupt described by another number of cells than one.
    BadCells {
        /// The PLIC's phandle.
        parent: u32,
    },
    /// The PLIC has no such pin.
    NoSuchPin {
        /// The pin.
        number: u32,
        /// The pins are those from 1 to one less than this.
        end: u32,
    },
}

impl fmt::Display for InterruptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotDescribed => f.write_str("no interrupt in the device tree"),
            Self::Malformed { property } => write!(f, "its {property} property has a wrong length"),
            Self::NoParent => f.write_str("no interrupt-parent for it or above it"),
            Self::NotAPlic { parent } => {
                write!(f, "its interrupt controller, phandle {parent:#x}, is no PLIC")
            }
            Self::BadCells { parent } => write!(
                f,
                "its interrupt controller, phandle {parent:#x}, does not have #interrupt-cells = 1"
            ),
            Self::NoSuchPin { number, end } => write!(
                f,
                "interrupt {number} is not one of its controller's 1 to {}",
                end.saturating_sub(1)
            ),
        }
    }
}

impl core::error::Error for InterruptError {}

/// The interrupt parent that the children of `node` inherit, `node` itself having inherited `inherited`
/// (section 2.4.1): the node itself if it is a controller, else the one it names.
pub(super) fn parent_for_children(
    node: FdtNode<'_, '_>,
    inherited: Result<u32, InterruptError>,
) -> Result<u32, InterruptError> {
    if property(node, "#interrupt-cells").is_some() {
        property(node, "phandle").and_then(number32).ok_or(InterruptError::NoParent)
    } else {
        named_parent(node).unwrap_or(inherited)
    }
}

fn named_parent(node: FdtNode<'_, '_>) -> Option<Result<u32, InterruptError>> {
    let value = property(node, "interrupt-parent")?;
    Some(number32(value).ok_or(InterruptError::Malformed { property: "interrupt-parent" }))
}

/// The PLICs of the machine by their phandles.
pub(super) struct Plics(BTreeMap<u32, Plic>);

struct Plic {
    has_one_cell: bool,
    /// The cells of its unit addresses, of which an `interrupt-map` holds some; `None` if that is no number.
    address_cells: Option<u32>,
    /// One more than the last pin that OSTD has room for.
    pin_end: u32,
}

impl Plics {
    /// The `compatible` names that OSTD takes for a PLIC (`Plic::POSSIBLE_DT_COMPATIBLES`).
    const COMPATIBLE: [&str; 4] =
        ["andestech,nceplic100", "sifive,plic-1.0.0", "thead,c900-plic", "riscv,plic0"];

    /// Collects the PLICs in the way OSTD does, down to how it reads numbers: if the two had different
    /// ideas of a PLIC, OSTD could still panic.
    pub(super) fn of(fdt: &Fdt<'_>) -> Self {
        let mut plics = BTreeMap::new();
        for node in fdt.all_nodes() {
            let is_plic = node
                .compatible()
                .is_some_and(|names| names.all().any(|name| Self::COMPATIBLE.contains(&name)));
            let number = |name| Some(node.property(name)?.as_usize()? as u32);
            if is_plic
                && let (Some(phandle), Some(pin_end)) = (number("phandle"), number("riscv,ndev"))
            {
                let has_one_cell = property(node, "#interrupt-cells").and_then(number32) == Some(1);
                // A controller has no addresses where nothing else is said (section 2.4.3.1).
                let address_cells = cells(node, "#address-cells", 0);
                // Of two with one phandle, OSTD uses the first.
                plics.entry(phandle).or_insert(Plic { has_one_cell, address_cells, pin_end });
            }
        }
        Self(plics)
    }

    /// The first interrupt of `node`, which has inherited `inherited` as its interrupt parent.
    /// `interrupts-extended` takes precedence over `interrupts` (section 2.4.1.2).
    pub(super) fn interrupt_of(
        &self,
        node: FdtNode<'_, '_>,
        inherited: Result<u32, InterruptError>,
    ) -> Result<Interrupt, InterruptError> {
        let (name, parent, specifier) = if let Some(value) = property(node, "interrupts-extended") {
            let name = "interrupts-extended";
            let (parent, rest) =
                value.split_first_chunk().ok_or(InterruptError::Malformed { property: name })?;
            (name, u32::from_be_bytes(*parent), rest)
        } else if let Some(value) = property(node, "interrupts") {
            ("interrupts", named_parent(node).unwrap_or(inherited)?, value)
        } else {
            return Err(InterruptError::NotDescribed);
        };
        self.pin(parent, specifier, name).map(|(interrupt, _)| interrupt)
    }

    /// The cells of a unit address of the PLIC with this phandle.
    pub(super) fn address_cells(&self, parent: u32) -> Result<u32, InterruptError> {
        let plic = self.0.get(&parent).ok_or(InterruptError::NotAPlic { parent })?;
        plic.address_cells.ok_or(InterruptError::BadCells { parent })
    }

    /// The pin that is at the front of `specifier`, part of the property `name`; also gives what is behind it.
    pub(super) fn pin<'a>(
        &self,
        parent: u32,
        specifier: &'a [u8],
        name: &'static str,
    ) -> Result<(Interrupt, &'a [u8]), InterruptError> {
        let plic = self.0.get(&parent).ok_or(InterruptError::NotAPlic { parent })?;
        if !plic.has_one_cell {
            return Err(InterruptError::BadCells { parent });
        }
        let (number, rest) =
            specifier.split_first_chunk().ok_or(InterruptError::Malformed { property: name })?;
        let number = u32::from_be_bytes(*number);
        if number == 0 || number >= plic.pin_end {
            return Err(InterruptError::NoSuchPin { number, end: plic.pin_end });
        }
        Ok((Interrupt { parent, number }, rest))
    }
}
