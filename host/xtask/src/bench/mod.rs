//! `xtask bench`: this kernel, the crate virtio-drivers, stock Linux and the bare host under the same
//! loads on the same disks.
//!
//! They alternate load by load, round after round, so that the host's moods hit all of them;
//! the report has medians. What can be counted is counted apart from that, once, because counts
//! hardly change. Everything is written below `target/bench`.

pub(crate) mod cells;
mod count;
mod host;
pub(crate) mod images;
mod job;
mod linux;
mod load;
mod machine;
mod markdown;
mod plot;
mod raw;
mod sample;
mod systems;
mod targets;

use std::{fs, path::PathBuf, process::Command, time::Instant};

use anyhow::{Context, Result, ensure};
use lab::{
    board::{Board, Choice},
    process,
    workspace::Workspace,
};

pub use self::job::{figures, issued};
use self::{
    count::{Case, Counts},
    linux::Scheduler,
    load::{Medium, Subject},
    sample::Results,
    systems::Systems,
};

/// The choice of loads, and the length of the measurement.
#[derive(clap::Args, Debug)]
pub struct Options {
    #[command(flatten)]
    board: Choice,
    /// The number of times that everything is measured; the report has the medians.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// The duration of each measured run, in seconds.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// One round of one second each, to try it out.
    #[arg(long)]
    quick: bool,
    /// Only the loads whose name contains this, such as "null-co" or "depth 32"; without the
    /// counts if there is no such load among the counted ones.
    #[arg(long)]
    only: Option<String>,
    /// Only count instructions and accesses, without any timed run.
    #[arg(long)]
    counts: bool,
    /// Leave Linux out.
    #[arg(long)]
    no_linux: bool,
    /// Let Linux run without an I/O scheduler instead of with the one that it chooses.
    #[arg(long)]
    no_scheduler: bool,
}

/// One row of counted figures.
struct Row {
    case: Case,
    counts: Counts,
}

/// Everything that is known in the end.
struct Bench {
    board: Board,
    rounds: u32,
    seconds: u64,
    /// False if the options left something out.
    whole: bool,
    systems: Systems,
    no_scheduler: bool,
    qemu: String,
    /// The load of the host before anything ran here: its load averages, as the host tells them.
    host_load: String,
    results: Results,
    counts: Vec<Row>,
}

/// Measures, prints the report and leaves it in `target/bench`. Says whether every run succeeded.
pub fn run(workspace: &Workspace, options: &Options) -> Result<bool> {
    let host_load = fs::read_to_string("/proc/loadavg").unwrap_or_default().trim().to_owned();
    let board = options.board.board()?;
    let qemu = version(board.arch().qemu())?;
    let scheduler = if options.no_scheduler { Scheduler::None } else { Scheduler::Default };
    let systems = Systems::prepare(workspace, board, (!options.no_linux).then_some(scheduler))?;
    let mut bench = Bench {
        board,
        rounds: if options.quick { 1 } else { options.rounds },
        seconds: if options.quick { 1 } else { options.seconds },
        whole: !(options.quick || options.counts || options.only.is_some() || options.no_linux),
        systems,
        no_scheduler: options.no_scheduler,
        qemu,
        host_load,
        results: Results::default(),
        counts: Vec::new(),
    };
    let filter = options.only.as_deref();
    if !options.counts {
        bench.measure(filter)?;
    }
    bench.count(filter);
    let report = bench.write(workspace)?;
    println!("{report}");
    Ok(bench.results.failures.is_empty())
}

/// The first line that `program --version` prints.
fn version(program: &str) -> Result<String> {
    let mut command = Command::new(program);
    command.arg("--version");
    Ok(process::first_line(command)?)
}

impl Bench {
    /// All rounds.
    fn measure(&mut self, filter: Option<&str>) -> Result<()> {
        let mut plan = load::plan(self.systems.machine.media(), &self.systems.others(), filter);
        if self.systems.machine.has_files() {
            plan.extend(load::plan_of_files(self.systems.linux_has_files(), filter));
        }
        plan.extend(load::plan_of_screen(self.systems.linux.is_ok(), filter));
        ensure!(!plan.is_empty(), "there is no such load; leave --only out to see their names");
        let total = plan.len() * self.rounds as usize;
        let mut number = 0;
        for round in 1..=self.rounds {
            for &(load, subject) in &plan {
                number += 1;
                eprint!("[{number}/{total}] round {round}: {load:<36} {subject:<22} ");
                match self.systems.run(load, subject, self.seconds) {
                    Ok(sample) => {
                        eprintln!("{:>9.0} IOPS {:>7.0} MiB/s", sample.iops, sample.mib_s);
                        self.results.add(load, subject, sample);
                    }
                    Err(error) => {
                        self.failed(format!("round {round}, {load}, {subject}: {error:#}"))
                    }
                }
            }
        }
        Ok(())
    }

    /// The counted figures of those that are there.
    fn count(&mut self, filter: Option<&str>) {
        let others = self.systems.others();
        for case in count::cases() {
            let there = matches!(case.subject, Subject::Ours(_)) || others.contains(&case.subject);
            let there =
                there && (case.load.medium != Medium::Files || self.systems.machine.has_files());
            if !there || !filter.is_none_or(|filter| case.load.to_string().contains(filter)) {
                continue;
            }
            let begin = Instant::now();
            eprint!("counting, {:<8}: {case:<72} ", case.pace);
            match self.systems.count(case) {
                Ok(counts) => {
                    let seconds = begin.elapsed().as_secs_f64();
                    eprintln!("{:>7.0} instructions ({seconds:.0} s)", counts.instructions);
                    self.counts.push(Row { case, counts });
                }
                Err(error) => self.failed(format!("counting, {case}: {error:#}")),
            }
        }
    }

    fn failed(&mut self, what: String) {
        eprintln!("FAILED\n    {what}\n    log: {}", self.systems.machine.log.display());
        self.results.failures.push(what);
    }

    /// Writes the files of the report; returns its text.
    fn write(&self, workspace: &Workspace) -> Result<String> {
        let path = |name: &str, ending: &str| -> PathBuf {
            workspace.target.join(format!("bench/{}.{ending}", self.board.name(name)))
        };
        let write = |path: PathBuf, text: &str| {
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
        };
        let report = markdown::report(self);
        write(path("report", "md"), &report)?;
        write(workspace.report("bench", self.board), &raw::report(self)?)?;
        plot::draw(self, &path("iops", "svg"))?;
        Ok(report)
    }
}
