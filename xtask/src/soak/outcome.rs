//! How a virtual machine that ended by itself did.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

use crate::{
    console::{Verdict, counts},
    text,
};

/// The end of a virtual machine.
pub struct Outcome {
    command_line: String,
    /// QEMU's exit status; `None` if it was killed.
    status: Option<i32>,
    console: String,
}

impl Outcome {
    /// From QEMU's exit status and what was printed.
    pub fn new(command_line: &str, status: Option<i32>, console: String) -> Self {
        Self { command_line: command_line.to_owned(), status, console }
    }

    /// Everything that was printed, by the firmware, the kernel and QEMU.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.console.lines()
    }

    /// The counts in the kernel's last line, which must be about `job`, and whether it says that
    /// the job succeeded; QEMU's exit status must say the same.
    pub fn counts(&self, job: &str) -> Result<(bool, BTreeMap<&str, u64>)> {
        let last = self.lines().filter(|line| !line.trim().is_empty()).last().unwrap_or_default();
        let verdict =
            Verdict::parse(last).filter(|verdict| verdict.job == job).with_context(|| {
                format!("the last line does not say how {job} went: {}", self.tail())
            })?;
        let (succeeded, details) = match verdict.result {
            Ok(details) => (true, details),
            Err(reason) => (false, reason),
        };
        if self.status != Some(i32::from(!succeeded)) {
            bail!("exit status and last line contradict each other: {}", self.tail());
        }
        Ok((succeeded, counts(details)))
    }

    /// As [`Self::counts`], for a job that must have succeeded.
    pub fn expect_ok(&self, job: &str) -> Result<BTreeMap<&str, u64>> {
        match self.counts(job)? {
            (true, counts) => Ok(counts),
            (false, _) => bail!("the job failed: {}", self.tail()),
        }
    }

    /// The end of what was printed, for a message.
    pub fn tail(&self) -> String {
        let end = match self.status {
            Some(status) => format!("exit status {status}"),
            None => "killed".to_owned(),
        };
        format!("QEMU: {end}\n  {}{}", self.command_line, text::tail(&self.console, 12))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdict_and_exit_status_must_agree() {
        let outcome = |status, text: &str| Outcome::new("job=x", status, text.to_owned());
        assert_eq!(outcome(Some(0), "a\njob x: ok n=7\n\n").expect_ok("x").unwrap()["n"], 7);
        assert!(outcome(Some(1), "job x: ok n=7").counts("x").is_err());
        assert!(outcome(None, "job x: ok n=7").counts("x").is_err());
        assert!(outcome(Some(0), "job x: ok n=7\nmore").counts("x").is_err());
        assert!(outcome(Some(1), "job x: failed: n=7").expect_ok("x").is_err());
        assert!(!outcome(Some(1), "job x: failed: n=7").counts("x").unwrap().0);
    }
}
