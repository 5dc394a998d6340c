//! The finds in the device tree and on PCI, kept for `job=devices`.
//!
//! The tree's memory is not reserved, so whatever is to be told later is kept here while it is read.

use alloc::{string::String, vec::Vec};
use core::fmt;

use device_tree::{DeviceNode, NodeError};
use fdt::Fdt;
use ostd::{
    mm::{FrameAllocOptions, HasPaddr, io::util::HasVmReaderWriter},
    sync::SpinLock,
};
use pci::{Address, Identity};
use virtio::transport::{Version, mmio::SlotError};

use super::bind;

/// The device tree and its virtio-mmio slots, and the functions on PCI.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The address of the tree's structure block in the kernel's memory, if that is known.
    pub structure: Option<usize>,
    /// The tree's length in bytes.
    pub bytes: usize,
    /// The slots, in the order of the tree.
    pub slots: Vec<Slot>,
    /// The PCI functions: bridges first, then the others in the order of the walk.
    pub functions: Vec<Function>,
}

/// The node of a virtio-mmio slot.
#[derive(Clone, Debug, PartialEq)]
pub enum Slot {
    /// Its node cannot be used.
    Bad(NodeError),
    /// Its node is good.
    Good {
        /// The node.
        node: DeviceNode,
        /// The account of its registers.
        content: Content,
    },
}

/// The content of a slot.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// No device, or none that can be reached.
    Nothing(SlotError),
    /// A device.
    Device {
        /// The number of its kind.
        id: u32,
        /// The layout of its registers.
        version: Version,
        /// The driver's part.
        driver: Driver,
    },
}

/// A PCI function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its address.
    pub at: Address,
    /// The numbers that tell its kind.
    pub identity: Identity,
    /// The account of it.
    pub content: FunctionContent,
}

/// The kind of a PCI function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FunctionContent {
    /// It leads to another bus.
    Bridge,
    /// It does not say that it is a virtio device.
    Other,
    /// A virtio device.
    Device {
        /// The number of its kind.
        id: u32,
        /// The driver's part.
        driver: Driver,
    },
}

/// The fate of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Driver {
    /// No driver is for devices of its kind.
    None,
    /// The driver could not bring it up, for this reason.
    Failed(String),
    /// The driver has it, and its interrupt reaches the driver.
    Bound,
    /// The driver has it and polls, for this reason.
    Polling(String),
}

static FOUND: SpinLock<Found> =
    SpinLock::new(Found { structure: None, bytes: 0, slots: Vec::new(), functions: Vec::new() });

/// Keeps where the tree lies. To be called before its memory is used for something else.
pub(super) fn record_tree(fdt: &Fdt<'_>) {
    let structure = device_tree::structure_address(fdt);
    let mut found = FOUND.lock();
    found.structure = structure;
    found.bytes = fdt.total_size();
}

/// Keeps a slot.
pub(super) fn record(slot: Slot) {
    FOUND.lock().slots.push(slot);
}

/// Keeps a PCI function.
pub(super) fn record_function(function: Function) {
    FOUND.lock().functions.push(function);
}

/// Everything that was found.
pub fn found() -> Found {
    FOUND.lock().clone()
}

impl Found {
    /// The physical address of the tree's structure block. OSTD maps all memory in one piece, at a distance
    /// that a frame of known address tells.
    pub fn physical_structure(&self) -> Option<usize> {
        let frame = FrameAllocOptions::new().alloc_frame().ok()?;
        let distance = frame.reader().cursor().addr().checked_sub(frame.paddr())?;
        self.structure?.checked_sub(distance)
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bad(error) => error.fmt(f),
            Self::Good { node, content } => write!(f, "{}\n    {content}", NodeText(node)),
        }
    }
}

/// A node's properties, by the names that they have in the tree.
struct NodeText<'a>(&'a DeviceNode);

impl fmt::Display for NodeText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = self.0;
        write!(f, "{} compatible", node.name.escape_debug())?;
        for (index, name) in node.compatible.iter().enumerate() {
            write!(f, "{}{name:?}", if index == 0 { "=" } else { "," })?;
        }
        write!(f, " reg={:#x}+{:#x}", node.range.start, node.range.len())?;
        match &node.interrupt {
            Ok(interrupt) => write!(
                f,
                " interrupts={} interrupt-parent={:#x}",
                interrupt.number, interrupt.parent
            ),
            Err(error) => write!(f, " no usable interrupt ({error})"),
        }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing(SlotError::Empty) => f.write_str("empty slot"),
            Self::Nothing(error) => error.fmt(f),
            Self::Device { id, version, driver } => {
                let version = match version {
                    Version::Legacy => "1 (legacy)",
                    Version::Modern => "2 (modern)",
                };
                let name = bind::device_name(*id);
                write!(f, "device id {id} ({name}), version {version}, {driver}")
            }
        }
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Identity { vendor, device, class, .. } = self.identity;
        write!(f, "pci {} {vendor:04x}:{device:04x} class={class:#08x}\n    ", self.at)?;
        match &self.content {
            FunctionContent::Bridge => f.write_str("bridge to another bus"),
            FunctionContent::Other => f.write_str("no virtio device"),
            FunctionContent::Device { id, driver } => {
                write!(f, "device id {id} ({}), {driver}", bind::device_name(*id))
            }
        }
    }
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("there is no driver for it"),
            Self::Failed(reason) => write!(f, "driver failed: {reason}"),
            Self::Bound => f.write_str("driver bound, with its interrupt"),
            Self::Polling(reason) => write!(f, "driver bound, polling: {reason}"),
        }
    }
}

