//! The kernel of this repository: building it for speed, and its bench job.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use lab::{
    qemu::Guest,
    workspace::{Profile, Workspace},
};
use serde_json::Value;

use super::{
    load::{Complete, Load},
    machine::Machine,
    sample::{Latency, Sample},
};

/// The kernel under test.
pub struct Ours {
    kernel: PathBuf,
}

/// The amount of work of a run.
#[derive(Clone, Copy)]
pub enum Amount {
    /// For so long.
    Seconds(u64),
    /// So many requests.
    Requests(u64),
}

impl Ours {
    /// Builds the optimised kernel and copies it to where no later build changes it.
    pub fn build(workspace: &Workspace, log: &Path) -> Result<Self> {
        eprintln!("bench: building the kernel (release)");
        let kernel = workspace.build(workspace.kernel()?, Profile::Release, "bench", log)?;
        Ok(Self { kernel })
    }

    /// The kernel with the job on its command line. `icount` says that QEMU counts instructions.
    pub fn guest(&self, load: Load, complete: Complete, amount: Amount, icount: bool) -> Guest<'_> {
        let amount = match amount {
            Amount::Seconds(seconds) => format!("seconds={seconds}"),
            Amount::Requests(count) => format!("count={count}"),
        };
        let command_line = format!(
            "job=bench mode={} bs={} qd={} {amount} complete={}{}",
            load.mode.name(),
            load.block,
            load.depth,
            complete.name(),
            if icount { " icount=on" } else { "" }
        );
        Guest::new(&self.kernel, &command_line)
    }

    /// One timed run.
    pub fn run(
        &self,
        machine: &Machine,
        load: Load,
        complete: Complete,
        seconds: u64,
    ) -> Result<Sample> {
        let guest = self.guest(load, complete, Amount::Seconds(seconds), false);
        sample(&figures(&machine.boot(&guest, load.medium, seconds)?)?)
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

fn sample(figures: &Value) -> Result<Sample> {
    let number = |key: &str| {
        figures[key].as_f64().with_context(|| format!("\"{key}\" is missing in {figures}"))
    };
    Ok(Sample {
        iops: number("iops")?,
        mib_s: number("mib_s")?,
        latency: Some(Latency {
            mean: number("mean_us")?,
            p50: number("p50_us")?,
            p99: number("p99_us")?,
            p999: number("p999_us")?,
        }),
        interrupts: Some(number("irqs")?),
        notifications: Some(number("notifies")?),
        looks: Some(number("looks")?),
        sleeps: Some(number("sleeps")?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"job bench: {"mode":"randread","bs":4096,"qd":1,"complete":"adaptive","tasks":1,"ios":9,"seconds":1.0,"iops":9,"mib_s":0.5,"mean_us":2.5,"p50_us":2,"p99_us":3,"p999_us":4.5,"irqs":1,"notifies":1,"looks":2,"sleeps":0.25,"instructions":null}"#;

    #[test]
    fn the_line_is_understood() {
        let figures = figures(&format!("disk 0: ...\n{LINE}\njob bench: ok\n")).unwrap();
        let sample = sample(&figures).unwrap();
        assert_eq!((sample.iops, sample.interrupts), (9.0, Some(1.0)));
        assert_eq!((sample.looks, sample.sleeps), (Some(2.0), Some(0.25)));
        assert_eq!(sample.latency.unwrap().p999, 4.5);
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
