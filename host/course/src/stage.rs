//! A copy of the tree in which submissions are built.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use lab::process::{self, End, ProcessError};

use crate::sandbox::{Sandbox, at_most};

/// Files by their path from the root of the tree.
pub type Files = BTreeMap<PathBuf, Vec<u8>>;

/// The folder of a stage in the folder of one who grades.
pub const STAGE: &str = "tree";
/// The longest that the grader's own kernel may take to build; the first time, everything is.
const FIRST_BUILD: Duration = Duration::from_secs(900);
/// A compiler may compute for such a part of the time that a build may take: it waits for others, too.
const COMPUTES: u32 = 4;
/// The words about a compiler that has computed for longer.
const COMPUTED: &str = "SIGXCPU";
/// The beginning of the compiler's words about a linker that failed; safe code gives it no reason to.
const LINKER: &str = "error: linking with";
/// Folders that the kernel is not made of stay away from what compiles a submission: solutions stand there.
const KEPT_AWAY: [&str; 2] = ["docs", "exercises"];

/// The files that git knows in the tree at `root`, as they are now.
///
/// # Errors
///
/// Git or a file is missing.
pub fn tracked(root: &Path) -> Result<Files> {
    listed(root, &["--cached"])
}

/// The same, and new ones that git does not ignore: for whoever tries what is not finished yet.
///
/// # Errors
///
/// As [`tracked`].
pub fn tracked_and_new(root: &Path) -> Result<Files> {
    listed(root, &["--cached", "--others", "--exclude-standard"])
}

fn listed(root: &Path, which: &[&str]) -> Result<Files> {
    let output = Command::new("git")
        .current_dir(root)
        .args(["ls-files", "-z"])
        .args(which)
        .output()
        .context("git is needed to list the files of the tree")?;
    ensure!(
        output.status.success(),
        "git ls-files failed: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let mut files = Files::new();
    for name in output.stdout.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let path = PathBuf::from(String::from_utf8_lossy(name).into_owned());
        let full = root.join(&path);
        let Ok(metadata) = fs::symlink_metadata(&full) else { continue };
        if metadata.is_file() {
            files.insert(path, fs::read(&full)?);
        }
    }
    Ok(files)
}

/// The end of a build.
pub enum Built {
    /// A kernel, in this file.
    Kernel(PathBuf),
    /// The compiler's words.
    Errors(String),
    /// The compiler was stopped when its time was over.
    TooLate,
}

/// A tree of its own, with a target folder that is kept from build to build.
pub struct Stage<'a> {
    base: &'a Files,
    folder: PathBuf,
    sandbox: &'a Sandbox,
    cargo: OsString,
}

impl<'a> Stage<'a> {
    /// The stage in `folder`, which need not exist; `base` are the files of the grader's tree.
    ///
    /// # Errors
    ///
    /// A file cannot be written or removed.
    pub fn new(base: &'a Files, folder: PathBuf, sandbox: &'a Sandbox) -> Result<Self> {
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        Ok(Self { base, folder, sandbox, cargo: OsString::from("cargo") })
    }

    /// Takes over what another stage has compiled, if nothing has been compiled here yet. Nothing may be
    /// compiled there at the same time.
    ///
    /// # Errors
    ///
    /// It cannot be copied.
    pub fn take_over(&self, other: &Self) -> Result<()> {
        let target = self.folder.join("target");
        if target.is_dir() {
            return Ok(());
        }
        // Under its name only when it is whole. The times of the files tell cargo what is up to date.
        let part = self.folder.join("target.part");
        if part.is_dir() {
            fs::remove_dir_all(&part)?;
        }
        let mut copy = Command::new("cp");
        copy.args(["--archive", "--reflink=auto"]).arg(other.folder.join("target")).arg(&part);
        ensure!(copy.status()?.success(), "cannot copy {}", other.folder.display());
        fs::rename(part, target)?;
        Ok(())
    }

    /// Builds the kernel with `overlay` in place of files of the same path, from what is on this machine
    /// already.
    ///
    /// # Errors
    ///
    /// The host is to blame.
    pub fn build(
        &self,
        overlay: &BTreeMap<PathBuf, String>,
        limit: Duration,
        log: &Path,
    ) -> Result<Built> {
        let build = || {
            self.write(overlay)?;
            let mut cargo = self.cargo();
            cargo.env("CARGO_NET_OFFLINE", "true");
            if matches!(self.sandbox, Sandbox::Walls(_)) {
                cargo = at_most(limit / COMPUTES, cargo);
            }
            self.run(self.sandbox.wrap(cargo, &[], &[&self.folder]), limit, log)
        };
        match build()? {
            // What an interrupted compiler has left does not fit together: no fault of the source.
            Built::Errors(output) if output.contains(LINKER) => {
                self.forget()?;
                build()
            }
            Built::Errors(output) if output.contains(COMPUTED) => Ok(Built::TooLate),
            built => Ok(built),
        }
    }

    /// Has the next build compile all crates of the tree anew.
    fn forget(&self) -> Result<()> {
        for folder in ["target/riscv64imac-unknown-none-elf/kernel/incremental", "crates", "kernel"]
        {
            let folder = self.folder.join(folder);
            if folder.is_dir() {
                fs::remove_dir_all(&folder)
                    .with_context(|| format!("cannot remove {}", folder.display()))?;
            }
        }
        Ok(())
    }

    /// Builds the kernel of the base and fetches what is missing.
    ///
    /// # Errors
    ///
    /// The host is to blame.
    pub fn fetch_and_build(&self, log: &Path) -> Result<Built> {
        self.write(&BTreeMap::new())?;
        self.run(self.cargo(), FIRST_BUILD, log)
    }

