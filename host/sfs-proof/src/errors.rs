//! The sequences of [`pairs`](crate::pairs) with an error at every single access to the disk, and on a disk that is too
//! full for them.

use std::collections::BTreeMap;

use fastrand::Rng;

use crate::{
    aftermath::{look, use_it, words},
    counts::Counts,
    disk::{Disk, Fault, Image, Log},
    judge::{judge, possible},
    model::{Answer, Done, Expected, Op, Refusal, State},
    pairs::{Pair, pair},
    reader::{self, Problem},
    run::Mounted,
    session::{difference, play},
};

/// Cuts after each error, with random subsets of the unsafe sectors.
const CUTS: usize = 2;
/// Cuts for each number of free blocks.
const FULL_CUTS: usize = 3;
/// The block of the free map.
const MAP: u32 = 2;

/// One sequence, with all errors.
///
/// # Errors
///
/// Words on the first thing that is not as it must be.
pub fn case(number: u64) -> Result<Counts, String> {
    let pair = pair(number)?;
    let mut rng = Rng::with_seed(number);
    let mut counts = Counts::default();
    counts.add("sequences");
    failing(&pair, &mut rng, &mut counts)
        .and_then(|()| full(&pair, &mut rng, &mut counts))
        .map_err(|what| format!("{}\n  {what}", words(&pair.ops)))?;
    Ok(counts)
}

/// An error at every access: once and without effect, once after a part of the write, and for ever from there on.
fn failing(pair: &Pair, rng: &mut Rng, counts: &mut Counts) -> Result<(), String> {
    let disk = Disk::new(pair.image.clone());
    let mut mounted = Mounted::mount(&disk).map_err(|error| error.to_string())?;
    let before = disk.accesses();
    for op in &pair.ops {
        // Answers are compared elsewhere.
        let _ = mounted.run(op);
    }
    for at in 0..disk.accesses() - before {
        for (times, sectors) in [(1, 0), (1, 1), (u64::MAX, 0)] {
            let fault = Fault { at, times, sectors };
            fail_at(pair, fault, rng, counts).map_err(|what| format!("{fault:?}: {what}"))?;
        }
        counts.add("accesses that failed");
    }
    Ok(())
}

fn fail_at(pair: &Pair, fault: Fault, rng: &mut Rng, counts: &mut Counts) -> Result<(), String> {
    let disk = Disk::new(pair.image.clone());
    let start = disk.record();
    let mut mounted = Mounted::mount(&disk).map_err(|error| error.to_string())?;
    disk.fail(Some(fault));
    // An operation that has failed may have been done or not; all trees are kept that are possible so. A write may have been
    // done in part, so its trees stay together.
    let mut ends = vec![vec![pair.state.clone()]];
    let mut ever = vec![pair.state.clone()];
    let mut told = false;
    for op in &pair.ops {
        let answer = mounted.run(op);
        // A write that failed in the middle says how much it has done.
        let short = matches!((op, &answer), (Op::Write(_, _, count, _), Ok(Done::Count(done))) if done < count);
        told |= short || answer == Err(Refusal::Disk);
        ends = advance(&ends, op, &answer)?;
        ever.extend(ends.iter().flatten().cloned());
    }
    if disk.failed() == 0 {
        return Err("another run makes fewer accesses to the disk".into());
    }
    if !told {
        return Err("nobody was told of the error".into());
    }
    disk.fail(None);
    let synced = mounted.run(&Op::Sync);
    drop(mounted);
    if let Some(stray) = disk.stray() {
        return Err(stray);
    }
    let image = disk.image();
    let reading = look(&image, &mut Counts::default())?;
    match synced {
        Ok(_) => {
            counts.add("syncs that worked after the error");
            let wrong = ends.iter().map(|end| judge(end, &reading, &image));
            let wrong: Vec<String> = wrong.filter_map(Result::err).collect();
            if wrong.len() == ends.len() {
                return Err(format!("a sync worked after the error, but: {}", wrong.join("; or ")));
            }
        }
        Err(Refusal::Failed) => {
            counts.add("mounts that had to be made anew");
            judge(&ever, &reading, &image)?;
        }
        Err(other) => return Err(format!("sync after the error: {other:?}")),
    }
    use_it(&image, &reading)?;
    let log = Log::new(start, disk.events());
    for _ in 0..CUTS {
        let position = rng.usize(..=log.len());
        let cut = log.left(position, &log.draw(position, rng));
        let at = |what| format!("cut at {position} of {}: {what}", log.len());
        let reading = look(&cut, &mut Counts::default()).map_err(at)?;
        judge(&ever, &reading, &cut).map_err(at)?;
        use_it(&cut, &reading).map_err(at)?;
        counts.add("cuts after an error");
    }
    Ok(())
}

