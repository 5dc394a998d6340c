//! The conditions after any power cut, whatever was going on: the disk is in order but for what is allowed, both
//! readers of the format say so, it can be used as it is, and it can be mended, with another cut while it is.

use std::ops::ControlFlow;

use fastrand::Rng;

use crate::{
    counts::Counts,
    disk::{Disk, Image, Log},
    judge::{judge, possible},
    model::{Chooser, Op, Path, Refusal, State, Taste},
    reader::{self, Kind, Reading, differences},
    run::{File, Mounted},
    session::play,
};

/// Names in the root that only this module makes.
const NEW: [&str; 2] = ["proof-1", "proof-2"];
/// The blocks that are enough for all that it makes.
const ENOUGH: usize = 24;

/// The amount that is tried after a cut.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Depth {
    /// Look, use, mend.
    Usual,
    /// And go on with other operations until another cut, and cut the power while the disk is mended.
    Twice,
}

/// Tries everything after a cut that has left this image. It must hold one of these trees.
///
/// # Errors
///
/// Words on the first thing that is not as it must be.
pub fn after_cut(
    image: &Image,
    states: &[State],
    depth: Depth,
    rng: &mut Rng,
    counts: &mut Counts,
) -> Result<(), String> {
    let reading = look(image, counts)?;
    judge(states, &reading, image)?;
    use_it(image, &reading).map_err(|what| format!("used after the cut: {what}"))?;
    mend(image, &reading, depth, rng, counts)
        .map_err(|what| format!("repaired after the cut: {what}"))?;
    // Directories with two names are rare, and much can go wrong with them.
    let twice = |problem: &reader::Problem| matches!(problem, reader::Problem::SeenTwice { .. });
    let rounds = match depth {
        _ if reading.problems.iter().any(twice) => 8,
        Depth::Twice => 1,
        Depth::Usual => 0,
    };
    for _ in 0..rounds {
        go_on(image, &reading, rng, counts)
            .map_err(|what| format!("used until another cut: {what}"))?;
    }
    Ok(())
}

/// Reads an image with both readers; neither may find anything broken, and they must agree.
///
/// # Errors
///
/// Words on what is broken, or on what they do not agree on.
pub fn look(image: &Image, counts: &mut Counts) -> Result<Reading, String> {
    let reading = reader::read(image);
    if let Some(problem) = reading.broken() {
        return Err(problem.to_string());
    }
    let report =
        sfs::check(&Disk::new(image.clone())).map_err(|error| format!("check: {error}"))?;
    if report.is_broken() {
        return Err(format!("only check says: {:?}", report.problems));
    }
    if report.is_clean() != reading.problems.is_empty() {
        return Err(format!(
            "check finds {:?}, the other reader {:?}",
            report.problems, reading.problems
        ));
    }
    for problem in &reading.problems {
        counts.add(match problem {
            reader::Problem::Leaked(_) => "leaked blocks",
            reader::Problem::HighCount { .. } => "high counts",
            reader::Problem::StaleUnused { .. } => "stale numbers of free blocks",
            reader::Problem::SeenTwice { .. } => "directories seen twice",
            reader::Problem::Broken(_) => "broken",
        });
    }
    Ok(reading)
}

/// Mounts without repair, compares all that can be read, writes, and looks again.
///
/// # Errors
///
/// Words on the first thing that is not as it must be.
pub fn use_it(image: &Image, before: &Reading) -> Result<(), String> {
    let disk = Disk::new(image.clone());
    let mut mounted = Mounted::mount(&disk).map_err(|error| format!("cannot mount: {error}"))?;
    let root = mounted.files().map_err(|_| "not mounted")?.root();
    same_tree(&root, image, before)?;
    drop(root);
    let (one, two) = (Path::new(NEW[0]), Path::new(NEW[1]));
    let (x, y) = (two.join("x"), two.join("y"));
    let ops = [
        Op::Create(one.clone()),
        Op::Write(one.clone(), 0, 9000, 7),
        Op::Mkdir(two.clone()),
        Op::Rename(one.clone(), x.clone()),
        Op::Create(one.clone()),
        Op::Sync,
        Op::Link(one.clone(), y.clone()),
        Op::Unlink(one),
        Op::Write(y, 0, 100, 8),
        Op::Truncate(x, 100),
        Op::Sync,
    ];
    for op in &ops {
        let unused = mounted.files().map_or(0, |files| files.statfs().unused);
        match mounted.run(op) {
            Ok(_) => (),
            Err(Refusal::NoSpace) if unused < ENOUGH as u32 => break,
            Err(refusal) => return Err(format!("{op}: {refusal:?}, {unused} blocks unused")),
        }
    }
    mounted.files().map_err(|_| "not mounted")?.sync().map_err(|error| format!("sync: {error}"))?;
    drop(mounted);
    if let Some(stray) = disk.stray() {
        return Err(stray);
    }
    let new = disk.image();
    let after = look(&new, &mut Counts::default())?;
    match differences((before, image), (&after, &new), &NEW) {
        Some(difference) => Err(difference),
        None => Ok(()),
    }
}

