//! Host-side tools of the lab.
//!
//! `cargo run -p xtask -- test` checks everything there is to check and ends with one line that
//! says how many checks passed and failed; `cargo run -p xtask -- e2e FILTER` boots the kernel for
//! the end-to-end cases only.

mod ahead;
mod bench;
mod book;
mod churn;
mod counts;
mod course;
mod e2e;
mod figures;
mod files;
mod files_proof;
mod flamegraph;
mod host;
mod hostile;
mod ktest;
mod lint;
mod mutants;
mod report;
mod road;
mod screenshot;
mod selftest;
mod soak;
mod symbols;
mod syntax;
mod trace;

use std::{process::ExitCode, thread};

use anyhow::Result;
use clap::{Parser, Subcommand};
use lab::{
    arch::Arch,
    board::{Board, Choice, NoBoard},
    language::Language,
    workspace::Workspace,
};

use crate::report::{Report, Run};

#[derive(Parser)]
#[command(about = "Host-side tools of the lab")]
struct Cli {
    /// Multiply every time limit by this, for a machine much slower than usual.
    #[arg(long, global = true, default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100))]
    patience: u32,
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run every suite: lint, host, ktest, selftest, counts, road, trace, e2e, hostile,
    /// course, power-cuts, file-cuts, failing, files-proof.
    Test,
    /// Check formatting, clippy's and rustdoc's warnings, the absence of `unsafe` in the kernel, and the books.
    Lint,
    /// Check every package for its own target, and print cargo's messages as JSON, for an editor.
    Check,
    /// Make the reference of all packages with rustdoc; warnings are errors.
    Doc,
    /// Run the unit tests of the host-side tools and of the crates below the kernel.
    Host,
    /// Run the unit tests of the kernel and of its crates in QEMU.
    Ktest {
        /// Only on the machine of this architecture; by default on all.
        #[arg(long)]
        arch: Option<Arch>,
    },
    /// Prove that `cargo osdk test` fails when it should.
    Selftest,
    /// Count the instructions, notifications and interrupts that a request costs.
    Counts {
        #[command(flatten)]
        board: Choice,
    },
    /// Count the functions, files and types on the road of one blocking read.
    Road {
        /// Write the list to the book, too.
        #[arg(long)]
        write: bool,
    },
    /// Draw where the instructions of a job go, in target/flamegraph.svg.
    Flamegraph {
        /// The job and its parameters.
        #[arg(default_value = "bench mode=randread bs=4096 qd=8 count=2000")]
        job: String,
    },
    /// Write what a job leaves on the screen to a PNG file, without a window.
    Screenshot(screenshot::Options),
    /// Draw the way of one request, in target/trace: trace.svg, trace.txt, trace.html.
    Trace {
        /// The job and its parameters; its last blocking read or write is drawn.
        #[arg(default_value = trace::JOB)]
        job: String,
        /// The language of the words; by default the one of the environment.
        #[arg(long)]
        lang: Option<Language>,
        /// Trace some requests, check what was found, and draw nothing.
        #[arg(long)]
        check: bool,
    },
    /// Boot the kernel in QEMU for each end-to-end case.
    E2e {
        /// Only the cases whose name contains this.
        filter: Option<String>,
        /// The most virtual machines at a time; by default one per processor, two at most.
        #[arg(long, value_parser = clap::value_parser!(u8).range(1..=16))]
        jobs: Option<u8>,
        /// Print the names of the cases and run none.
        #[arg(long)]
        list: bool,
    },
    /// Grade the student's tree and a part of the variants of the solution.
    Course,
    /// Cut the power of a few machines while the kernel writes, and look at their disks.
    PowerCuts {
        #[command(flatten)]
        board: Choice,
    },
    /// The same while four threads work with files.
    FileCuts {
        #[command(flatten)]
        board: Choice,
    },
    /// Boot the kernel with disks that fail, are slow, change their size or stand still.
    Failing {
        #[command(flatten)]
        board: Choice,
    },
    /// Run the long versions of the last three on one board, and keep the figures.
    Soak {
        #[command(flatten)]
        extent: soak::Extent,
        #[command(flatten)]
        board: Choice,
    },
    /// Try to break the file system on the host.
    FilesProof {
        /// Only the part that `test` runs.
        #[arg(long)]
        part: bool,
    },
    /// Change the driver core in one place after the other, and see whether the unit tests notice.
    Mutants(mutants::Options),
    /// Measure this kernel, the crate virtio-drivers, Linux and the bare host under the same loads.
    Bench(bench::Options),
    /// Write the book's page of figures from the reports of ktest, hostile, soak, files-proof and bench.
    Figures,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

impl Task {
    /// The boards that suites run on which are meant for all of them.
    fn boards(&self) -> Result<Vec<Board>, NoBoard> {
        match self {
            Self::Counts { board }
            | Self::PowerCuts { board }
            | Self::FileCuts { board }
            | Self::Failing { board } => board.boards(),
            _ => Choice::default().boards(),
        }
    }
}

/// Runs what was asked for; returns true if all of it passed.
fn run(cli: &Cli) -> Result<bool> {
    let workspace = Workspace::locate(cli.patience)?;
    let boards = cli.task.boards()?;
    let on_boards =
        |run: &mut dyn FnMut(Board) -> Result<()>| boards.iter().copied().try_for_each(run);
    let lint: Run = &|suite| lint::run(&workspace, suite);
    let host: Run = &|suite| host::run(&workspace, suite);
    let ktest: Run = &|suite| ktest::run(&workspace, suite, &Arch::ALL);
    let selftest: Run = &|suite| selftest::run(&workspace, suite);
    let counts: Run = &|suite| on_boards(&mut |board| counts::run(&workspace, suite, board));
    let road: Run = &|suite| road::run(&workspace, suite, false);
    let trace: Run = &|suite| trace::check(&workspace, suite);
    let e2e: Run = &|suite| e2e::run(&workspace, suite, None, None);
    let hostile: Run = &|suite| on_boards(&mut |board| hostile::run(&workspace, suite, board));
    let course: Run = &|suite| course::run(&workspace, suite);
    let power_cuts: Run = &|suite| {
        on_boards(&mut |board| {
            soak::power_cuts(&workspace, suite, board, soak::short(board)).map(|_totals| ())
        })
    };
    let file_cuts: Run = &|suite| {
        on_boards(&mut |board| {
            soak::file_power_cuts(&workspace, suite, board, soak::short(board)).map(|_totals| ())
        })
    };
    let failing: Run = &|suite| {
        on_boards(&mut |board| {
            let wanted = |case: &str| soak::is_short(board, case);
            let extent = soak::short(board);
            soak::failing_disks(&workspace, suite, board, extent, wanted).map(|_figures| ())
        })
    };
    let files_proof: Run = &|suite| files_proof::run(&workspace, suite, files_proof::Extent::Part);
    let report = match &cli.task {
        Task::Check => return lint::check(&workspace),
        Task::Mutants(options) => return mutants::run(&workspace, options),
        Task::Bench(options) => return bench::run(&workspace, options),
        Task::Figures => return figures::write(&workspace).map(|()| true),
        Task::Test => thread::scope(|scope| {
            scope.spawn(|| ahead::compile(&workspace));
            Report::of(&[
                ("lint", lint),
                ("host", host),
                ("ktest", ktest),
                ("selftest", selftest),
                ("counts", counts),
                ("road", road),
                ("trace", trace),
                ("e2e", e2e),
                ("hostile", hostile),
                ("course", course),
                ("power-cuts", power_cuts),
                ("file-cuts", file_cuts),
                ("failing", failing),
                ("files-proof", files_proof),
            ])
        }),
        Task::Lint => Report::of(&[("lint", lint)]),
        Task::Doc => Report::of(&[("doc", &|suite| lint::doc(&workspace, suite))]),
        Task::Host => Report::of(&[("host", host)]),
        Task::Ktest { arch: None } => Report::of(&[("ktest", ktest)]),
        Task::Ktest { arch: Some(arch) } => {
            Report::of(&[("ktest", &|suite| ktest::run(&workspace, suite, &[*arch]))])
        }
        Task::Selftest => Report::of(&[("selftest", selftest)]),
        Task::Course => Report::of(&[("course", course)]),
        Task::Counts { .. } => Report::of(&[("counts", counts)]),
        Task::Road { write } => {
            Report::of(&[("road", &|suite| road::run(&workspace, suite, *write))])
        }
        Task::Flamegraph { job } => {
            Report::of(&[("flamegraph", &|suite| flamegraph::run(&workspace, suite, job))])
        }
        Task::Screenshot(options) => {
            Report::of(&[("screenshot", &|suite| screenshot::run(&workspace, suite, options))])
        }
        Task::Trace { check: true, .. } => Report::of(&[("trace", trace)]),
        Task::Trace { job, lang, .. } => {
            let language = lang.unwrap_or_else(Language::of_environment);
            Report::of(&[("trace", &|suite| trace::run(&workspace, suite, job, language))])
        }
        Task::PowerCuts { .. } => Report::of(&[("power-cuts", power_cuts)]),
        Task::FileCuts { .. } => Report::of(&[("file-cuts", file_cuts)]),
        Task::Failing { .. } => Report::of(&[("failing", failing)]),
        Task::FilesProof { part: true } => Report::of(&[("files-proof", files_proof)]),
        Task::FilesProof { part: false } => Report::of(&[("files-proof", &|suite| {
            files_proof::run(&workspace, suite, files_proof::Extent::Whole)
        })]),
        Task::Soak { extent, board } => return soak::run(&workspace, board.board()?, *extent),
        Task::E2e { list: true, filter, .. } => {
            e2e::list(filter.as_deref());
            return Ok(true);
        }
        Task::E2e { filter, jobs, .. } => {
            Report::of(&[("e2e", &|suite| e2e::run(&workspace, suite, filter.as_deref(), *jobs))])
        }
    };
    report.print();
    Ok(report.passed())
}