/// The trees after an operation with this answer.
fn advance(ends: &[Vec<State>], op: &Op, answer: &Answer) -> Result<Vec<Vec<State>>, String> {
    let failed = matches!(answer, Err(Refusal::Disk | Refusal::Failed));
    let mut after = Vec::new();
    let mut wrong = String::new();
    for states in ends {
        let mut done = states.clone();
        let expected: Vec<Expected> = match failed {
            true => done.iter_mut().map(|state| state.apply(op, &Ok(Done::Nothing))).collect(),
            false => done.iter_mut().map(|state| state.apply(op, answer)).collect(),
        };
        if !failed {
            match expected.iter().find_map(|expected| difference(expected, answer)) {
                None => after.push(done),
                Some(what) => wrong = what,
            }
        } else if matches!(op, Op::Write(..)) {
            after.push([&states[..], &done[..]].concat());
        } else {
            after.push(states.clone());
            if expected.iter().all(Expected::is_ok) {
                after.push(done);
            }
        }
    }
    if after.is_empty() { Err(format!("{op}: {wrong}")) } else { Ok(after) }
}

/// Every number of free blocks from none on, until it is enough for all: what does not fit is refused and changes nothing.
fn full(pair: &Pair, rng: &mut Rng, counts: &mut Counts) -> Result<(), String> {
    for free in 0.. {
        let Some((image, taken)) = filled(&pair.image, free) else { return Ok(()) };
        let at = |what| format!("{free} blocks free: {what}");
        let mut ops = pair.ops.iter().cloned();
        let session = play(&Disk::new(image), pair.state.clone(), false, &mut |_| ops.next())
            .map_err(|(_, what)| at(what))?;
        let reading = reader::read(&session.image);
        if reading.problems.len() != taken
            || !reading.problems.iter().all(|problem| matches!(problem, Problem::Leaked(_)))
        {
            let what =
                format!("{taken} blocks were taken away, at the end: {:?}", reading.problems);
            return Err(at(what));
        }
        let refused = |step: &crate::session::Step| step.answer == Err(Refusal::NoSpace);
        if let Some(step) =
            session.steps.iter().find(|step| refused(step) && !step.op.takes_space())
        {
            return Err(at(format!("{}: no space", step.op)));
        }
        if session.steps.last().is_none_or(|step| step.answer.is_err()) {
            return Err(at("the sync at the end failed".into()));
        }
        counts.add("full disks");
        let mut cuts: BTreeMap<usize, Image> = BTreeMap::new();
        cuts.insert(session.log.len(), session.image.clone());
        for _ in 0..FULL_CUTS {
            let position = rng.usize(..=session.log.len());
            cuts.insert(position, session.log.left(position, &session.log.draw(position, rng)));
        }
        for (position, cut) in cuts {
            let at = |what| at(format!("cut at {position} of {}: {what}", session.log.len()));
            let reading = look(&cut, &mut Counts::default()).map_err(at)?;
            judge(possible(&session, position), &reading, &cut).map_err(at)?;
            use_it(&cut, &reading).map_err(at)?;
            counts.add("cuts of full disks");
        }
        if !session.steps.iter().any(refused) {
            return Ok(());
        }
    }
    Ok(())
}

/// The same with only so many blocks free, as all others are marked as in use; `None` if there are not so many.
/// Returns the number of those, too.
fn filled(image: &Image, free: u32) -> Option<(Image, usize)> {
    let mut image = image.clone();
    let map = image.block_mut(MAP)?;
    let mut left = 0;
    let mut taken = 0;
    // The last ones, so that the free blocks lie where they would be given out first.
    for byte in map.iter_mut() {
        for bit in 0..8 {
            let is_free = *byte >> bit & 1 == 1;
            if is_free && left < free {
                left += 1;
            } else if is_free {
                *byte &= !(1 << bit);
                taken += 1;
            }
        }
    }
    image.block_mut(0)?[8..12].copy_from_slice(&left.to_le_bytes());
    (left == free).then_some((image, taken))
}