#[cfg(ktest)]
mod tests {
    use alloc::{string::ToString, vec};

    use device_tree::{Interrupt, InterruptError, NodeFault};
    use ostd::prelude::ktest;

    use super::*;
    use crate::arch;

    /// The interrupt of some device of this machine, as only a device tree can make one.
    fn interrupt() -> Option<Interrupt> {
        let nodes = device_tree::devices(arch::device_tree()?, "virtio,mmio");
        nodes.into_iter().find_map(|node| node.ok()?.interrupt.ok())
    }

    /// A node with such an interrupt, or without one on a machine that has no device tree.
    fn node() -> DeviceNode {
        DeviceNode {
            name: "slot@1000\u{1b}".into(),
            compatible: vec!["virtio,mmio".into(), "a \"name\"".into()],
            range: 0x1000..0x1200,
            interrupt: interrupt().ok_or(InterruptError::NotDescribed),
        }
    }

    fn text(content: Content) -> String {
        Slot::Good { node: node(), content }.to_string()
    }

    #[ktest]
    fn a_slot_tells_what_its_node_says() {
        let text = |interrupt| {
            let node = DeviceNode { interrupt, ..node() };
            Slot::Good { node, content: Content::Nothing(SlotError::Empty) }.to_string()
        };
        let expected = |interrupt: &str| {
            alloc::format!(
                "slot@1000\\u{{1b}} compatible=\"virtio,mmio\",\"a \\\"name\\\"\" reg=0x1000+0x200 \
                 {interrupt}\n    empty slot"
            )
        };
        let silent = "no usable interrupt (no interrupt in the device tree)";
        assert_eq!(text(Err(InterruptError::NotDescribed)), expected(silent));
        if let Some(interrupt) = interrupt() {
            let Interrupt { parent, number, .. } = interrupt;
            let told = alloc::format!("interrupts={number} interrupt-parent={parent:#x}");
            assert_eq!(text(Ok(interrupt)), expected(&told));
        }
        let bad = NodeError { name: "slot@\n".into(), fault: NodeFault::NoReg };
        assert_eq!(Slot::Bad(bad).to_string(), "device tree node slot@\\n: no reg property");
    }

    #[ktest]
    fn a_slot_tells_what_became_of_its_device() {
        let magic = text(Content::Nothing(SlotError::BadMagic { found: 0 }));
        assert!(magic.contains("\n    the magic value is 0x00000000 and not"), "{magic}");
        let device = |id, version, driver| text(Content::Device { id, version, driver });
        for (slot, end) in [
            (
                device(2, Version::Modern, Driver::Bound),
                "\n    device id 2 (block), version 2 (modern), driver bound, with its interrupt",
            ),
            (
                device(4, Version::Legacy, Driver::Polling("asked for".into())),
                "\n    device id 4 (entropy), version 1 (legacy), driver bound, polling: asked for",
            ),
            (
                device(2, Version::Modern, Driver::Failed("it is broken".into())),
                ", driver failed: it is broken",
            ),
            (
                device(77, Version::Modern, Driver::None),
                "device id 77 (unknown), version 2 (modern), there is no driver for it",
            ),
        ] {
            assert!(slot.ends_with(end), "{slot}");
        }
    }

    #[ktest]
    fn a_function_tells_what_became_of_it() {
        let identity = Identity {
            vendor: 0x1af4,
            device: 0x1042,
            class: 0x01_0000,
            revision: 1,
            subsystem_vendor: 0x1af4,
            subsystem: 0x1100,
        };
        let at = Address::new(1, 2, 3).unwrap();
        let text = |content| Function { at, identity, content }.to_string();
        assert_eq!(
            text(FunctionContent::Device { id: 2, driver: Driver::Bound }),
            "pci 01:02.3 1af4:1042 class=0x010000\n    device id 2 (block), driver bound, with its \
             interrupt"
        );
        assert!(text(FunctionContent::Bridge).ends_with("\n    bridge to another bus"));
        assert!(text(FunctionContent::Other).ends_with("\n    no virtio device"));
    }

    #[ktest]
    fn what_is_recorded_is_found() {
        let before = found().slots.len();
        let slot = Slot::Good { node: node(), content: Content::Nothing(SlotError::Empty) };
        record(slot.clone());
        assert_eq!(found().slots.get(before..), Some(&[slot][..]));
        if let Some(tree) = arch::device_tree() {
            record_tree(tree);
            let found = found();
            assert_eq!(found.bytes, tree.total_size());
            // The machine's memory starts at 2 GiB.
            let address = found.physical_structure();
            assert!(address.is_some_and(|at| (0x8000_0000..1 << 40).contains(&at)), "{address:x?}");
        } else {
            assert_eq!((found().bytes, found().physical_structure()), (0, None));
        }
    }
}
