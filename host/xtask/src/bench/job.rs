//! The kernels that have the bench job: the one of this repository, and its peer with the crate virtio-drivers.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use lab::{
    arch::Arch,
    qemu::Guest,
    workspace::{Member, Profile, Workspace},
};
use serde_json::Value;

use super::{
    images::{LARGE, NAMES, NEW},
    load::{Complete, Load, Mode},
    sample::{Latency, Sample},
};

/// The files that are made in a run.
pub const NEW_FILES: u64 = 500;
/// The times that a file is read from its start to its end in a run.
pub const FILE_READS: u64 = 4;

/// The changes of a screen in a run: fewer, where each takes longer.
pub const fn changes(mode: Mode) -> u64 {
    match mode {
        Mode::ScreenRect => 5_000,
        Mode::ScreenLine => 2_000,
        _ => 300,
    }
}

/// A kernel with the bench job.
pub struct Kernel {
    file: PathBuf,
}

/// The amount of work of a run.
#[derive(Clone, Copy)]
pub enum Amount {
    /// For so long.
    Seconds(u64),
    /// So many requests.
    Requests(u64),
}

impl Kernel {
    /// Builds the optimised kernel of a package and copies it to where no later build changes it.
    ///
    /// # Errors
    ///
    /// It does not build.
    pub fn build(workspace: &Workspace, arch: Arch, package: &Member, log: &Path) -> Result<Self> {
        eprintln!("bench: building the package {} (release)", package.name);
        let file = workspace.build_for(arch, package, Profile::Release, "bench", log)?;
        Ok(Self { file })
    }

    /// The kernel with the job on its command line.
    pub fn guest(&self, load: Load, complete: Complete, amount: Amount) -> Guest<'_> {
        if load.mode.is_of_files() {
            return Guest::new(&self.file, &of_files(load, amount));
        }
        if load.mode.is_of_screen() {
            let (mode, count) = (load.mode.name(), changes(load.mode));
            return Guest::new(&self.file, &format!("job=frames mode={mode} count={count}"));
        }
        let amount = match amount {
            Amount::Seconds(seconds) => format!("seconds={seconds}"),
            Amount::Requests(count) => format!("count={count}"),
        };
        let command_line = format!(
            "job=bench mode={} bs={} qd={} {amount} {}",
            load.mode.name(),
            load.block,
            load.depth,
            complete.parameter()
        );
        Guest::new(&self.file, &command_line)
    }
}

/// The command line of the job for files. A run takes as long as the files do, and not so many seconds.
pub fn of_files(load: Load, amount: Amount) -> String {
    let (path, rest) = match load.mode {
        Mode::FileRead => (LARGE, format!("bs={} rounds={FILE_READS}", load.block)),
        Mode::FileCreate => (NEW, format!("bs={} count={NEW_FILES}", load.block)),
        Mode::FileList => {
            let count = if let Amount::Requests(count) = amount { count } else { 1 };
            (NAMES, format!("count={count} icount=on"))
        }
        _ => (LARGE, format!("bs={}", load.block)),
    };
    format!("job=fsbench mode={} path=/{path} threads={} {rest}", load.mode.name(), load.depth)
}

/// The requests that the job makes when it is asked for `count` of them, `depth` at a time, with those of its
/// warm-up.
pub fn issued(count: u64, depth: u32) -> u64 {
    count + (count / 10).clamp(depth.into(), 2000)
}

/// The JSON that the job of this name printed, if it says that all went well.
pub fn figures(job: &str, output: &str) -> Result<Value> {
    let said = |start: &str| {
        let start = format!("job {job}: {start}");
        output.lines().find_map(|line| line.trim().strip_prefix(&start))
    };
    if let Some(reason) = said("failed: ") {
        bail!("the kernel says: {reason}");
    }
    let json =
        said("{").with_context(|| format!("the kernel printed no line `job {job}: {{...}}`"))?;
    let figures = serde_json::from_str(&format!("{{{json}"))
        .with_context(|| format!("the kernel's figures are no JSON: {{{json}"))?;
    said("ok").with_context(|| format!("the kernel did not finish with `job {job}: ok`"))?;
    Ok(figures)
}

