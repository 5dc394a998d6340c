//! Stock Linux with fio in a small initial file system, made of Debian's packages.

mod initramfs;
mod screen;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use lab::{
    arch::Arch,
    process::{self, End},
    qemu::Guest,
    workspace::Workspace,
};
use serde_json::Value;

use super::{
    job::{Amount, FILE_READS, NEW_FILES, changes},
    load::{Load, Mode},
    machine::Machine,
    sample::{Latency, Sample},
};

/// The I/O scheduler of the disk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scheduler {
    /// The one that Linux chooses by itself: mq-deadline for a disk with one queue.
    Default,
    /// None.
    None,
}

/// The Linux to compare with.
pub struct Linux {
    arch: Arch,
    kernel: PathBuf,
    initrd: PathBuf,
    /// The packages and their versions.
    pub versions: Vec<String>,
    scheduler: Scheduler,
}

impl Linux {
    /// Fetches what is missing and packs the initial file system.
    ///
    /// # Errors
    ///
    /// The reason, in words, why there is no Linux here.
    pub fn prepare(
        workspace: &Workspace,
        arch: Arch,
        log: &Path,
        scheduler: Scheduler,
    ) -> Result<Self> {
        eprintln!("bench: looking for Linux (the first time its packages are fetched)");
        let mut fetch = Command::new(workspace.root.join("tools/fetch-linux.sh"));
        fetch.arg(arch.name());
        let finished = process::run(fetch, workspace.limit(900), log)?;
        // The folder, or the reason why there is none.
        let last = finished.output.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("");
        ensure!(finished.end == End::Exited(0), "{last}");
        let store = Path::new(last);
        let initrd = workspace.target.join(format!("bench/initrd-{arch}"));
        initramfs::pack(&store.join("root"), &initrd)?;
        let versions = fs::read_to_string(store.join("versions"))
            .with_context(|| format!("{last} is incomplete, remove it"))?;
        let versions = versions.lines().map(str::to_owned).collect();
        Ok(Self { arch, kernel: store.join("vmlinux"), initrd, versions, scheduler })
    }

    /// Linux with fio on its command line. A run by time has a warm-up before it.
    pub fn guest(&self, load: Load, amount: Amount, scheduler: Scheduler) -> Guest<'_> {
        let guest = |command_line| Guest {
            kernel: &self.kernel,
            initrd: Some(&self.initrd),
            command_line: format!("{} {command_line}", self.words()),
        };
        if load.mode.is_of_files() {
            return guest(files(load));
        }
        if load.mode.is_of_screen() {
            // The guest sleeps between two of them.
            let count = changes(load.mode).min(300);
            return guest(format!("screen={} count={count}", load.mode.name()));
        }
        let (warm, amount) = match amount {
            Amount::Seconds(seconds) => {
                ("--time_based,--runtime=1".to_owned(), format!("--time_based,--runtime={seconds}"))
            }
            Amount::Requests(count) => (String::new(), format!("--number_ios={count}")),
        };
        let scheduler = if scheduler == Scheduler::None { "none" } else { "" };
        guest(format!(
            "fio={} warm={warm} amount={amount} scheduler={scheduler}",
            arguments(load).join(","),
        ))
    }

    /// The words of the command line that have nothing to do with a load.
    pub fn words(&self) -> &'static str {
        match self.arch {
            Arch::Riscv64 => "quiet loglevel=3",
            // The device tree names the console there, and nothing does here. OSTD has none of the costly measures
            // against what processors give away.
            Arch::X86_64 => "quiet loglevel=3 console=ttyS0 mitigations=off",
        }
    }

    /// One timed run.
    pub fn run(&self, machine: &Machine, load: Load, seconds: u64) -> Result<Sample> {
        let guest = self.guest(load, Amount::Seconds(seconds), self.scheduler);
        if load.mode.is_of_files() {
            let ext4 = machine.images.as_ref().ok().and_then(|images| images.ext4.as_ref().ok());
            let ext4 = ext4.context("there is no disk with ext4")?;
            return sample_of_files(
                &machine.boot(&guest, &machine.with_file(ext4), seconds)?,
                load,
            );
        }
        let output = machine.boot(&guest, &machine.qemu(load.medium), seconds)?;
        match load.mode.is_of_screen() {
            true => screen::sample(&output),
            false => sample(&output, load),
        }
    }
}

