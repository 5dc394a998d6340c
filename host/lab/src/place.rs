//! The place in which a case works: a folder of its own, the kernel to boot, and a log.

use std::{
    io,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    image::{Image, ImageError},
    process::{self, Finished, ProcessError},
    workspace::Workspace,
};

/// The time that a program other than the kernel may take. Each takes a fraction of a second.
const TOOL_SECONDS: u64 = 60;

/// The surroundings of one case. Dropping it removes the folder; kernel and log stay.
#[derive(Debug)]
pub struct Place {
    /// The kernel to boot.
    pub kernel: PathBuf,
    /// Everything that is started and printed goes there.
    pub log: PathBuf,
    folder: TempDir,
    patience: u32,
}

/// There is no place for a case.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// There is no folder for it.
    #[error("cannot make a temporary folder")]
    NoFolder(#[from] io::Error),
    /// There is no log for it.
    #[error(transparent)]
    NoLog(#[from] ProcessError),
}

impl Place {
    /// Makes an empty folder and an empty log for a case.
    ///
    /// # Errors
    ///
    /// Either cannot be made.
    pub fn new(workspace: &Workspace, kernel: &Path, log: &Path) -> Result<Self, PlaceError> {
        process::new_log(log)?;
        let folder = tempfile::Builder::new().prefix("lab-").tempdir()?;
        let (kernel, log) = (kernel.to_owned(), log.to_owned());
        Ok(Self { kernel, log, folder, patience: workspace.patience })
    }

    /// A file of this name in the folder, which need not exist.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Makes a disk image with these contents. It replaces one of the same name.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn image(&self, name: &str, contents: Vec<u8>) -> Result<Image, ImageError> {
        Image::create(self.file(&format!("{name}.img")), contents)
    }

    /// A time limit, stretched as the user asked.
    pub fn limit(&self, seconds: u64) -> Duration {
        Duration::from_secs(seconds) * self.patience
    }

    /// Runs a program such as `qemu-img` to its end, whatever its exit status.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Result<Finished, ProcessError> {
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).args(arguments);
        process::run(command, self.limit(TOOL_SECONDS), &self.log)
    }
}
