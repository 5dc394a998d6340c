//! Where a case works: a folder of its own, the kernel to boot, and a log.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::{
    command::{self, Finished},
    workspace::Workspace,
};

/// What a program other than the kernel may take. Each takes a fraction of a second.
const TOOL_SECONDS: u64 = 60;

/// The surroundings of one case.
pub struct Place {
    /// The kernel to boot.
    pub kernel: PathBuf,
    /// Everything that is started and printed goes there.
    pub log: PathBuf,
    folder: TempDir,
    patience: u32,
}

impl Place {
    /// Makes an empty folder for a case.
    pub fn new(workspace: &Workspace, kernel: &Path, log: &Path) -> Result<Self> {
        command::new_log(log)?;
        let folder = tempfile::Builder::new()
            .prefix("soak-")
            .tempdir()
            .context("cannot make a temporary folder")?;
        let (kernel, log) = (kernel.to_owned(), log.to_owned());
        Ok(Self { kernel, log, folder, patience: workspace.patience })
    }

    /// A file of this name in the folder, which need not exist.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A time limit, stretched as the user asked.
    pub fn limit(&self, seconds: u64) -> Duration {
        Duration::from_secs(seconds) * self.patience
    }

    /// Runs a program such as `qemu-img` to its end, whatever its exit status.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Result<Finished> {
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).args(arguments);
        command::run(command, self.limit(TOOL_SECONDS), &self.log)
    }
}
