//! The systems that are put under load, each where it can be had.

use anyhow::{Result, anyhow};
use lab::{board::Board, workspace::Workspace};

use super::{
    count::{Case, Counted, Counts},
    host,
    job::{self, Amount, Kernel},
    linux::{Linux, Scheduler},
    load::{Complete, Load, Subject},
    machine::Machine,
    sample::Sample,
};

/// The kernel of this repository and those to compare it with.
pub struct Systems {
    /// The machine that all of them run on.
    pub machine: Machine,
    ours: Kernel,
    /// The crate virtio-drivers, or the reason why it is left out.
    pub peer: Result<Kernel>,
    /// Linux, or the reason why it is left out.
    pub linux: Result<Linux>,
}

impl Systems {
    /// Builds and fetches them. `scheduler` is Linux's in timed runs; without one Linux is left out.
    ///
    /// # Errors
    ///
    /// The kernel of this repository does not build. Any other system is left out then.
    pub fn prepare(
        workspace: &Workspace,
        board: Board,
        scheduler: Option<Scheduler>,
    ) -> Result<Self> {
        let machine = Machine::prepare(workspace, board)?;
        let build = |package| Kernel::build(workspace, board.arch(), package, &machine.log);
        let ours = build(workspace.kernel()?)?;
        let peer = match board {
            Board::LAB => build(workspace.member("peer")?),
            _ => Err(anyhow!("host/peer drives it on virtio-mmio of RISC-V only")),
        };
        let linux = match scheduler {
            None => Err(anyhow!("it was not asked for (--no-linux)")),
            Some(scheduler) => Linux::prepare(workspace, board.arch(), &machine.log, scheduler),
        };
        let reasons = [("virtio-drivers", peer.as_ref().err()), ("Linux", linux.as_ref().err())];
        for (name, reason) in reasons {
            if let Some(reason) = reason {
                eprintln!("bench: {name} is left out: {reason:#}");
            }
        }
        Ok(Self { machine, ours, peer, linux })
    }

    /// Those to compare with that are there.
    pub fn others(&self) -> Vec<Subject> {
        let mut others = Vec::new();
        if self.peer.is_ok() {
            others.extend([Subject::Peer(Complete::Irq), Subject::Peer(Complete::Poll)]);
        }
        if self.linux.is_ok() {
            others.push(Subject::Linux);
        }
        if self.machine.has_qemu_img {
            others.push(Subject::Host);
        }
        others
    }

    /// Returns true if files can be measured under Linux.
    pub fn linux_has_files(&self) -> bool {
        let ext4 = self.machine.images.as_ref().is_ok_and(|images| images.ext4.is_ok());
        ext4 && self.linux.is_ok()
    }

    /// One timed run.
    pub fn run(&self, load: Load, subject: Subject, seconds: u64) -> Result<Sample> {
        let timed = |kernel: &Kernel, complete| {
            let guest = kernel.guest(load, complete, Amount::Seconds(seconds));
            let qemu = self.machine.qemu(load.medium);
            job::sample(load, &self.machine.boot(&guest, &qemu, seconds)?)
        };
        match subject {
            Subject::Ours(complete) => timed(&self.ours, complete),
            Subject::Peer(complete) => timed(there(&self.peer)?, complete),
            Subject::Linux => there(&self.linux)?.run(&self.machine, load, seconds),
            Subject::Host => host::run(&self.machine, load, seconds),
        }
    }

    /// The costs of a request.
    pub fn count(&self, case: Case) -> Result<Counts> {
        let counted = match case.subject {
            Subject::Ours(complete) => Counted::Kernel(&self.ours, complete),
            Subject::Peer(complete) => Counted::Kernel(there(&self.peer)?, complete),
            Subject::Linux => Counted::Linux(there(&self.linux)?, case.scheduler),
            Subject::Host => return Err(anyhow!("there is no guest to count")),
        };
        counted.count(&self.machine, case.load, case.pace)
    }
}

/// A system that is not left out.
fn there<T>(system: &Result<T>) -> Result<&T> {
    system.as_ref().map_err(|reason| anyhow!("{reason:#}"))
}
