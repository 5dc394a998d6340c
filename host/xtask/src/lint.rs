//! Formatting, clippy, rustdoc, the promise of the kernel and its crates to be free of `unsafe`, that of the drivers to
//! know no bus, and the books.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, bail};
use lab::{
    arch::Arch,
    process,
    workspace::{KERNEL_TARGET, Member, Workspace},
};

use crate::{book, files, report::Suite};

/// Runs the checks that look at the source only.
pub fn run(workspace: &Workspace, suite: &mut Suite) -> Result<()> {
    let mut fmt = workspace.cargo();
    fmt.args(["fmt", "--all", "--check"]);
    run_cargo(workspace, suite, "fmt", fmt)?;

    let ours = |member: &Member| member.needs_ostd;
    let kernel = |with_tests| kernel_clippy(workspace, Arch::Riscv64, ours, with_tests);
    run_cargo(workspace, suite, "clippy-kernel", kernel(false))?;
    run_cargo(workspace, suite, "clippy-kernel-tests", kernel(true))?;
    // The same source but for a few files; the examples are for the lab's own machine.
    let tested = |member: &Member| member.is_default;
    let other = kernel_clippy(workspace, Arch::X86_64, tested, true);
    run_cargo(workspace, suite, "clippy-kernel-x86_64", other)?;

    let mut clippy = workspace.cargo();
    clippy.args(["clippy", "--all-targets", "--color=never"]);
    clippy.args(workspace.choose(|member| !member.needs_ostd)).args(["--", "-Dwarnings"]);
    run_cargo(workspace, suite, "clippy-host", clippy)?;

    doc(workspace, suite)?;

    suite.check("kernel-without-unsafe", None, || {
        // The programs of the host may use what they like, the benchmark's peer among them.
        let host = workspace.root.join("host");
        let beside = |member: &&Member| !member.folder.starts_with(&host);
        workspace.members.iter().filter(beside).try_for_each(|member| no_unsafe(&member.folder))
    });
    suite.check("drivers-without-bus", None, || {
        no_word(
            &workspace.root.join("crates/virtio/src/device"),
            names_bus,
            "names a bus or a machine",
        )
    });
    suite.check("book", None, || book::check(&workspace.root.join("docs")));
    Ok(())
}

/// Makes the reference of all packages; warnings are errors.
pub fn doc(workspace: &Workspace, suite: &mut Suite) -> Result<()> {
    let rustdoc = || {
        let mut cargo = workspace.cargo();
        cargo.env("RUSTDOCFLAGS", "-Dwarnings").args(["doc", "--no-deps", "--color=never"]);
        cargo
    };
    // `cargo osdk doc` fails within OSTD.
    let mut kernel = for_kernel(rustdoc());
    kernel.args(workspace.choose(|member| member.needs_ostd));
    run_cargo(workspace, suite, "doc-kernel", kernel)?;

    let mut host = rustdoc();
    host.args(workspace.choose(|member| !member.needs_ostd));
    run_cargo(workspace, suite, "doc-host", host)
}

/// Checks every package for its own target. Cargo's messages go to standard output as JSON, for an editor.
/// Returns true if all compile.
pub fn check(workspace: &Workspace) -> Result<bool> {
    let check = || {
        let mut cargo = workspace.cargo();
        cargo.args(["check", "--keep-going", "--message-format=json"]);
        cargo
    };
    let mut kernel = for_kernel(check());
    kernel.args(workspace.choose(|member| member.needs_ostd));
    let mut host = check();
    host.arg("--all-targets").args(workspace.choose(|member| !member.needs_ostd));
    // Both, also when the first one has failed.
    let statuses = [kernel, host].map(|mut cargo| cargo.status());
    let mut passed = true;
    for status in statuses {
        passed &= status.context("cannot start cargo")?.success();
    }
    Ok(passed)
}

/// The kernel's target, with the flags of OSDK's: what it has compiled for clippy is used again.
fn for_kernel(mut cargo: Command) -> Command {
    cargo.env("RUSTFLAGS", "--check-cfg cfg(ktest)").args(["--target", KERNEL_TARGET]);
    cargo.args(["-Zbuild-std=core,alloc,compiler_builtins"]);
    cargo.args(["-Zbuild-std-features=compiler-builtins-mem"]);
    cargo
}

fn run_cargo(workspace: &Workspace, suite: &mut Suite, name: &str, cargo: Command) -> Result<()> {
    let log = workspace.log("lint", name);
    process::new_log(&log)?;
    suite.check(name, Some(&log), || {
        Ok(process::run(cargo, workspace.limit(900), &log)?.expect_success()?)
    });
    Ok(())
}

