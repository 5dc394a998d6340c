//! The virtio-mmio slots and the test device of the machine, from the device tree, and its end.

use alloc::vec::Vec;
use core::{hint::spin_loop, ops::Range};

use fdt::{Fdt, node::FdtNode};
use ostd::{
    arch::{boot::DEVICE_TREE, irq::InterruptSourceInFdt, read_tsc, tsc_freq},
    io::IoMem,
    mm::VmIoOnce,
    power::{ExitCode, poweroff},
};
use spin::Once;

/// A virtio-mmio slot.
pub struct Slot {
    /// Its registers.
    pub range: Range<usize>,
    /// Its interrupt, if the tree has one.
    pub interrupt: Option<InterruptSourceInFdt>,
}

/// The registers of QEMU's `sifive,test` device.
static TEST_DEVICE: Once<IoMem> = Once::new();

/// Finds the slots, and the device that [`exit`] needs. To be called before anything else runs.
pub fn prepare() -> Vec<Slot> {
    let Some(tree) = DEVICE_TREE.get() else { return Vec::new() };
    if let Some(range) = tree.find_compatible(&["sifive,test0"]).and_then(registers)
        && let Ok(memory) = IoMem::acquire(range)
    {
        TEST_DEVICE.call_once(|| memory);
    }
    slots(tree)
}

fn slots(tree: &Fdt<'_>) -> Vec<Slot> {
    tree.all_nodes()
        .filter(|node| {
            node.compatible().is_some_and(|names| names.all().any(|name| name == "virtio,mmio"))
        })
        .filter_map(|node| Some(Slot { range: registers(node)?, interrupt: interrupt(node) }))
        .collect()
}

fn registers(node: FdtNode<'_, '_>) -> Option<Range<usize>> {
    let reg = node.reg()?.next()?;
    let start = reg.starting_address as usize;
    Some(start..start.checked_add(reg.size?)?)
}

fn interrupt(node: FdtNode<'_, '_>) -> Option<InterruptSourceInFdt> {
    let number = |node: FdtNode<'_, '_>, name| u32::try_from(node.property(name)?.as_usize()?).ok();
    Some(InterruptSourceInFdt {
        interrupt_parent: number(node, "interrupt-parent")?,
        interrupt: number(node, "interrupts")?,
    })
}

/// Tells how the run went.
pub enum Verdict {
    /// QEMU ends with status 0.
    Success,
    /// QEMU ends with status 1.
    Failure,
}

/// Ends the machine.
pub fn exit(verdict: Verdict) -> ! {
    let (finisher, code) = match verdict {
        Verdict::Success => (0x5555_u32, ExitCode::Success),
        Verdict::Failure => (1 << 16 | 0x3333, ExitCode::Failure),
    };
    if let Some(device) = TEST_DEVICE.get()
        && device.write_once(0, &finisher).is_ok()
    {
        // QEMU ends a moment later; the firmware's power-off would put its own status in place.
        let start = read_tsc();
        while read_tsc().wrapping_sub(start) < tsc_freq() {
            spin_loop();
        }
    }
    poweroff(code)
}
