//! `qemu-img bench`: what the host does with the same disk when there is no guest.

use std::process::Command;

use anyhow::{Context, Result};
use lab::process;

use super::{load::Load, machine::Machine, sample::Sample};

/// One timed run.
///
/// `qemu-img` knows no random places: a stride of a little more than 1 MiB stands for them.
pub fn run(machine: &Machine, load: Load, seconds: u64) -> Result<Sample> {
    /// Enough to tell the speed; the first of them warm the caches up.
    const FIRST: u64 = 2000;
    let rate = |count: u64, limit: u64| -> Result<f64> {
        let stride =
            if load.mode.name().starts_with("rand") { (1 << 20) + load.block } else { load.block };
        let mut bench = Command::new("qemu-img");
        bench.args(["bench", "-c", &count.to_string(), "-d", &load.depth.to_string()]);
        bench.args(["-s", &load.block.to_string(), "-S", &stride.to_string()]);
        if load.mode.writes() {
            bench.arg("-w");
        }
        bench.args(machine.image(load.medium));
        let finished = process::run(bench, machine.limit(limit), &machine.log)?;
        finished.expect_success()?;
        Ok(count as f64 / duration(&finished.output)?)
    };
    let expected = rate(FIRST, 60)?;
    let count = (expected * seconds as f64).clamp(FIRST as f64, 1e8) as u64;
    let iops = rate(count, 60 + 10 * seconds)?;
    let mib_s = iops * f64::from(load.block) / f64::from(1 << 20);
    Ok(Sample::of_speed(iops, mib_s))
}

/// The seconds in `Run completed in 0.003 seconds.`
fn duration(output: &str) -> Result<f64> {
    output
        .lines()
        .find_map(|line| {
            line.strip_prefix("Run completed in ")?.strip_suffix(" seconds.")?.parse::<f64>().ok()
        })
        // Its clock shows milliseconds.
        .map(|seconds| seconds.max(0.001))
        .context("qemu-img bench does not say how long it took")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_duration_is_found() {
        assert_eq!(
            duration("Sending 5 requests\nRun completed in 1.250 seconds.\n").unwrap(),
            1.25
        );
        assert_eq!(duration("Run completed in 0.000 seconds.").unwrap(), 0.001);
        assert!(duration("").is_err());
    }
}
