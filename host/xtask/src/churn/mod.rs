//! Files after `job=churn`: what must be on the disk by the kernel's word and by the plan, and whether it is.
//!
//! ```text
//!   account  what the kernel says on its console: the steps that are safe, and those that may have been taken
//!   replay   the files of a thread after some of its steps
//!   judge    the files on the disk, compared with these
//! ```
//!
//! The kernel's word tells of time only: nothing that it says about files is believed. These are read from the disk by
//! the crate `sfs` and by a reader of the format that shares no code with it, and both must agree.

mod account;
mod judge;
mod replay;

use anyhow::{Context, Result, anyhow, ensure};
use plan::churn::Load;
use sfs_proof::{
    aftermath::{look, use_it},
    counts::Counts,
    image::{BLOCK, Image},
    start,
};

pub use self::{account::Account, judge::Findings};

/// The command line for the job; each thread takes `count` steps.
pub fn command_line(load: &Load, count: u32) -> String {
    let Load { seed, threads, keep, sync_every, one_dir } = load;
    let one_dir = if *one_dir { "on" } else { "off" };
    format!(
        "job=churn seed={seed} threads={threads} count={count} keep={keep} sync_every={sync_every} one_dir={one_dir}"
    )
}

/// The content of a disk with an empty file system of so many blocks, on which garbage lies.
pub fn empty_disk(blocks: u32) -> Result<Vec<u8>> {
    content(start::fresh(blocks))
}

/// The same on which nothing lies, so that a qcow2 image of it grows with what is written: what has its place already is not
/// lost there.
pub fn bare_disk(blocks: u32) -> Result<Vec<u8>> {
    content(start::on_disk_of(0, blocks))
}

fn content(image: Result<Image, String>) -> Result<Vec<u8>> {
    let image = image.map_err(|what| anyhow!(what))?;
    let blocks = (0..).map_while(|number| image.block(number));
    Ok(blocks.flat_map(|block: &[u8; BLOCK]| block.iter().copied()).collect())
}

/// Judges what a power cut has left: only what is allowed is wrong with the file system, what the kernel has said to be
/// safe is there, nothing else is but what may have been done since, and it can be mounted and written without repair.
///
/// # Errors
///
/// Words on the first thing that is not as it must be.
pub fn after_cut(load: &Load, account: &Account, disk: &[u8]) -> Result<Findings> {
    let image = Image::of_file(disk);
    let reading = look(&image, &mut Counts::default()).map_err(|what| anyhow!(what))?;
    let findings = judge::judge(load, account.begun, &account.windows(load)?, &reading, &image)?;
    let used = use_it(&image, &reading).map_err(|what| anyhow!(what));
    used.context("mounted and written after the cut")?;
    Ok(findings)
}

/// Judges what is on the disk after each thread has taken `count` steps: exactly what these leave, with nothing wrong.
///
/// # Errors
///
/// Words on the first thing that is not as it must be.
pub fn after_all(load: &Load, count: u32, disk: &[u8]) -> Result<Findings> {
    let image = Image::of_file(disk);
    let reading = look(&image, &mut Counts::default()).map_err(|what| anyhow!(what))?;
    ensure!(reading.problems.is_empty(), "not in order: {:?}", reading.problems);
    let windows: Vec<_> = (0..load.threads).map(|_| count..=count).collect();
    let findings = judge::judge(load, true, &windows, &reading, &image)?;
    use_it(&image, &reading).map_err(|what| anyhow!(what))?;
    Ok(findings)
}

#[cfg(test)]
mod tests;
