//! The program around the device that lies: `hostile list`, `run` and `serve`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::Duration,
};

use anyhow::{Context, Error, Result, anyhow, ensure};
use clap::{Args, Parser, Subcommand};
use hostile::{
    device::{Device, Schedule, config::SECTORS},
    mode::Mode,
    modes::MODES,
    play::{self, Stage},
    report::{self, Report},
    session::Session,
    words,
};
use lab::{
    board::{Board, Choice},
    process,
    qemu::{Guest, Transport},
    replay::Workload,
    workspace::{Profile, Workspace},
};

/// The number of requests that the kernel keeps in flight.
const DEPTH: u32 = 8;

/// The modes that are played at a time: a run waits for a deadline more often than for the processor.
const AT_A_TIME: usize = 2;

#[derive(Parser)]
#[command(about = "A disk that lies, and a judge of the kernel that has to live with it")]
#[command(after_long_help = words::help())]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show the table of modes: row, name, how a run must end (--help explains the words), what the device does
    #[command(after_long_help = words::help())]
    List,
    /// Boot the kernel on each mode, or on those named, and judge how it came out (--help explains the words)
    #[command(after_long_help = words::help())]
    Run(Box<Run>),
    /// Wait at a socket for a QEMU that somebody else starts, and play one mode
    Serve {
        /// The name of the mode
        mode: String,
        /// The path at which to make the socket
        socket: PathBuf,
        #[command(flatten)]
        when: When,
        #[command(flatten)]
        board: Choice,
    },
}

#[derive(Args)]
struct When {
    /// The number of the request from which on the device lies; the first is number 0
    #[arg(long, default_value_t = 50)]
    at: u64,
    /// The number of lies that it tells
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
    /// The QEMU program; by default the one in the PATH for the architecture
    #[arg(long)]
    qemu: Option<PathBuf>,
    #[command(flatten)]
    board: Choice,
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
    /// Use version 1 of virtio-mmio
    #[arg(long)]
    legacy: bool,
    /// The kernel must have ended within so many seconds
    #[arg(long, default_value_t = 30)]
    deadline: u64,
}

fn main() -> ExitCode {
    match perform(Cli::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("hostile: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Does what was asked for; returns true if every run ended as it must.
fn perform(command: Command) -> Result<bool> {
    match command {
        Command::List => {
            for mode in MODES {
                let ends = format!("{:?}", mode.ends);
                println!("{:>3} {:<22} {ends:<11} {}", report::row(mode.row), mode.name, mode.what);
            }
            Ok(true)
        }
        Command::Run(arguments) => run(&arguments),
        Command::Serve { mode, socket, when, board } => {
            serve(&find(&mode)?, &when, &socket, board.board()?).map(|()| true)
        }
    }
}

fn run(arguments: &Run) -> Result<bool> {
    let modes: Vec<Mode> = match &arguments.modes[..] {
        [] => MODES.to_vec(),
        names => names.iter().map(|name| find(name)).collect::<Result<_>>()?,
    };
    let board = arguments.board.board()?;
    ensure!(
        !arguments.legacy || board.transport(true) == Transport::Legacy,
        "--legacy is for virtio-mmio, and the devices of {board} are on another bus; leave it out"
    );
    let workspace = Workspace::locate(1)?;
    let kernel = match &arguments.kernel {
        Some(kernel) => kernel.clone(),
        None => {
            println!("building the kernel");
            let log = workspace.log("hostile", "build");
            process::new_log(&log)?;
            let package = workspace.kernel()?;
            let kernel =
                workspace.build_for(board.arch(), package, Profile::Dev, "hostile", &log)?;
            // A log that cannot be removed does no harm.
            let _ = fs::remove_file(&log);
            kernel
        }
    };
    let mut append = arguments.append.clone();
    if !arguments.no_timeout_ms {
        append = format!("timeout_ms={} {append}", arguments.timeout_ms);
    }
    let stage = Stage {
        qemu: arguments.qemu.clone().unwrap_or_else(|| board.arch().qemu().into()),
        kernel,
        board,
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
        workspace,
    };
    let play = |mode: &Mode| {
        let mode = arguments.when.apply(*mode);
        stage.play(mode, arguments.when.schedule(&mode))
    };
    let mut report = Report::default();
    for several in modes.chunks(AT_A_TIME) {
        thread::scope(|scope| {
            let start = |mode| scope.spawn(move || play(mode));
            let threads: Vec<_> = several.iter().map(start).collect();
            for thread in threads {
                report.add(&thread.join().map_err(|_| anyhow!("a device has died"))?);
            }
            Ok::<_, Error>(())
        })?;
    }
    let whole = arguments.modes.is_empty();
    // Some modes do not take the place of all.
    let name = board.name(if whole { "report" } else { "part" });
    report.finish(whole, &stage.workspace.target.join(format!("hostile/{name}.json")))
}

fn serve(mode: &Mode, when: &When, socket: &Path, board: Board) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let device = |memory, wire| Device::new(*mode, when.schedule(mode), memory, wire);
    let mut session = Session::open(device, socket, folder.path())?;
    let machine = play::machine(mode, socket, board, false);
    let qemu = machine.command(&Guest::new("KERNEL".as_ref(), "job=demo"));
    println!("waiting; now start: {}", process::describe(&qemu));
    session.wait();
    let (diary, _, messages) = session.close();
    println!("{diary:#?}\nmessages from QEMU: {}", messages.join(" "));
    Ok(())
}

impl When {
    fn schedule(&self, mode: &Mode) -> Schedule {
        let times = if self.always { u64::MAX } else { self.times };
        Schedule { at: mode.at.unwrap_or(self.at), times, depth: DEPTH.into() }
    }

    fn apply(&self, mode: Mode) -> Mode {
        if self.always { mode.always() } else { mode }
    }
}

fn find(name: &str) -> Result<Mode> {
    let found = MODES.iter().find(|mode| mode.name == name);
    found.copied().with_context(|| format!("there is no mode {name}; `hostile list` shows them"))
}