/// The words on the command line that tell Linux what to do with files.
fn files(load: Load) -> String {
    let count = if load.mode == Mode::FileCreate { NEW_FILES } else { FILE_READS };
    format!("files={} count={count}", load.mode.name())
}

/// fio's arguments: of what it offers, what came out fastest in Linux.
///
/// With one request at a time that is plain `pread`; with more it is io_uring with registered
/// buffers, which collects whatever is complete and submits as many again, each with one call.
pub fn arguments(load: Load) -> Vec<String> {
    let Load { depth, block, .. } = load;
    let mut arguments =
        vec![format!("--rw={}", load.mode.name()), format!("--bs={block}"), "--norandommap".into()];
    // Percentiles, like the mean, of the whole time: with batches the time after the submission
    // says little.
    arguments.extend(["--lat_percentiles=1".into(), "--clat_percentiles=0".into()]);
    if depth == 1 {
        arguments.push("--ioengine=psync".into());
    } else {
        arguments.extend([
            "--ioengine=io_uring".into(),
            "--fixedbufs".into(),
            "--registerfiles".into(),
            format!("--iodepth={depth}"),
            format!("--iodepth_batch_submit={depth}"),
            format!("--iodepth_batch_complete_max={depth}"),
        ]);
    }
    arguments
}

/// The words of fio on the reads or writes of each measured run.
fn runs_of_fio(output: &str, load: Load) -> Result<Vec<Value>> {
    let mut runs = Vec::new();
    for rest in output.split("bench: result").skip(1) {
        let (result, _) = rest.split_once("bench: end").context("Linux did not get to the end")?;
        // fio may say something before.
        let json = result.find('{').map_or(result, |at| &result[at..]);
        let mut figures: Value =
            serde_json::from_str(json.trim()).context("fio's result is no JSON")?;
        let job = &mut figures["jobs"][0];
        if job["error"] != 0 {
            bail!("fio failed with error {}", job["error"]);
        }
        runs.push(job[if load.mode.writes() { "write" } else { "read" }].take());
    }
    Ok(runs)
}

/// The words of fio on the only run.
fn of_fio(output: &str, load: Load) -> Result<Value> {
    runs_of_fio(output, load)?.pop().context("Linux did not get to the end")
}

fn number(value: &Value, name: &str) -> Result<f64> {
    value.as_f64().with_context(|| format!("fio's result has no {name}"))
}

fn sample(output: &str, load: Load) -> Result<Sample> {
    let way = of_fio(output, load)?;
    let percentile = |name: &str| number(&way["lat_ns"]["percentile"][name], name);
    let counts: Vec<f64> = output
        .lines()
        .filter_map(|line| line.trim().strip_prefix("bench: interrupts ")?.parse().ok())
        .collect();
    let requests = number(&way["total_ios"], "total_ios")?;
    let iops = number(&way["iops"], "iops")?;
    let mib_s = number(&way["bw_bytes"], "bw_bytes")? / f64::from(1 << 20);
    Ok(Sample {
        latency: Some(Latency {
            mean: number(&way["lat_ns"]["mean"], "mean latency")? / 1e3,
            p50: percentile("50.000000")? / 1e3,
            p99: percentile("99.000000")? / 1e3,
            p999: percentile("99.900000")? / 1e3,
        }),
        interrupts: match counts[..] {
            [before, after] if requests > 0.0 => Some((after - before) / requests),
            _ => None,
        },
        ..Sample::of_speed(iops, mib_s)
    })
}

