//! The guard of files: flushes, requests and instructions, counted by the kernel's job `fsbench`.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use lab::{
    process,
    qemu::{Disk, Guest, Machine, Transport, count::RECORD},
    workspace::Workspace,
};

use crate::{
    bench::{
        figures,
        images::{self, LARGE, NAMES, NEW},
    },
    report::Suite,
};

/// The bytes of the disk, and of the file on it that is read.
const DISK_BYTES: u64 = 32 << 20;
const LARGE_BYTES: usize = 8 << 20;

/// One run, and the most that an operation of it may cost.
struct Guard {
    name: &'static str,
    mode: &'static str,
    path: &'static str,
    /// Further words on the command line.
    words: &'static str,
    /// An operation, for people.
    operation: &'static str,
    /// Names of figures, and their limits.
    limits: &'static [(&'static str, f64)],
}

const GUARDS: &[Guard] = &[
    Guard {
        name: "files-create",
        mode: "create",
        path: NEW,
        words: "count=200",
        operation: "a file made and fsynced",
        // The data, what leads to it, and then the directory.
        limits: &[("flushes", 2.0), ("writes", 5.1)],
    },
    Guard {
        name: "files-read",
        mode: "seqread",
        path: LARGE,
        words: "bs=131072",
        operation: "a read of 128 KiB",
        // One request each, and a few for the tables of the file.
        limits: &[("reads", 1.15), ("writes", 0.0), ("flushes", 0.0)],
    },
    Guard {
        name: "files-list",
        mode: "readdir",
        path: NAMES,
        words: "count=20 icount=on",
        operation: "an entry of a directory",
        limits: &[("instructions", 150.0), ("reads", 0.0)],
    },
];

/// Makes a disk with files, and checks every guard with this kernel.
pub fn run(workspace: &Workspace, kernel: &Path, suite: &mut Suite) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let [content, image] = ["content", "image"].map(|name| folder.path().join(name));
    let log = workspace.log("counts", "files");
    process::new_log(&log)?;
    images::fill(&content, LARGE_BYTES)?;
    images::pack(workspace, &content, &image, DISK_BYTES, &log)?;
    // The same instructions in every run.
    let machine =
        Machine::new(Transport::Modern).icount(RECORD).options(Disk::file(&image).options(0));
    for guard in GUARDS {
        suite.check(guard.name, Some(&log), || guard.check(workspace, kernel, &machine, &log));
    }
    Ok(())
}

impl Guard {
    fn check(
        &self,
        workspace: &Workspace,
        kernel: &Path,
        machine: &Machine,
        log: &Path,
    ) -> Result<()> {
        let Self { mode, path, words, operation, limits, .. } = self;
        let job = format!("job=fsbench mode={mode} path=/{path} {words}");
        let outcome = machine.run(&Guest::new(kernel, &job), workspace.limit(120), log)?;
        outcome.expect_success()?;
        let figures = figures("fsbench", outcome.console())?;
        for &(name, limit) in *limits {
            let cost = figures[name].as_f64().with_context(|| format!("no figure {name}"))?;
            println!("  {operation} costs {cost:.3} {name}, the limit is {limit:.3}");
            // Beginning and end of a run; a limit of 0 means 0.
            ensure!(cost <= limit * 1.01, "{operation} costs {cost} {name}, the limit is {limit}");
        }
        Ok(())
    }
}
