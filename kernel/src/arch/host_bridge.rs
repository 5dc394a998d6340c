//! A PCI host bridge, as a machine tells of it.

use alloc::string::String;

use device_tree::{InterruptError, InterruptMap};

/// The way to a PCI bus.
///
/// This is everything that a machine gives: [`pci::HostBridge`] says how configuration space is reached and
/// who places the BARs, and [`Interrupts`] how a function's interrupt comes to a line.
#[derive(Debug)]
pub struct HostBridge {
    /// Its name, for people to read.
    pub name: String,
    /// The bus behind it.
    pub bus: pci::HostBridge,
    /// The way of interrupts.
    pub interrupts: Interrupts,
}

/// The way in which functions interrupt.
#[derive(Debug)]
pub enum Interrupts {
    /// By their pins, which the device tree leads to the interrupt controller; several functions share one.
    /// Functions are polled if the tree does not tell.
    Pins(Result<InterruptMap, InterruptError>),
    /// By messages, which `irq::message` makes. A function that cannot send any is polled.
    Messages,
}