fn sample_of_files(output: &str, load: Load) -> Result<Sample> {
    const MIB: f64 = (1 << 20) as f64;
    let block = f64::from(load.block);
    if load.mode == Mode::FileRead {
        let mib_s = bytes_a_second(&runs_of_fio(output, load)?)? / MIB;
        return Ok(Sample::of_speed(mib_s * MIB / block, mib_s));
    }
    let way = of_fio(output, load)?;
    let (iops, operations) =
        (number(&way["iops"], "iops")?, number(&way["total_ios"], "total_ios")?);
    let [before, after] = disk_counts(output).context("what the disk has counted is missing")?;
    let each = |counts: fn(DiskCounts) -> f64| Some((counts(after) - counts(before)) / operations);
    Ok(Sample {
        transfers: each(|counts| counts.transfers),
        flushes: each(|counts| counts.flushes),
        ..Sample::of_speed(iops, iops * block / MIB)
    })
}

/// The bytes a second of several runs together.
fn bytes_a_second(runs: &[Value]) -> Result<f64> {
    let (mut bytes, mut milliseconds) = (0.0, 0.0);
    for run in runs {
        bytes += number(&run["io_bytes"], "io_bytes")?;
        milliseconds += number(&run["runtime"], "runtime")?;
    }
    ensure!(milliseconds > 0.0, "Linux has read no file");
    Ok(bytes / milliseconds * 1e3)
}

/// Requests that a disk has completed, as Linux counts them.
#[derive(Clone, Copy)]
struct DiskCounts {
    transfers: f64,
    flushes: f64,
}

/// The counts before and after: `bench: disk `, and the numbers of /sys/block/vda/stat.
fn disk_counts(output: &str) -> Option<[DiskCounts; 2]> {
    let mut found = output.lines().filter_map(|line| {
        let line = line.trim().strip_prefix("bench: disk ")?;
        let numbers: Vec<f64> =
            line.split_whitespace().map(|number| number.parse().ok()).collect::<Option<_>>()?;
        // Reads, writes and flushes completed.
        let transfers = numbers.first()? + numbers.get(4)?;
        Some(DiskCounts { transfers, flushes: *numbers.get(15)? })
    });
    Some([found.next()?, found.next()?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::load::{Medium, file_create, file_read, random_read};

    #[test]
    fn fio_output_is_understood() {
        let output = r#"
bench: interrupts 10
bench: fio ended with status 0
bench: interrupts 60
bench: result
fio: a remark
{"jobs":[{"error":0,"read":{"iops":50.0,"bw_bytes":1048576,"total_ios":100,"lat_ns":{"mean":2500.0,
"percentile":{"50.000000":1000,"99.000000":2000,"99.900000":3000}}}}]}
bench: end"#;
        let sample = sample(output, random_read(Medium::Null, 1)).unwrap();
        assert_eq!((sample.iops, sample.mib_s, sample.interrupts), (50.0, 1.0, Some(0.5)));
        let latency = Latency { mean: 2.5, p50: 1.0, p99: 2.0, p999: 3.0 };
        assert_eq!(sample.latency, Some(latency));
    }

    #[test]
    fn files_are_understood() {
        let run = |ms| {
            let read = format!(r#"{{"io_bytes":67108864,"runtime":{ms}}}"#);
            format!(r#"bench: result {{"jobs":[{{"error":0,"read":{read}}}]}} bench: end "#)
        };
        let sample = sample_of_files(&(run(50) + &run(150)), file_read()).unwrap();
        assert_eq!((sample.mib_s, sample.iops), (640.0, 5120.0));
        let output = r#"
bench: disk      100 0 0 0     10 0 0 0 0 0 0 0 0 0 0       4 0
bench: disk      100 0 0 0    310 0 0 0 0 0 0 0 0 0 0     204 0
bench: result
{"jobs":[{"error":0,"write":{"iops":50.0,"total_ios":100}}]}
bench: end"#;
        let sample = sample_of_files(output, file_create()).unwrap();
        assert_eq!((sample.iops, sample.transfers, sample.flushes), (50.0, Some(3.0), Some(2.0)));
        assert!(sample_of_files("", file_read()).is_err());
    }

    #[test]
    fn what_is_missing_is_named() {
        let load = random_read(Medium::Null, 1);
        assert!(sample("Kernel panic", load).is_err());
        let failed = "bench: result\n{\"jobs\":[{\"error\":5}]}\nbench: end";
        assert_eq!(sample(failed, load).unwrap_err().to_string(), "fio failed with error 5");
    }
}
