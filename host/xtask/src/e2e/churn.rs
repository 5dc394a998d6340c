//! Many threads that change the files of one directory, on one CPU and on several.

use std::fs;

use anyhow::{Context, Result, ensure};
use lab::qemu::Disk;
use plan::churn::{Action, Load};

use super::{Case, lab::Lab};
use crate::churn::{self, Account};

pub const CASES: &[Case] = &[
    Case::once("files-8-threads-1-cpu", in_one_directory::<1>),
    Case::once_anywhere("files-8-threads-2-cpus", in_one_directory::<2>),
    Case::once("files-8-threads-4-cpus", in_one_directory::<4>),
];

const LOAD: Load = Load { seed: 8, threads: 8, keep: 60, sync_every: 100, one_dir: true };
/// The steps of each thread.
const COUNT: u32 = 2800;
/// The blocks of the file system: 32 MiB.
const BLOCKS: u32 = 8 << 10;
/// Files that each thread makes, renames and removes at least.
const FILES: usize = 500;

/// Afterwards the directory has exactly the names that are left of all that was done, with their contents.
fn in_one_directory<const CPUS: usize>(lab: &Lab) -> Result<()> {
    for thread in 0..LOAD.threads {
        let steps = || LOAD.steps(thread).take(COUNT as usize).map(|step| step.action);
        let creates = steps().filter(|action| matches!(action, Action::Create(_))).count();
        let renames = steps().filter(|action| matches!(action, Action::Rename { .. })).count();
        let removes = steps().filter(|action| matches!(action, Action::Remove(_))).count();
        let least = creates.min(renames).min(removes);
        ensure!(least >= FILES, "{creates} creates, {renames} renames, {removes} removes");
    }
    let path = lab.file("files.img");
    fs::write(&path, churn::empty_disk(BLOCKS)?).context("cannot write the image")?;
    let machine = lab.machine().cpus(CPUS).disk(Disk::file(&path)).limit_seconds(240);
    let outcome = machine.boot(&churn::command_line(&LOAD, COUNT))?;
    outcome.expect_ok("churn")?;
    // Every line of the account is whole, though all threads print.
    let account = Account::read(&LOAD, &outcome.lines().collect::<Vec<_>>().join("\n"))?;
    account.windows(&LOAD)?;
    churn::after_all(&LOAD, COUNT, &fs::read(&path)?)?;
    Ok(())
}
