//! A copy of the workspace in which all mutants are compiled at once.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use lab::{
    process,
    workspace::{KERNEL_TARGET, Workspace, cargo_in},
};

use super::{
    compiler::{self, Mutated},
    source::{CRATES, Mutant, Source},
};
use crate::files::copy_all;

/// The crate that says which mutant is on.
const SWITCH: &str = include_str!("switch.rs");

const SWITCH_MANIFEST: &str = "[package]
name = \"mutant\"
version.workspace = true
edition.workspace = true
publish.workspace = true

[dependencies]
ostd.workspace = true
";

/// A mutant may do what the compiler sees to be wrong.
const LINTS: &str = "[workspace.lints.rust]\n";
const MORE_LINTS: &str = "arithmetic_overflow = \"allow\"\nunconditional_panic = \"allow\"\n";

/// Tests are only to be built: what would run them here does nothing.
const NO_QEMU: &str = "#!/bin/sh\nexit 0\n";

/// The files that the copy consists of.
const COPIED: [&str; 9] = [
    "Cargo.toml",
    "Cargo.lock",
    "OSDK.toml",
    "rust-toolchain.toml",
    "tools",
    "kernel",
    "crates",
    // Only because they are members of the workspace.
    "examples",
    "host",
];

/// The copy, and how it is built.
pub struct Tree<'a> {
    workspace: &'a Workspace,
    root: PathBuf,
    target: PathBuf,
    log: PathBuf,
}

impl<'a> Tree<'a> {
    /// Makes the copy anew. What was built in it before stays, so that OSTD is compiled once.
    pub fn make(workspace: &'a Workspace) -> Result<Self> {
        let own = workspace.target.join("mutants");
        let root = own.join("tree");
        let log = workspace.log("mutants", "build");
        process::new_log(&log)?;
        let tree = Self { workspace, root, target: own.join("build"), log };
        tree.copy().context("cannot copy the workspace")?;
        Ok(tree)
    }

    fn copy(&self) -> Result<()> {
        let Self { workspace, root, .. } = self;
        if root.exists() {
            fs::remove_dir_all(root)?;
        }
        for name in COPIED {
            copy_all(&workspace.root.join(name), &root.join(name)).context(name)?;
        }
        let manifest = root.join("Cargo.toml");
        let text = fs::read_to_string(&manifest)?;
        fs::write(&manifest, text.replacen(LINTS, &format!("{LINTS}{MORE_LINTS}"), 1))?;
        // It stays executable.
        fs::write(root.join("tools/qemu-test.sh"), NO_QEMU)?;
        fs::create_dir_all(root.join("crates/mutant/src"))?;
        fs::write(root.join("crates/mutant/Cargo.toml"), SWITCH_MANIFEST)?;
        fs::write(root.join("crates/mutant/src/lib.rs"), SWITCH)?;
        for name in CRATES {
            let manifest = self.folder(name)?.join("Cargo.toml");
            let text = fs::read_to_string(&manifest)?;
            let heading = "\n[dependencies]\n";
            let more = format!("{heading}mutant = {{ path = \"../mutant\" }}\n");
            ensure!(text.contains(heading), "{} has no dependencies", manifest.display());
            fs::write(&manifest, text.replacen(heading, &more, 1))?;
        }
        Ok(())
    }

    /// The folder of a crate in the copy.
    fn folder(&self, name: &str) -> Result<PathBuf> {
        let original = &self.workspace.member(name)?.folder;
        Ok(self.root.join(original.strip_prefix(&self.workspace.root)?))
    }

    fn cargo(&self, folder: &Path) -> Command {
        let mut cargo = cargo_in(folder);
        cargo.env("CARGO_TARGET_DIR", &self.target);
        cargo
    }

    /// Writes all of these mutants into the copy, leaving out those that do not compile; returns those that
    /// do.
    pub fn write<'m>(&self, source: &Source, mutants: &[&'m Mutant]) -> Result<Vec<&'m Mutant>> {
        let mut viable = mutants.to_vec();
        loop {
            let mut mutated = Mutated::new();
            for file in &source.files {
                let spliced = file.with(&viable);
                fs::write(self.root.join(&file.path), &spliced.text)?;
                mutated.insert(file.path.clone(), spliced);
            }
            let errors = self.check()?;
            if errors.is_empty() {
                return Ok(viable);
            }
            let before = viable.len();
            for error in &errors {
                let blamed = compiler::blame(error, &mutated, mutants).with_context(|| {
                    format!("this error is no mutant's:\n{}", error.rendered.trim_end())
                })?;
                viable.retain(|mutant| mutant.number != blamed);
            }
            println!("{} mutants do not compile", before - viable.len());
        }
    }

    /// Asks the compiler for its errors.
    fn check(&self) -> Result<Vec<compiler::Error>> {
        let mut cargo = self.cargo(&self.root);
        cargo.args(["osdk", "check", "--ktests", "--", "--target", KERNEL_TARGET]);
        cargo.args(["--message-format=json", "--keep-going"]);
        cargo.args(CRATES.iter().flat_map(|name| ["--package", name]));
        let finished = process::run(cargo, self.workspace.limit(900), &self.log)?;
        let errors = compiler::errors(&finished.output);
        if errors.is_empty() {
            finished.expect_success()?;
        }
        Ok(errors)
    }

    /// Builds the kernel of the unit tests of a crate.
    pub fn build(&self, name: &str) -> Result<PathBuf> {
        let mut cargo = self.cargo(&self.folder(name)?);
        cargo.args(["osdk", "test", "--target-arch=riscv64"]);
        process::run(cargo, self.workspace.limit(900), &self.log)?
            .expect_success()
            .with_context(|| format!("the unit tests of {name} do not build"))?;
        let built = self.target.join(format!("osdk/{name}/{name}-osdk-bin.qemu_elf"));
        let kernel = self.workspace.target.join(format!("mutants/{name}.elf"));
        fs::copy(&built, &kernel).with_context(|| format!("cannot copy {}", built.display()))?;
        Ok(kernel)
    }
}
