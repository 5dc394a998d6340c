//! What a boot left behind, and what can be asked about it.

use anyhow::{Context, Result, bail, ensure};

use crate::{
    command::{End, Finished},
    console::{Verdict, dump_line},
    text,
};

/// The end of a virtual machine.
pub struct Outcome {
    command_line: String,
    end: End,
    console: String,
}

impl Outcome {
    /// From what QEMU left behind.
    pub fn new(command_line: &str, finished: Finished) -> Self {
        Self {
            command_line: command_line.to_owned(),
            end: finished.end,
            console: text::plain(&finished.output),
        }
    }

    /// Everything that was printed, by the firmware, the kernel and QEMU.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.console.lines()
    }

    /// How QEMU ended.
    pub fn end(&self) -> End {
        self.end
    }

    /// Checks that the job succeeded and QEMU's exit status says so too; returns the details.
    pub fn expect_ok(&self, job: &str) -> Result<&str> {
        let verdict = self.verdict()?;
        match verdict.result {
            Ok(details) if verdict.job == job && self.end == End::Exited(0) => Ok(details),
            _ => bail!(
                "{}",
                self.complaint(&format!("job {job} should have succeeded with exit status 0"))
            ),
        }
    }

    /// Checks that the job failed and QEMU's exit status says so too; returns the reason.
    pub fn expect_failed(&self, job: &str) -> Result<&str> {
        let verdict = self.verdict()?;
        match verdict.result {
            Err(reason) if verdict.job == job && self.end == End::Exited(1) => Ok(reason),
            _ => bail!(
                "{}",
                self.complaint(&format!("job {job} should have failed with exit status 1"))
            ),
        }
    }

    /// Like [`Self::expect_failed`], where it may be unclear to the kernel which job was meant.
    pub fn expect_refused(&self) -> Result<&str> {
        let job = self.verdict()?.job;
        self.expect_failed(job)
    }

    /// Checks that the job failed for a reason that has all these words in it, in upper or lower
    /// case.
    pub fn expect_failed_with(&self, job: &str, words: &[&str]) -> Result<()> {
        let reason = self.expect_failed(job)?;
        for word in words {
            if !contains(reason, word) {
                bail!(
                    "{}",
                    self.complaint(&format!("the reason of the failure should mention {word:?}"))
                );
            }
        }
        Ok(())
    }

    /// Checks that this line was printed, exactly once.
    pub fn expect_line(&self, line: &str) -> Result<()> {
        match self.lines().filter(|l| *l == line).count() {
            1 => Ok(()),
            count => {
                bail!("{}", self.complaint(&format!("{count} lines instead of one are {line:?}")))
            }
        }
    }

    /// The first line that has all these words in it, in upper or lower case.
    pub fn expect_words(&self, words: &[&str]) -> Result<&str> {
        self.lines()
            .find(|line| words.iter().all(|word| contains(line, word)))
            .with_context(|| self.complaint(&format!("no line has all of {words:?}")))
    }

    /// Checks that no line has this word in it, in upper or lower case.
    pub fn expect_no_line_with(&self, word: &str) -> Result<()> {
        match self.lines().find(|line| contains(line, word)) {
            None => Ok(()),
            Some(line) => bail!(
                "{}",
                self.complaint(&format!("{word:?} should not occur, but there is {line:?}"))
            ),
        }
    }

    /// What the kernel says about a disk: the rest of the line `disk INDEX: ...`.
    pub fn disk(&self, index: usize) -> Result<&str> {
        let prefix = format!("disk {index}: ");
        self.lines()
            .find_map(|line| line.strip_prefix(prefix.as_str()))
            .with_context(|| self.complaint(&format!("no line describes disk {index}")))
    }

    /// Checks what the kernel says about a disk.
    pub fn expect_disk(&self, index: usize, words: &[&str]) -> Result<()> {
        let line = self.disk(index)?;
        // Between commas, because "queue 4" is also in "queue 42".
        let parts: Vec<&str> = line.split(", ").collect();
        for word in words {
            ensure!(
                parts.contains(word),
                "disk {index} should be described by {word:?}, but the line says {line:?}"
            );
        }
        Ok(())
    }

    /// How many disks the kernel found.
    pub fn disks(&self) -> usize {
        (0..).take_while(|index| self.disk(*index).is_ok()).count()
    }

    /// The names of the negotiated features of the first device.
    pub fn features(&self) -> Result<Vec<&str>> {
        let line = self
            .lines()
            .find_map(|line| line.strip_prefix("virtio-mmio ")?.split_once(": features "))
            .with_context(|| self.complaint("no line names the negotiated features"))?;
        Ok(line.1.split_whitespace().collect())
    }

    /// The bytes that a hex dump shows, and the address of the first. The dump must have no holes.
    pub fn dump(&self) -> Result<(u64, Vec<u8>)> {
        let mut lines = self.lines().filter_map(dump_line);
        let (start, mut bytes) =
            lines.next().with_context(|| self.complaint("there is no hex dump"))?;
        for (address, more) in lines {
            let expected = start + bytes.len() as u64;
            ensure!(
                address == expected,
                "the dump goes on at {address:#x} instead of {expected:#x}"
            );
            bytes.extend(more);
        }
        Ok((start, bytes))
    }

    fn verdict(&self) -> Result<Verdict<'_>> {
        let mut verdicts = self.lines().filter_map(Verdict::parse);
        let verdict = verdicts
            .next()
            .with_context(|| self.complaint("the kernel did not say how its job ended"))?;
        if verdicts.next().is_some() {
            bail!("{}", self.complaint("more than one line says how the job ended"));
        }
        let last = self.lines().filter(|line| !line.trim().is_empty()).last();
        if last.and_then(Verdict::parse).is_none() {
            bail!(
                "{}",
                self.complaint("something was printed after the line that says how the job ended")
            );
        }
        Ok(verdict)
    }

    fn complaint(&self, what: &str) -> String {
        format!(
            "{what}\n  command line: {}\n  QEMU: {}{}",
            self.command_line,
            self.end,
            text::tail(&self.console, 14)
        )
    }
}

