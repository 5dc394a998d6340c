//! The kernels that have the bench job: the one of this repository, and its peer with the crate virtio-drivers.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use lab::{
    qemu::Guest,
    workspace::{Member, Profile, Workspace},
};
use serde_json::Value;

use super::{
    load::{Complete, Load},
    sample::{Latency, Sample},
};

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
    pub fn build(workspace: &Workspace, package: &Member, log: &Path) -> Result<Self> {
        eprintln!("bench: building the package {} (release)", package.name);
        Ok(Self { file: workspace.build(package, Profile::Release, "bench", log)? })
    }

    /// The kernel with the job on its command line.
    pub fn guest(&self, load: Load, complete: Complete, amount: Amount) -> Guest<'_> {
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

/// The requests that the job makes when it is asked for `count` of them, `depth` at a time, with those of its
/// warm-up.
pub fn issued(count: u64, depth: u32) -> u64 {
    count + (count / 10).clamp(depth.into(), 2000)
}

/// The JSON that the job printed, if it says that all went well.
pub fn figures(output: &str) -> Result<Value> {
    let said = |start| output.lines().find_map(|line: &str| line.trim().strip_prefix(start));
    if let Some(reason) = said("job bench: failed: ") {
        bail!("the kernel says: {reason}");
    }
    let json = said("job bench: {").context("the kernel printed no line `job bench: {...}`")?;
    let figures = serde_json::from_str(&format!("{{{json}"))
        .with_context(|| format!("the kernel's figures are no JSON: {{{json}"))?;
    said("job bench: ok").context("the kernel did not finish with `job bench: ok`")?;
    Ok(figures)
}

/// The figures of a timed run, from what the kernel printed.
///
/// # Errors
///
/// The run failed, or the kernel does not tell a figure; one that it does not measure is null.
pub fn sample(output: &str) -> Result<Sample> {
    let figures = figures(output)?;
    let told = |key: &str| match figures.get(key) {
        Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => Ok(number.as_f64()),
        _ => Err(anyhow!("\"{key}\" is missing in {figures}")),
    };
    let measured =
        |key: &str| told(key)?.with_context(|| format!("\"{key}\" is null in {figures}"));
    let latency = match (told("mean_us")?, told("p50_us")?, told("p99_us")?, told("p999_us")?) {
        (Some(mean), Some(p50), Some(p99), Some(p999)) => Some(Latency { mean, p50, p99, p999 }),
        _ => None,
    };
    Ok(Sample {
        iops: measured("iops")?,
        mib_s: measured("mib_s")?,
        latency,
        interrupts: Some(measured("irqs")?),
        notifications: told("notifies")?,
        looks: told("looks")?,
        sleeps: told("sleeps")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"job bench: {"mode":"randread","bs":4096,"qd":1,"complete":"adaptive","tasks":1,"ios":9,"seconds":1.0,"iops":9,"mib_s":0.5,"mean_us":2.5,"p50_us":2,"p99_us":3,"p999_us":4.5,"irqs":1,"notifies":1,"looks":2,"sleeps":0.25,"instructions":null}"#;

    #[test]
    fn the_line_is_understood() {
        let sample = sample(&format!("disk 0: ...\n{LINE}\njob bench: ok\n")).unwrap();
        assert_eq!((sample.iops, sample.interrupts), (9.0, Some(1.0)));
        assert_eq!((sample.looks, sample.sleeps), (Some(2.0), Some(0.25)));
        assert_eq!(sample.latency.unwrap().p999, 4.5);
    }

    #[test]
    fn what_the_peer_does_not_measure_is_left_out() {
        let line = LINE.replace("2.5", "null").replace("\"notifies\":1", "\"notifies\":null");
        let sample_of = |line: &str| sample(&format!("{line}\njob bench: ok\n"));
        let found = sample_of(&line).unwrap();
        assert_eq!((found.latency, found.notifications, found.looks), (None, None, Some(2.0)));
        // A figure that nobody tells is a mistake.
        assert!(sample_of(&LINE.replace("notifies", "other")).is_err());
        assert!(sample_of(&LINE.replace("\"iops\":9", "\"iops\":null")).is_err());
    }

    #[test]
    fn the_warm_up_counts() {
        assert_eq!(issued(1_000, 1), 1_100);
        assert_eq!(issued(100, 32), 132);
        assert_eq!(issued(60_000, 32), 62_000);
    }

    #[test]
    fn failures_are_told() {
        let message = |output: &str| figures(output).unwrap_err().to_string();
        assert_eq!(message("job bench: failed: no disk"), "the kernel says: no disk");
        assert!(message("").contains("printed no line"));
        assert!(message(LINE).contains("did not finish"));
    }
}
