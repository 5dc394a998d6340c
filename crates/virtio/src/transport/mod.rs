//! A driver's needs of a virtio transport, whichever it is.
//!
//! The MMIO transport implements [`Transport`]; so does a scripted fake in the unit tests. Device
//! drivers and the virtqueue see this trait only. Register names are those of VIRTIO 1.3,
//! section 4.2.2; a transport on another bus has its own names for the same things.

pub mod mmio;

use core::fmt::{self, Debug};

use bitflags::bitflags;

use super::queue::QueueAddresses;

/// Access to one virtio device.
///
/// All methods take `&self` and may be called from any context, also from an interrupt
/// handler. The set-up methods expect one caller at a time, which [`super::handshake::Handshake`] sees to.
///
/// Sealed: a queue frees its memory when the transport says that the device has been reset, so a
/// transport that is not honest about that would break memory safety.
pub trait Transport: Debug + Send + Sync + sealed::Sealed {
    /// Tells the legacy interface (before VIRTIO 1.0) from the modern one.
    fn version(&self) -> Version;

    /// The virtio device id (VIRTIO 1.3, section 5).
    fn device_id(&self) -> u32;

    /// The vendor id, for people to read.
    fn vendor_id(&self) -> u32;

    /// The device status field (section 2.1), with bits that the specification does not name left
    /// in: only a status of 0 means that a reset is done.
    fn status(&self) -> DeviceStatus;

    /// Writes the device status field. Writing an empty status starts a reset.
    fn set_status(&self, status: DeviceStatus);

    /// The features that the device offers, bits 0 to 63; a legacy device has no more than 32.
    fn device_features(&self) -> u64;

    /// Tells the device which features the driver uses.
    fn set_driver_features(&self, features: u64);

    /// Reads one byte of the device configuration space.
    ///
    /// # Errors
    ///
    /// [`TransportError::ConfigOutOfRange`] if the space does not reach that far.
    fn config_u8(&self, offset: usize) -> Result<u8, TransportError>;

    /// Reads two bytes of the device configuration space with one access; `offset` is even.
    ///
    /// # Errors
    ///
    /// As [`Self::config_u8`].
    fn config_u16(&self, offset: usize) -> Result<u16, TransportError>;

    /// Reads four bytes of the device configuration space with one access; `offset` is a
    /// multiple of four.
    ///
    /// # Errors
    ///
    /// As [`Self::config_u8`].
    fn config_u32(&self, offset: usize) -> Result<u32, TransportError>;

    /// Writes one byte of the device configuration space, where the device lets the driver write
    /// (section 2.5.1).
    ///
    /// # Errors
    ///
    /// As [`Self::config_u8`].
    fn set_config_u8(&self, offset: usize, value: u8) -> Result<(), TransportError>;

    /// Writes four bytes of the device configuration space with one access; `offset` is a multiple of four.
    ///
    /// # Errors
    ///
    /// As [`Self::config_u8`].
    fn set_config_u32(&self, offset: usize, value: u32) -> Result<(), TransportError>;

    /// A number that changes whenever the configuration space does (section 2.5.1), or `None`
    /// where the transport has none (legacy).
    fn config_generation(&self) -> Option<u32>;

    /// The largest size that queue `index` can have; 0 if there is no such queue.
    fn queue_size_max(&self, index: u16) -> u32;

    /// Returns `true` if queue `index` is in use already.
    fn queue_ready(&self, index: u16) -> bool;

    /// Gives the memory of queue `index` to the device and makes the queue ready.
    ///
    /// # Errors
    ///
    /// [`TransportError::AddressTooHigh`] if a legacy device cannot be told the address.
    fn enable_queue(&self, index: u16, addresses: &QueueAddresses) -> Result<(), TransportError>;

    /// Tells the device that queue `index` has new available chains.
    fn notify(&self, index: u16);

    /// Takes the causes for which the device has raised its interrupt, and lets it fall. Whatever the
    /// device does from here on raises it again.
    fn acknowledge_interrupt(&self) -> InterruptStatus;
}

/// The two interfaces that a virtio device can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// Before VIRTIO 1.0: 32 features, no FEATURES_OK step, queues in one page-aligned block.
    Legacy,
    /// VIRTIO 1.0 and later.
    Modern,
}

bitflags! {
    /// The device status field, VIRTIO 1.3 section 2.1.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct DeviceStatus: u32 {
        /// The driver has noticed the device.
        const ACKNOWLEDGE = 1;
        /// The driver knows how to drive the device.
        const DRIVER = 2;
        /// The driver has set up the device and drives it.
        const DRIVER_OK = 4;
        /// Driver and device agree on the features.
        const FEATURES_OK = 8;
        /// The device has met an error that only a reset can mend.
        const DEVICE_NEEDS_RESET = 64;
        /// The driver has given up on the device.
        const FAILED = 128;
    }
}

bitflags! {
    /// The causes of a device's interrupt, VIRTIO 1.3 section 4.2.2 (InterruptStatus).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct InterruptStatus: u32 {
        /// The device has returned a chain in at least one queue.
        const USED_BUFFER = 1;
        /// The configuration space, or the device status, has changed.
        const CONFIGURATION_CHANGE = 2;
    }
}

/// An error of a transport that has been found usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportError {
    /// The configuration space ends before `offset`.
    ConfigOutOfRange {
        /// The first byte asked for, from the start of the configuration space.
        offset: usize,
    },
    /// A legacy device is told a page number of 32 bits, and the queue lies above that.
    AddressTooHigh {
        /// The device address of the queue.
        address: usize,
    },
}

impl core::error::Error for TransportError {}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConfigOutOfRange { offset } => {
                write!(f, "the device's configuration space ends before byte {offset}")
            }
            Self::AddressTooHigh { address } => {
                write!(f, "a legacy device cannot reach a queue at {address:#x}")
            }
        }
    }
}

/// Keeps transports inside this crate.
pub(crate) mod sealed {
    /// A mark that only transports and register windows of this crate have.
    pub trait Sealed {}
}
