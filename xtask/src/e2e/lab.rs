//! What a case works with: a folder of its own, disk images in it, and machines to boot.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::{image::Image, machine::Machine};
use crate::transport::Transport;

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
