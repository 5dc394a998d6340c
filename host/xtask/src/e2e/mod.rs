//! End-to-end cases: the real kernel in real QEMU, checked from the host.
//!
//! A case is a function that gets a [`Lab`] and boots as many machines in it as it likes. The
//! tables `CASES` of the modules below name them; most run twice, against a legacy and against a
//! modern device on virtio-mmio. Those of [`Case::anywhere`] run over PCI too, on RISC-V and on x86-64.

mod bounce;
mod churn;
mod command_line;
mod console;
mod demo;
mod devices;
mod disks;
mod drawn;
mod entropy;
mod faults;
mod features;
mod files;
mod graded;
mod input;
mod lab;
mod limits;
mod listings;
mod own_kernel;
mod pci;
mod pictures;
mod read_write;
mod shell;
mod slices;
mod smp;
mod verify;
mod waiting;

use std::{collections::BTreeMap, path::Path};

use ::lab::{
    arch::Arch,
    image::{Image, SECTOR},
    outcome::Outcome,
    qemu::Transport,
    replay::Workload,
    workspace::{Profile, Workspace},
};
use anyhow::{Result, ensure};

use self::lab::{Kernels, Lab};
pub use self::own_kernel::PACKAGE as OWN_KERNEL;
use crate::report::Suite;

/// One row of a table of cases.
struct Case {
    name: &'static str,
    machines: &'static [(Arch, Transport)],
    run: fn(&Lab) -> Result<()>,
}

const LEGACY: (Arch, Transport) = (Arch::Riscv64, Transport::Legacy);
const MODERN: (Arch, Transport) = (Arch::Riscv64, Transport::Modern);
const PCI: (Arch, Transport) = (Arch::Riscv64, Transport::Pci);
const PC: (Arch, Transport) = (Arch::X86_64, Transport::Pci);

impl Case {
    /// Runs against a legacy and against a modern device.
    const fn both(name: &'static str, run: fn(&Lab) -> Result<()>) -> Self {
        Self { name, machines: &[LEGACY, MODERN], run }
    }

    /// Runs against a modern device only, because the transport makes no difference.
    const fn once(name: &'static str, run: fn(&Lab) -> Result<()>) -> Self {
        Self { name, machines: &[MODERN], run }
    }

    /// Runs against a legacy and a modern device, over PCI, and on a PC.
    const fn anywhere(name: &'static str, run: fn(&Lab) -> Result<()>) -> Self {
        Self { name, machines: &[LEGACY, MODERN, PCI, PC], run }
    }

    /// Runs over PCI and on a PC.
    const fn on_pci(name: &'static str, run: fn(&Lab) -> Result<()>) -> Self {
        Self { name, machines: &[PCI, PC], run }
    }

    /// Runs against a modern device, over PCI, and on a PC.
    const fn once_anywhere(name: &'static str, run: fn(&Lab) -> Result<()>) -> Self {
        Self { name, machines: &[MODERN, PCI, PC], run }
    }
}

/// The longest case comes first, so that the others run beside it and not after it.
const TABLES: &[&[Case]] = &[
    verify::CASES,
    churn::CASES,
    smp::CASES,
    demo::CASES,
    disks::CASES,
    read_write::CASES,
    features::CASES,
    limits::CASES,
    faults::CASES,
    entropy::CASES,
    pictures::CASES,
    pictures::paint::CASES,
    pictures::plot::CASES,
    input::CASES,
    devices::CASES,
    pci::CASES,
    bounce::CASES,
    slices::CASES,
    waiting::CASES,
    own_kernel::CASES,
    files::CASES,
    listings::CASES,
    shell::CASES,
    console::CASES,
    graded::CASES,
    command_line::CASES,
];

/// A case on one machine.
struct Job {
    name: String,
    machine: (Arch, Transport),
    run: fn(&Lab) -> Result<()>,
}

fn jobs(filter: Option<&str>) -> Vec<Job> {
    TABLES
        .iter()
        .copied()
        .flatten()
        .flat_map(|case| {
            case.machines.iter().map(|&machine| {
                let (arch, transport) = machine;
                let name = match arch {
                    Arch::Riscv64 => format!("{}.{transport}", case.name),
                    Arch::X86_64 => format!("{}.{arch}", case.name),
                };
                Job { name, machine, run: case.run }
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
    let mut lab = BTreeMap::new();
    for arch in Arch::ALL.into_iter().filter(|arch| jobs.iter().any(|job| job.machine.0 == *arch)) {
        let kernel = suite.build(
            workspace,
            arch,
            workspace.kernel()?,
            Profile::Dev,
            &format!("build-{arch}"),
        )?;
        lab.extend(kernel.map(|kernel| (arch, kernel)));
    }
    let own = match jobs.iter().any(|job| job.name.starts_with(OWN_KERNEL)) {
        true => {
            let package = workspace.member(OWN_KERNEL)?;
            suite.build(workspace, Arch::Riscv64, package, Profile::Dev, "build-own-kernel")?
        }
        false => None,
    };
    let kernels = Kernels { lab, own };

    suite.check_all(
        &jobs,
        machines.map(usize::from),
        |job| job.name.clone(),
        |name| workspace.log("e2e", name),
        |job, log| run_one(workspace, &kernels, job, log),
    );
    Ok(())
}

fn run_one(workspace: &Workspace, kernels: &Kernels, job: &Job, log: &Path) -> Result<()> {
    let lab = Lab::new(workspace, kernels, log, job.machine)?;
    (job.run)(&lab)
}

/// Checks the kernel's account of a verify job and the disk: the operations in `failed` met an I/O
/// error, and no others.
fn check_verify(
    workload: &Workload,
    outcome: &Outcome,
    image: &Image,
    failed: &[u32],
) -> Result<()> {
    let failed = failed.iter().copied().collect();
    workload.expect(outcome, &failed, image.before(), &image.contents()?)?;
    Ok(())
}

/// Checks that `job=read` has dumped these sectors as the image held them at first.
fn expect_dump(outcome: &Outcome, image: &Image, sector: usize, count: usize) -> Result<()> {
    outcome.expect_ok("read")?;
    let (address, bytes) = outcome.dump()?;
    let start = sector * SECTOR;
    ensure!(address == start as u64, "the dump starts at {address:#x} instead of {start:#x}");
    ensure!(bytes.len() == count * SECTOR, "the dump shows {} bytes", bytes.len());
    ensure!(
        image.before().get(start..start + bytes.len()) == Some(&bytes),
        "the dump does not show what the image holds"
    );
    Ok(())
}
