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
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, Result, bail, ensure};
use lab::{
    process::{self, End, Finished},
    text,
    workspace::{Member, Workspace, cargo_in},
};
use serde_json::Value;

use self::cases::{
    CASES, CRATES, CratesCase, Expected,
    Expected::{Fails, Passes},
    GOOD,
};
use crate::{files::copy_all, report::Suite};

/// Long enough for a boot on a slow machine, short enough to wait for.
const HANG_LIMIT_SECONDS: u32 = 15;

/// The cases that are tried at a time: one waits for its kernel while another compiles.
const AT_A_TIME: usize = 2;

/// A case by its name.
type Check<'a> = (&'static str, Box<dyn Fn(&Osdk) -> Result<()> + Sync + 'a>);

/// Makes the kernels and tests them.
pub fn run(workspace: &Workspace, suite: &mut Suite) -> Result<()> {
    let kernel = workspace.kernel()?;
    let folders: Vec<_> =
        (0..AT_A_TIME).map(|number| workspace.target.join(format!("selftest/{number}"))).collect();
    for folder in &folders {
        copy_workspace(workspace, &folder.join("tree"))
            .context("cannot make the workspace for the selftest")?;
    }
    let mut checks: Vec<Check> = Vec::new();
    for case in CASES {
        let check = move |osdk: &Osdk| {
            osdk.write(kernel, &cases::kernel(case.tests))?;
            case.expected.judge(&osdk.test(Some(kernel), case.filter)?)
        };
        checks.push((case.name, Box::new(check)));
    }
    let survives = move |osdk: &Osdk| {
        osdk.write(kernel, &cases::kernel(GOOD))?;
        kernel_survives(osdk)
    };
    checks.push(("tests-leave-the-kernel-as-it-was", Box::new(survives)));
    for case in CRATES {
        checks.push((case.name, Box::new(move |osdk: &Osdk| crates(osdk, case))));
    }

    checks.push(("other-architectures-end-in-a-sentence", Box::new(other_architecture)));

    let free = Mutex::new(folders.iter().collect::<Vec<_>>());
    let lock = || free.lock().unwrap_or_else(PoisonError::into_inner);
    suite.check_all(
        &checks,
        Some(AT_A_TIME),
        |(name, _)| (*name).to_owned(),
        |name| workspace.log("selftest", name),
        |(_, check), log| {
            process::new_log(log)?;
            let folder = lock().pop().context("all folders are in use")?;
            let (root, build) = (&folder.join("tree"), &folder.join("build"));
            let result = check(&Osdk { workspace, root, build, log });
            lock().push(folder);
            result
        },
    );
    for folder in &folders {
        // Those of the tests that failed as they should.
        let _ = fs::remove_dir_all(folder.join("build/logs"));
    }
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
        self.run_for("riscv64", folder, command, filter)
    }

    fn run_for(
        &self,
        arch: &str,
        folder: &Path,
        command: &str,
        filter: Option<&str>,
    ) -> Result<Finished> {
        let mut cargo = cargo_in(folder);
        cargo.args(["osdk", command, &format!("--target-arch={arch}")]).args(filter);
        // Apart from the real kernel, but with what the suite ktest has compiled: OSTD, for instance.
        cargo.env("CARGO_TARGET_DIR", self.build);
        cargo.env("CARGO_BUILD_BUILD_DIR", &self.workspace.target);
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

/// On a host whose architecture OSTD does not know, OSDK says what to type, and compiles nothing.
fn other_architecture(osdk: &Osdk) -> Result<()> {
    for command in ["run", "test"] {
        let finished = osdk.run_for("aarch64", osdk.root, command, None)?;
        let advice = format!("type: cargo osdk {command} --target-arch=riscv64");
        Fails(&advice).judge(&finished)?;
        let output = text::plain(&finished.output);
        let lines = output.lines().filter(|line| !line.trim().is_empty()).count();
        ensure!(lines == 1, "{lines} lines instead of one{}", text::tail(&output, 12));
    }
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

impl Expected<'_> {
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

/// Makes a workspace in the folder `to` with the manifests, versions, OSDK.toml and tools of this one, and stubs for
/// sources.
fn copy_workspace(workspace: &Workspace, to: &Path) -> Result<()> {
    let from = &workspace.root;
    // Always in the same folder: cargo then writes over what it has compiled for an earlier run.
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
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
    Ok(())
}

fn path_in<'a>(root: &Path, path: &'a Value) -> Result<&'a Path> {
    let path = Path::new(path.as_str().context("cargo metadata has a path that is no text")?);
    ensure!(path.starts_with(root), "{} lies outside the workspace", path.display());
    Ok(path)
}

fn relative(root: &Path, path: &Value) -> Result<PathBuf> {
    Ok(path_in(root, path)?.strip_prefix(root)?.to_owned())
}
