//! The reasons for which a job fails.

use alloc::{string::String, vec::Vec};
use core::{error, fmt};

use block::Error;

use super::text::Name;
use crate::{
    fs,
    progress::{self, Step},
    task::{Interrupted, SpawnError},
    unusable::Unusable,
};

/// The reason for which a job failed.
#[derive(Debug, PartialEq)]
pub(super) enum Failure {
    /// There is no disk to do it on.
    NoDisk {
        /// The disks that were found and cannot be used.
        unusable: Vec<Unusable>,
    },
    /// There is no entropy device to do it with.
    NoEntropyDevice {
        /// Those that were found and cannot be used.
        unusable: Vec<Unusable>,
    },
    /// There is no screen to do it on.
    NoScreen {
        /// The GPUs that were found and cannot be used.
        unusable: Vec<Unusable>,
    },
    /// There are screens, but not as many.
    NoSuchScreen {
        /// The index of the output that was asked for.
        wanted: usize,
        /// The number of outputs there are.
        count: usize,
    },
    /// Something could not be shown.
    Screen { doing: &'static str, error: display::Error },
    /// There are disks, and none has the name that was asked for.
    NoSuchDisk {
        /// The name.
        wanted: String,
        /// The serial numbers of the disks there are.
        serials: Vec<String>,
    },
    /// The disk could not do something.
    Disk { doing: Step, error: Error },
    /// There is no file system on the disk that can be used.
    Mount { serial: String, error: fs::Error },
    /// Something could not be done to a file, a directory or a symlink.
    File { path: String, error: fs::Error },
    /// No task could be started to do it in.
    Spawn(SpawnError),
    /// Somebody wanted it to stop.
    Interrupted,
    /// The job's own words.
    Other(String),
}

impl Failure {
    /// For [`Result::map_err`]: a disk error while `doing` something.
    pub(super) fn disk(doing: impl Into<Step>) -> impl FnOnce(Error) -> Self {
        let doing = doing.into();
        move |error| Self::Disk { doing, error }
    }
}

impl From<Interrupted> for Failure {
    fn from(_: Interrupted) -> Self {
        Self::Interrupted
    }
}

impl From<SpawnError> for Failure {
    fn from(error: SpawnError) -> Self {
        Self::Spawn(error)
    }
}

/// For [`Result::map_err`]: an error of what this path leads to.
pub(super) fn file(path: &str) -> impl FnOnce(fs::Error) -> Failure {
    move |error| Failure::File { path: path.into(), error }
}

/// Does a step of a job that waits for the disk. The console names it if it takes long, and the failure
/// if it fails.
pub(super) fn step<T>(
    doing: impl Into<Step>,
    work: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Failure> {
    let doing = doing.into();
    let _open = progress::begin(doing);
    work().map_err(Failure::disk(doing))
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDisk { unusable } if unusable.is_empty() => f.write_str(
                "no disk found; give QEMU one with -drive if=none,id=d0,format=raw,file=IMAGE \
                 -device virtio-blk-device,drive=d0",
            ),
            Self::NoDisk { unusable } => list(f, "disk", unusable),
            Self::NoEntropyDevice { unusable } if unusable.is_empty() => f.write_str(
                "no entropy device found; give QEMU one with -object rng-random,id=r0,filename=/dev/urandom \
                 -device virtio-rng-device,rng=r0",
            ),
            Self::NoEntropyDevice { unusable } => list(f, "entropy device", unusable),
            Self::NoScreen { unusable } if unusable.is_empty() => f.write_str(
                "no screen found; give QEMU one with -device virtio-gpu-device,xres=1024,yres=768",
            ),
            Self::NoScreen { unusable } => list(f, "GPU", unusable),
            Self::NoSuchScreen { wanted, count } => write!(
                f,
                "there is no output {wanted}; output= takes a number from 0 to {}",
                count.saturating_sub(1)
            ),
            Self::Screen { doing, error } => write!(f, "{doing}: {error}"),
            Self::NoSuchDisk { wanted, serials } => {
                write!(f, "there is no disk \"{wanted}\"; disk= takes one of:")?;
                for (index, serial) in serials.iter().enumerate() {
                    write!(f, " {index}")?;
                    if !serial.is_empty() {
                        write!(f, " ({serial})")?;
                    }
                }
                Ok(())
            }
            Self::Disk { doing, error } => write!(f, "{doing}: {error}"),
            Self::Mount { serial, error } => {
                write!(f, "the disk \"{}\" cannot be mounted: {error}", Name(serial))
            }
            Self::File { path, error } => write!(f, "{}: {error}", Name(path)),
            Self::Spawn(error) => error.fmt(f),
            Self::Interrupted => Interrupted.fmt(f),
            Self::Other(text) => f.write_str(text),
        }
    }
}

/// Lists devices that were found and cannot be used.
fn list(f: &mut fmt::Formatter<'_>, kind: &str, unusable: &[Unusable]) -> fmt::Result {
    for (index, device) in unusable.iter().enumerate() {
        let separator = if index == 0 { "" } else { "; " };
        let Unusable { place, reason, .. } = device;
        write!(f, "{separator}the {kind} at {place} could not be used: {reason}")?;
    }
    Ok(())
}

impl error::Error for Failure {}
