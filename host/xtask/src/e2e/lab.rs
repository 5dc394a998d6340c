//! The surroundings of a case: a place of its own, disk images in it, and machines to boot.

use std::{path::Path, time::Duration};

use anyhow::Result;
use lab::{
    image::{Image, ImageError},
    outcome::Outcome,
    place::Place,
    process::ProcessError,
    qemu::{self, Disk, Guest, Transport},
    workspace::Workspace,
};

/// The limit of a boot if the case says nothing else. A boot takes less than a second; this is for
/// busy machines.
const DEFAULT_LIMIT_SECONDS: u64 = 60;

/// The surroundings of one case.
pub struct Lab {
    /// The transport of the case's machines.
    pub transport: Transport,
    place: Place,
}

impl Lab {
    /// Makes an empty folder for a case.
    pub fn new(
        workspace: &Workspace,
        kernel: &Path,
        log: &Path,
        transport: Transport,
    ) -> Result<Self> {
        Ok(Self { transport, place: Place::new(workspace, kernel, log)? })
    }

    /// A machine without disks.
    pub fn machine(&self) -> Machine<'_> {
        Machine {
            place: &self.place,
            machine: qemu::Machine::new(self.transport),
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
        let guest = Guest::new(&self.place.kernel, command_line);
        self.machine.run(&guest, self.limit, &self.place.log)
    }

    fn option(mut self, name: &str, value: &str) -> Self {
        self.machine = self.machine.option(name, value);
        self
    }
}
