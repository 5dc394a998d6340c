//! The sandbox around programs that run a submission, or compile it.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Result, ensure};

/// The walls around programs that run a submission, or compile it: no network, no view of the host's files
/// but the toolchain and what the program is given, limits on time, memory, files and processes.
#[derive(Debug)]
pub enum Sandbox {
    /// By bubblewrap, with these folders to read.
    Walls(Vec<PathBuf>),
    /// None: for a tree of one's own, or where there is no bubblewrap and the user insists.
    Open,
}

/// The limits of each process, as arguments of prlimit: seconds, bytes and numbers.
const LIMITS: [&str; 5] =
    ["--cpu=900", "--as=8589934592", "--fsize=4294967296", "--nproc=2048", "--core=0"];
/// The parts of Cargo's home that a build needs; others hold what a user logs in with.
const OF_CARGO: [&str; 4] = ["bin", "registry", "git", "config.toml"];

impl Sandbox {
    /// Walls, if bubblewrap and prlimit work here.
    ///
    /// # Errors
    ///
    /// They do not; the error says what to do.
    pub fn new() -> Result<Self> {
        let mut works = Command::new("bwrap");
        works.args(["--ro-bind", "/", "/", "--unshare-all", "--die-with-parent", "true"]);
        let works = works.output().is_ok_and(|output| output.status.success());
        ensure!(
            works,
            "bubblewrap (bwrap) is not there or may not make namespaces here; a submission that is not \
             trusted should not be built without it. `make setup` installs it; --no-sandbox does without"
        );
        let home = env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
        let folder = |name: &str, default: &str| {
            env::var_os(name).map_or_else(|| home.join(default), PathBuf::from)
        };
        let (cargo, rustup) = (folder("CARGO_HOME", ".cargo"), folder("RUSTUP_HOME", ".rustup"));
        let mut readable = OF_CARGO.map(|part| cargo.join(part)).to_vec();
        let toolchains = rustup.join("toolchains");
        readable.push(rustup);
        // A toolchain that was linked stands elsewhere.
        for entry in fs::read_dir(&toolchains).into_iter().flatten().flatten() {
            // So may its copy of the standard library's source.
            let sources =
                ["lib/rustlib/src", "lib/rustlib/src/rust", "lib/rustlib/src/rust/library"];
            for path in
                [entry.path()].into_iter().chain(sources.map(|part| entry.path().join(part)))
            {
                readable.extend(fs::canonicalize(path));
            }
        }
        readable.retain(|path| path.exists());
        Ok(Self::Walls(readable))
    }

    /// `command` within the walls, where it may write to `writable` and read `readable` too.
    pub fn wrap(&self, command: Command, readable: &[&Path], writable: &[&Path]) -> Command {
        let Self::Walls(toolchain) = self else { return command };
        let mut walls = Command::new("bwrap");
        walls.args(["--unshare-all", "--die-with-parent", "--new-session", "--clearenv"]);
        walls.args(["--ro-bind", "/usr", "/usr", "--proc", "/proc", "--dev", "/dev"]);
        for link in ["bin", "sbin", "lib", "lib64"] {
            walls.args(["--symlink", &format!("usr/{link}"), &format!("/{link}")]);
        }
        for file in ["/etc/ld.so.cache", "/etc/alternatives"] {
            walls.args(["--ro-bind-try", file, file]);
        }
        walls.args(["--tmpfs", "/tmp"]);
        let readable = readable.iter().map(|path| path.to_path_buf());
        for path in toolchain.iter().cloned().chain(readable) {
            walls.arg("--ro-bind").arg(&path).arg(&path);
        }
        for path in writable {
            walls.arg("--bind").arg(path).arg(path);
        }
        for name in ["PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_AUTO_INSTALL"] {
            if let Some(value) = env::var_os(name) {
                walls.arg("--setenv").arg(name).arg(value);
            }
        }
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                walls.arg("--setenv").arg(name).arg(value);
            }
        }
        if let Some(folder) = command.get_current_dir() {
            walls.arg("--chdir").arg(folder);
        }
        walls.arg("prlimit").args(LIMITS).arg("--").arg(command.get_program());
        walls.args(command.get_args().map(OsStr::to_owned).collect::<Vec<OsString>>());
        walls
    }
}

/// `command`, none of whose processes computes for longer.
pub fn at_most(limit: Duration, command: Command) -> Command {
    let mut limited = Command::new("prlimit");
    limited.arg(format!("--cpu={}", limit.as_secs())).arg("--").arg(command.get_program());
    limited.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        limited.current_dir(folder);
    }
    limited
}
