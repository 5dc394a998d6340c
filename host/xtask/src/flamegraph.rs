//! `xtask flamegraph`: a picture of where the guest's instructions go.
//!
//! QEMU looks at the kernel each time that it has executed a number of instructions, follows the frame pointers,
//! and writes the stack down. Debug information turns its addresses into functions, inlined ones too. The wider a
//! function in the picture, the more instructions were executed in it and in what it has called.

use std::{collections::BTreeMap, fs, fs::File, path::Path};

use anyhow::{Context, Result, anyhow, ensure};
use inferno::flamegraph::{self, Options};
use lab::{
    qemu::{
        Disk, Gpu, Guest, Machine, Transport,
        count::{Look, stacks},
    },
    workspace::{Profile, Workspace},
};

use crate::{report::Suite, symbols::Kernel};

/// The instructions between two looks. A prime, so that it does not keep step with a loop.
const EVERY: u64 = 2_003;

/// Stands for all code that is not the kernel's.
const FIRMWARE: &str = "OpenSBI";

/// Builds the kernel with frame pointers, gives it `job`, and draws.
pub fn run(workspace: &Workspace, suite: &mut Suite, job: &str) -> Result<()> {
    let Some(kernel) = suite.build_kernel(workspace, Profile::Stacks)? else { return Ok(()) };
    let log = workspace.log("flamegraph", "run");
    lab::process::new_log(&log)?;
    suite.check("flamegraph", Some(&log), || {
        let picture = workspace.target.join("flamegraph.svg");
        let looks = look(workspace, &kernel, job, &log)?;
        let count = looks.len();
        draw(&fold(&Kernel::open(&kernel)?, &looks), job, &picture)?;
        println!(
            "{}: {count} stacks of job={job}, one for each {EVERY} instructions",
            picture.display()
        );
        Ok(())
    });
    Ok(())
}

/// Runs the job with a screen, on a copy of the lab disk, which it may change.
fn look(workspace: &Workspace, kernel: &Path, job: &str, log: &Path) -> Result<Vec<Look>> {
    let folder = tempfile::tempdir()?;
    let disk = folder.path().join("disk");
    fs::copy(workspace.root.join("blk.img"), &disk)
        .context("there is no disk to copy; `make run` makes blk.img")?;
    let machine = Machine::new(Transport::Modern)
        .options(Disk::file(&disk).options(0))
        .options(Gpu::new(1024, 768).options());
    let guest = Guest::new(kernel, &format!("job={}", job.trim_start_matches("job=")));
    Ok(stacks(&machine, &guest, EVERY, workspace.limit(300), log)?)
}

/// The stacks as inferno wants them, `outermost;...;innermost`, and how often each was seen.
fn fold(kernel: &Kernel, looks: &[Look]) -> BTreeMap<String, usize> {
    let mut seen: BTreeMap<Vec<u64>, usize> = BTreeMap::new();
    for look in looks {
        *seen.entry(look.stack(kernel.beginning(look.address))).or_default() += 1;
    }
    let mut folded = BTreeMap::new();
    for (stack, times) in seen {
        let functions = stack.iter().rev().flat_map(|address| kernel.functions_at(*address));
        // A semicolon stands between two functions, and in the names of arrays.
        let names: Vec<_> = functions.map(|name| name.replace(';', ",")).collect();
        let name = if names.is_empty() { FIRMWARE.to_owned() } else { names.join(";") };
        *folded.entry(name).or_default() += times;
    }
    folded
}

fn draw(stacks: &BTreeMap<String, usize>, job: &str, picture: &Path) -> Result<()> {
    ensure!(!stacks.is_empty(), "the guest was never looked at");
    let lines: Vec<_> =
        stacks.iter().map(|(stack, times)| format!("{stack} {}", *times as u64 * EVERY)).collect();
    let mut options = Options::default();
    options.title = format!("Instructions of job={job}");
    options.count_name = "instructions".to_owned();
    // The same picture for the same stacks.
    options.deterministic = true;
    let file =
        File::create(picture).with_context(|| format!("cannot write {}", picture.display()))?;
    flamegraph::from_lines(&mut options, lines.iter().map(String::as_str), file)
        .map_err(|error| anyhow!("{error}"))
        .context("cannot draw the stacks")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_the_functions() {
        let folder = tempfile::tempdir().unwrap();
        let picture = folder.path().join("picture.svg");
        let stacks = BTreeMap::from([("outer;inner".to_owned(), 3), ("outer".to_owned(), 1)]);
        draw(&stacks, "some", &picture).unwrap();
        let text = fs::read_to_string(&picture).unwrap();
        assert!(text.contains("inner (6,009 instructions, 75.00%)"), "{text}");
        assert!(draw(&BTreeMap::new(), "some", &picture).is_err());
    }
}
