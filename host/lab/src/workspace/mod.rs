//! The repository: its folders and packages, and cargo in it.

mod members;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use serde_json::Value;

pub use self::members::Member;
use crate::{
    arch::Arch,
    board::Board,
    process::{self, ProcessError},
};

/// The target of the lab's own machine.
pub const KERNEL_TARGET: &str = Arch::Riscv64.target();

/// A way to compile a kernel.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Profile {
    /// For finding mistakes: the profile `kernel`, which OSDK.toml names.
    Dev,
    /// For speed.
    Release,
    /// For a trace in which every function is seen, and its callers by their frame pointers.
    Road,
    /// For speed, with frame pointers, which lead from a function to its callers.
    Stacks,
}

impl Profile {
    /// The name in the manifest.
    fn name(self) -> &'static str {
        match self {
            Self::Dev => "kernel",
            Self::Release => "release",
            Self::Road => "road",
            Self::Stacks => "stacks",
        }
    }
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
    /// The packages.
    pub members: Vec<Member>,
    /// Every time limit is multiplied by this.
    pub patience: u32,
    /// The kernels that this program has built, by package, architecture and profile.
    built: Mutex<BTreeMap<(String, Arch, Profile), PathBuf>>,
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
    /// OSDK runs the kernel.
    #[error(
        "one default member of the workspace must be the kernel, on which no other one depends, and there \
         are {0} of that kind"
    )]
    Kernels(usize),
    /// There is no such package.
    #[error("the workspace has no package {0}")]
    NoMember(String),
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
        let members = members::read(&metadata)?;
        let target = root.join("target");
        Ok(Self { root, target, metadata, members, patience, built: Mutex::default() })
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

    /// The file for the figures of a suite on a board, whose name is in the file's unless it is the lab's own.
    pub fn report(&self, suite: &str, board: Board) -> PathBuf {
        self.target.join(suite).join(format!("{}.json", board.name("report")))
    }

    /// The kernel's package: the only default member that no other one depends on, which is what OSDK runs.
    ///
    /// # Errors
    ///
    /// There is no such package, or more than one.
    pub fn kernel(&self) -> Result<&Member, WorkspaceError> {
        members::kernel(&self.members)
    }

    /// The package of this name.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn member(&self, name: &str) -> Result<&Member, WorkspaceError> {
        let found = self.members.iter().find(|member| member.name == name);
        found.ok_or_else(|| WorkspaceError::NoMember(name.to_owned()))
    }

    /// Cargo's arguments that choose some of the packages.
    pub fn choose(&self, which: impl Fn(&Member) -> bool) -> Vec<String> {
        let chosen = self.members.iter().filter(|member| which(member));
        chosen.flat_map(|member| ["--package".to_owned(), member.name.clone()]).collect()
    }

    /// Builds the kernel of a package for the lab's own machine, and copies it to the folder of `suite`, where no later build changes
    /// it. Whatever this program has built before is not built again; all suites share it.
    ///
    /// # Errors
    ///
    /// It does not build, or cannot be copied.
    pub fn build(
        &self,
        package: &Member,
        profile: Profile,
        suite: &str,
        log: &Path,
    ) -> Result<PathBuf, WorkspaceError> {
        self.build_for(Arch::Riscv64, package, profile, suite, log)
    }

    /// The same for the machine of an architecture.
    ///
    /// # Errors
    ///
    /// Those of [`Self::build`].
    pub fn build_for(
        &self,
        arch: Arch,
        package: &Member,
        profile: Profile,
        suite: &str,
        log: &Path,
    ) -> Result<PathBuf, WorkspaceError> {
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (package.name.clone(), arch, profile);
        if let Some(kernel) = built.get(&key) {
            return Ok(kernel.clone());
        }
        let kernel = self.build_now(arch, package, profile, suite, log)?;
        built.insert(key, kernel.clone());
        Ok(kernel)
    }

    fn build_now(
        &self,
        arch: Arch,
        package: &Member,
        profile: Profile,
        suite: &str,
        log: &Path,
    ) -> Result<PathBuf, WorkspaceError> {
        let mut cargo = self.cargo();
        cargo.current_dir(&package.folder).args(["osdk", "build"]);
        cargo.arg(arch.osdk_argument());
        cargo.arg(format!("--profile={}", profile.name()));
        if matches!(profile, Profile::Road | Profile::Stacks) {
            with_frame_pointers(&mut cargo, profile);
        }
        process::run(cargo, self.limit(900), log)
            .and_then(|finished| finished.expect_success())
            .map_err(WorkspaceError::Build)?;
        let name = &package.name;
        let built = self.target.join(format!("osdk/{name}/{name}-osdk-bin.qemu_elf"));
        let kernel = self.target.join(suite).join(format!("{name}-{arch}-{}.elf", profile.name()));
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

/// Has `cargo osdk build` keep frame pointers in all crates. OSDK does not pass the variable `RUSTFLAGS` on to the build
/// of a kernel.
fn with_frame_pointers(cargo: &mut Command, profile: Profile) {
    let flags = format!("profile.{}.rustflags=['-Cforce-frame-pointers=yes']", profile.name());
    cargo.args(["--config", "unstable.profile-rustflags=true", "--config", &flags]);
}

/// `cargo` in `folder`, with the toolchain that the `rust-toolchain.toml` there names.
pub fn cargo_in(folder: &Path) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(folder);
    // Set by the `cargo run` that started this program, it would overrule the file.
    command.env_remove("RUSTUP_TOOLCHAIN");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_found_from_here() {
        let workspace = Workspace::locate(3).unwrap();
        assert!(workspace.root.join("host/lab/Cargo.toml").is_file());
        assert!(workspace.kernel().unwrap().needs_ostd);
        assert!(!workspace.member("lab").unwrap().needs_ostd);
        assert!(matches!(workspace.member("none"), Err(WorkspaceError::NoMember(_))));
        assert!(workspace.target.starts_with(&workspace.root));
        assert_eq!(workspace.log("suite", "case"), workspace.target.join("suite/case.log"));
        let report = |board| workspace.report("suite", board);
        assert_eq!(report(Board::LAB), workspace.target.join("suite/report.json"));
        assert_eq!(report(Board::PC), workspace.target.join("suite/report.x86_64-pci.json"));
        assert_eq!(workspace.limit(20), Duration::from_secs(60));
    }
}
