//! The surroundings of a case: a place of its own, disk images in it, and machines to boot.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use lab::{
    arch::Arch,
    image::{Image, ImageError},
    outcome::Outcome,
    place::Place,
    process::{Finished, ProcessError},
    qemu::{self, Disk, Guest, Transport, Vm},
    workspace::Workspace,
};

/// The limit of a boot if the case says nothing else. A boot takes less than a second; this is for
/// busy machines.
const DEFAULT_LIMIT_SECONDS: u64 = 60;

/// The kernels that are booted here.
pub struct Kernels {
    /// The kernel of the lab, for each architecture for which it is needed and builds.
    pub lab: BTreeMap<Arch, PathBuf>,
    /// The kernel of another author, which uses the crates; `None` if it does not build.
    pub own: Option<PathBuf>,
}

/// The surroundings of one case.
pub struct Lab<'a> {
    /// The architecture of the case's machines.
    pub arch: Arch,
    /// The transport of the case's machines.
    pub transport: Transport,
    /// The repository.
    pub root: &'a Path,
    kernels: &'a Kernels,
    place: Place,
}

impl<'a> Lab<'a> {
    /// Makes an empty folder for a case.
    pub fn new(
        workspace: &'a Workspace,
        kernels: &'a Kernels,
        log: &Path,
        (arch, transport): (Arch, Transport),
    ) -> Result<Self> {
        let kernel = kernels
            .lab
            .get(&arch)
            .with_context(|| format!("the kernel does not build for {arch}"))?;
        let place = Place::new(workspace, kernel, log)?;
        Ok(Self { arch, transport, root: &workspace.root, kernels, place })
    }

    /// The kernel of another author.
    pub fn own_kernel(&self) -> Result<&Path> {
        self.kernels.own.as_deref().context("the kernel of another author does not build")
    }

    /// A file of this name in the case's folder, which need not exist.
    pub fn file(&self, name: &str) -> PathBuf {
        self.place.file(name)
    }

    /// Runs another program than QEMU in the case's folder.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Result<Finished, ProcessError> {
        self.place.run(program, arguments)
    }

    /// A machine without disks.
    pub fn machine(&self) -> Machine<'_> {
        Machine {
            place: &self.place,
            machine: qemu::Machine::of(self.arch, self.transport),
            disks: 0,
            limit: self.place.limit(DEFAULT_LIMIT_SECONDS),
        }
    }

    /// Makes a disk image with these contents. It replaces one of the same name.
    pub fn image(&self, name: &str, contents: Vec<u8>) -> Result<Image, ImageError> {
        self.place.image(name, contents)
    }
}

/// A virtual machine of a case, with its disks and the case's kernel.
pub struct Machine<'a> {
    place: &'a Place,
    machine: qemu::Machine,
    disks: usize,
    limit: Duration,
}

impl Machine<'_> {
    /// With one disk more.
    pub fn disk(mut self, disk: Disk) -> Self {
        self.machine = self.machine.options(disk.options(self.disks));
        self.disks += 1;
        self
    }

    /// With so many CPUs instead of one.
    pub fn cpus(self, cpus: usize) -> Self {
        self.option("-smp", &cpus.to_string())
    }

    /// With another processor.
    pub fn cpu(self, cpu: &str) -> Self {
        self.option("-cpu", cpu)
    }

    /// With another device.
    pub fn device(self, device: &str) -> Self {
        self.option("-device", device)
    }

    /// May take this long instead of a minute.
    pub fn limit_seconds(mut self, seconds: u64) -> Self {
        self.limit = self.place.limit(seconds);
        self
    }

    /// Boots the kernel with this command line and waits for the end.
    pub fn boot(&self, command_line: &str) -> Result<Outcome, ProcessError> {
        self.boot_kernel(&self.place.kernel, command_line)
    }

    /// The same with another kernel.
    pub fn boot_kernel(&self, kernel: &Path, command_line: &str) -> Result<Outcome, ProcessError> {
        let guest = Guest::new(kernel, command_line);
        self.machine.run(&guest, self.limit, &self.place.log)
    }

    /// Boots the kernel with this command line and does not wait, so that somebody can type.
    pub fn start(&self, command_line: &str) -> Result<Vm, ProcessError> {
        let guest = Guest::new(&self.place.kernel, command_line);
        let socket = self.place.file("monitor");
        Vm::boot(&self.machine, &guest, self.limit, &self.place.log, socket)
    }

    /// With another object of QEMU's, for a device to refer to.
    pub fn object(self, object: &str) -> Self {
        self.option("-object", object)
    }

    fn option(mut self, name: &str, value: &str) -> Self {
        self.machine = self.machine.option(name, value);
        self
    }
}
