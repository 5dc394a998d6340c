//! The interrupt of a device, and what can be wrong with it.

use core::fmt;

use virtio::transport::pci::NoMessages;

use crate::arch::MapError;

/// The reason for which a device's interrupt cannot be used.
#[derive(Debug)]
pub enum ConnectError {
    /// The device tree does not tell it.
    Node(device_tree::InterruptError),
    /// OSTD has no line left for it.
    Line(ostd::Error),
    /// The interrupt controller does not take it.
    Map(MapError),
    /// A PCI function without a pin, where functions interrupt by their pins.
    NoPin,
    /// A PCI function that does not interrupt by messages, where functions do.
    NoMessages(NoMessages),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(error) => error.fmt(f),
            Self::Line(error) => write!(f, "there is no interrupt line left ({error:?})"),
            Self::Map(error) => error.fmt(f),
            Self::NoPin => f.write_str("it has no pin for interrupts"),
            Self::NoMessages(reason) => reason.fmt(f),
        }
    }
}

impl core::error::Error for ConnectError {}
