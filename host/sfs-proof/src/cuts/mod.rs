//! Random operations, and the power cut at every place of the log.

use std::sync::OnceLock;

use fastrand::Rng;

use crate::{
    aftermath::{Depth, after_cut, words},
    counts::Counts,
    disk::{Disk, Image},
    judge::possible,
    model::{Chooser, Op, State, Taste},
    session::{Session, play},
    shrink::shrink,
    start,
};

/// Random subsets of the unsafe sectors that are tried for each sequence of operations.
const SUBSETS: usize = 40;
/// One cut of so many is followed by all there is.
const DEEP: usize = 16;

/// The start of a sequence, and its trials.
struct Setting {
    image: Image,
    state: State,
    taste: Taste,
    length: usize,
}

/// One sequence: all its cuts.
///
/// # Errors
///
/// Words on the first thing that is not as it must be, with the shortest sequence that was found for it.
pub fn case(seed: u64) -> Result<Counts, String> {
    let mut rng = Rng::with_seed(seed);
    let setting = setting(seed, &mut rng)?;
    let rest = rng.u64(..);
    let mut left = setting.length;
    let mut chooser = Chooser::new(&mut rng, setting.taste);
    let result = attempt(&setting, rest, &mut |state| {
        left = left.checked_sub(1)?;
        Some(chooser.choose(state))
    });
    let (ops, what) = match result {
        Ok(counts) => return Ok(counts),
        Err(failure) => failure,
    };
    let (ops, what) = shrink(ops, what, |fewer| {
        let mut fewer = fewer.iter().cloned();
        attempt(&setting, rest, &mut |_| fewer.next()).err().map(|(_, what)| what)
    });
    Err(format!("{}\n  {what}", words(&ops)))
}

/// Plays a sequence, and cuts the power everywhere.
fn attempt(
    setting: &Setting,
    seed: u64,
    next: &mut dyn FnMut(&State) -> Option<Op>,
) -> Result<Counts, (Vec<Op>, String)> {
    let disk = Disk::new(setting.image.clone());
    let session = play(&disk, setting.state.clone(), true, next)?;
    let mut counts = Counts::default();
    counts.add("sequences");
    counts.add_many("operations", session.steps.len() as u64);
    counts.add_many("sectors written", session.log.writes() as u64);
    match cut_everywhere(&session, DEEP, SUBSETS, seed, &mut counts) {
        Ok(()) => Ok(counts),
        Err(what) => Err((session.steps.into_iter().map(|step| step.op).collect(), what)),
    }
}

/// Cuts the power after every sector of a session, and so often with a random subset of the unsafe sectors. Of `deep`
/// cuts one is followed by all there is.
///
/// # Errors
///
/// Words on the first cut after which something is not as it must be.
pub fn cut_everywhere(
    session: &Session,
    deep: usize,
    subsets: usize,
    seed: u64,
    counts: &mut Counts,
) -> Result<(), String> {
    let mut rng = Rng::with_seed(seed);
    let depth = |rng: &mut Rng| {
        if rng.usize(..deep) == 0 { Depth::Twice } else { Depth::Usual }
    };
    let end = session.log.len();
    for (position, image) in session.log.prefixes() {
        let depth = depth(&mut rng);
        after_cut(&image, possible(session, position), depth, &mut rng, counts)
            .map_err(|what| format!("cut at {position} of {end}: {what}"))?;
        counts.add("cuts in order");
    }
    let flushes = session.log.before_flushes();
    for number in 0..subsets {
        let position = match number % 2 {
            0 => rng.usize(..=end),
            _ => rng.choice(flushes.iter().copied()).unwrap_or(end),
        };
        let kept = session.log.draw(position, &mut rng);
        let image = session.log.left(position, &kept);
        let depth = depth(&mut rng);
        after_cut(&image, possible(session, position), depth, &mut rng, counts).map_err(
            |what| {
                let lost =
                    kept.iter().filter(|(_, kept)| kept.is_none()).map(|(sector, _)| *sector);
                let places = lost.map(|sector| format!("{}.{}", sector / 8, sector % 8));
                let lost = places.collect::<Vec<_>>().join(" ");
                format!(
                    "cut at {position} of {end} without the sectors (block.sector) {lost}: {what}"
                )
            },
        )?;
        counts.add("cuts with a subset");
    }
    Ok(())
}

/// Draws what a sequence starts from.
fn setting(seed: u64, rng: &mut Rng) -> Result<Setting, String> {
    let taste = Taste {
        size: rng.choice([3000, 20_000, 70_000]).unwrap_or(3000),
        entries: rng.usize(6..20),
        sync: rng.choice([3, 10, 25]).unwrap_or(10),
        look: false,
        edge: None,
    };
    let length = rng.usize(3..16);
    // Long files cost much, so there are few.
    let (edge, blocks) = match seed % 100 {
        17 => (1036, 1200),
        50..=52 => {
            let (image, state) = start::of_fixture(seed as usize % 100 - 50)?;
            return Ok(Setting { image, state, taste, length });
        }
        3 | 33 | 73 => (12, 80),
        _ => {
            let blocks = rng.choice([48, 96, 200]).unwrap_or(96);
            let before = rng.usize(..30);
            let (image, state) = start::random(blocks, before, taste, rng)?;
            return Ok(Setting { image, state, taste, length });
        }
    };
    static STARTS: OnceLock<[Result<(Image, State), String>; 2]> = OnceLock::new();
    let starts = STARTS.get_or_init(|| [start::with_file(80, 11), start::with_file(1200, 1035)]);
    let (image, state) = starts[usize::from(edge == 1036)].clone()?;
    let taste = Taste { edge: Some(edge), size: 5000, entries: 6, ..taste };
    Ok(Setting { image, state, taste, length: length.min(if blocks > 1000 { 5 } else { 10 }) })
}

/// Images that power cuts have left, of so many sequences, so many each.
///
/// # Errors
///
/// Those of [`case`].
pub fn some(sequences: u64, each: usize) -> Result<Vec<Image>, String> {
    let mut images = Vec::new();
    for seed in 0..sequences {
        let mut rng = Rng::with_seed(seed);
        let setting = setting(seed, &mut rng)?;
        let mut left = setting.length;
        let mut chooser = Chooser::new(&mut rng, setting.taste);
        let disk = Disk::new(setting.image);
        let session = play(&disk, setting.state, true, &mut |state| {
            left = left.checked_sub(1)?;
            Some(chooser.choose(state))
        })
        .map_err(|(ops, what)| format!("{}: {what}", words(&ops)))?;
        for _ in 0..each {
            let position = rng.usize(..=session.log.len());
            images.push(session.log.left(position, &session.log.draw(position, &mut rng)));
        }
    }
    Ok(images)
}

#[cfg(test)]
mod tests;
