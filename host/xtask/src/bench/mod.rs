//! `xtask bench`: this kernel, stock Linux and the bare host under the same loads on the same disks.
//!
//! The three alternate load by load, round after round, so that the host's moods hit all of them;
//! the report has medians. What can be counted is counted apart from that, once, because counts
//! hardly change. Everything is written below `target/bench`.

pub(crate) mod cells;
mod count;
mod host;
mod linux;
mod load;
mod machine;
mod markdown;
mod ours;
mod plot;
mod raw;
mod sample;
mod targets;

use std::{fs, path::PathBuf, process::Command, time::Instant};

use anyhow::{Context, Result, anyhow, ensure};
use lab::{process, qemu::QEMU, workspace::Workspace};

pub use self::ours::{figures, issued};
use self::{
    count::{Counted, Counts, Pace},
    linux::{Linux, Scheduler},
    load::{Complete, Load, Medium, Subject, random_read},
    machine::Machine,
    ours::Ours,
    sample::{Results, Sample},
};

/// The choice of loads, and the length of the measurement.
#[derive(clap::Args, Debug)]
pub struct Options {
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
    /// Leave Linux out.
    #[arg(long)]
    no_linux: bool,
    /// Let Linux run without an I/O scheduler instead of with the one that it chooses.
    #[arg(long)]
    no_scheduler: bool,
}

/// One row of counted figures.
struct Row {
    subject: Subject,
    load: Load,
    /// True if Linux ran without an I/O scheduler.
    no_scheduler: bool,
    pace: Pace,
    counts: Counts,
    /// The instructions by the kernel's own account.
    own_instructions: Option<f64>,
}

/// Everything that is known in the end.
struct Bench {
    rounds: u32,
    seconds: u64,
    machine: Machine,
    /// Linux, or why there is none.
    linux: Result<Linux>,
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
    let qemu = version(QEMU)?;
    let machine = Machine::prepare(workspace)?;
    let ours = Ours::build(workspace, &machine.log)?;
    let scheduler = if options.no_scheduler { Scheduler::None } else { Scheduler::Default };
    let linux = if options.no_linux {
        Err(anyhow!("it was not asked for (--no-linux)"))
    } else {
        Linux::prepare(workspace, &machine.log, scheduler)
    };
    if let Err(reason) = &linux {
        eprintln!("bench: Linux is left out: {reason:#}");
    }
    let mut bench = Bench {
        rounds: if options.quick { 1 } else { options.rounds },
        seconds: if options.quick { 1 } else { options.seconds },
        machine,
        linux,
        no_scheduler: options.no_scheduler,
        qemu,
        host_load,
        results: Results::default(),
        counts: Vec::new(),
    };
    let filter = options.only.as_deref();
    bench.measure(&ours, filter)?;
    bench.count(&ours, filter);
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
    fn measure(&mut self, ours: &Ours, filter: Option<&str>) -> Result<()> {
        let others = [
            self.linux.is_ok().then_some(Subject::Linux),
            self.machine.has_qemu_img.then_some(Subject::Host),
        ];
        let others: Vec<Subject> = others.into_iter().flatten().collect();
        let plan = load::plan(self.machine.media(), &others, filter);
        ensure!(!plan.is_empty(), "there is no such load; leave --only out to see their names");
        let total = plan.len() * self.rounds as usize;
        let mut number = 0;
        for round in 1..=self.rounds {
            for &(load, subject) in &plan {
                number += 1;
                eprint!("[{number}/{total}] round {round}: {load:<36} {subject:<22} ");
                match self.one(ours, load, subject) {
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

    fn one(&self, ours: &Ours, load: Load, subject: Subject) -> Result<Sample> {
        match (subject, &self.linux) {
            (Subject::Ours(complete), _) => ours.run(&self.machine, load, complete, self.seconds),
            (Subject::Linux, Ok(linux)) => linux.run(&self.machine, load, self.seconds),
            (Subject::Linux, Err(reason)) => Err(anyhow!("{reason:#}")),
            (Subject::Host, _) => host::run(&self.machine, load, self.seconds),
        }
    }

    /// The counted figures of random reads at depth 1 and 32, and of reads that sleep.
    fn count(&mut self, ours: &Ours, filter: Option<&str>) {
        let mut cases = Vec::new();
        for load in [1, 32].map(|depth| random_read(Medium::Null, depth)) {
            for (subject, scheduler) in [
                (Subject::Ours(Complete::Adaptive), Scheduler::Default),
                (Subject::Ours(Complete::Irq), Scheduler::Default),
                (Subject::Ours(Complete::Hybrid), Scheduler::Default),
                (Subject::Linux, Scheduler::Default),
                (Subject::Linux, Scheduler::None),
            ] {
                cases.push((load, subject, scheduler, Pace::Recorded));
            }
        }
        let asleep = random_read(Medium::Slow, 1);
        cases.push((asleep, Subject::Ours(Complete::Irq), Scheduler::Default, Pace::Free));
        cases.retain(|case| filter.is_none_or(|filter| case.0.to_string().contains(filter)));
        for (load, subject, scheduler, pace) in cases {
            let counted = match (subject, &self.linux) {
                (Subject::Ours(complete), _) => Counted::Ours(ours, complete),
                (Subject::Linux, Ok(linux)) => Counted::Linux(linux, scheduler),
                _ => continue,
            };
            let begin = Instant::now();
            let no_scheduler = scheduler == Scheduler::None;
            let note = if no_scheduler { ", no scheduler" } else { "" };
            eprint!("counting: {load:<36} {:<22} ", format!("{subject}{note}"));
            match counted.count(&self.machine, load, pace) {
                Ok((counts, own_instructions)) => {
                    let seconds = begin.elapsed().as_secs_f64();
                    eprintln!("{:>9.0} instructions ({seconds:.0} s)", counts.instructions);
                    let row = Row { subject, load, no_scheduler, pace, counts, own_instructions };
                    self.counts.push(row);
                }
                Err(error) => self.failed(format!("counting, {load}, {subject}: {error:#}")),
            }
        }
    }

    fn failed(&mut self, what: String) {
        eprintln!("FAILED\n    {what}\n    log: {}", self.machine.log.display());
        self.results.failures.push(what);
    }

    /// Writes the files of the report; returns its text.
    fn write(&self, workspace: &Workspace) -> Result<String> {
        let path = |name: &str| -> PathBuf { workspace.target.join("bench").join(name) };
        let write = |name: &str, text: &str| {
            fs::write(path(name), text)
                .with_context(|| format!("cannot write {}", path(name).display()))
        };
        let report = markdown::report(self);
        write("report.md", &report)?;
        write("report.json", &raw::report(self)?)?;
        plot::draw(self, &path("iops.svg"))?;
        Ok(report)
    }
}
