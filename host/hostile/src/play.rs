//! Plays one mode from beginning to end.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Result;
use lab::{
    arch::Arch,
    board::Board,
    place::Place,
    process,
    qemu::{Guest, Machine, Transport, escaped},
    replay::Workload,
    workspace::Workspace,
};
use serde_json::{Value, json};

use crate::{
    closing::closing,
    device::{Device, Schedule, config, disk::Disk},
    judge::Evidence,
    mode::Mode,
    report::{Played, Trace},
    session::Session,
    words::Ended,
};

/// A machine with the device at `socket`.
pub fn machine(mode: &Mode, socket: &Path, board: Board, legacy: bool) -> Machine {
    let as_it_says = match board.transport(legacy) {
        // Otherwise QEMU takes the modern interface from a device that does not offer VERSION_1.
        Transport::Pci => ",x-ignore-backend-features=on",
        _ => "",
    };
    let device = format!("vhost-user-blk,chardev=c0,num-queues=1{as_it_says}{}", mode.device);
    let machine = match board.arch() {
        Arch::Riscv64 => board.machine(legacy),
        // Otherwise the firmware starts each disk, as it could boot from it.
        Arch::X86_64 => board.machine(legacy).option("-boot", "strict=on"),
    };
    machine
        .shared_memory()
        .option("-chardev", format!("socket,id=c0,path={}", escaped(socket)))
        .option("-device", device)
}

/// The surroundings that are the same for all modes.
pub struct Stage {
    /// The program.
    pub qemu: PathBuf,
    /// The kernel's ELF file.
    pub kernel: PathBuf,
    /// The job that the kernel is to do.
    pub workload: Workload,
    /// Further words of its command line.
    pub append: String,
    /// The machine's board.
    pub board: Board,
    /// With version 1 of virtio-mmio, on a board that has it.
    pub legacy: bool,
    /// Behind this time QEMU is ended.
    pub limit: Duration,
    /// The repository, below whose target folder the logs go.
    pub workspace: Workspace,
}

impl Stage {
    /// Plays a mode.
    pub fn play(&self, mode: Mode, schedule: Schedule) -> Played {
        let begin = Instant::now();
        let log = self.workspace.log("hostile", &self.board.name(mode.name));
        let mut trace = Trace { log, console: String::new(), facts: Value::Null };
        let result = self.run(&mode, schedule, &mut trace);
        if result.is_ok() {
            // A log that cannot be removed does no harm.
            let _ = fs::remove_file(&trace.log);
        }
        Played { mode, result, trace, elapsed: begin.elapsed() }
    }

    fn run(&self, mode: &Mode, schedule: Schedule, trace: &mut Trace) -> Result<Ended> {
        let place = Place::new(&self.workspace, &self.kernel, &trace.log)?;
        let socket = place.file("disk.sock");
        let device = |memory, wire| Device::new(*mode, schedule, memory, wire);
        let session = Session::open(device, &socket, place.folder())?;
        let words = [&self.workload.command_line(), mode.options, &self.append];
        let command_line = words.map(str::trim).join(" ");
        let machine = machine(mode, &socket, self.board, self.legacy).program(&self.qemu);
        let qemu = machine.command(&Guest::new(&place.kernel, command_line.trim_end()));
        let finished = process::run(qemu, self.limit, &place.log);
        // Also where QEMU could not be started.
        let (diary, disk, messages) = session.close();
        let finished = finished?;
        trace.console = finished.output;
        let (end, messages) = (finished.end, messages.join(" "));
        let account = format!("\n{end}\n{diary:#?}\nmessages from QEMU: {messages}\n");
        process::append(&place.log, &account)?;
        trace.facts = json!({
            "closing_line": closing(&trace.console).map(|closing| closing.line),
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
            arch: self.board.arch(),
            workload: &self.workload,
            end,
            console: &trace.console,
            diary: &diary,
            before: Disk::new(config::SECTORS, honest.serial).bytes(),
            disk: &disk,
        }
        .judge()
    }
}