fn contains(text: &str, word: &str) -> bool {
    text.to_lowercase().contains(&word.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(status: i32, console: &str) -> Outcome {
        Outcome::new("job=x", Finished { end: End::Exited(status), output: console.to_owned() })
    }

    #[test]
    fn the_verdict_must_be_the_last_line_and_the_only_one() {
        assert_eq!(outcome(0, "a\r\njob x: ok yes\r\n\n").expect_ok("x").unwrap(), "yes");
        assert!(outcome(0, "job x: ok\nmore").expect_ok("x").is_err());
        assert!(outcome(0, "job x: ok\njob x: ok").expect_ok("x").is_err());
        assert!(outcome(0, "").expect_ok("x").is_err());
    }

    #[test]
    fn verdict_and_exit_status_must_agree() {
        assert!(outcome(1, "job x: ok").expect_ok("x").is_err());
        assert!(outcome(0, "job x: failed: y").expect_failed("x").is_err());
        assert_eq!(outcome(1, "job x: failed: y").expect_failed("x").unwrap(), "y");
        assert!(outcome(1, "job x: failed: y").expect_failed("z").is_err());
        outcome(1, "job x: failed: Past the end").expect_failed_with("x", &["past"]).unwrap();
    }

    #[test]
    fn disks_and_features() {
        let found = outcome(
            0,
            "virtio-mmio 0x10008000: features A B\ndisk 0: serial \"a\", queue 42\ndisk 1: x",
        );
        assert_eq!(found.features().unwrap(), ["A", "B"]);
        assert_eq!(found.disks(), 2);
        found.expect_disk(0, &["serial \"a\"", "queue 42"]).unwrap();
        assert!(found.expect_disk(0, &["queue 4"]).is_err());
    }

    #[test]
    fn dumps() {
        let text = "00000200  48 65 00  |He.|\n00000203  7e  |~|\n";
        assert_eq!(outcome(0, text).dump().unwrap(), (0x200, vec![0x48, 0x65, 0, 0x7e]));
        assert!(outcome(0, "00000200  48  |H|\n00000202  48  |H|").dump().is_err());
    }
}