/// The figures of a timed run, from what the kernel printed.
///
/// # Errors
///
/// The run failed, or the kernel does not tell a figure; one that it does not measure is null.
pub fn sample(load: Load, output: &str) -> Result<Sample> {
    let job = match load.mode {
        mode if mode.is_of_files() => "fsbench",
        mode if mode.is_of_screen() => "frames",
        _ => "bench",
    };
    let figures = figures(job, output)?;
    let told = |key: &str| match figures.get(key) {
        Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => Ok(number.as_f64()),
        _ => Err(anyhow!("\"{key}\" is missing in {figures}")),
    };
    let measured =
        |key: &str| told(key)?.with_context(|| format!("\"{key}\" is null in {figures}"));
    if load.mode.is_of_screen() {
        let (looks, sleeps) = (told("looks")?, told("sleeps")?);
        return Ok(Sample { looks, sleeps, ..Sample::of_time(measured("p50_us")?) });
    }
    let sample = Sample {
        interrupts: Some(measured("irqs")?),
        notifications: told("notifies")?,
        looks: told("looks")?,
        sleeps: told("sleeps")?,
        ..Sample::of_speed(measured("iops")?, measured("mib_s")?)
    };
    if load.mode.is_of_files() {
        let transfers = Some(measured("reads")? + measured("writes")?);
        return Ok(Sample { transfers, flushes: Some(measured("flushes")?), ..sample });
    }
    let latency = match (told("mean_us")?, told("p50_us")?, told("p99_us")?, told("p999_us")?) {
        (Some(mean), Some(p50), Some(p99), Some(p999)) => Some(Latency { mean, p50, p99, p999 }),
        _ => None,
    };
    Ok(Sample { latency, ..sample })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::load::{
        Medium, file_create, file_list, file_random_read, random_read, screen,
    };

    const LOAD: Load = random_read(Medium::Null, 1);
    const LINE: &str = r#"job bench: {"mode":"randread","bs":4096,"qd":1,"complete":"adaptive","tasks":1,"ios":9,"seconds":1.0,"iops":9,"mib_s":0.5,"mean_us":2.5,"p50_us":2,"p99_us":3,"p999_us":4.5,"irqs":1,"notifies":1,"looks":2,"sleeps":0.25,"instructions":null}"#;

    #[test]
    fn the_line_is_understood() {
        let output = format!("disk 0: ...\n{LINE}\njob bench: ok\n");
        let sample = sample(LOAD, &output).unwrap();
        assert_eq!((sample.iops, sample.interrupts), (9.0, Some(1.0)));
        assert_eq!((sample.looks, sample.sleeps), (Some(2.0), Some(0.25)));
        assert_eq!(sample.latency.unwrap().p999, 4.5);
    }

    #[test]
    fn what_the_peer_does_not_measure_is_left_out() {
        let line = LINE.replace("2.5", "null").replace("\"notifies\":1", "\"notifies\":null");
        let sample_of = |line: &str| sample(LOAD, &format!("{line}\njob bench: ok\n"));
        let found = sample_of(&line).unwrap();
        assert_eq!((found.latency, found.notifications, found.looks), (None, None, Some(2.0)));
        // A figure that nobody tells is a mistake.
        assert!(sample_of(&LINE.replace("notifies", "other")).is_err());
        assert!(sample_of(&LINE.replace("\"iops\":9", "\"iops\":null")).is_err());
    }

    #[test]
    fn files_have_their_own_job_and_line() {
        let line = |load| of_files(load, Amount::Seconds(2));
        assert_eq!(
            line(file_random_read()),
            "job=fsbench mode=randread path=/large threads=8 bs=4096"
        );
        let listed = of_files(file_list(), Amount::Requests(7));
        assert_eq!(listed, "job=fsbench mode=readdir path=/names threads=1 count=7 icount=on");
        let output = r#"job fsbench: {"mode":"create","iops":9,"mib_s":0.5,"reads":0.5,"writes":4,"flushes":2,"irqs":1,"notifies":1,"looks":2,"sleeps":0.25,"instructions":null}
job fsbench: ok"#;
        let sample = sample(file_create(), output).unwrap();
        assert_eq!((sample.iops, sample.transfers, sample.flushes), (9.0, Some(4.5), Some(2.0)));
    }

    #[test]
    fn a_change_of_the_screen_has_its_time() {
        let output = r#"job frames: {"mode":"rect","complete":"adaptive","width":1024,"height":768,"count":9,"p50_us":40.0,"p99_us":50.0,"looks":3.5,"sleeps":0.25,"instructions":null}
job frames: ok"#;
        let sample = sample(screen(Mode::ScreenRect), output).unwrap();
        assert_eq!((sample.us(), sample.looks, sample.sleeps), (40.0, Some(3.5), Some(0.25)));
    }

    #[test]
    fn the_warm_up_counts() {
        assert_eq!(issued(1_000, 1), 1_100);
        assert_eq!(issued(100, 32), 132);
        assert_eq!(issued(60_000, 32), 62_000);
    }

    #[test]
    fn failures_are_told() {
        let message = |output: &str| figures("bench", output).unwrap_err().to_string();
        assert_eq!(message("job bench: failed: no disk"), "the kernel says: no disk");
        assert!(message("").contains("printed no line"));
        assert!(message(LINE).contains("did not finish"));
    }
}
