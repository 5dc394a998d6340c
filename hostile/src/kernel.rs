//! The kernel under test: built as `make run` builds it, and put aside.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// Where things lie.
pub struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    /// Asks cargo where everything is.
    ///
    /// # Errors
    ///
    /// Cargo does not say.
    pub fn locate() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
        let output = cargo(&root).args(["metadata", "--no-deps", "--format-version=1"]).output()?;
        ensure!(output.status.success(), "cargo metadata failed");
        let metadata: Value = serde_json::from_slice(&output.stdout)?;
        let target = metadata["target_directory"].as_str().context("no target folder")?.into();
        Ok(Self { root, target })
    }

    /// The folder for all that this program leaves behind.
    ///
    /// # Errors
    ///
    /// It cannot be made.
    pub fn results(&self) -> Result<PathBuf> {
        let folder = self.target.join("hostile");
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(folder)
    }

    /// Builds the kernel, and copies it to where the next build does not change it.
    ///
    /// # Errors
    ///
    /// It cannot be built.
    pub fn build_kernel(&self) -> Result<PathBuf> {
        println!("building the kernel");
        // Below the root, where rustup finds the pinned toolchain from the crate that OSDK generates.
        let target = self.root.join("target");
        let status = cargo(&self.root)
            .env("CARGO_TARGET_DIR", &target)
            .args(["osdk", "build", "--target-arch=riscv64"])
            .status()
            .context("cannot start cargo; `make doctor` says what is missing")?;
        if !status.success() {
            bail!("the kernel cannot be built");
        }
        let built = target.join("osdk/kernel/kernel-osdk-bin.qemu_elf");
        let kept = self.results()?.join("kernel.elf");
        fs::copy(&built, &kept).with_context(|| format!("cannot copy {}", built.display()))?;
        Ok(kept)
    }
}

/// Cargo, with the toolchain that `rust-toolchain.toml` names.
fn cargo(root: &Path) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(root);
    // Set by the `cargo run` that started this program, it would overrule the file.
    command.env_remove("RUSTUP_TOOLCHAIN");
    command
}