/// Compares all that the file system reads with what the other reader has read.
fn same_tree(root: &File, image: &Image, reading: &Reading) -> Result<(), String> {
    let mut todo = vec![root.clone()];
    let mut seen = vec![];
    while let Some(file) = todo.pop() {
        let number = file.number();
        if seen.contains(&number) {
            continue;
        }
        seen.push(number);
        let fail = |error| format!("inode {number}: {error}");
        let kind = reading.nodes.get(&number).map(|node| node.kind);
        match kind {
            Some(Kind::Directory) => {
                let mut names = Vec::new();
                file.visit(&mut |entry| {
                    names.push((entry.name.to_owned(), entry.inode));
                    ControlFlow::Continue(())
                })
                .map_err(fail)?;
                if reading.nodes.get(&number).is_none_or(|node| node.entries != names) {
                    return Err(format!("directory {number} has the names {names:?}"));
                }
                for (name, _) in names.iter().skip(2) {
                    todo.push(file.lookup(name).map_err(fail)?);
                }
            }
            Some(Kind::File) => {
                let content = reading.content(image, number);
                let mut found = vec![0; content.len() + 1];
                let count = file.read_at(0, &mut found).map_err(fail)?;
                if found.get(..count) != Some(&content[..]) {
                    return Err(format!("inode {number} reads differently, {count} bytes"));
                }
            }
            Some(Kind::Symlink) => {
                if file.read_link().map_err(fail)?.into_bytes() != reading.content(image, number) {
                    return Err(format!("symlink {number} reads differently"));
                }
            }
            other => return Err(format!("inode {number} is {other:?} for the other reader")),
        }
    }
    match seen.len() == reading.nodes.len() {
        true => Ok(()),
        false => Err(format!("{} inodes instead of {}", seen.len(), reading.nodes.len())),
    }
}

/// Repairs: then nothing may be wrong any more, and nothing lost; nor if the power is cut meanwhile.
fn mend(
    image: &Image,
    before: &Reading,
    depth: Depth,
    rng: &mut Rng,
    counts: &mut Counts,
) -> Result<(), String> {
    let (mended, log) = repaired(image)?;
    let nothing_lost = |now: &Image, reading: &Reading| {
        differences((before, image), (reading, now), &[]).map_or(Ok(()), Err)
    };
    let perfect = |now: &Image| {
        let reading = look(now, &mut Counts::default())?;
        match reading.problems.first() {
            Some(problem) => Err(format!("still: {problem}")),
            None => nothing_lost(now, &reading),
        }
    };
    perfect(&mended)?;
    if depth != Depth::Twice {
        return Ok(());
    }
    let end = log.before_flushes();
    let subsets = (0..4).filter_map(|_| {
        let position = rng.choice(end.iter().copied())?;
        let kept = log.draw(position, rng);
        Some((position, log.left(position, &kept)))
    });
    for (position, cut) in log.prefixes().chain(subsets.collect::<Vec<_>>()) {
        let at = |what| format!("cut at {position} of {}: {what}", log.len());
        let reading = look(&cut, &mut Counts::default()).map_err(at)?;
        nothing_lost(&cut, &reading).map_err(at)?;
        let (again, _) = repaired(&cut).map_err(at)?;
        perfect(&again).map_err(at)?;
        counts.add("cuts while repairing");
    }
    Ok(())
}

fn repaired(image: &Image) -> Result<(Image, Log), String> {
    let disk = Disk::new(image.clone());
    let start = disk.record();
    sfs::repair(&disk).map_err(|error| error.to_string())?;
    match disk.stray() {
        Some(stray) => Err(stray),
        None => Ok((disk.image(), Log::new(start, disk.events()))),
    }
}

/// Goes on with random operations on what the cut has left, without repair, beside a model of it; looks at the
/// whole tree, and cuts the power again.
fn go_on(
    image: &Image,
    reading: &Reading,
    rng: &mut Rng,
    counts: &mut Counts,
) -> Result<(), String> {
    let start = State::of(reading, image).ok_or("it is no tree")?;
    let taste = Taste { size: 20_000, entries: 10, sync: 15, look: false, edge: None };
    let mut left = rng.usize(3..10);
    let mut chooser = Chooser::new(rng, taste);
    let session = play(&Disk::new(image.clone()), start, false, &mut |state| {
        left = left.checked_sub(1)?;
        Some(if left == 0 { Op::Sync } else { chooser.choose(state) })
    })
    .map_err(|(ops, what)| format!("{}: {what}", words(&ops)))?;
    let ops: Vec<Op> = session.steps.iter().map(|step| step.op.clone()).collect();
    let after = |what| format!("{}: {what}", words(&ops));
    let reading = look(&session.image, &mut Counts::default()).map_err(after)?;
    let end = possible(&session, session.log.len());
    judge(end, &reading, &session.image).map_err(after)?;
    for _ in 0..6 {
        let position = rng.usize(..=session.log.len());
        let kept = session.log.draw(position, rng);
        let cut = session.log.left(position, &kept);
        let states = possible(&session, position);
        let at =
            |what| format!("{}, cut at {position} of {}: {what}", words(&ops), session.log.len());
        let reading = look(&cut, &mut Counts::default()).map_err(at)?;
        judge(states, &reading, &cut).map_err(at)?;
        use_it(&cut, &reading).map_err(at)?;
        counts.add("second cuts");
    }
    Ok(())
}

/// Operations in a row, for people.
pub fn words(ops: &[Op]) -> String {
    ops.iter().map(Op::to_string).collect::<Vec<_>>().join("; ")
}
