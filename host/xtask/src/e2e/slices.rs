//! Slices of DMA memory: the account that `job=slices` leaves on the disk.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use lab::{image::noise, qemu::Disk};
use plan::slices::{CELL_BYTES, Part, WORDS, content};

use super::{Case, lab::Lab};

pub const CASES: &[Case] = &[
    Case::once("slices-coherent", coherent),
    Case::once("slices-stream", stream),
    Case::once("slices-refused-numbers", refused),
];

const SECTORS: usize = 256;
const SECTOR: u64 = 7;
const SEED: u64 = 19;
const SLOTS: usize = 300;

fn coherent(lab: &Lab) -> Result<()> {
    run(lab, "off", CELL_BYTES as u64)
}

/// Slots do not share a cache line.
fn stream(lab: &Lab) -> Result<()> {
    run(lab, "on", 64)
}

fn run(lab: &Lab, stream: &str, distance: u64) -> Result<()> {
    let image = lab.image("disk", noise(SECTORS, SEED))?;
    let outcome = lab.machine().disk(Disk::new(&image)).boot(&format!(
        "job=slices sector={SECTOR} seed={SEED} count=100000 slots={SLOTS} stream={stream}"
    ))?;
    outcome.expect_ok("slices")?;
    let disk = image.contents()?;
    let begun = Part::Begun.words(&disk, SECTOR);
    ensure!(begun.is_some(), "the job has left no account");
    let taken: Vec<u64> = Part::Taken.words(&disk, SECTOR).context("nothing is taken")?.collect();
    let (taken, _) = taken.as_chunks::<{ 1 + WORDS }>();
    ensure!(taken.len() >= SLOTS, "{} slices are taken", taken.len());
    for (number, [_, found @ ..]) in (0..).zip(taken) {
        ensure!(*found == content(SEED, number), "slice {number} holds something else");
    }
    let addresses: BTreeSet<u64> = taken.iter().map(|[address, ..]| *address).collect();
    ensure!(addresses.len() == taken.len(), "two slices have one address");
    let sorted: Vec<u64> = addresses.into_iter().collect();
    let close = sorted.windows(2).find(|pair| pair[1] - pair[0] < distance);
    ensure!(close.is_none(), "two slices are too close to each other: {close:x?}");
    let rounds: Vec<u64> = Part::Rounds.words(&disk, SECTOR).context("no rounds")?.collect();
    let expected = [0, 0, taken.len() as u64];
    ensure!(rounds == expected, "refused, wrong and taken again are {rounds:?}");
    Ok(())
}

fn refused(lab: &Lab) -> Result<()> {
    let image = lab.image("disk", noise(SECTORS, SEED))?;
    for (parameters, word) in [
        ("", "sector=N"),
        ("sector=1 seed=1 count=1", "slots=K"),
        ("sector=1 seed=1 count=1 slots=0", "slots"),
        ("sector=1 seed=1 count=1 slots=513", "512"),
        ("sector=256 seed=1 count=1 slots=1", "writing sector 256"),
    ] {
        let outcome =
            lab.machine().disk(Disk::new(&image)).boot(&format!("job=slices {parameters}"))?;
        outcome.expect_failed_with("slices", &[word])?;
    }
    Ok(image.expect_unchanged()?)
}
