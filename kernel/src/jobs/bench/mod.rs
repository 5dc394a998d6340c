//! `job=bench mode=randread|randwrite|read|write bs=BYTES qd=N [count=N|seconds=S] [complete=...]
//! [api=queue|blocking] [tasks=N] [icount=on|off]`: how fast the disk is through this driver.
//!
//! After a warm-up it measures, and prints one line of JSON. `irqs`, `notifies`, `looks`, `sleeps` and
//! `instructions` are per I/O; `looks` and `sleeps` are the two ways to wait. Instructions are told with
//! `icount=on` only: QEMU counts them exactly under `-icount shift=N`, and something else without.

mod histogram;
mod worker;

use alloc::{format, string::String};

use block::{Error, Patience, SECTOR_SIZE, Statistics};

pub(super) use self::histogram::Histogram;
use self::worker::{Amount, Api, Load, Measured};
use super::{Disk, Failure, Run};
use crate::{
    arch,
    cmdline::{CmdlineError, CommandLine},
    console::println,
    progress, task,
};

/// The longest request in bytes.
const MAX_BLOCK: u64 = 1 << 20;
/// The most requests in flight for each task.
const MAX_DEPTH: u64 = 1024;
/// The most tasks.
const MAX_TASKS: u64 = 64;
/// The time that `complete=hybrid` polls before it sleeps: about what an interrupt and two task switches
/// cost, in microseconds.
const HYBRID_POLL_US: u64 = 100;

pub(super) struct Bench {
    mode: &'static str,
    complete: &'static str,
    api: &'static str,
    load: Load,
    tasks: usize,
    icount: bool,
}

fn ticks_per_us() -> u64 {
    ostd::arch::tsc_freq() / 1_000_000
}

impl Run for Bench {
    const NAME: &'static str = "bench";
    const PARAMETERS: &'static [&'static str] = &[
        "mode=randread|randwrite|read|write",
        "bs=BYTES",
        "qd=N",
        "count=N",
        "seconds=S",
        "complete=adaptive|irq|poll|hybrid",
        "api=queue|blocking",
        "tasks=N",
        "icount=on|off",
    ];
    type Needs = Disk;

    fn parse(line: &CommandLine) -> Result<Self, CmdlineError> {
        let modes = [
            ("randread", "randread"),
            ("randwrite", "randwrite"),
            ("read", "read"),
            ("write", "write"),
        ];
        let ways =
            [("adaptive", "adaptive"), ("irq", "irq"), ("poll", "poll"), ("hybrid", "hybrid")];
        let apis = [("queue", ("queue", Api::Queue)), ("blocking", ("blocking", Api::Blocking))];
        let mode = line
            .one_of("mode", &modes)?
            .ok_or(CmdlineError::missing("mode=randread|randwrite|read|write"))?;
        let complete = line.one_of("complete", &ways)?;
        let (api_name, api) = line.one_of("api", &apis)?.unwrap_or(("queue", Api::Queue));
        let complete = match complete {
            // The blocking calls wait as they always do.
            Some(value) if api == Api::Blocking => {
                let expected = "nothing with api=blocking, which always waits adaptively";
                return Err(CmdlineError::Malformed {
                    key: String::from("complete"),
                    value: String::from(value),
                    expected: String::from(expected),
                });
            }
            other => other.unwrap_or("adaptive"),
        };
        let count = line.number_in("count", 1..=u64::from(u32::MAX))?;
        let seconds = line.number_in("seconds", 1..=600)?;
        let amount = match (count, seconds) {
            (Some(count), _) => Amount::Requests(count),
            (None, seconds) => Amount::Seconds(seconds.unwrap_or(3)),
        };
        Ok(Self {
            mode,
            complete,
            api: api_name,
            load: Load {
                write: matches!(mode, "randwrite" | "write"),
                random: matches!(mode, "randread" | "randwrite"),
                block: line
                    .number_in("bs", SECTOR_SIZE as u64..=MAX_BLOCK)?
                    .ok_or(CmdlineError::missing("bs=BYTES"))?,
                depth: match api {
                    Api::Queue => {
                        line.number_in("qd", 1..=MAX_DEPTH)?.ok_or(CmdlineError::missing("qd=N"))?
                    }
                    Api::Blocking => line.number_in("qd", 1..=1)?.unwrap_or(1),
                },
                api,
                patience: match complete {
                    "poll" => Patience::Poll,
                    "hybrid" => Patience::PollFor(HYBRID_POLL_US * ticks_per_us()),
                    "irq" => Patience::Sleep,
                    _ => Patience::Adaptive,
                },
                amount,
            },
            tasks: line.number_in("tasks", 1..=MAX_TASKS)?.unwrap_or(1),
            icount: line.switch("icount")?.unwrap_or(false),
        })
    }

    fn run(&self, disk: &Disk) -> Result<String, Failure> {
        self.measure_and_tell(Self::NAME, disk).map(|_| String::new())
    }
}

