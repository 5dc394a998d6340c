//! `job=fsbench mode=seqread|randread|create|readdir path=PATH [threads=N] [bs=BYTES] [count=N] [rounds=N]
//! [icount=on|off]`: how fast files are.
//!
//! Each round mounts the file system anew, so that nothing of it is in memory. The first one is for the caches of
//! the host and of the heap and is not counted; the others are summed up in one line of JSON. What it counts is per
//! operation: a read, a file made, or an entry listed. `reads`, `writes` and `flushes` are requests to the disk.
//! Instructions are told with `icount=on` only, as by the job `bench`.

mod load;

use alloc::{
    format,
    string::{String, ToString},
};

use block::SECTOR_SIZE;

use self::load::{Load, Mode};
use super::{Failure, FilesDisk, Run, path};
use crate::{
    arch,
    cmdline::{CmdlineError, CommandLine},
    console::println,
    fs::FileSystem,
    progress,
};

/// The most bytes that are read or written at once.
const MAX_BLOCK: u64 = 1 << 20;
/// The most threads.
const MAX_THREADS: u64 = 64;

/// The names of the counts, in the order of [`counters`].
const COUNTERS: [&str; 8] =
    ["reads", "writes", "flushes", "irqs", "notifies", "looks", "sleeps", "instructions"];
/// The one of these that is not always right.
const INSTRUCTIONS: &str = "instructions";

pub(super) struct FsBench {
    mode: &'static str,
    load: Load,
    rounds: u64,
    icount: bool,
}

impl Run for FsBench {
    const NAME: &'static str = "fsbench";
    const PARAMETERS: &'static [&'static str] = &[
        "mode=seqread|randread|create|readdir",
        path::PARAMETER,
        "threads=N",
        "bs=BYTES",
        "count=N",
        "rounds=N",
        "icount=on|off",
    ];
    type Needs = FilesDisk;

    fn parse(line: &CommandLine) -> Result<Self, CmdlineError> {
        let modes = [
            ("seqread", ("seqread", Mode::SequentialRead, 128 << 10)),
            ("randread", ("randread", Mode::RandomRead, 4096)),
            ("create", ("create", Mode::Create, 4096)),
            ("readdir", ("readdir", Mode::List, 0)),
        ];
        let (name, mode, block) = line
            .one_of("mode", &modes)?
            .ok_or(CmdlineError::missing("mode=seqread|randread|create|readdir"))?;
        Ok(Self {
            mode: name,
            load: Load {
                mode,
                path: path::parse(line)?,
                threads: line.number_in("threads", 1..=MAX_THREADS)?.unwrap_or(1),
                block: line.number_in("bs", SECTOR_SIZE as u64..=MAX_BLOCK)?.unwrap_or(block),
                count: line.number_in("count", 1..=u64::from(u32::MAX))?,
            },
            rounds: line.number_in("rounds", 1..=1000)?.unwrap_or(1),
            icount: line.switch("icount")?.unwrap_or(false),
        })
    }

    fn run(&self, disk: &FilesDisk) -> Result<String, Failure> {
        let _open = progress::begin("measuring");
        self.round(disk)?;
        let mut sum = Totals::default();
        for _ in 0..self.rounds {
            sum.add(&self.round(disk)?);
        }
        println!("job fsbench: {}", self.json(&sum));
        Ok(String::new())
    }
}

impl FsBench {
    /// One round on a file system that is mounted for it.
    fn round(&self, disk: &FilesDisk) -> Result<Totals, Failure> {
        let fs = disk.mount()?;
        let ready = self.load.prepare(&fs)?;
        let (start, before) = (ostd::arch::read_tsc(), counters(&fs));
        let operations = ready.run()?;
        let (end, mut counters) = (ostd::arch::read_tsc(), counters(&fs));
        for (counter, before) in counters.iter_mut().zip(before) {
            *counter = counter.wrapping_sub(before);
        }
        ready.clean_up()?;
        Ok(Totals { operations, ticks: end - start, counters })
    }

    /// The line of JSON.
    fn json(&self, sum: &Totals) -> String {
        let operations = sum.operations.max(1) as f64;
        let seconds = sum.ticks as f64 / ostd::arch::tsc_freq() as f64;
        let iops = operations / seconds.max(f64::MIN_POSITIVE);
        let mut line = format!(
            "{{\"mode\":\"{}\",\"bs\":{},\"threads\":{},\"ios\":{},\"seconds\":{seconds:.3},\"iops\":{iops:.0},\
             \"mib_s\":{:.1}",
            self.mode,
            self.load.block,
            self.load.threads,
            sum.operations,
            iops * self.load.block as f64 / f64::from(1 << 20),
        );
        for (name, count) in COUNTERS.into_iter().zip(sum.counters) {
            let cost = match name {
                INSTRUCTIONS if !self.icount => "null".to_string(),
                _ => format!("{:.4}", count as f64 / operations),
            };
            line.push_str(&format!(",\"{name}\":{cost}"));
        }
        line + "}"
    }
}

/// The work of some rounds.
#[derive(Default)]
struct Totals {
    operations: u64,
    ticks: u64,
    counters: [u64; COUNTERS.len()],
}

impl Totals {
    fn add(&mut self, round: &Self) {
        self.operations += round.operations;
        self.ticks += round.ticks;
        for (counter, more) in self.counters.iter_mut().zip(round.counters) {
            *counter += more;
        }
    }
}

/// The counters at one moment.
fn counters(fs: &FileSystem) -> [u64; COUNTERS.len()] {
    let cache = fs.storage().statistics();
    let disk = fs.storage().disk().statistics();
    [
        cache.read_requests,
        cache.write_requests,
        cache.flushes,
        disk.interrupts,
        disk.notifications,
        disk.looks,
        disk.sleeps,
        arch::instructions(),
    ]
}
