//! A disk that lies, and a judge of the kernel that has to live with it.
//!
//! `hostile run` plays each mode of the table in [`modes`]: it starts the device, boots the real kernel in
//! the real QEMU with `job=verify` on that device, and decides from the console, the device's own account
//! and the contents of the disk whether the kernel came out as it must.
//!
//! ```text
//!   kernel <-> QEMU <-> wire <-> vhost-user library <-> session <-> device
//!              machine.rs        vhost-user-backend                 honest, or lies.rs
//! ```

mod console;
mod device;
mod judge;
mod kernel;
mod machine;
mod mode;
mod modes;
mod play;
mod replay;
mod report;
mod session;
mod wire;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};

use self::{
    device::{Schedule, config::SECTORS},
    kernel::Workspace,
    machine::Machine,
    mode::Mode,
    modes::MODES,
    play::Stage,
    replay::Workload,
    report::Report,
    session::Session,
};

/// How many requests the kernel keeps in flight.
const DEPTH: u64 = 8;

#[derive(Parser)]
#[command(about = "A disk that lies, and a judge of the kernel that has to live with it")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show the table of modes
    List,
    /// Boot the kernel on each mode, or on those named, and judge how it came out
    Run(Box<Run>),
    /// Wait at a socket for a QEMU that somebody else starts, and play one mode
    Serve {
        /// The name of the mode
        mode: String,
        /// Where to make the socket
        socket: PathBuf,
        #[command(flatten)]
        when: When,
    },
}

#[derive(Args)]
struct When {
    /// The number of the request from which on the device lies; the first is number 0
    #[arg(long, default_value_t = 50)]
    at: u64,
    /// How often it lies
    #[arg(long, default_value_t = 1)]
    times: u64,
    /// It lies for ever
    #[arg(long, conflicts_with = "times")]
    always: bool,
}

#[derive(Args)]
struct Run {
    /// The names of modes; all if there are none
    modes: Vec<String>,
    /// The kernel's ELF file; it is built if none is given
    #[arg(long)]
    kernel: Option<PathBuf>,
    /// The QEMU program
    #[arg(long, default_value = "qemu-system-riscv64")]
    qemu: PathBuf,
    #[command(flatten)]
    when: When,
    /// The seed of the verify job
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The number of operations of the verify job
    #[arg(long, default_value_t = 400)]
    count: u32,
    /// The kernel's deadline for a request, in milliseconds
    #[arg(long, default_value_t = 2000)]
    timeout_ms: u64,
    /// Leave timeout_ms= out, for a kernel that does not know it
    #[arg(long)]
    no_timeout_ms: bool,
    /// More for the kernel's command line
    #[arg(long, default_value = "")]
    append: String,
    /// Use the transport's version 1
    #[arg(long)]
    legacy: bool,
    /// The kernel must have ended within so many seconds
    #[arg(long, default_value_t = 30)]
    deadline: u64,
}

fn main() -> Result<ExitCode> {
    match Cli::parse().command {
        Command::List => {
            for mode in MODES {
                let ends = format!("{:?}", mode.ends);
                println!("{:>3} {:<22} {ends:<11} {}", report::row(mode.row), mode.name, mode.what);
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Run(arguments) => run(&arguments),
        Command::Serve { mode, socket, when } => serve(&find(&mode)?, &when, &socket),
    }
}

fn run(arguments: &Run) -> Result<ExitCode> {
    let modes: Vec<Mode> = match &arguments.modes[..] {
        [] => MODES.to_vec(),
        names => names.iter().map(|name| find(name)).collect::<Result<_>>()?,
    };
    let workspace = Workspace::locate()?;
    let kernel = match &arguments.kernel {
        Some(kernel) => kernel.clone(),
        None => workspace.build_kernel()?,
    };
    let mut append = arguments.append.clone();
    if !arguments.no_timeout_ms {
        append = format!("timeout_ms={} {append}", arguments.timeout_ms);
    }
    let stage = Stage {
        qemu: arguments.qemu.clone(),
        kernel,
        workload: Workload {
            seed: arguments.seed,
            count: arguments.count,
            depth: DEPTH,
            span: SECTORS,
            max: 32,
        },
        append,
        legacy: arguments.legacy,
        limit: Duration::from_secs(arguments.deadline),
        results: workspace.results()?,
    };
    let mut report = Report::default();
    for mode in modes {
        let mode = arguments.when.apply(mode);
        stage.play(&mode, arguments.when.schedule(&mode), &mut report);
    }
    let good = report.finish(arguments.modes.is_empty(), &stage.results.join("report.json"))?;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn serve(mode: &Mode, when: &When, socket: &Path) -> Result<ExitCode> {
    let folder = tempfile::tempdir()?;
    let mut session = Session::open(*mode, when.schedule(mode), socket, folder.path())?;
    let machine = Machine {
        qemu: "qemu-system-riscv64".as_ref(),
        kernel: "KERNEL".as_ref(),
        command_line: "job=demo",
        socket,
        device: mode.device,
        legacy: false,
    };
    println!("waiting; now start: qemu-system-riscv64 {}", machine.arguments().join(" "));
    session.wait();
    let (diary, _, messages) = session.close();
    println!("{diary:#?}\nmessages from QEMU: {}", messages.join(" "));
    Ok(ExitCode::SUCCESS)
}

impl When {
    fn schedule(&self, mode: &Mode) -> Schedule {
        let times = if self.always { u64::MAX } else { self.times };
        Schedule { at: mode.at.unwrap_or(self.at), times, depth: DEPTH }
    }

    fn apply(&self, mode: Mode) -> Mode {
        if self.always { mode.always() } else { mode }
    }
}

fn find(name: &str) -> Result<Mode> {
    let found = MODES.iter().find(|mode| mode.name == name);
    found.copied().with_context(|| format!("there is no mode {name}; `hostile list` shows them"))
}
