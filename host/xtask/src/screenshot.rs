//! `xtask screenshot`: the picture that a job leaves on the screen, as a PNG file, without a window.
//!
//! The machine is that of `make run-gui`, on copies of its disks. `hold=on` keeps it after the job.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use lab::{
    console,
    picture::Picture,
    place::Place,
    qemu::{Disk, Gpu, Guest, KEYBOARD, Machine, TABLET, Transport, Vm, gpu_trace},
    workspace::{Profile, Workspace},
};
use serde_json::json;

use crate::report::Suite;

/// The size of the screen, that of the machine of `make run-gui`.
const SIZE: (u32, u32) = (1024, 768);

/// The beginning of the line that the shell says before its first prompt.
const SHELL_WAITS: &str = "help lists the commands";

/// The time that a job may take.
const LIMIT_SECONDS: u64 = 300;

/// The job, and the file for its picture.
#[derive(Args, Debug)]
pub struct Options {
    /// The job and its parameters.
    #[arg(default_value = "picture")]
    job: String,
    /// The file, instead of target/screenshot.png.
    #[arg(long)]
    out: Option<std::path::PathBuf>,
    /// Typed on the console when the shell waits for it; \n ends a line.
    #[arg(long = "type")]
    typed: Option<String>,
}

/// Builds the kernel, gives it the job, and writes the file.
pub fn run(workspace: &Workspace, suite: &mut Suite, options: &Options) -> Result<()> {
    let Some(kernel) = suite.build_kernel(workspace, Profile::Release)? else { return Ok(()) };
    let log = workspace.log("screenshot", "run");
    let file = options.out.clone().unwrap_or_else(|| workspace.target.join("screenshot.png"));
    suite.check("screenshot", Some(&log), || {
        let place = Place::new(workspace, &kernel, &log)?;
        let job = options.job.trim_start_matches("job=");
        let picture = take(&place, &workspace.root, job, options.typed.as_deref())?;
        picture.write_png(&file)?;
        let (width, height) = picture.size();
        println!("{}: {width}x{height} pixels of job={job}", file.display());
        Ok(())
    });
    Ok(())
}

/// Does a job, and takes the picture that it has put on the output that it names, or on the first.
fn take(place: &Place, root: &Path, job: &str, typed: Option<&str>) -> Result<Picture> {
    let output = value(job, "output").and_then(|number| number.parse().ok()).unwrap_or(0);
    let trace = place.file("trace");
    let machine = Machine::new(Transport::Modern)
        .options(disk(place, root, "blk.img", "lab", 0)?)
        .options(disk(place, root, "sfs.img", "sfs", 1)?)
        .options(Gpu::new(SIZE.0, SIZE.1).outputs(output + 1).options())
        .option("-device", KEYBOARD)
        .option("-device", TABLET)
        .options(gpu_trace::options(&trace));
    let hold = if value(job, "hold").is_some() { "" } else { " hold=on" };
    let guest = Guest::new(&place.kernel, &format!("job={job}{hold}"));
    let mut vm =
        Vm::boot(&machine, &guest, place.limit(LIMIT_SECONDS), &place.log, place.file("monitor"))?;
    if let Some(typed) = typed {
        vm.wait_until("the shell waited", |text| {
            text.lines().any(|line| line.starts_with(SHELL_WAITS))
        })?;
        vm.type_in(format!("{}\n", typed.replace("\\n", "\n")).as_bytes())?;
    }
    if !vm.wait_for_verdict()? {
        let outcome = vm.finish()?;
        match console::verdict(outcome.console()).map(|verdict| verdict.result) {
            Ok(Err(reason)) => bail!("job={job}{hold} failed: {reason}"),
            _ => bail!(outcome.complaint("the job did not succeed")),
        }
    }
    let mut monitor = vm.monitor()?;
    let picture = monitor.screen(output, &place.file("screen.png"))?;
    monitor.execute("quit", json!({}))?;
    vm.finish()?.of_quit().expect_success()?;
    let told = gpu_trace::read(&trace).context("QEMU wrote no trace")?;
    let Some(shown) = gpu_trace::shown(&told, output) else {
        bail!(
            "job={job} has put nothing on the screen; what QEMU would show is a picture of its own"
        );
    };
    ensure!(
        picture.size() == shown,
        "QEMU shows {:?} pixels, and the kernel {shown:?}",
        picture.size()
    );
    Ok(picture)
}

/// QEMU's options for a copy of a disk of `make run`.
fn disk(
    place: &Place,
    root: &Path,
    name: &str,
    serial: &str,
    number: usize,
) -> Result<Vec<String>> {
    let copy = place.file(name);
    fs::copy(root.join(name), &copy)
        .with_context(|| format!("there is no {name} to copy; `make run` makes it"))?;
    Ok(Disk::file(&copy).serial(serial).options(number))
}

/// The value of a parameter on a kernel command line without quotes.
fn value<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_parameters() {
        let line = "picture output=1 shape=square";
        assert_eq!(value(line, "output"), Some("1"));
        assert_eq!(value(line, "shape"), Some("square"));
        assert_eq!(value(line, "hold"), None);
        assert_eq!(value(line, "out"), None);
    }
}
