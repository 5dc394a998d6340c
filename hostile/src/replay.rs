//! What the disk must hold in the end: the plan of `job=verify`, replayed on the host.

use anyhow::{Result, anyhow, bail};

use self::plan::{Kind, Plan};
use crate::device::SECTOR;

/// The kernel's own file: both sides draw the same operations from the same numbers.
#[path = "../../kernel/src/jobs/verify/plan.rs"]
#[allow(dead_code, reason = "the host uses only a part of it")]
mod plan;

/// The parameters of a verify job.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// The seed of all random choices.
    pub seed: u64,
    /// The number of operations.
    pub count: u32,
    /// The number of operations in flight.
    pub depth: u64,
    /// The operations stay below this sector.
    pub span: u64,
    /// The size limit of an operation, in sectors.
    pub max: u32,
}

/// Which operations the kernel says have failed.
#[derive(Clone, Copy, Debug)]
pub enum Failed<'a> {
    /// These and no others.
    These(&'a [u32]),
    /// More than it has named: any may have.
    Any,
}

impl Workload {
    /// The kernel's command line.
    pub fn command_line(&self) -> String {
        let Self { seed, count, depth, span, max } = self;
        format!("job=verify seed={seed} count={count} qd={depth} span={span} max={max}")
    }

    /// Checks every sector of `disk`: it holds what the last successful write put there. A failed
    /// write behind that may have happened or not.
    ///
    /// # Errors
    ///
    /// The first sector that holds something else.
    pub fn check(&self, before: &[u8], disk: &[u8], failed: Failed<'_>) -> Result<()> {
        let (before, _) = before.as_chunks::<SECTOR>();
        let (disk, _) = disk.as_chunks::<SECTOR>();
        // What each sector may hold: its contents before the run, and those that writes gave it.
        let mut untouched = vec![true; disk.len()];
        let mut written = vec![Vec::new(); disk.len()];
        let plan = Plan::new(self.seed, self.count, self.span, self.max)
            .map_err(|error| anyhow!("no such plan: {error}"))?;
        for operation in plan.filter(|operation| operation.kind == Kind::Write) {
            let succeeded = match failed {
                Failed::These(failed) => !failed.contains(&operation.index),
                Failed::Any => false,
            };
            for sector in operation.range() {
                let Some(writers) = written.get_mut(sector as usize) else { break };
                if succeeded {
                    untouched[sector as usize] = false;
                    writers.clear();
                }
                writers.push(operation.index);
            }
        }
        for (sector, data) in disk.iter().enumerate() {
            let is = |index: &u32| plan::check(self.seed, *index, sector as u64, data).is_ok();
            let as_before = untouched[sector] && before.get(sector) == Some(data);
            if !as_before && !written[sector].iter().any(is) {
                bail!(
                    "sector {sector} of the disk holds something else than operation {:?} wrote",
                    written[sector].last()
                );
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOAD: Workload = Workload { seed: 1, count: 50, depth: 8, span: 64, max: 8 };

    /// The disk behind the run, these operations having failed without effect.
    fn disk(failed: &[u32]) -> Vec<u8> {
        let mut disk = vec![0; 64 * SECTOR];
        for operation in Plan::new(1, 50, 64, 8).unwrap() {
            if operation.kind != Kind::Write || failed.contains(&operation.index) {
                continue;
            }
            for sector in operation.range() {
                let place = &mut disk.as_chunks_mut().0[sector as usize];
                plan::fill(1, operation.index, sector, place);
            }
        }
        disk
    }

    fn last_write() -> u32 {
        let writes = Plan::new(1, 50, 64, 8).unwrap().filter(|op| op.kind == Kind::Write);
        writes.last().unwrap().index
    }

    #[test]
    fn a_lost_write_is_found() {
        let before = vec![0; 64 * SECTOR];
        LOAD.check(&before, &disk(&[]), Failed::These(&[])).unwrap();
        let lost = [last_write()];
        LOAD.check(&before, &disk(&lost), Failed::These(&[])).unwrap_err();
        LOAD.check(&before, &disk(&lost), Failed::These(&lost)).unwrap();
        LOAD.check(&before, &disk(&[]), Failed::These(&lost)).unwrap();
        LOAD.check(&before, &before, Failed::Any).unwrap();
    }

    #[test]
    fn what_nobody_wrote_is_found() {
        let before = vec![0; 64 * SECTOR];
        let mut damaged = disk(&[]);
        damaged[40 * SECTOR + 100] ^= 1;
        LOAD.check(&before, &damaged, Failed::Any).unwrap_err();
    }
}