/// `cargo osdk clippy` adds what a kernel needs: its own `core` and `alloc`, and the `ktest`
/// configuration on request.
fn kernel_clippy(
    workspace: &Workspace,
    arch: Arch,
    which: impl Fn(&Member) -> bool,
    with_tests: bool,
) -> Command {
    let mut cargo = workspace.cargo();
    cargo.args(["osdk", "clippy"]);
    if with_tests {
        cargo.arg("--ktests");
    }
    // As two words: OSDK looks for the first and would add the host's architecture without it.
    cargo.args(["--", "--target", arch.target(), "--color=never"]);
    cargo.args(workspace.choose(which)).args(["--", "-Dwarnings"]);
    cargo
}

/// Checks that the root of the crate in a folder forbids unsafe code and that no file of it has the
/// word outside comments.
///
/// The compiler enforces the attribute; this keeps the attribute itself from being dropped
/// unnoticed.
fn no_unsafe(folder: &Path) -> Result<()> {
    let root = folder.join("src/lib.rs");
    let text =
        fs::read_to_string(&root).with_context(|| format!("cannot read {}", root.display()))?;
    if !text.lines().any(|line| line.trim() == "#![forbid(unsafe_code)]") {
        bail!("{} does not say #![forbid(unsafe_code)]", root.display());
    }
    no_word(&folder.join("src"), |word| word == "unsafe", "unsafe code")
}

/// Checks that no file in a folder has a word in its code, comments aside, that `is_meant` picks.
fn no_word(folder: &Path, is_meant: impl Fn(&str) -> bool, fault: &str) -> Result<()> {
    let mut files = Vec::new();
    files::list(folder, |_| false, &mut files)
        .with_context(|| format!("cannot list {}", folder.display()))?;
    for file in files {
        let text =
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        if let Some(line) = first_line_with(&text, &is_meant) {
            bail!("{}:{line}: {fault}", file.display());
        }
    }
    Ok(())
}

/// Returns `true` for a name that only those need who know on which bus a device is, or in which machine.
fn names_bus(word: &str) -> bool {
    const PARTS: [&str; 11] = [
        "mmio",
        "pci",
        "msix",
        "iomem",
        "ioport",
        "fdt",
        "device_tree",
        "target_arch",
        "riscv",
        "x86",
        "loongarch",
    ];
    let word = word.to_lowercase();
    PARTS.iter().any(|part| word.contains(part))
}

/// The number of the first line whose code, comments aside, has a word that `is_meant` picks.
fn first_line_with(text: &str, is_meant: impl Fn(&str) -> bool) -> Option<usize> {
    let position = text.lines().position(|line| {
        let code = line.split("//").next().unwrap_or_default();
        code.split(|c: char| !c.is_alphanumeric() && c != '_').any(&is_meant)
    })?;
    Some(position + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_counts_in_code_only() {
        let first = |text| first_line_with(text, |word| word == "unsafe");
        assert_eq!(first("#![forbid(unsafe_code)]\n// unsafe\nlet x = 1; // unsafe"), None);
        assert_eq!(first("fn a() {}\nunsafe { b() }"), Some(2));
        assert_eq!(first("pub unsafe fn c() {}"), Some(1));
    }

    #[test]
    fn a_driver_that_names_a_bus_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let look = || no_word(folder.path(), names_bus, "names a bus");
        let file = folder.path().join("driver.rs");
        fs::write(&file, "use crate::transport::Transport; // MMIO or PCI\nlet capacity = 1;")
            .unwrap();
        look().unwrap();
        for code in
            ["use crate::transport::mmio;", "t: PciTransport", "#[cfg(target_arch = \"x86_64\")]"]
        {
            fs::write(&file, format!("fn a() {{}}\n{code}\n")).unwrap();
            let fault = look().unwrap_err().to_string();
            assert!(fault.ends_with("driver.rs:2: names a bus"), "{code}: {fault}");
        }
    }

    #[test]
    fn a_root_without_the_attribute_is_refused() {
        let kernel = tempfile::tempdir().unwrap();
        fs::create_dir(kernel.path().join("src")).unwrap();
        let root = kernel.path().join("src/lib.rs");
        fs::write(&root, "#![no_std]\n").unwrap();
        assert!(no_unsafe(kernel.path()).is_err());
        fs::write(&root, "#![no_std]\n#![forbid(unsafe_code)]\n").unwrap();
        no_unsafe(kernel.path()).unwrap();
        fs::write(kernel.path().join("src/other.rs"), "unsafe impl Send for X {}").unwrap();
        assert!(no_unsafe(kernel.path()).is_err());
    }
}
