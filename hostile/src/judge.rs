//! Decides whether a run ended as its mode demands.

use anyhow::{Context, Result, bail, ensure};

use crate::{
    console::{self, Closing, Counts},
    device::{Diary, config::NEVER},
    machine::End,
    mode::{Ends, Lie, Mode},
    replay::{Failed, Workload},
};

/// More lines than this are a flood: the firmware's greeting has 60, and the job names 20 errors at most.
const MOST_LINES: usize = 250;

/// More attempts than this to set the device up are not "a few".
const MOST_STARTS: u64 = 12;

/// The words for a device that is not tried any more.
const DEAD: &[&str] = &["dead", "given up", "gives up", "out of use"];

/// What is known about a run.
pub struct Evidence<'a> {
    /// The mode, as it was played.
    pub mode: &'a Mode,
    /// What the kernel was to do.
    pub workload: &'a Workload,
    /// How QEMU ended.
    pub end: End,
    /// What was printed.
    pub console: &'a str,
    /// The device's account.
    pub diary: &'a Diary,
    /// The disk at first.
    pub before: &'a [u8],
    /// The disk at last.
    pub disk: &'a [u8],
}

impl Evidence<'_> {
    /// Says in a few words how the run ended.
    ///
    /// # Errors
    ///
    /// It should not have ended so; the error says why.
    pub fn judge(&self) -> Result<String> {
        let last = console::lines(self.console).last().unwrap_or("nothing");
        if let Some(panic) = console::lines(self.console).find(|line| line.starts_with("panic:")) {
            bail!("the kernel panicked: {panic}");
        }
        let End::Exited(status) = self.end else {
            bail!("hangs; it was ended from outside, and the last line was {last:?}");
        };
        let closing = console::closing(self.console).with_context(|| {
            format!("there is no closing line, or several; the last is {last:?}")
        })?;
        ensure!(
            status == i32::from(!closing.ok),
            "QEMU's exit status {status} contradicts {:?}",
            closing.line
        );
        if closing.line.contains("unknown parameter \"timeout_ms\"") {
            bail!("the kernel does not know timeout_ms=; leave it out with --no-timeout-ms");
        }
        let lines = console::lines(self.console).count();
        ensure!(lines <= MOST_LINES, "{lines} lines were printed: a device can flood the console");
        self.check_device()?;
        let summary = self.check_end(&closing)?;
        // Where nothing failed, nothing need be said.
        let harmless = closing.ok && matches!(self.mode.ends, Ends::Survives | Ends::Endures);
        if !self.mode.words.is_empty() && !harmless {
            console::find(self.console, self.mode.words).with_context(|| {
                format!("{summary}, but none of {:?} was said", self.mode.words)
            })?;
        }
        Ok(summary)
    }

    /// What the device saw: its mischief took place, and the driver kept the rules.
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

    fn check_end(&self, closing: &Closing) -> Result<String> {
        let line = &closing.line;
        let no_disk = line.contains("no disk found") || line.contains("could not be used");
        match self.mode.ends {
            Ends::Refused => {
                ensure!(no_disk, "the disk should have been refused: {line}");
                return Ok("refused".into());
            }
            Ends::Empty => {
                ensure!(!closing.ok && closing.counts.is_none(), "not taken as empty: {line}");
                return Ok("an empty disk".into());
            }
            Ends::Survives | Ends::Endures if no_disk => return Ok("refused".into()),
            _ => {}
        }
        let counts = closing.counts.as_ref().with_context(|| format!("no account: {line}"))?;
        self.check_account(closing, counts)?;
        let Counts { submitted, errors, .. } = *counts;
        let Diary { lies, answered_since, starts, .. } = *self.diary;
        let depth = self.workload.depth;
        let resets = starts.saturating_sub(1);
        let failed = format!("{errors} of {submitted} failed, resets: {resets}");
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
                console::find(self.console, DEAD)
                    .with_context(|| format!("{failed}, but none of {DEAD:?} was said"))?;
            }
            Ends::Endures | Ends::Refused | Ends::Empty => {}
        }
        Ok(failed)
    }

    /// Every request was answered, and every sector is what it should be.
    fn check_account(&self, closing: &Closing, counts: &Counts) -> Result<()> {
        let line = &closing.line;
        ensure!(
            counts.submitted == u64::from(self.workload.count),
            "{} operations instead of {}: {line}",
            counts.submitted,
            self.workload.count
        );
        ensure!(counts.in_flight == 0, "requests were never answered: {line}");
        ensure!(counts.mismatches == 0, "wrong data was handed out as good: {line}");
        ensure!(
            counts.kinds.values().sum::<u64>() == counts.errors,
            "the errors do not add up: {line}"
        );
        let kinds = self.mode.kinds;
        let other = counts.kinds.keys().find(|kind| !kinds.contains(&kind.as_str()));
        if let (Some(other), false) = (other, kinds.is_empty()) {
            bail!("errors of the kind {other} should not occur: {line}");
        }
        let named = console::failed_operations(self.console);
        let failed =
            if named.len() as u64 == counts.errors { Failed::These(&named) } else { Failed::Any };
        self.workload.check(self.before, self.disk, failed)
    }
}

#[cfg(test)]
#[path = "judge/tests.rs"]
mod tests;
