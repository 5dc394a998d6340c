//! End-to-end cases: the real kernel in real QEMU, checked from the host.
//!
//! A case is a function that gets a [`Lab`] and boots as many machines in it as it likes. The
//! tables `CASES` of the modules below name them; most run twice, against a legacy and against a
//! modern device.

mod command_line;
mod console;
mod demo;
mod disk;
mod disks;
mod faults;
mod features;
mod image;
mod lab;
mod limits;
mod machine;
mod outcome;
mod read_write;
mod replay;
mod smp;
mod verify;

use std::{
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use anyhow::{Context, Result, bail, ensure};

use self::lab::Lab;
use crate::{command, report::Suite, transport::Transport, workspace::Workspace};

/// One row of a table of cases.
struct Case {
    name: &'static str,
    transports: &'static [Transport],
    run: fn(&Lab) -> Result<()>,
}

impl Case {
    /// Runs against a legacy and against a modern device.
    const fn both(name: &'static str, run: fn(&Lab) -> Result<()>) -> Self {
        Self { name, transports: &[Transport::Legacy, Transport::Modern], run }
    }

    /// Runs against a modern device only, because the transport makes no difference.
    const fn once(name: &'static str, run: fn(&Lab) -> Result<()>) -> Self {
        Self { name, transports: &[Transport::Modern], run }
    }
}

/// The longest case comes first, so that the others run beside it and not after it.
const TABLES: &[&[Case]] = &[
    verify::CASES,
    smp::CASES,
    demo::CASES,
    disks::CASES,
    read_write::CASES,
    features::CASES,
    limits::CASES,
    faults::CASES,
    command_line::CASES,
];

/// A case against one transport.
struct Job {
    name: String,
    transport: Transport,
    run: fn(&Lab) -> Result<()>,
}

fn jobs(filter: Option<&str>) -> Vec<Job> {
    TABLES
        .iter()
        .copied()
        .flatten()
        .flat_map(|case| {
            case.transports.iter().map(|&transport| Job {
                name: format!("{}.{transport}", case.name),
                transport,
                run: case.run,
            })
        })
        .filter(|job| filter.is_none_or(|filter| job.name.contains(filter)))
        .collect()
}

/// Prints the names of the cases.
pub fn list(filter: Option<&str>) {
    for job in jobs(filter) {
        println!("{}", job.name);
    }
}

/// Builds the kernel once and boots it for every case whose name contains `filter`.
///
/// # Errors
///
/// No case has such a name, or no log can be written.
pub fn run(
    workspace: &Workspace,
    suite: &mut Suite,
    filter: Option<&str>,
    machines: Option<u8>,
) -> Result<()> {
    let jobs = jobs(filter);
    ensure!(!jobs.is_empty(), "no case has {:?} in its name", filter.unwrap_or_default());
    let log = workspace.log("e2e", "build");
    command::new_log(&log)?;
    let mut kernel = None;
    suite.check("build", Some(&log), || {
        kernel = Some(build(workspace, &log)?);
        Ok(())
    });
    let Some(kernel) = kernel else {
        return Ok(());
    };

    let machines = machines.map_or_else(default_machines, usize::from);
    let next = AtomicUsize::new(0);
    let suite = Mutex::new(suite);
    thread::scope(|scope| {
        for _ in 0..machines {
            scope.spawn(|| {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let log = workspace.log("e2e", &job.name);
                    let begin = Instant::now();
                    let result = run_one(workspace, &kernel, job, &log);
                    let verdict = if result.is_ok() { "ok" } else { "FAILED" };
                    let mut suite = suite.lock().unwrap_or_else(PoisonError::into_inner);
                    println!("{} ... {verdict} ({:.1} s)", job.name, begin.elapsed().as_secs_f64());
                    suite.record(&job.name, Some(&log), result);
                }
            });
        }
    });
    Ok(())
}

fn run_one(workspace: &Workspace, kernel: &Path, job: &Job, log: &Path) -> Result<()> {
    command::new_log(log)?;
    let lab = Lab::new(kernel, log, job.transport, workspace.patience)?;
    (job.run)(&lab)
}

fn default_machines() -> usize {
    thread::available_parallelism().map_or(1, |processors| processors.get().min(2))
}

/// Builds the kernel and copies it to where no later build changes it.
fn build(workspace: &Workspace, log: &Path) -> Result<PathBuf> {
    let mut cargo = workspace.cargo();
    cargo.args(["osdk", "build", "--target-arch=riscv64"]);
    command::run(cargo, workspace.limit(900), log)?.expect_success()?;

    let built = workspace.built_kernel()?;
    let kernel = workspace.target.join("e2e/kernel.elf");
    std::fs::copy(&built, &kernel)
        .with_context(|| format!("cannot copy the kernel {}", built.display()))?;
    if contains(&std::fs::read(&kernel)?, b"[ktest runner]") {
        bail!(
            "cargo osdk built the unit tests instead of the kernel; run `make clean` and try again"
        );
    }
    Ok(kernel)
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
