//! The repository: its folders, and cargo in it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::Value;

use crate::process::{self, ProcessError};

/// A way to compile a kernel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Profile {
    /// For finding mistakes.
    Dev,
    /// For speed.
    Release,
    /// For a trace in which every function is seen.
    Road,
}

/// The repository that this program was built from.
#[derive(Debug)]
pub struct Workspace {
    /// The folder with the workspace's `Cargo.toml`.
    pub root: PathBuf,
    /// Cargo's target folder; logs and everything else that is generated lies below it.
    ///
    /// It is in the root, whatever the user's own settings are: OSDK builds a generated crate in it, and
    /// rustup finds the pinned toolchain from a folder below the root only.
    pub target: PathBuf,
    /// The answer of `cargo metadata --no-deps`.
    pub metadata: Value,
    /// Every time limit is multiplied by this.
    pub patience: u32,
}

/// The workspace is not there, or has no kernel.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// There is no cargo.
    #[error("cannot start cargo; `make doctor` says what is missing")]
    NoCargo(#[source] io::Error),
    /// Cargo does not understand the workspace.
    #[error("cargo metadata failed: {0}")]
    Metadata(String),
    /// Cargo speaks another language than it should.
    #[error("cargo metadata printed no JSON")]
    NoJson(#[source] serde_json::Error),
    /// Cargo leaves something out.
    #[error("cargo metadata does not name {0}")]
    Unnamed(&'static str),
    /// OSDK builds the default member.
    #[error("the kernel must be the only default member of the workspace, and there are {0}")]
    DefaultMembers(usize),
    /// The kernel does not compile.
    #[error("the kernel does not build")]
    Build(#[source] ProcessError),
    /// The kernel that was built is not there, or cannot be put aside.
    #[error("cannot copy the kernel {}", path.display())]
    Copy {
        /// The file that OSDK should have made.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// OSDK has mixed two builds up.
    #[error(
        "cargo osdk built the unit tests instead of the kernel; run `make clean` and try again"
    )]
    UnitTests,
}

impl Workspace {
    /// Asks cargo where everything is.
    ///
    /// # Errors
    ///
    /// Cargo cannot be started or does not say.
    pub fn locate(patience: u32) -> Result<Self, WorkspaceError> {
        // Not in the folder of this crate: there, cargo takes this crate for the default member.
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let output = cargo_in(&here)
            .args(["metadata", "--no-deps", "--format-version=1"])
            .output()
            .map_err(WorkspaceError::NoCargo)?;
        if !output.status.success() {
            let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(WorkspaceError::Metadata(reason));
        }
        let metadata: Value =
            serde_json::from_slice(&output.stdout).map_err(WorkspaceError::NoJson)?;
        let root =
            metadata["workspace_root"].as_str().ok_or(WorkspaceError::Unnamed("the root"))?;
        let root = PathBuf::from(root);
        Ok(Self { target: root.join("target"), root, metadata, patience })
    }

    /// `cargo` at the root of the repository.
    pub fn cargo(&self) -> Command {
        let mut command = cargo_in(&self.root);
        command.env("CARGO_TARGET_DIR", &self.target);
        command
    }

    /// The log file of a check.
    pub fn log(&self, suite: &str, case: &str) -> PathBuf {
        self.target.join(suite).join(format!("{case}.log"))
    }

    /// The name of the kernel's crate: the only default member of the workspace, which is what OSDK
    /// builds.
    ///
    /// # Errors
    ///
    /// There is no such crate, or more than one.
    pub fn kernel_name(&self) -> Result<&str, WorkspaceError> {
        kernel_name(&self.metadata)
    }

    /// Builds the kernel, and copies it to the folder of `suite`, where no later build changes it.
    ///
    /// # Errors
    ///
    /// It does not build, or cannot be copied.
    pub fn build_kernel(
        &self,
        suite: &str,
        profile: Profile,
        log: &Path,
    ) -> Result<PathBuf, WorkspaceError> {
        let mut cargo = self.cargo();
        cargo.args(["osdk", "build", "--target-arch=riscv64"]);
        match profile {
            Profile::Dev => {}
            Profile::Release => _ = cargo.arg("--release"),
            Profile::Road => _ = cargo.arg("--profile=road"),
        }
        process::run(cargo, self.limit(900), log)
            .and_then(|finished| finished.expect_success())
            .map_err(WorkspaceError::Build)?;
        let name = self.kernel_name()?;
        let built = self.target.join(format!("osdk/{name}/{name}-osdk-bin.qemu_elf"));
        let kernel = self.target.join(suite).join("kernel.elf");
        let copied = fs::copy(&built, &kernel).and_then(|_| fs::read(&kernel));
        let contents = copied.map_err(|source| WorkspaceError::Copy { path: built, source })?;
        let mark = b"[ktest runner]";
        if contents.windows(mark.len()).any(|window| window == mark) {
            return Err(WorkspaceError::UnitTests);
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

fn kernel_name(metadata: &Value) -> Result<&str, WorkspaceError> {
    let list = |key, what| metadata[key].as_array().ok_or(WorkspaceError::Unnamed(what));
    let members = list("workspace_default_members", "the default members")?;
    let [kernel] = &members[..] else {
        return Err(WorkspaceError::DefaultMembers(members.len()));
    };
    list("packages", "the packages")?
        .iter()
        .find(|package| package["id"] == *kernel)
        .and_then(|package| package["name"].as_str())
        .ok_or(WorkspaceError::Unnamed("the package of the default member"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_kernel_is_the_only_default_member() {
        let metadata = |members: &[&str]| {
            json!({
                "workspace_default_members": members,
                "packages": [{ "id": "one", "name": "tool" }, { "id": "two", "name": "kernel" }],
            })
        };
        assert_eq!(kernel_name(&metadata(&["two"])).unwrap(), "kernel");
        let error = kernel_name(&metadata(&["one", "two"])).unwrap_err();
        assert!(matches!(error, WorkspaceError::DefaultMembers(2)), "{error}");
        assert!(kernel_name(&metadata(&["three"])).is_err());
        assert!(kernel_name(&json!({})).is_err());
    }

    #[test]
    fn the_workspace_is_found_from_here() {
        let workspace = Workspace::locate(3).unwrap();
        assert!(workspace.root.join("host/lab/Cargo.toml").is_file());
        assert!(workspace.target.starts_with(&workspace.root));
        assert_eq!(workspace.log("suite", "case"), workspace.target.join("suite/case.log"));
        assert_eq!(workspace.limit(20), Duration::from_secs(60));
    }
}
