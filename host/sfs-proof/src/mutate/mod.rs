//! Damaged images: whatever they hold, nothing may panic, go on for ever, or take memory without bound.
//!
//! ```text
//!   damage  what is changed in an image
//! ```

mod damage;

use std::{ops::ControlFlow, sync::OnceLock};

use fastrand::Rng;

use self::damage::damage;
use crate::{
    MEMORY,
    counts::Counts,
    cuts,
    disk::{Disk, Image},
    fixtures::FIXTURES,
    model::{Op, Path, Taste},
    reader::{self, Reading},
    run::{File, Mounted},
    start,
};

/// The most accesses to the disk that one image may take, for each of its blocks and for all that is done anyway.
const ACCESSES_PER_BLOCK: u64 = 400;
const ACCESSES: u64 = 200_000;
/// The most memory in use at a time, in MiB: what the seeds and two threads need, many times over.
const MEMORY_MIB: f32 = 256.0;
/// The most inodes that are looked at in a walk, as damaged directories may lead in circles.
const INODES: usize = 300;

/// An image to be damaged, and what is in it.
struct Sound {
    image: Image,
    reading: Reading,
}

/// One image with one to a few damages.
///
/// # Errors
///
/// Words on what happened.
pub fn case(seed: u64) -> Result<Counts, String> {
    static SOUND: OnceLock<Result<Vec<Sound>, String>> = OnceLock::new();
    let sound = SOUND.get_or_init(sound).as_ref().map_err(String::clone)?;
    let mut rng = Rng::with_seed(seed);
    let choice = &sound[rng.usize(..sound.len())];
    let mut image = choice.image.clone();
    let mut damages = Vec::new();
    for _ in 0..rng.choice([1, 1, 1, 2, 3, 8]).unwrap_or(1) {
        damages.push(damage(&mut image, &choice.reading, &mut rng));
    }
    let mut counts = Counts::default();
    try_all(&image, &mut rng, &mut counts)
        .map_err(|what| format!("{}: {what}", damages.join(", ")))?;
    Ok(counts)
}

/// Does everything with a damaged image.
fn try_all(image: &Image, rng: &mut Rng, counts: &mut Counts) -> Result<(), String> {
    let limit = ACCESSES + ACCESSES_PER_BLOCK * u64::from(image.len());
    let disk = Disk::new(image.clone());
    disk.limit(limit);
    let report = sfs::check(&disk);
    let broken = report.as_ref().is_ok_and(sfs::Report::is_broken);
    let clean = report.as_ref().is_ok_and(sfs::Report::is_clean);
    match Mounted::mount(&disk) {
        Ok(mut mounted) => {
            counts.add("mounted");
            let paths = walk(&mounted, rng)?;
            change(&mut mounted, &paths, rng);
        }
        Err(_) => counts.add("not mounted"),
    }
    sober(&disk)?;
    counts.most("accesses at most", disk.accesses());
    let reading = reader::read(image);
    if clean && (reading.broken().is_some() || !reading.problems.is_empty()) {
        return Err(format!("check finds nothing, but: {}", reading.problems[0]));
    }
    if !broken
        && report.is_ok()
        && let Some(problem) = reading.broken()
    {
        return Err(format!("check finds nothing broken, but: {problem}"));
    }
    counts.add(if reading.broken().is_some() { "broken" } else { "sound enough" });

    let disk = Disk::new(image.clone());
    disk.limit(limit);
    if sfs::repair(&disk).is_ok() {
        counts.add("repaired");
        let after = sfs::check(&disk);
        let good = after.as_ref().is_ok_and(sfs::Report::is_clean);
        if good && let Some(problem) = reader::read(&disk.image()).problems.first() {
            return Err(format!("repaired and checked, but: {problem}"));
        }
        counts.add(if good { "mended" } else { "beyond repair" });
    }
    sober(&disk)?;
    counts.most("accesses at most", disk.accesses());
    let peak = MEMORY.peak_usage_as_mb();
    if peak > MEMORY_MIB {
        return Err(format!("this image or one at the same time has taken {peak} MiB of memory"));
    }
    Ok(())
}

/// Looks at everything; errors are fine. Returns paths that lead to something.
fn walk(mounted: &Mounted, rng: &mut Rng) -> Result<Vec<Path>, String> {
    let files = mounted.files().map_err(|_| "not mounted")?;
    let mut todo = vec![(Path::new(""), files.root())];
    let mut paths = Vec::new();
    while let Some((path, file)) = todo.pop() {
        let stat = file.stat();
        look_into(&file, stat.size, rng);
        let mut names = Vec::new();
        let _ = file.visit(&mut |entry| {
            names.push(entry.name.to_owned());
            if names.len() < INODES { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        let _ = file.entries();
        paths.push(path.clone());
        for name in names.into_iter().skip(2) {
            if todo.len() + paths.len() >= INODES || path.names.len() > 16 {
                break;
            }
            if let Ok(below) = file.lookup(&name) {
                todo.push((path.join(&name), below));
            }
        }
    }
    Ok(paths)
}

fn look_into(file: &File, size: u32, rng: &mut Rng) {
    let mut buffer = vec![0; 9000];
    let size = u64::from(size);
    for offset in [0, size.saturating_sub(100), rng.u64(..=size), rng.u64(..)] {
        let _ = file.read_at(offset, &mut buffer);
    }
    let _ = file.read_link();
}

/// Changes this and that; errors are fine.
fn change(mounted: &mut Mounted, paths: &[Path], rng: &mut Rng) {
    for number in 0..rng.u32(1..12) {
        let mut path = || rng.choice(paths).cloned().unwrap_or(Path::new(""));
        let (one, two) = (path(), path());
        let new = two.join("new");
        let size = rng.choice([0, 10, 5000, 60_000, 5_000_000]).unwrap_or(0);
        let op = match rng.u8(..14) {
            0 => Op::Create(new),
            1 => Op::Mkdir(new),
            2 => Op::Symlink(new, "x".into()),
            3 => Op::Link(one, new),
            4 | 5 => Op::Rename(one, if rng.bool() { new } else { two }),
            6 => Op::Unlink(one),
            7 => Op::Rmdir(one),
            8 => Op::Truncate(one, size),
            9..12 => Op::Write(one, rng.u64(..=size), rng.usize(..6000), number),
            12 => Op::Open(0, one),
            _ => Op::Sync,
        };
        let _ = mounted.run(&op);
    }
    let _ = mounted.run(&Op::Sync);
}

/// No access beyond the disk, and not too many.
fn sober(disk: &Disk) -> Result<(), String> {
    disk.stray().map_or(Ok(()), Err)
}

/// The reference's images, and ours.
fn sound() -> Result<Vec<Sound>, String> {
    let mut images = Vec::new();
    for fixture in &FIXTURES {
        images.push(fixture.image()?);
    }
    let mut rng = Rng::with_seed(1);
    let taste = Taste { size: 60_000, entries: 30, sync: 5, look: false, edge: None };
    for blocks in [64, 200] {
        images.push(start::random(blocks, 200, taste, &mut rng)?.0);
    }
    images.push(start::with_file(80, 14)?.0);
    images.push(start::with_file(1200, 1040)?.0);
    // What a power cut leaves is damaged already.
    images.extend(cuts::some(5, 3)?);
    Ok(images.into_iter().map(|image| Sound { reading: reader::read(&image), image }).collect())
}
