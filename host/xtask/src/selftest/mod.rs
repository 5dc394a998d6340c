//! Proof that `cargo osdk test` can be believed: it exits with 0 when tests passed, and never
//! otherwise.
//!
//! On RISC-V it would exit with 0 whatever happened, were it not for the wrapper around QEMU that
//! OSDK.toml names. So small kernels that fail in every way are made in a folder of their own, with
//! the very same OSDK.toml, `tools/`, manifests and versions, and tested with the very same
//! command: most in the kernel's folder, some together with the other crates that have unit tests.

mod cases;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use lab::{
    process::{self, End, Finished},
    text,
    workspace::{KERNEL_TARGET, Member, Workspace, cargo_in},
};
use serde_json::Value;
use tempfile::TempDir;

use self::cases::{
    CASES, CRATES, CratesCase, Expected,
    Expected::{Fails, Passes},
    GOOD,
};
use crate::{files::copy_all, report::Suite};

/// Long enough for a boot on a slow machine, short enough to wait for.
const HANG_LIMIT_SECONDS: u32 = 15;

/// Makes the kernels and tests them.
pub fn run(workspace: &Workspace, suite: &mut Suite) -> Result<()> {
    let copy = copy_workspace(workspace).context("cannot make the workspace for the selftest")?;
    let build = workspace.target.join("selftest/build");
    let mut check = |name, work: &dyn Fn(&Osdk) -> Result<()>| -> Result<()> {
        let log = workspace.log("selftest", name);
        process::new_log(&log)?;
        suite.check(name, Some(&log), || {
            work(&Osdk { workspace, root: copy.path(), build: &build, log: &log })
        });
        Ok(())
    };
    for case in CASES {
        check(case.name, &|osdk| {
            let kernel = workspace.kernel()?;
            osdk.write(kernel, &cases::kernel(case.tests))?;
            case.expected.judge(&osdk.test(Some(kernel), case.filter)?)
        })?;
    }
    check("tests-leave-the-kernel-as-it-was", &|osdk| {
        osdk.write(workspace.kernel()?, &cases::kernel(GOOD))?;
        kernel_survives(osdk)
    })?;
    for case in CRATES {
        check(case.name, &|osdk| crates(osdk, case))?;
    }
    remove_leftovers(workspace, &build);
    Ok(())
}

/// `cargo osdk` in the copy.
struct Osdk<'a> {
    workspace: &'a Workspace,
    root: &'a Path,
    build: &'a Path,
    log: &'a Path,
}

impl Osdk<'_> {
    /// Writes the only source file of a package.
    fn write(&self, package: &Member, source: &str) -> Result<()> {
        Ok(fs::write(self.folder(package)?.join("src/lib.rs"), source)?)
    }

    /// The folder of a package of the workspace in the copy.
    fn folder(&self, package: &Member) -> Result<PathBuf> {
        Ok(self.root.join(package.folder.strip_prefix(&self.workspace.root)?))
    }

    /// Tests a package, or all default members.
    fn test(&self, package: Option<&Member>, filter: Option<&str>) -> Result<Finished> {
        match package {
            Some(package) => self.run(&self.folder(package)?, "test", filter),
            None => self.run(self.root, "test", filter),
        }
    }

    fn run(&self, folder: &Path, command: &str, filter: Option<&str>) -> Result<Finished> {
        let mut cargo = cargo_in(folder);
        cargo.args(["osdk", command, "--target-arch=riscv64"]).args(filter);
        // Apart from the kernel's own build, and the same for all cases: OSTD is compiled once.
        cargo.env("CARGO_TARGET_DIR", self.build);
        cargo.env("CARGO_INCREMENTAL", "0");
        cargo.env("KTEST_TIMEOUT", (HANG_LIMIT_SECONDS * self.workspace.patience).to_string());
        Ok(process::run(cargo, self.workspace.limit(600), self.log)?)
    }
}

/// OSDK can write the unit tests over the kernel: see the first argument of QEMU in OSDK.toml.
fn kernel_survives(osdk: &Osdk) -> Result<()> {
    let package = osdk.workspace.kernel()?;
    let name = &package.name;
    let kernel = osdk.build.join(format!("osdk/{name}/{name}-osdk-bin.qemu_elf"));
    let build = || -> Result<Vec<u8>> {
        osdk.run(osdk.root, "build", None)?.expect_success()?;
        fs::read(&kernel).with_context(|| format!("cannot read {}", kernel.display()))
    };
    let before = build()?;
    osdk.test(Some(package), None)?.expect_success()?;
    ensure!(before == build()?, "`cargo osdk build` makes another kernel after `cargo osdk test`");
    Ok(())
}

