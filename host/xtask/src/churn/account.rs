//! The kernel's words on its console while it does the job.

use std::ops::RangeInclusive;

use anyhow::{Context, Result, ensure};
use plan::churn::{Load, Step};

/// The lines of the job.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Account {
    /// The directories are safe.
    pub begun: bool,
    /// The lines that say that something is safe.
    pub lines: usize,
    /// For each thread, the steps that are safe.
    safe: Vec<u32>,
    /// For each thread, the last step that made something safe and has ended.
    synced: Vec<Option<u32>>,
}

impl Account {
    /// Reads complete lines.
    ///
    /// # Errors
    ///
    /// A line of the job does not have its form.
    pub fn read(load: &Load, console: &str) -> Result<Self> {
        let threads = load.threads as usize;
        let (safe, synced) = (vec![0; threads], vec![None; threads]);
        let mut account = Self { begun: false, lines: 0, safe, synced };
        for line in console.lines().filter_map(|line| line.trim_end().strip_prefix("churn: ")) {
            if line == "begun" {
                account.begun = true;
            } else {
                account
                    .enter(line)
                    .with_context(|| format!("\"churn: {line}\" is no line of it"))?;
            }
        }
        Ok(account)
    }

    fn enter(&mut self, line: &str) -> Option<()> {
        let (thread, counts) = line.split_once(" synced ")?;
        let thread: usize = thread.parse().ok()?;
        let counts: Vec<u32> = counts.split(' ').map(str::parse).collect::<Result<_, _>>().ok()?;
        if counts.len() != self.safe.len() {
            return None;
        }
        for (safe, count) in self.safe.iter_mut().zip(&counts) {
            *safe = (*safe).max(*count);
        }
        *self.synced.get_mut(thread)? = Some(*counts.get(thread)?);
        self.lines += 1;
        Some(())
    }

    /// The number of steps that are safe.
    pub fn safe(&self) -> u64 {
        self.safe.iter().copied().map(u64::from).sum()
    }

    /// For each thread, the numbers of steps after which it may have been cut off: from those that are safe to those
    /// before the next step that makes things safe, which has not ended.
    ///
    /// # Errors
    ///
    /// The kernel says that a thread got beyond a step that it had to tell of, or tells of another step.
    pub fn windows(&self, load: &Load) -> Result<Vec<RangeInclusive<u32>>> {
        let window =
            |(thread, (safe, synced)): (u32, (&u32, &Option<u32>))| -> Result<RangeInclusive<u32>> {
                let is_sync = |step: &Step| step.action.syncs();
                let index = |step: Step| step.index;
                let mut syncs = load.steps(thread).filter(is_sync).map(index);
                if let Some(synced) = synced {
                    let found = syncs.by_ref().find(|index| index >= synced);
                    ensure!(found == Some(*synced), "step {synced} of thread {thread} is no sync");
                }
                let next = syncs.next().context("the plan has an end")?;
                ensure!(
                    *safe <= next,
                    "thread {thread} has taken {safe} steps, and has said nothing of the sync of step {next}"
                );
                Ok(*safe..=next)
            };
        (0..).zip(self.safe.iter().zip(&self.synced)).map(window).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOAD: Load = Load { seed: 3, threads: 2, keep: 8, sync_every: 10, one_dir: false };

    fn syncs(thread: u32) -> Vec<u32> {
        let syncs = LOAD.steps(thread).filter(|step| step.action.syncs());
        syncs.map(|step| step.index).take(3).collect()
    }

    #[test]
    fn a_thread_may_have_gone_on_to_its_next_sync() {
        let (first, other) = (syncs(0), syncs(1));
        let account = |text: &str| Account::read(&LOAD, text).unwrap();
        let silent = account("disk 0: x\n");
        assert!(!silent.begun);
        assert_eq!(silent.windows(&LOAD).unwrap(), [0..=first[0], 0..=other[0]]);
        // The second thread is known to have got somewhere, by the word of the first.
        let one = account(&format!("churn: begun\r\nchurn: 0 synced {} 1\r\n", first[0]));
        assert!(one.begun);
        assert_eq!((one.lines, one.safe()), (1, u64::from(first[0]) + 1));
        assert_eq!(one.windows(&LOAD).unwrap(), [first[0]..=first[1], 1..=other[0]]);
    }

    #[test]
    fn a_kernel_that_contradicts_itself_is_noticed() {
        let (first, other) = (syncs(0), syncs(1));
        let windows = |text: &str| Account::read(&LOAD, text).unwrap().windows(&LOAD);
        assert!(windows(&format!("churn: 0 synced {} 0", first[0] + 1)).is_err());
        assert!(windows(&format!("churn: 0 synced {} {}", first[0], other[0] + 1)).is_err());
        for line in
            ["churn: 0 synced 1", "churn: 2 synced 0 0", "churn: 0 synced 0 0 0", "churn: x"]
        {
            assert!(Account::read(&LOAD, line).is_err(), "{line}");
        }
    }
}
