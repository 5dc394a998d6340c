//! One check: what is booted, on which disks, and what must come of it.
//!
//! A check is judged by evidence from outside of the kernel alone: the requests that a disk has recorded,
//! and the contents of disks afterwards. Payloads, sectors and serial numbers come from a seed.

mod addresses;
mod cached;
mod commits;
mod copy;
mod demo;
mod features;
mod interrupts;
mod lies;
mod lookup;
mod pixels;
mod slices;
mod sync;
mod verify;
mod witness;

use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::Path,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use lab::{
    place::Place,
    process::{End, Finished},
    qemu::{Machine, Transport, escaped},
    workspace::Workspace,
};
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::{diagnosis::Finding, language::Text, pace::Pace, sandbox::Sandbox};

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
    /// Slices of DMA memory, taken and dropped.
    Slices(slices::Slices),
    /// The blocks that a cache keeps.
    Cached(cached::Cached),
    /// Files changed, and the power cut.
    Commits(commits::Commits),
    /// Names looked up in directories.
    Lookup(lookup::Lookup),
    /// Areas of pictures, shown on a screen.
    Pixels(pixels::Pixels),
    /// The memory of requests in flight.
    Addresses(addresses::Addresses),
    /// `job=verify`, chain by chain.
    Verify(verify::Verify),
    /// Devices that do not see the CPU's caches.
    Sync(sync::Sync),
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

/// One of `all` by its name, for descriptions of checks.
fn by_name<'de, T: Copy, D: Deserializer<'de>>(
    from: D,
    all: &[(&'static str, T)],
) -> Result<T, D::Error> {
    let name = String::deserialize(from)?;
    let found = all.iter().find(|(known, _)| *known == name);
    found.map(|(_, one)| *one).ok_or_else(|| D::Error::custom(format!("nothing is called {name}")))
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

/// QEMU's traces, in the folder of a check.
const QEMU_LOG: &str = "qemu.log";
/// So many bytes of its end are read.
const END: u64 = 4096;
/// And of its beginning: more of the registers says nothing new.
const MOST_TRACED: u64 = 4 << 20;
/// The trace that tells the states of the machine, and the one of a machine that has come to its end in order.
const STATES: &str = "runstate_set";
const SHUTDOWN: &str = "(shutdown)";

/// The surroundings of all checks of one exercise with one kernel.
pub struct Stand<'a> {
    /// The repository of the grader.
    pub workspace: &'a Workspace,
    /// The kernel to boot.
    pub kernel: &'a Path,
    /// Decides payloads, sectors and serial numbers.
    pub seed: u64,
    /// The time limits.
    pub pace: &'a Pace<'a>,
    /// The walls around QEMU.
    pub sandbox: &'a Sandbox,
    /// The folder for logs.
    pub logs: &'a Path,
    /// A check of this exercise has hung. The others are not waited for as long: most of them will hang too.
    pub hung: AtomicBool,
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
            Run::Slices(slices) => slices.judge(stand, &place, random),
            Run::Cached(cached) => cached.judge(stand, &place, random),
            Run::Commits(commits) => commits.judge(stand, &place, random),
            Run::Lookup(lookup) => lookup.judge(stand, &place, random),
            Run::Pixels(pixels) => pixels.judge(stand, &place, random),
            Run::Addresses(addresses) => addresses.judge(stand, &place, random),
            Run::Verify(verify) => verify.judge(stand, &place, random),
            Run::Sync(sync) => sync.judge(stand, &place, random),
        }
    }
}

impl Stand<'_> {
    /// Runs QEMU to its end. Its traces go to [`QEMU_LOG`].
    ///
    /// # Errors
    ///
    /// The host is to blame: QEMU has ended without being told so by the kernel, or the host is too slow.
    fn run(&self, mut qemu: std::process::Command, place: &Place) -> Result<Finished> {
        let log = place.file(QEMU_LOG);
        qemu.args(["-trace", STATES, "-D"]).arg(&log);
        let qemu = self.sandbox.wrap(qemu, &[self.kernel], &[place.folder()]);
        let limit = self.limit();
        let finished = lab::process::run(qemu, limit, &place.log)?;
        match finished.end {
            End::Exited(status) => {
                // An exit status would prove nothing: the kernel chooses it.
                let in_order = end_of(&log).contains(SHUTDOWN);
                ensure!(in_order, "QEMU was ended from outside ({status})");
            }
            End::TimedOut(_) => self.overran(limit)?,
            End::TooMuchOutput => {}
        }
        Ok(finished)
    }

    /// The longest that a boot may take now.
    fn limit(&self) -> Duration {
        match self.hung.load(Relaxed) {
            true => self.pace.second_boot_limit(),
            false => self.pace.boot_limit(),
        }
    }

    /// A boot has overrun this limit.
    ///
    /// # Errors
    ///
    /// The host is to blame.
    fn overran(&self, limit: Duration) -> Result<()> {
        self.pace.ensure_kept(limit)?;
        self.hung.store(true, Relaxed);
        Ok(())
    }
}

/// The last lines of a file; nothing if it cannot be read.
fn end_of(path: &Path) -> String {
    let mut end = Vec::new();
    // A kernel may have QEMU trace as much as it likes.
    let _ = File::open(path).and_then(|mut file| {
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(END)))?;
        file.take(END).read_to_end(&mut end)
    });
    String::from_utf8_lossy(&end).into_owned()
}

/// The beginning of QEMU's traces.
fn beginning_of(path: &Path) -> Result<String> {
    let mut text = Vec::new();
    let file = File::open(path).context("QEMU writes no traces")?;
    file.take(MOST_TRACED).read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