    /// Builds the kernel of the base within the walls, so that later builds find all that does not change.
    ///
    /// # Errors
    ///
    /// The host is to blame.
    pub fn build_base(&self, log: &Path) -> Result<Built> {
        self.build(&BTreeMap::new(), FIRST_BUILD, log)
    }

    fn cargo(&self) -> Command {
        let mut cargo = Command::new(&self.cargo);
        cargo.current_dir(&self.folder).args(["osdk", "build", "--target-arch=riscv64"]);
        cargo.env("CARGO_TARGET_DIR", self.folder.join("target"));
        // Nobody debugs these kernels, and a third of the time goes into what only a debugger reads.
        cargo.env("CARGO_PROFILE_KERNEL_DEBUG", "0");
        // Small changes are compiled one after the other, also where all else is compiled once only.
        cargo.env("CARGO_INCREMENTAL", "1");
        cargo.env_remove("RUSTUP_TOOLCHAIN");
        cargo
    }

    fn run(&self, cargo: Command, limit: Duration, log: &Path) -> Result<Built> {
        process::new_log(log)?;
        let finished = match process::run(cargo, limit, log) {
            Err(ProcessError::Start { .. }) => {
                bail!("cargo cannot be started; `make doctor` says what is missing")
            }
            finished => finished?,
        };
        Ok(match finished.end {
            End::Exited(0) => {
                Built::Kernel(self.folder.join("target/osdk/kernel/kernel-osdk-bin.qemu_elf"))
            }
            End::Exited(_) | End::TooMuchOutput => Built::Errors(finished.output),
            End::TimedOut(_) => Built::TooLate,
        })
    }

    /// The files of the base that a kernel is built from.
    fn kept(&self) -> impl Iterator<Item = (&'a PathBuf, &'a Vec<u8>)> {
        let away = |path: &PathBuf| KEPT_AWAY.iter().any(|folder| path.starts_with(folder));
        self.base.iter().filter(move |(path, _)| !away(path))
    }

    /// Makes the tree the base with the overlay, and touches no file that is so already: cargo builds what
    /// has changed.
    fn write(&self, overlay: &BTreeMap<PathBuf, String>) -> Result<()> {
        for (path, contents) in self.kept() {
            let contents = overlay.get(path).map_or(&contents[..], |text| text.as_bytes());
            let full = self.folder.join(path);
            if fs::read(&full).is_ok_and(|before| before == contents) {
                continue;
            }
            if let Some(parent) = full.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(&full, contents)
                .with_context(|| format!("cannot write {}", full.display()))?;
            if contents.starts_with(b"#!") {
                make_executable(&full)?;
            }
        }
        self.remove_others(&self.folder)?;
        Ok(())
    }

    /// Removes what earlier submissions or another version of the tree left, but not the target folder.
    fn remove_others(&self, folder: &Path) -> io::Result<()> {
        let known: BTreeSet<&Path> = self.kept().flat_map(|(path, _)| path.ancestors()).collect();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let Ok(relative) = path.strip_prefix(&self.folder) else { continue };
            let kept = relative == Path::new("target") || relative == Path::new("Cargo.lock");
            if kept {
                continue;
            }
            let is_folder = fs::symlink_metadata(&path)?.is_dir();
            match (known.contains(relative), is_folder) {
                (true, true) => self.remove_others(&path)?,
                (true, false) => {}
                (false, true) => fs::remove_dir_all(&path)?,
                (false, false) => fs::remove_file(&path)?,
            }
        }
        Ok(())
    }
}

fn make_executable(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;

    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// A stage whose compiler is this shell script.
    fn built_by(script: &str, folder: &TempDir) -> (Built, String) {
        let cargo = folder.path().join("cargo");
        fs::write(&cargo, format!("#!/bin/sh\n{script}\n")).unwrap();
        make_executable(&cargo).unwrap();
        let base = Files::from([(PathBuf::from("kernel/src/lib.rs"), b"// A kernel.".to_vec())]);
        let tree = folder.path().join(STAGE);
        let mut stage = Stage::new(&base, tree.clone(), &Sandbox::Open).unwrap();
        stage.cargo = cargo.into();
        let left = tree.join("target/riscv64imac-unknown-none-elf/kernel/incremental/half-written");
        fs::create_dir_all(&left).unwrap();
        let log = folder.path().join("log");
        let built = stage.build(&BTreeMap::new(), FIRST_BUILD, &log).unwrap();
        (built, fs::read_to_string(log).unwrap())
    }

    #[test]
    fn what_a_stopped_compiler_left_is_removed_when_the_linker_fails() {
        let folder = tempfile::tempdir().unwrap();
        let script = "ls kernel/src
            [ ! -d target/riscv64imac-unknown-none-elf/kernel/incremental ] ||
                { echo 'error: linking with `rust-lld` failed: exit status: 1'; exit 101; }";
        let (built, log) = built_by(script, &folder);
        assert!(matches!(built, Built::Kernel(_)), "{log}");
        // The source is there again.
        assert!(log.contains("lib.rs"), "{log}");
    }

    #[test]
    fn other_errors_are_told_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let count = folder.path().join("count");
        let script = format!("echo once >> {}; echo 'error[E0308]'; exit 101", count.display());
        let (built, _) = built_by(&script, &folder);
        assert!(matches!(built, Built::Errors(output) if output.contains("E0308")));
        assert_eq!(fs::read_to_string(count).unwrap(), "once\n");
    }
}
