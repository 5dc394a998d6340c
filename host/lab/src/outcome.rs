//! What a boot left behind, and what can be asked about it.

use crate::{
    console::{self, Verdict, contains, dump_line},
    process::{End, Finished},
    text,
};

/// The end of a virtual machine.
#[derive(Debug)]
pub struct Outcome {
    command_line: String,
    end: End,
    console: String,
}

/// The kernel or QEMU did not do what was expected of it.
#[derive(Debug, thiserror::Error)]
#[error("{what}\n  command line: {command_line}\n  QEMU: {end}{tail}")]
pub struct Unexpected {
    /// What was expected, or found instead.
    pub what: String,
    /// The kernel's command line.
    pub command_line: String,
    /// How QEMU ended.
    pub end: End,
    /// The last lines of the console, each on a line of its own.
    pub tail: String,
}

type Result<T> = std::result::Result<T, Unexpected>;

impl Outcome {
    /// From what QEMU left behind.
    pub fn new(command_line: &str, finished: &Finished) -> Self {
        Self {
            command_line: command_line.to_owned(),
            end: finished.end,
            console: text::plain(&finished.output),
        }
    }

    /// Everything that was printed, by the firmware, the kernel and QEMU.
    pub fn console(&self) -> &str {
        &self.console
    }

    /// The same, line by line.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.console.lines()
    }

    /// How QEMU ended.
    pub fn end(&self) -> End {
        self.end
    }

    /// Checks that QEMU's exit status is 0.
    ///
    /// # Errors
    ///
    /// It is not, or QEMU was killed.
    pub fn expect_success(&self) -> Result<()> {
        match self.end {
            End::Exited(0) => Ok(()),
            _ => Err(self.complaint("QEMU should have ended with exit status 0")),
        }
    }

    /// The kernel's verdict on its job.
    ///
    /// # Errors
    ///
    /// There is none, or more than one, or QEMU's exit status says something else.
    pub fn verdict(&self) -> Result<Verdict<'_>> {
        let verdict = self.said()?;
        if self.end != End::Exited(i32::from(verdict.result.is_err())) {
            return Err(self.complaint("exit status and last line contradict each other"));
        }
        Ok(verdict)
    }

    /// Checks that the job succeeded and QEMU's exit status says so too; returns the details.
    ///
    /// # Errors
    ///
    /// It did not, or does not.
    pub fn expect_ok(&self, job: &str) -> Result<&str> {
        match self.said()? {
            Verdict { job: found, result: Ok(details) }
                if found == job && self.end == End::Exited(0) =>
            {
                Ok(details)
            }
            _ => {
                Err(self.complaint(&format!("job {job} should have succeeded with exit status 0")))
            }
        }
    }

    /// Checks that the job failed and QEMU's exit status says so too; returns the reason.
    ///
    /// # Errors
    ///
    /// It did not, or does not.
    pub fn expect_failed(&self, job: &str) -> Result<&str> {
        match self.said()? {
            Verdict { job: found, result: Err(reason) }
                if found == job && self.end == End::Exited(1) =>
            {
                Ok(reason)
            }
            _ => Err(self.complaint(&format!("job {job} should have failed with exit status 1"))),
        }
    }

    /// Like [`Self::expect_failed`], where it may be unclear to the kernel which job was meant.
    ///
    /// # Errors
    ///
    /// No job failed.
    pub fn expect_refused(&self) -> Result<&str> {
        self.expect_failed(self.said()?.job)
    }

    /// Checks that the job failed for a reason that has all these words in it, in upper or lower
    /// case.
    ///
    /// # Errors
    ///
    /// It did not.
    pub fn expect_failed_with(&self, job: &str, words: &[&str]) -> Result<()> {
        let reason = self.expect_failed(job)?;
        match words.iter().find(|word| !contains(reason, word)) {
            None => Ok(()),
            Some(word) => {
                Err(self.complaint(&format!("the reason of the failure should mention {word:?}")))
            }
        }
    }

    /// Checks that this line was printed, exactly once.
    ///
    /// # Errors
    ///
    /// It was not, or more than once.
    pub fn expect_line(&self, line: &str) -> Result<()> {
        match self.lines().filter(|l| *l == line).count() {
            1 => Ok(()),
            count => Err(self.complaint(&format!("{count} lines instead of one are {line:?}"))),
        }
    }

    /// The first line that has all these words in it, in upper or lower case.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn expect_words(&self, words: &[&str]) -> Result<&str> {
        self.lines()
            .find(|line| words.iter().all(|word| contains(line, word)))
            .ok_or_else(|| self.complaint(&format!("no line has all of {words:?}")))
    }

    /// Checks that no line has this word in it, in upper or lower case.
    ///
    /// # Errors
    ///
    /// One has.
    pub fn expect_no_line_with(&self, word: &str) -> Result<()> {
        match self.lines().find(|line| contains(line, word)) {
            None => Ok(()),
            Some(line) => {
                Err(self.complaint(&format!("{word:?} should not occur, but there is {line:?}")))
            }
        }
    }

    /// What the kernel says about a disk: the rest of the line `disk INDEX: ...`.
    ///
    /// # Errors
    ///
    /// It says nothing.
    pub fn disk(&self, index: usize) -> Result<&str> {
        let prefix = format!("disk {index}: ");
        self.lines()
            .find_map(|line| line.strip_prefix(prefix.as_str()))
            .ok_or_else(|| self.complaint(&format!("no line describes disk {index}")))
    }

    /// Checks what the kernel says about a disk: each of `words` stands between commas.
    ///
    /// # Errors
    ///
    /// One does not.
    pub fn expect_disk(&self, index: usize, words: &[&str]) -> Result<()> {
        let line = self.disk(index)?;
        // Between commas, because "queue 4" is also in "queue 42".
        let parts: Vec<&str> = line.split(", ").collect();
        match words.iter().find(|word| !parts.contains(word)) {
            None => Ok(()),
            Some(word) => Err(self.complaint(&format!(
                "disk {index} should be described by {word:?}, but the line says {line:?}"
            ))),
        }
    }

    /// How many disks the kernel found.
    pub fn disks(&self) -> usize {
        (0..).take_while(|index| self.disk(*index).is_ok()).count()
    }

    /// The names of the negotiated features of the first device.
    ///
    /// # Errors
    ///
    /// No line names them.
    pub fn features(&self) -> Result<Vec<&str>> {
        let line = self
            .lines()
            .find_map(|line| line.strip_prefix("virtio-mmio ")?.split_once(": features "))
            .ok_or_else(|| self.complaint("no line names the negotiated features"))?;
        Ok(line.1.split_whitespace().collect())
    }

    /// The bytes that a hex dump shows, and the address of the first.
    ///
    /// # Errors
    ///
    /// There is no dump, or it has holes.
    pub fn dump(&self) -> Result<(u64, Vec<u8>)> {
        let mut lines = self.lines().filter_map(dump_line);
        let (start, mut bytes) =
            lines.next().ok_or_else(|| self.complaint("there is no hex dump"))?;
        for (address, more) in lines {
            let expected = start + bytes.len() as u64;
            if address != expected {
                return Err(self.complaint(&format!(
                    "the dump goes on at {address:#x} instead of {expected:#x}"
                )));
            }
            bytes.extend(more);
        }
        Ok((start, bytes))
    }

    /// An error that shows how the machine ended.
    pub fn complaint(&self, what: &str) -> Unexpected {
        Unexpected {
            what: what.to_owned(),
            command_line: self.command_line.clone(),
            end: self.end,
            tail: text::tail(&self.console, 14),
        }
    }

    fn said(&self) -> Result<Verdict<'_>> {
        console::verdict(&self.console).map_err(|error| self.complaint(&error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(status: i32, console: &str) -> Outcome {
        Outcome::new("job=x", &Finished { end: End::Exited(status), output: console.to_owned() })
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
    fn a_verdict_is_not_believed_against_the_exit_status() {
        let verdict = |end, console: &str| {
            let outcome = Outcome::new("job=x", &Finished { end, output: console.to_owned() });
            outcome.verdict().map(|verdict| verdict.result.is_ok()).ok()
        };
        assert_eq!(verdict(End::Exited(0), "a\njob x: ok n=7\n\n"), Some(true));
        assert_eq!(verdict(End::Exited(1), "job x: failed: n=7"), Some(false));
        assert_eq!(verdict(End::Exited(1), "job x: ok n=7"), None);
        assert_eq!(verdict(End::Exited(0), "job x: failed: n=7"), None);
        assert_eq!(verdict(End::TooMuchOutput, "job x: ok n=7"), None);
        assert_eq!(verdict(End::Exited(0), "job x: ok n=7\nmore"), None);
    }

    #[test]
    fn a_complaint_shows_the_end_of_the_console() {
        let error = outcome(1, "one\njob x: ok\n").expect_ok("x").unwrap_err();
        assert_eq!(
            error.to_string(),
            "job x should have succeeded with exit status 0\n  command line: job=x\n  \
             QEMU: exit status 1\n    | one\n    | job x: ok"
        );
    }

    #[test]
    fn lines_and_words() {
        let found = outcome(0, "One two\nthree\nthree\n");
        found.expect_line("One two").unwrap();
        assert!(found.expect_line("three").is_err());
        assert!(found.expect_line("two").is_err());
        assert_eq!(found.expect_words(&["TWO", "one"]).unwrap(), "One two");
        assert!(found.expect_words(&["one", "three"]).is_err());
        found.expect_no_line_with("four").unwrap();
        assert!(found.expect_no_line_with("THREE").is_err());
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