/// Tests all default members at once: one of them is odd, which is not the last, and the others pass.
fn crates(osdk: &Osdk, case: &CratesCase) -> Result<()> {
    let kernel = osdk.workspace.kernel()?;
    osdk.write(kernel, &cases::kernel(GOOD))?;
    let members = || osdk.workspace.members.iter().filter(|member| member.is_default);
    let libraries: Vec<&Member> = members().filter(|member| **member != *kernel).collect();
    let [odd, others @ ..] = &libraries[..] else {
        bail!("there are no unit tests but the kernel's");
    };
    osdk.write(odd, &cases::library(case.tests))?;
    for library in others {
        osdk.write(library, &cases::library(GOOD))?;
    }
    let finished = osdk.test(None, None)?;
    case.expected.judge(&finished)?;
    // Each has its turn, whatever has become of those before it.
    let output = text::plain(&finished.output);
    for member in members() {
        let sum = format!("ktest {}: ", member.name);
        let count = output.lines().filter(|line| line.starts_with(&sum)).count();
        ensure!(count == 1, "{count} lines begin with {sum:?}{}", text::tail(&output, 12));
    }
    Ok(())
}

impl Expected {
    /// Checks that `cargo osdk test` ended so.
    fn judge(&self, finished: &Finished) -> Result<()> {
        let End::Exited(status) = finished.end else {
            bail!("cargo osdk test did not end by itself: {}", finished.end);
        };
        let output = text::plain(&finished.output);
        let tail = || text::tail(&output, 12);
        match self {
            Passes(tests) => {
                ensure!(status == 0, "exit status {status} instead of 0{}", tail());
                let end = format!(": {tests} passed, 0 failed");
                let is_sum = |line: &str| line.starts_with("ktest ") && line.ends_with(&end);
                ensure!(output.lines().any(is_sum), "no line ends with {end:?}{}", tail());
            }
            Fails(words) => {
                ensure!(status != 0, "exit status 0 instead of a failure{}", tail());
                ensure!(output.contains(words), "failed without saying {words:?}{}", tail());
            }
        }
        Ok(())
    }
}

/// Removes what no later run can use: the kernels, whose names depend on the temporary folder, and
/// the logs of the tests that failed as they should.
fn remove_leftovers(workspace: &Workspace, build: &Path) {
    let members = workspace.members.iter().filter(|member| member.is_default);
    let prefixes: Vec<_> =
        members.map(|member| format!("{}_osdk_bin-", member.crate_name())).collect();
    let deps = build.join(KERNEL_TARGET).join("debug/deps");
    // Neither folder exists if nothing was built, and what cannot be removed does no harm.
    for entry in fs::read_dir(deps).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if prefixes.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            let _ = fs::remove_file(entry.path());
        }
    }
    let _ = fs::remove_dir_all(build.join("logs"));
}

/// A workspace in a new temporary folder with the manifests, versions, OSDK.toml and tools of this
/// one, and stubs for sources.
fn copy_workspace(workspace: &Workspace) -> Result<TempDir> {
    let copy = tempfile::Builder::new().prefix("osdk-selftest-").tempdir()?;
    let (from, to) = (&workspace.root, copy.path());
    for name in ["Cargo.toml", "Cargo.lock", "OSDK.toml", "rust-toolchain.toml", "tools", ".cargo"]
    {
        if from.join(name).exists() {
            copy_all(&from.join(name), &to.join(name))
                .with_context(|| format!("cannot copy {name}"))?;
        }
    }
    let packages =
        workspace.metadata["packages"].as_array().context("cargo metadata names no packages")?;
    for package in packages {
        copy_all(
            path_in(from, &package["manifest_path"])?,
            &to.join(relative(from, &package["manifest_path"])?),
        )?;
        for target in package["targets"].as_array().into_iter().flatten() {
            let stub = to.join(relative(from, &target["src_path"])?);
            fs::create_dir_all(stub.parent().context("a source without a folder")?)?;
            let is_library =
                target["kind"].as_array().is_some_and(|kind| kind.contains(&"lib".into()));
            // The kernel is built with the libraries that it depends on.
            fs::write(stub, if is_library { "#![no_std]\n" } else { "fn main() {}\n" })?;
        }
    }
    Ok(copy)
}

fn path_in<'a>(root: &Path, path: &'a Value) -> Result<&'a Path> {
    let path = Path::new(path.as_str().context("cargo metadata has a path that is no text")?);
    ensure!(path.starts_with(root), "{} lies outside the workspace", path.display());
    Ok(path)
}

fn relative(root: &Path, path: &Value) -> Result<PathBuf> {
    Ok(path_in(root, path)?.strip_prefix(root)?.to_owned())
}
