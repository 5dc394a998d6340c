//! Where things lie, and how cargo is called.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::command;

/// How a kernel is compiled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Profile {
    /// For finding mistakes.
    Dev,
    /// For speed.
    Release,
}

/// The repository that this program was built from.
pub struct Workspace {
    /// The folder with the workspace's `Cargo.toml`.
    pub root: PathBuf,
    /// Cargo's target folder; logs and everything else that is generated lies below it.
    pub target: PathBuf,
    /// The answer of `cargo metadata --no-deps`.
    pub metadata: Value,
    /// Every time limit is multiplied by this.
    pub patience: u32,
}

impl Workspace {
    /// Asks cargo where everything is.
    pub fn locate(patience: u32) -> Result<Self> {
        // Not in the folder of this crate: there, cargo takes this crate for the default member.
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let output = cargo_in(&here)
            .args(["metadata", "--no-deps", "--format-version=1"])
            .output()
            .context("cannot start cargo; `make doctor` says what is missing")?;
        if !output.status.success() {
            bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        let metadata: Value =
            serde_json::from_slice(&output.stdout).context("cargo metadata printed no JSON")?;
        let root =
            metadata["workspace_root"].as_str().context("cargo metadata names no root")?.into();
        let target = metadata["target_directory"]
            .as_str()
            .context("cargo metadata names no target folder")?
            .into();
        Ok(Self { root, target, metadata, patience })
    }

    /// `cargo` at the root of the repository.
    pub fn cargo(&self) -> Command {
        cargo_in(&self.root)
    }

    /// The log file of a check.
    pub fn log(&self, suite: &str, case: &str) -> PathBuf {
        self.target.join(suite).join(format!("{case}.log"))
    }

    /// The name of the kernel's crate: the only default member of the workspace, which is what OSDK
    /// builds.
    pub fn kernel_name(&self) -> Result<&str> {
        let members =
            self.metadata["workspace_default_members"].as_array().context("no members")?;
        ensure!(members.len() == 1, "the kernel must be the only default member of the workspace");
        let packages = self.metadata["packages"].as_array().context("no packages")?;
        packages
            .iter()
            .find(|package| Some(&package["id"]) == members.first())
            .and_then(|package| package["name"].as_str())
            .context("the default member has no package")
    }

    /// Builds the kernel, and copies it to the folder of `suite`, where no later build changes it.
    pub fn build_kernel(&self, suite: &str, profile: Profile, log: &Path) -> Result<PathBuf> {
        let mut cargo = self.cargo();
        cargo.args(["osdk", "build", "--target-arch=riscv64"]);
        if profile == Profile::Release {
            cargo.arg("--release");
        }
        command::run(cargo, self.limit(900), log)?
            .expect_success()
            .context("the kernel does not build")?;
        let name = self.kernel_name()?;
        let built = self.target.join(format!("osdk/{name}/{name}-osdk-bin.qemu_elf"));
        let kernel = self.target.join(suite).join("kernel.elf");
        fs::copy(&built, &kernel)
            .with_context(|| format!("cannot copy the kernel {}", built.display()))?;
        let mark = b"[ktest runner]";
        if fs::read(&kernel)?.windows(mark.len()).any(|window| window == mark) {
            bail!(
                "cargo osdk built the unit tests instead of the kernel; run `make clean` and try again"
            );
        }
        Ok(kernel)
    }

    /// A time limit, stretched as the user asked.
    pub fn limit(&self, seconds: u64) -> Duration {
        Duration::from_secs(seconds) * self.patience
    }
}

/// `cargo` in `folder`, with the toolchain that the `rust-toolchain.toml` there names.
pub fn cargo_in(folder: &Path) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(folder);
    // Set by the `cargo run` that started this program, it would overrule the file.
    command.env_remove("RUSTUP_TOOLCHAIN");
    command
}
