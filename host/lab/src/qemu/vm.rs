//! The kernel in a virtual machine that is watched while it runs, and can be killed at any moment.

use std::{
    cell::Cell,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    Guest, Machine,
    monitor::{Monitor, MonitorError},
};
use crate::{
    arch::Arch,
    console::Verdict,
    outcome::Outcome,
    process::{Process, ProcessError},
};

/// A running virtual machine. Dropping it kills QEMU.
#[derive(Debug)]
pub struct Vm {
    arch: Arch,
    process: Process,
    command_line: String,
    socket: PathBuf,
}

/// A running machine is lost.
#[derive(Debug, thiserror::Error)]
pub enum VmError {
    /// QEMU cannot be started or ended too early.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// Its monitor does not do as it is told.
    #[error(transparent)]
    Monitor(#[from] MonitorError),
}

impl Vm {
    /// Starts a machine. What is printed goes to the file `log` too; `socket` is a path for the monitor;
    /// after `limit`, whoever waits for the machine gives up.
    ///
    /// # Errors
    ///
    /// QEMU cannot be started.
    pub fn boot(
        machine: &Machine,
        guest: &Guest<'_>,
        limit: Duration,
        log: &Path,
        socket: PathBuf,
    ) -> Result<Self, ProcessError> {
        let mut qemu = machine.command(guest);
        qemu.arg("-qmp").arg(format!("unix:{},server=on,wait=off", socket.display()));
        let process = Process::start_to_type(qemu, limit, log)?;
        Ok(Self { arch: machine.arch, process, command_line: guest.command_line.clone(), socket })
    }

    /// Waits until the complete lines printed so far satisfy `enough`; `what` says in a message what
    /// that means.
    ///
    /// # Errors
    ///
    /// QEMU has ended, or the time is over.
    pub fn wait_until(
        &mut self,
        what: &str,
        enough: impl Fn(&str) -> bool,
    ) -> Result<(), ProcessError> {
        self.process.wait_until(what, enough)
    }

    /// Waits until `look` has found something outside of the machine's output; `what` says in a message what.
    ///
    /// # Errors
    ///
    /// QEMU has ended, or the time is over.
    pub fn wait_for<T>(
        &mut self,
        what: &str,
        look: impl FnMut() -> Option<T>,
    ) -> Result<T, ProcessError> {
        self.process.wait_for(what, look)
    }

    /// Waits until the kernel has found its disk, which is right before its job begins.
    ///
    /// # Errors
    ///
    /// QEMU has ended, or the time is over.
    pub fn wait_for_disk(&mut self) -> Result<(), ProcessError> {
        self.wait_until("the kernel had found its disk", |text| {
            text.lines().any(|line| line.starts_with("disk 0: "))
        })
    }

    /// Waits until the kernel has said how its job ended; returns true if it succeeded. With `hold=on` the machine
    /// runs on.
    ///
    /// # Errors
    ///
    /// QEMU has ended without it, or the time is over.
    pub fn wait_for_verdict(&mut self) -> Result<bool, ProcessError> {
        let succeeded = Cell::new(false);
        self.wait_until("the job had ended", |text| {
            let verdict = text.lines().find_map(Verdict::parse);
            succeeded.set(verdict.as_ref().is_some_and(|verdict| verdict.result.is_ok()));
            verdict.is_some()
        })?;
        Ok(succeeded.get())
    }

    /// Types on the machine's console. QEMU takes the byte 1 for itself.
    ///
    /// # Errors
    ///
    /// QEMU has ended.
    pub fn type_in(&mut self, bytes: &[u8]) -> Result<(), ProcessError> {
        self.process.type_in(bytes)
    }

    /// Cuts the power: kills QEMU with SIGKILL. Returns the complete lines that the kernel had
    /// printed.
    ///
    /// # Errors
    ///
    /// QEMU had ended by itself already.
    pub fn cut_power(self) -> Result<String, ProcessError> {
        self.process.kill()
    }

    /// A connection to QEMU's monitor.
    ///
    /// # Errors
    ///
    /// There is none before QEMU's end or the time limit.
    pub fn monitor(&mut self) -> Result<Monitor, VmError> {
        // QEMU makes the socket soon after its start.
        self.process.retry(|left| Ok(Monitor::connect(&self.socket, left)?))
    }

    /// Waits for the end; after the time limit QEMU is killed.
    ///
    /// # Errors
    ///
    /// The operating system does not tell how QEMU is.
    pub fn finish(self) -> Result<Outcome, ProcessError> {
        Ok(Outcome::of(self.arch, &self.command_line, &self.process.finish()?))
    }
}
