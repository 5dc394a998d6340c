//! The speed of the host, measured by booting the grader's own kernel: time limits grow with it.

use std::{
    path::PathBuf,
    sync::Mutex,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, bail};
use lab::{
    process,
    qemu::{Guest, Machine, Transport},
    workspace::Workspace,
};

use crate::{
    grade::folder_of,
    sandbox::Sandbox,
    stage::{Built, Files, STAGE, Stage},
};

/// A boot may take so many times as long as one of the grader's own tree.
const PATIENCE: u32 = 20;
/// A limit that is still so many times as long as a boot is fair to the busiest check.
const FAIR: u32 = 6;
/// And never less than this, as the busiest check needs more than a boot.
const SHORTEST_BOOT: Duration = Duration::from_secs(8);
/// The longest that the kernel of the grader's own tree may take to boot.
const LONGEST_BOOT: Duration = Duration::from_secs(60);
/// A submission may take so many times as long to compile as a kernel may take to boot; what was compiled
/// before, all but the exercises' own crates, is kept.
const BUILD: u32 = 8;
/// A boot may take so many times as long as an answer.
const ANSWER: u32 = 8;

/// The time limits of this host.
pub struct Pace<'a> {
    /// The grader's own kernel; none if its tree does not compile.
    kernel: Option<PathBuf>,
    sandbox: &'a Sandbox,
    log: PathBuf,
    boot: Mutex<Duration>,
}

impl<'a> Pace<'a> {
    /// Builds the tree as it is, outside of the walls and with what has to be fetched, and boots it once. As
    /// many as `stages` can build at a time from then on.
    ///
    /// A tree of a student that does not compile or hangs is no measure: the limits are the shortest then.
    ///
    /// # Errors
    ///
    /// The host is to blame.
    pub fn measure(
        workspace: &Workspace,
        base: &Files,
        sandbox: &'a Sandbox,
        stages: usize,
    ) -> Result<Self> {
        let folder = folder_of(workspace, 0);
        let stage = Stage::new(base, folder.join(STAGE), &Sandbox::Open)?;
        let log = folder.join("logs/boot-base.log");
        let kernel = match stage.fetch_and_build(&folder.join("logs/build-base.log"))? {
            Built::Kernel(built) => {
                let kernel = folder.join("base.elf");
                std::fs::copy(built, &kernel)?;
                Some(kernel)
            }
            Built::Errors(_) if matches!(sandbox, Sandbox::Open) => None,
            // Whoever grades others has a tree that compiles: no submission is to blame.
            Built::Errors(output) => bail!("the grader's own tree does not build:\n{output}"),
            Built::TooLate => bail!("the grader's own tree takes too long to build"),
        };
        for number in 1..stages {
            let folder = folder_of(workspace, number);
            let other = Stage::new(base, folder.join(STAGE), sandbox)?;
            other.take_over(&stage)?;
            other.build_base(&folder.join("logs/build-base.log"))?;
        }
        let mut pace = Self { kernel, sandbox, log, boot: Mutex::new(SHORTEST_BOOT) };
        let boot = pace.boot()?;
        if boot < LONGEST_BOOT {
            pace.set(boot * PATIENCE)?;
        } else if matches!(sandbox, Sandbox::Open) {
            pace.kernel = None;
        } else {
            bail!("the grader's own kernel has not ended after {} s", LONGEST_BOOT.as_secs());
        }
        Ok(pace)
    }

    /// The longest that a boot may take.
    pub fn boot_limit(&self) -> Duration {
        self.boot.lock().map_or(SHORTEST_BOOT, |boot| *boot)
    }

    /// The longest that a boot may take where one with the same exercise has hung already.
    pub fn second_boot_limit(&self) -> Duration {
        self.boot_limit() / 2
    }

    /// The longest that a driver may wait for an answer of a disk.
    pub fn answer_limit(&self) -> Duration {
        self.boot_limit() / ANSWER
    }

    /// The longest that a submission may take to compile.
    pub fn build_limit(&self) -> Duration {
        self.boot_limit() * BUILD
    }

    /// Makes sure that the host is not so slow by now that `limit` is unfair to a boot: that one overran it is
    /// the kernel's fault.
    ///
    /// # Errors
    ///
    /// It is slower; the limits are longer from now on.
    pub fn ensure_kept(&self, limit: Duration) -> Result<()> {
        self.ensure_fair(limit, self.boot()?)
    }

    fn ensure_fair(&self, limit: Duration, boot: Duration) -> Result<()> {
        if boot * FAIR > limit {
            self.set(boot * PATIENCE)?;
            bail!("the host has become slow: its own kernel takes {} ms to boot", boot.as_millis());
        }
        Ok(())
    }

    /// The time of a boot, no longer than the longest; none without a kernel.
    fn boot(&self) -> Result<Duration> {
        let Some(kernel) = &self.kernel else { return Ok(Duration::ZERO) };
        let machine = Machine::new(Transport::Modern);
        let qemu = machine.command(&Guest::new(kernel, "job=random bytes=1"));
        let begin = Instant::now();
        // It fails for want of a device, having booted.
        process::run(self.sandbox.wrap(qemu, &[kernel], &[]), LONGEST_BOOT, &self.log)?;
        Ok(begin.elapsed().min(LONGEST_BOOT))
    }

    /// Sets the limit for boots, which is never shortened.
    fn set(&self, limit: Duration) -> Result<()> {
        let mut boot = self.boot.lock().map_err(|_| anyhow!("another boot has failed"))?;
        *boot = limit.max(*boot);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace() -> Pace<'static> {
        let boot = Mutex::new(SHORTEST_BOOT);
        Pace { kernel: None, sandbox: &Sandbox::Open, log: PathBuf::new(), boot }
    }

    #[test]
    fn a_slow_submission_on_a_quick_host_lengthens_no_limit() {
        let pace = pace();
        pace.ensure_fair(SHORTEST_BOOT, SHORTEST_BOOT / FAIR).unwrap();
        assert_eq!(pace.boot_limit(), SHORTEST_BOOT);
    }

    #[test]
    fn a_host_that_has_become_slow_is_to_blame_and_gets_more_time() {
        let pace = pace();
        let boot = SHORTEST_BOOT / 2;
        assert!(pace.ensure_fair(SHORTEST_BOOT, boot).is_err());
        assert_eq!(pace.boot_limit(), boot * PATIENCE);
        // Which is enough, also for the second time, and stays so.
        pace.ensure_fair(pace.boot_limit(), boot).unwrap();
        pace.ensure_fair(pace.second_boot_limit(), boot).unwrap();
        pace.ensure_fair(pace.boot_limit(), Duration::ZERO).unwrap();
        assert_eq!(pace.boot_limit(), boot * PATIENCE);
    }
}
