//! Devices: where they are found, which driver they get, and how their interrupts reach it.
//!
//! ```text
//!   mmio      device tree node -> registers, transport, interrupt
//!   pci       host bridge -> functions -> registers, transport, interrupt
//!   connect   what can be wrong with an interrupt
//!   bind      device id -> driver, and the registry of those who use its kind
//!   found     what the tree and its devices were like, for people who ask
//!   options   the command line's choices for the drivers
//!   serial    the serial port, for what is typed
//! ```
//!
//! The drivers themselves are the crate [`virtio`]. A new kind of device is one arm in `bind`.

mod bind;
mod connect;
pub mod entropy;
pub mod found;
mod mmio;
mod options;
mod pci;
pub mod serial;

use alloc::{sync::Arc, vec::Vec};

use ostd::{
    irq::IrqLine,
    sync::{LocalIrqDisabled, SpinLock},
};
use virtio::device::VirtioDevice;

pub use self::options::{OPTION_KEYS, Options};
use crate::arch::{self, irq::MappedIrqLine};

/// Devices live until power-off, with the interrupt lines that call them.
static BOUND: SpinLock<Vec<Bound>, LocalIrqDisabled> = SpinLock::new(Vec::new());

/// The pins of interrupt controllers that are in use, with the lines that they lead to.
static MAPPED: SpinLock<Vec<MappedIrqLine>> = SpinLock::new(Vec::new());

struct Bound {
    device: Arc<dyn VirtioDevice>,
    /// Handles on lines, with the calls of this device: of a pin that others share, or for messages.
    _lines: Vec<IrqLine>,
}

/// Finds all devices and binds them to their drivers.
///
/// Says on the console what was found. A device that cannot be used does not stop the others. To be
/// called once, from `kernel_main`, with IRQs enabled.
pub fn probe(options: &Options) {
    dma::set_cache_coherent(options.cache_coherent);
    if let Some(fdt) = arch::device_tree() {
        found::record_tree(fdt);
        mmio::probe(fdt, options);
    }
    pci::probe(options);
    ostd::timer::register_callback_on_cpu(tick);
}

/// Keeps a device, and the handles on lines that call it.
fn keep(device: Arc<dyn VirtioDevice>, lines: Vec<IrqLine>) {
    BOUND.lock().push(Bound { device, _lines: lines });
}

/// Keeps a pin in use.
fn keep_mapped(line: MappedIrqLine) {
    MAPPED.lock().push(line);
}

fn tick() {
    for bound in BOUND.lock().iter() {
        bound.device.tick();
    }
}
