//! Plays one mode from beginning to end.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Result;
use serde_json::{Value, json};

use crate::{
    console,
    device::{Schedule, config, disk::Disk},
    judge::Evidence,
    machine::Machine,
    mode::Mode,
    replay::Workload,
    report::Report,
    session::Session,
};

/// What is the same for all modes.
pub struct Stage {
    /// The program.
    pub qemu: PathBuf,
    /// The kernel's ELF file.
    pub kernel: PathBuf,
    /// What the kernel is to do.
    pub workload: Workload,
    /// What follows on its command line.
    pub append: String,
    /// Whether the transport is version 1.
    pub legacy: bool,
    /// Behind this time QEMU is ended.
    pub limit: Duration,
    /// Where logs go.
    pub results: PathBuf,
}

impl Stage {
    /// Plays a mode and enters the result.
    pub fn play(&self, mode: &Mode, schedule: Schedule, report: &mut Report) {
        let begin = Instant::now();
        let log = self.results.join(format!("{}.log", mode.name));
        let mut facts = Value::Null;
        let result = self.run(mode, schedule, &log, &mut facts);
        if result.is_ok() {
            // A log that cannot be removed does no harm.
            let _ = fs::remove_file(&log);
        }
        report.add(mode, &result, facts, begin.elapsed());
    }

    fn run(
        &self,
        mode: &Mode,
        schedule: Schedule,
        log: &Path,
        facts: &mut Value,
    ) -> Result<String> {
        let folder = tempfile::tempdir()?;
        let socket = folder.path().join("disk.sock");
        let session = Session::open(*mode, schedule, &socket, folder.path())?;
        let words = [&self.workload.command_line(), mode.options, &self.append];
        let command_line = words.map(str::trim).join(" ");
        let machine = Machine {
            qemu: &self.qemu,
            kernel: &self.kernel,
            command_line: command_line.trim_end(),
            socket: &socket,
            device: mode.device,
            legacy: self.legacy,
        };
        let ended = machine.run(self.limit);
        // Also where QEMU could not be started.
        let (diary, disk, messages) = session.close();
        let (end, console) = ended?;
        fs::write(
            log,
            format!(
                "{} {}\n\n{console}\n\n{end:?}\n{diary:#?}\nmessages from QEMU: {}\n",
                self.qemu.display(),
                machine.arguments().join(" "),
                messages.join(" ")
            ),
        )?;
        *facts = json!({
            "closing_line": console::closing(&console).map(|closing| closing.line),
            "requests": diary.taken,
            "answered_honestly": diary.answered,
            "answered_since_the_last_lie": diary.answered_since,
            "lies": diary.lies,
            "in_flight_at_a_lie": diary.in_flight,
            "starts": diary.starts,
        });
        let mut honest = config::Config::honest();
        (mode.config)(&mut honest);
        Evidence {
            mode,
            workload: &self.workload,
            end,
            console: &console,
            diary: &diary,
            before: Disk::new(config::SECTORS, honest.serial).bytes(),
            disk: &disk,
        }
        .judge()
    }
}
