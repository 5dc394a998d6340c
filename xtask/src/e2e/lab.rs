//! What a case works with: a folder of its own, disk images in it, and machines to boot.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::{image::Image, machine::Machine};

/// The version of the virtio-mmio transport. QEMU has one for the whole machine.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Transport {
    /// Version 1, QEMU's default.
    Legacy,
    /// Version 2, as of VirtIO 1.0.
    Modern,
}

impl Transport {
    /// The version register's value.
    pub fn version(self) -> u32 {
        match self {
            Self::Legacy => 1,
            Self::Modern => 2,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Legacy => "legacy",
            Self::Modern => "modern",
        })
    }
}

/// The surroundings of one case.
pub struct Lab {
    /// The kernel to boot.
    pub kernel: PathBuf,
    /// Everything the case's machines print goes there.
    pub log: PathBuf,
    /// The transport of the case's machines.
    pub transport: Transport,
    folder: TempDir,
    patience: u32,
}

impl Lab {
    /// Makes an empty folder for a case.
    pub fn new(kernel: &Path, log: &Path, transport: Transport, patience: u32) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("e2e-")
            .tempdir()
            .context("cannot make a temporary folder")?;
        Ok(Self { kernel: kernel.to_owned(), log: log.to_owned(), transport, folder, patience })
    }

    /// A machine without disks.
    pub fn machine(&self) -> Machine<'_> {
        Machine::new(self)
    }

    /// Makes a disk image with these contents. It replaces one of the same name.
    pub fn image(&self, name: &str, contents: Vec<u8>) -> Result<Image> {
        let path = self.folder.path().join(format!("{name}.img"));
        fs::write(&path, &contents).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Image::new(path, contents))
    }

    /// A time limit, stretched as the user asked.
    pub fn limit(&self, seconds: u64) -> Duration {
        Duration::from_secs(seconds) * self.patience
    }
}
