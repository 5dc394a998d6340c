//! Initialising a device, VIRTIO 1.3 section 3.1.1: the status handshake and the features.

use alloc::sync::Arc;
use core::fmt;

use dma::DmaError;

use super::{
    driver::DeviceError,
    features::Features,
    queue::SetupError,
    reset::{ResetError, reset},
    transport::{DeviceStatus, Transport, TransportError, Version},
};

/// A device between reset and DRIVER_OK.
///
/// Dropping this before [`Self::finish`] sets FAILED in the device status, so a driver may leave
/// its initialisation with `?` at any point.
#[derive(Debug)]
pub struct Handshake {
    transport: Arc<dyn Transport>,
    status: DeviceStatus,
    finished: bool,
}

impl Handshake {
    /// Resets the device and tells it that a driver has come (steps 1 to 3).
    ///
    /// # Errors
    ///
    /// [`InitError::Reset`] when the device does not finish its reset.
    pub fn begin(transport: Arc<dyn Transport>) -> Result<Self, InitError> {
        let mut handshake = Self { transport, status: DeviceStatus::empty(), finished: false };
        reset(&*handshake.transport).map_err(InitError::Reset)?;
        handshake.advance(DeviceStatus::ACKNOWLEDGE);
        handshake.advance(DeviceStatus::DRIVER);
        Ok(handshake)
    }

    /// Agrees on the features that both the device offers and `supported` has (steps 4 to 6).
    ///
    /// VERSION_1 is part of what a modern device must offer and a legacy device cannot. No feature
    /// outside of `supported` is ever acknowledged.
    ///
    /// # Errors
    ///
    /// [`InitError::NoVersion1`] and [`InitError::FeaturesRefused`].
    pub fn negotiate(&mut self, supported: u64) -> Result<u64, InitError> {
        // ANCHOR: exercise-5-negotiate
        let offered = self.transport.device_features();
        let version_1 = Features::VERSION_1.bits();
        let modern = self.transport.version() == Version::Modern;
        if modern && offered & version_1 == 0 {
            return Err(InitError::NoVersion1);
        }
        let wanted = if modern { supported | version_1 } else { supported & !version_1 };
        let features = offered & wanted;
        self.transport.set_driver_features(features);
        if modern {
            self.advance(DeviceStatus::FEATURES_OK);
            if !self.transport.status().contains(DeviceStatus::FEATURES_OK) {
                return Err(InitError::FeaturesRefused { features });
            }
        }
        Ok(features)
        // ANCHOR_END: exercise-5-negotiate
    }

    /// Tells the device that it is driven from now on (step 8).
    pub fn finish(mut self) {
        self.advance(DeviceStatus::DRIVER_OK);
        self.finished = true;
    }

    fn advance(&mut self, step: DeviceStatus) {
        self.status |= step;
        self.transport.set_status(self.status);
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        if !self.finished {
            self.advance(DeviceStatus::FAILED);
        }
    }
}

/// The most reads of a configuration field until it holds still.
const CONFIG_READS: usize = 16;

/// Reads fields of the configuration space that belong together (section 2.5.1).
///
/// `read` runs again when the configuration has changed under it: as config_generation tells on a
/// modern device, and until it gives the same twice on a legacy one, which has no such register.
///
/// # Errors
///
/// Those of `read`, and [`InitError::ConfigUnstable`] if the configuration never holds still.
pub fn read_config<T: PartialEq>(
    transport: &dyn Transport,
    read: impl Fn(&dyn Transport) -> Result<T, TransportError>,
) -> Result<T, InitError> {
    let mut before = transport.config_generation();
    let mut last = None;
    for _ in 0..CONFIG_READS {
        let value = read(transport).map_err(InitError::Config)?;
        let after = transport.config_generation();
        let steady = match after {
            Some(_) => after == before,
            None => last.as_ref() == Some(&value),
        };
        if steady {
            return Ok(value);
        }
        before = after;
        last = Some(value);
    }
    Err(InitError::ConfigUnstable)
}

/// The reason why a device could not be initialised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum InitError {
    /// The device does not finish its reset.
    Reset(ResetError),
    /// A modern device must offer VERSION_1.
    NoVersion1,
    /// The device cleared FEATURES_OK.
    FeaturesRefused {
        /// The features asked for, all of which it had offered.
        features: u64,
    },
    /// The configuration space is too short.
    Config(TransportError),
    /// The configuration changed each time that it was read.
    ConfigUnstable,
    /// The configuration holds a value that no such device can have.
    BadConfig {
        /// The field, by its name in the specification.
        field: &'static str,
        /// Its value.
        value: u64,
    },
    /// Something that cannot change while a device is in use has changed over a reset.
    Changed {
        /// Its name.
        field: &'static str,
    },
    /// A queue could not be set up.
    Queue(SetupError),
    /// The queue has fewer entries than one request needs.
    QueueTooSmall {
        /// The entries it has.
        entries: usize,
        /// The entries needed.
        needed: usize,
    },
    /// There is no memory for the driver's own use.
    Memory(DmaError),
    /// The first request to the device failed.
    FirstRequest(DeviceError),
}

impl fmt::Display for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reset(error) => error.fmt(f),
            Self::NoVersion1 => f.write_str("a modern device that does not offer VERSION_1"),
            Self::FeaturesRefused { features } => {
                write!(f, "the device refuses features {features:#x}, all of which it offered")
            }
            Self::Config(error) => error.fmt(f),
            Self::ConfigUnstable => f.write_str("the configuration space never holds still"),
            Self::BadConfig { field, value } => {
                write!(f, "the configuration field {field} cannot be {value:#x}")
            }
            Self::Changed { field } => write!(f, "its {field} changed over a reset"),
            Self::Queue(error) => error.fmt(f),
            Self::QueueTooSmall { entries, needed } => write!(
                f,
                "a queue of {entries} entries without indirect descriptors cannot hold a request, \
                 which takes {needed}"
            ),
            Self::Memory(error) => error.fmt(f),
            Self::FirstRequest(error) => write!(f, "the first request failed: {error}"),
        }
    }
}

impl core::error::Error for InitError {}

impl From<DmaError> for InitError {
    fn from(error: DmaError) -> Self {
        Self::Memory(error)
    }
}

impl From<SetupError> for InitError {
    fn from(error: SetupError) -> Self {
        Self::Queue(error)
    }
}
