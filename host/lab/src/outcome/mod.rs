//! The end of a boot, and the questions that can be asked about it.

use crate::{
    arch::Arch,
    console::{self, Verdict, contains, dump_line},
    process::{End, Finished},
    text,
};

/// The end of a virtual machine.
#[derive(Debug)]
pub struct Outcome {
    arch: Arch,
    command_line: String,
    end: End,
    console: String,
    was_told_to_quit: bool,
}

/// The kernel or QEMU did not do what was expected of it.
#[derive(Debug, thiserror::Error)]
#[error("{what}\n  command line: {command_line}\n  QEMU: {end}{tail}")]
pub struct Unexpected {
    /// A sentence that names what was expected, or found instead.
    pub what: String,
    /// The kernel's command line.
    pub command_line: String,
    /// QEMU's end.
    pub end: End,
    /// The last lines of the console, each on a line of its own.
    pub tail: String,
}

type Result<T> = std::result::Result<T, Unexpected>;

impl Outcome {
    /// Makes an outcome of a run of QEMU that has ended, on the lab's own machine.
    pub fn new(command_line: &str, finished: &Finished) -> Self {
        Self::of(Arch::Riscv64, command_line, finished)
    }

    /// The same on the machine of an architecture.
    pub fn of(arch: Arch, command_line: &str, finished: &Finished) -> Self {
        Self {
            arch,
            command_line: command_line.to_owned(),
            end: finished.end,
            console: text::plain(&finished.output),
            was_told_to_quit: false,
        }
    }

    /// The same of a machine that was told to quit: QEMU's exit status is 0 then, whatever the architecture.
    pub fn of_quit(self) -> Self {
        Self { was_told_to_quit: true, ..self }
    }

    /// The exit status of QEMU where all went well.
    fn success(&self) -> i32 {
        if self.was_told_to_quit { 0 } else { self.arch.success() }
    }

    /// Everything that was printed, by the firmware, the kernel and QEMU.
    pub fn console(&self) -> &str {
        &self.console
    }

    /// The same, line by line.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.console.lines()
    }

    /// QEMU's end.
    pub fn end(&self) -> End {
        self.end
    }

    /// Checks that QEMU's exit status tells of success.
    ///
    /// # Errors
    ///
    /// It does not, or QEMU was killed.
    pub fn expect_success(&self) -> Result<()> {
        if self.end == End::Exited(self.success()) {
            return Ok(());
        }
        let status = self.success();
        Err(self.complaint(&format!("QEMU should have ended with exit status {status}")))
    }

    /// The kernel's verdict on its job.
    ///
    /// # Errors
    ///
    /// There is none, or more than one, or QEMU's exit status says something else.
    pub fn verdict(&self) -> Result<Verdict<'_>> {
        let verdict = self.said()?;
        let status = match verdict.result {
            Ok(_) => self.success(),
            Err(_) => self.arch.failure(),
        };
        if self.end != End::Exited(status) {
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
        let status = self.success();
        match self.said()? {
            Verdict { job: found, result: Ok(details) }
                if found == job && self.end == End::Exited(status) =>
            {
                Ok(details)
            }
            _ => Err(self
                .complaint(&format!("job {job} should have succeeded with exit status {status}"))),
        }
    }

    /// Checks that the job failed and QEMU's exit status says so too; returns the reason.
    ///
    /// # Errors
    ///
    /// It did not, or does not.
    pub fn expect_failed(&self, job: &str) -> Result<&str> {
        let status = self.arch.failure();
        match self.said()? {
            Verdict { job: found, result: Err(reason) }
                if found == job && self.end == End::Exited(status) =>
            {
                Ok(reason)
            }
            _ => {
                Err(self
                    .complaint(&format!("job {job} should have failed with exit status {status}")))
            }
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

    /// The kernel's description of a disk: the rest of the line `disk INDEX: ...`.
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

    /// The number of disks that the kernel found.
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
            .find_map(|line| line.strip_prefix("virtio-")?.split_once(": features "))
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
mod tests;