impl Bench {
    /// Measures, and prints the line of JSON for the job of this name.
    ///
    /// # Errors
    ///
    /// The disk's.
    pub(super) fn measure_and_tell(&self, job: &str, disk: &Disk) -> Result<Measured, Failure> {
        let _open = progress::begin("measuring");
        let failed = |error| Failure::disk("measuring")(error);
        if self.load.write && disk.info().geometry.read_only {
            return Err(failed(Error::ReadOnly));
        }
        // Once for the caches of the host and of the heap, and then for the record.
        self.load.warm_up().run(disk, 0).map_err(failed)?;
        let before = Snapshot::take(disk);
        let measured = self.measure(disk).map_err(failed)?;
        let after = Snapshot::take(disk);
        println!("job {job}: {}", self.json(&measured, before, after));
        Ok(measured)
    }

    /// The load, for people.
    pub(super) fn title(&self) -> String {
        let Self { mode, complete, load, tasks, .. } = self;
        let (block, depth) = (load.block, load.depth);
        format!("latency: {mode}, {block} bytes, {depth} in flight, tasks={tasks}, {complete}")
    }

    /// Runs the load in as many tasks as were asked for, spread over the CPUs.
    fn measure(&self, disk: &Disk) -> Result<Measured, Error> {
        if self.tasks == 1 {
            return self.load.run(disk, 1);
        }
        let (disk, load) = (disk.clone(), self.load.clone());
        let results = task::run_in_tasks(Self::NAME, self.tasks, move |task| {
            load.run(&disk, task as u64 + 1)
        });
        let mut all = Measured::nothing();
        for result in results.map_err(|_| Error::NoMemory)? {
            all.add(&result?);
        }
        Ok(all)
    }

    /// The line of JSON.
    fn json(&self, measured: &Measured, before: Snapshot, after: Snapshot) -> String {
        let ios = measured.requests.max(1) as f64;
        let seconds = measured.ticks as f64 / ostd::arch::tsc_freq() as f64;
        let iops = ios / seconds.max(f64::MIN_POSITIVE);
        let ticks_per_us = ostd::arch::tsc_freq() as f64 / 1e6;
        let percentile = |share| measured.latency.percentile(share) as f64 / ticks_per_us;
        let per_io = |count: u64| count as f64 / ios;
        let irqs = after.statistics.interrupts - before.statistics.interrupts;
        let instructions = match self.icount {
            true => format!("{:.1}", per_io(after.instructions.wrapping_sub(before.instructions))),
            false => String::from("null"),
        };
        format!(
            "{{\"mode\":\"{}\",\"bs\":{},\"qd\":{},\"api\":\"{}\",\"complete\":\"{}\",\"tasks\":{},\"ios\":{},\
             \"seconds\":{seconds:.3},\"iops\":{iops:.0},\"mib_s\":{:.1},\"mean_us\":{:.1},\
             \"p50_us\":{:.1},\"p99_us\":{:.1},\"p999_us\":{:.1},\"irqs\":{:.4},\
             \"notifies\":{:.4},\"looks\":{:.4},\"sleeps\":{:.4},\
             \"instructions\":{instructions}}}",
            self.mode,
            self.load.block,
            self.load.depth,
            self.api,
            self.complete,
            self.tasks,
            measured.requests,
            iops * self.load.block as f64 / f64::from(1 << 20),
            measured.latency.mean() / ticks_per_us,
            percentile(0.5),
            percentile(0.99),
            percentile(0.999),
            per_io(irqs),
            per_io(after.statistics.notifications - before.statistics.notifications),
            per_io(after.statistics.looks - before.statistics.looks),
            per_io(after.statistics.sleeps - before.statistics.sleeps),
        )
    }
}

/// The counters at one moment.
struct Snapshot {
    statistics: Statistics,
    instructions: u64,
}

impl Snapshot {
    fn take(disk: &Disk) -> Self {
        Self { statistics: disk.statistics(), instructions: arch::instructions() }
    }
}
