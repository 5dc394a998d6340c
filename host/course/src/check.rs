//! One check: what is booted, on which disks, and what must come of it.
//!
//! A check is judged by evidence from outside of the kernel alone: the requests that a disk has recorded,
//! and the contents of disks afterwards. Payloads, sectors and serial numbers come from a seed.

mod copy;
mod demo;
mod features;
mod interrupts;
mod lies;
mod witness;

use std::{path::Path, time::Duration};

use anyhow::Result;
use lab::{
    place::Place,
    process::Finished,
    qemu::{Machine, Transport, escaped},
    workspace::Workspace,
};
use serde::Deserialize;

use crate::{diagnosis::Finding, language::Text, stage::Sandbox};

/// A check of an exercise.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// Its name in reports and in variants.
    pub name: String,
    /// The points for passing it.
    pub points: u32,
    /// Its subject, for people to read.
    pub title: Text,
    /// The run and its judge.
    run: Run,
}

/// The kinds of checks.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Run {
    /// The demo of the lab on QEMU's own disk, twice, and `strings` on the image.
    Demo,
    /// `job=copy` between an honest disk and one that records.
    Copy(copy::Copy),
    /// A write to one disk, whose set-up is looked at register by register.
    Features(features::Features),
    /// `job=copy` from a disk that lies to an honest one.
    Lies(lies::Lies),
    /// A disk that chooses the moment of its answers.
    Interrupts(interrupts::Interrupts),
}

/// The version of the transport, as a check names it.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum TransportName {
    #[default]
    Modern,
    Legacy,
}

impl From<TransportName> for Transport {
    fn from(name: TransportName) -> Self {
        match name {
            TransportName::Modern => Self::Modern,
            TransportName::Legacy => Self::Legacy,
        }
    }
}

/// The property that puts a device into slot 1, behind which a disk in slot 0 is the second one.
const SLOT_1: &str = ",bus=virtio-mmio-bus.1";

/// A machine with the disk that answers at `socket`, and more properties of QEMU's device with a comma before
/// each.
fn disk_at(transport: Transport, socket: &Path, properties: &str) -> Machine {
    Machine::new(transport)
        .shared_memory()
        .option("-chardev", format!("socket,id=c0,path={}", escaped(socket)))
        .option("-device", format!("vhost-user-blk,chardev=c0,num-queues=1{properties}"))
}

/// The surroundings of all checks of one kernel.
pub struct Stand<'a> {
    /// The repository of the grader.
    pub workspace: &'a Workspace,
    /// The kernel to boot.
    pub kernel: &'a Path,
    /// Decides payloads, sectors and serial numbers.
    pub seed: u64,
    /// The longest that a boot may take.
    pub limit: Duration,
    /// The walls around QEMU.
    pub sandbox: &'a Sandbox,
    /// The folder for logs.
    pub logs: &'a Path,
}

/// The end of a check that was carried out.
pub type Verdict = Option<Finding>;

impl Check {
    /// Boots and judges; `None` if the check is passed.
    ///
    /// # Errors
    ///
    /// The host is to blame: it says nothing about the kernel.
    pub fn judge(&self, stand: &Stand<'_>) -> Result<Verdict> {
        let log = stand.logs.join(format!("{}.log", self.name));
        let place = Place::new(stand.workspace, stand.kernel, &log)?;
        // Each check has numbers of its own.
        let name: u64 =
            self.name.bytes().fold(0, |sum, byte| sum.wrapping_mul(31) + u64::from(byte));
        let random = fastrand::Rng::with_seed(stand.seed ^ name);
        match &self.run {
            Run::Demo => demo::judge(stand, &place, random),
            Run::Copy(copy) => copy.judge(stand, &place, random),
            Run::Features(features) => features.judge(stand, &place, random),
            Run::Lies(lies) => lies.judge(stand, &place, random),
            Run::Interrupts(interrupts) => interrupts.judge(stand, &place, random),
        }
    }
}

impl Stand<'_> {
    /// Runs QEMU to its end.
    fn run(&self, qemu: std::process::Command, place: &Place) -> Result<Finished> {
        let qemu = self.sandbox.wrap(qemu, &[self.kernel], &[place.folder()]);
        Ok(lab::process::run(qemu, self.limit, &place.log)?)
    }
}
