//! Virtual machines, and booting the kernel in them.

use std::{process::Command, time::Duration};

use anyhow::Result;

use super::{disk::Disk, lab::Lab, outcome::Outcome};
use crate::command;

/// What a boot may take if the case says nothing else. A boot takes less than a second; this is for
/// busy machines.
const DEFAULT_LIMIT_SECONDS: u64 = 60;

/// A virtual machine that can be booted any number of times.
pub struct Machine<'a> {
    lab: &'a Lab,
    disks: usize,
    options: Vec<String>,
    limit: Duration,
}

impl<'a> Machine<'a> {
    /// A machine without disks.
    pub fn new(lab: &'a Lab) -> Self {
        Self { lab, disks: 0, options: Vec::new(), limit: lab.limit(DEFAULT_LIMIT_SECONDS) }
    }

    /// With one disk more.
    pub fn disk(mut self, disk: Disk) -> Self {
        self.options.extend(disk.options(self.disks));
        self.disks += 1;
        self
    }

    /// With so many CPUs instead of one.
    pub fn cpus(mut self, cpus: usize) -> Self {
        self.options.extend(["-smp".to_owned(), cpus.to_string()]);
        self
    }

    /// With another device.
    pub fn device(mut self, device: &str) -> Self {
        self.options.extend(["-device".to_owned(), device.to_owned()]);
        self
    }

    /// May take this long instead of a minute.
    pub fn limit_seconds(mut self, seconds: u64) -> Self {
        self.limit = self.lab.limit(seconds);
        self
    }

    /// Boots the kernel with this command line and waits for the end.
    pub fn boot(&self, command_line: &str) -> Result<Outcome> {
        let mut qemu = Command::new("qemu-system-riscv64");
        qemu.args(["-machine", "virt", "-m", "256M", "-nographic", "-no-reboot"]);
        qemu.args(self.lab.transport.arguments());
        qemu.arg("-kernel").arg(&self.lab.kernel).args(["-append", command_line]);
        qemu.args(&self.options);
        let finished = command::run(qemu, self.limit, &self.lab.log)?;
        Ok(Outcome::new(command_line, finished))
    }
}
