//! Decides whether a run ended as its mode demands.

use anyhow::{Context, Result, bail, ensure};
use lab::{
    arch::Arch,
    console::failed_operation,
    image::SECTOR,
    process::End,
    replay::{Account, Fate, Workload},
};

use crate::{
    closing::{Closing, closing, find, lines},
    device::{Diary, config::NEVER},
    mode::{Ends, Lie, Mode},
    words::Ended,
};

/// More lines than this are a flood: the firmware's greeting has 60, and the job names 20 errors at most.
const MOST_LINES: usize = 250;

/// More attempts than this to set the device up are not "a few".
const MOST_STARTS: u64 = 12;

/// The words for a device that is not tried any more.
const DEAD: &[&str] = &["dead", "given up", "gives up", "out of use"];

/// The evidence of a run: its end, the console, the device's account and the disk.
pub struct Evidence<'a> {
    /// The mode, as it was played.
    pub mode: &'a Mode,
    /// The machine's architecture.
    pub arch: Arch,
    /// The job that the kernel was given.
    pub workload: &'a Workload,
    /// QEMU's end.
    pub end: End,
    /// Everything that was printed.
    pub console: &'a str,
    /// The device's account.
    pub diary: &'a Diary,
    /// The contents of the disk before the run.
    pub before: &'a [u8],
    /// The contents of the disk after the run.
    pub disk: &'a [u8],
}

impl Evidence<'_> {
    /// Returns the end of the run, if it is one that the mode allows.
    ///
    /// # Errors
    ///
    /// It should not have ended so; the error gives the reason.
    pub fn judge(&self) -> Result<Ended> {
        let last = lines(self.console).last().unwrap_or("nothing");
        if let Some(panic) = lines(self.console).find(|line| line.starts_with("panic:")) {
            bail!("the kernel panicked: {panic}");
        }
        let End::Exited(status) = self.end else {
            bail!("hangs ({}), and the last line was {last:?}", self.end);
        };
        let closing = closing(self.console).with_context(|| {
            format!("there is no closing line, or several; the last is {last:?}")
        })?;
        let expected = if closing.ok { self.arch.success() } else { self.arch.failure() };
        ensure!(status == expected, "QEMU's exit status {status} contradicts {:?}", closing.line);
        if closing.line.contains("unknown parameter \"timeout_ms\"") {
            bail!("the kernel does not know timeout_ms=; leave it out with --no-timeout-ms");
        }
        let count = lines(self.console).count();
        ensure!(count <= MOST_LINES, "{count} lines were printed: a device can flood the console");
        self.check_device()?;
        let ended = self.check_end(&closing)?;
        // Where nothing failed, nothing need be said.
        let harmless = closing.ok && matches!(self.mode.ends, Ends::Survives | Ends::Endures);
        if !self.mode.words.is_empty() && !harmless {
            find(self.console, self.mode.words)
                .with_context(|| format!("{ended}, but none of {:?} was said", self.mode.words))?;
        }
        Ok(ended)
    }

    /// Checks the device's account: its mischief took place, and the driver kept the rules.
    fn check_device(&self) -> Result<()> {
        let diary = self.diary;
        if let Some(complaint) = diary.complaints.first() {
            bail!("the driver broke the rules: {complaint}");
        }
        let forbidden = diary.acknowledged & NEVER;
        ensure!(forbidden == 0, "the driver acknowledged features {forbidden:#x}");
        ensure!(
            self.mode.lie == Lie::None || diary.lies > 0,
            "the run ended before the first lie, after {} requests",
            diary.taken
        );
        Ok(())
    }

    fn check_end(&self, closing: &Closing<'_>) -> Result<Ended> {
        let line = closing.line;
        let no_disk = line.contains("no disk found") || line.contains("could not be used");
        match self.mode.ends {
            Ends::Refused => {
                ensure!(no_disk, "the disk should have been refused: {line}");
                return Ok(Ended::Refused);
            }
            Ends::Empty => {
                ensure!(!closing.ok && closing.counts.is_none(), "not taken as empty: {line}");
                return Ok(Ended::Empty);
            }
            Ends::Survives | Ends::Endures if no_disk => return Ok(Ended::Refused),
            _ => {}
        }
        let counts = closing.counts.as_ref().with_context(|| format!("no account: {line}"))?;
        self.check_account(closing, counts)?;
        let errors = counts.errors;
        let Diary { lies, answered_since, starts, .. } = *self.diary;
        let depth = u64::from(self.workload.depth);
        let resets = starts.saturating_sub(1);
        let failed = Ended::Answered { errors, operations: counts.operations(), resets };
        match self.mode.ends {
            Ends::Unharmed => {
                ensure!(errors == 0, "{failed}; none should: {line}");
                ensure!(resets == 0, "{failed}; there was no reason for a reset");
            }
            Ends::FailsAlone => {
                ensure!(errors == lies, "{failed}; {lies} requests were lied about: {line}");
                ensure!(resets == 0, "{failed}; there was no reason for a reset");
            }
            Ends::Recovers => {
                ensure!(resets > 0 && answered_since > 0, "no recovery: {failed}: {line}");
                ensure!(errors <= depth, "{failed}; only {depth} were in flight: {line}");
            }
            Ends::Survives => {
                ensure!(errors <= depth * lies.max(1), "{failed}; that is too many: {line}");
            }
            Ends::Shrunken => {
                ensure!(errors > 0, "nobody noticed: {line}");
            }
            Ends::Dead => {
                ensure!(errors > depth, "{failed}; all should have, from some point on: {line}");
                ensure!(starts <= MOST_STARTS, "{failed}; that is more than a few");
                find(self.console, DEAD)
                    .with_context(|| format!("{failed}, but none of {DEAD:?} was said"))?;
            }
            Ends::Endures | Ends::Refused | Ends::Empty => {}
        }
        Ok(failed)
    }

    /// Every request was answered, and every sector is what it should be: a write that failed may have
    /// happened or not.
    fn check_account(&self, closing: &Closing<'_>, account: &Account) -> Result<()> {
        let line = closing.line;
        self.workload.check_account(account).with_context(|| format!("{line:?} cannot be"))?;
        let kinds = self.mode.kinds;
        if let (Some(other), false) = (account.kind_beside(kinds), kinds.is_empty()) {
            bail!("errors of the kind {other} should not occur: {line}");
        }
        let named: Vec<u32> = lines(self.console).filter_map(failed_operation).collect();
        // The kernel names the first twenty only: of more, any may have failed.
        let all_named = named.len() as u64 == account.errors;
        let mut shadow = self.workload.shadow(|write| {
            if all_named && !named.contains(&write.index) { Fate::Done } else { Fate::Possible }
        })?;
        // It may have shrunk.
        shadow.truncate(self.disk.len() / SECTOR);
        let before = self.before.get(..self.disk.len()).context("the disk has grown")?;
        Ok(shadow.look(before, self.disk)?.expect_good()?)
    }
}

#[cfg(test)]
#[path = "judge/tests.rs"]
mod tests;
