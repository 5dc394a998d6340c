//! Threads that make, rename and remove files in one directory at the same time.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use fastrand::Rng;

use crate::{
    aftermath::{look, use_it},
    counts::Counts,
    disk::{Disk, Image, Log},
    model::bytes,
    reader::{self, Reading},
    run::{Failure, File, Files, calmly, mount},
    start,
};

/// Threads that change the directory.
const THREADS: u32 = 8;
/// Files that each of them makes, renames, and of which it removes every third.
const FILES: u32 = 500;
/// Blocks of the file system: enough for all files with a block each, and the directory.
const BLOCKS: u32 = 12_000;

/// Power cuts for each race, with random subsets of the unsafe sectors.
const CUTS: usize = 30;

/// A file that was safe from one position of the log on, and until another, if it was removed.
struct Promise {
    name: String,
    from: usize,
    until: Option<usize>,
}

/// One race: all threads at once, and somebody who syncs and two who list the directories meanwhile. Then the end is
/// compared with what exactly these operations leave, and the power is cut at some places of the log.
///
/// # Errors
///
/// Words on what is not as it must be.
pub fn case(seed: u64) -> Result<Counts, String> {
    let disk = Disk::new(start::fresh(BLOCKS)?);
    let before = disk.record();
    let promises = race(&disk, seed)?;
    let mut counts = Counts::default();
    check_end(&disk.image(), &mut counts)?;
    let log = Log::new(before, disk.events());
    let mut rng = Rng::with_seed(seed);
    for _ in 0..CUTS {
        let position = rng.usize(..=log.len());
        let cut = log.left(position, &log.draw(position, &mut rng));
        check_cut(&cut, position, &promises)
            .map_err(|what| format!("cut at {position} of {}: {what}", log.len()))?;
        counts.add("cuts");
    }
    counts.add_many("files made", u64::from(THREADS * FILES));
    counts.add_many("of them synced", promises.len() as u64);
    Ok(counts)
}

/// Lets all threads run, and syncs.
fn race(disk: &Disk, seed: u64) -> Result<Vec<Promise>, String> {
    let words = |error: Failure| error.to_string();
    let files = mount(disk).map_err(words)?;
    let prepare = || Ok((files.root().mkdir("one")?, files.root().mkdir("two")?));
    let (one, two) = prepare().map_err(words)?;
    let running = AtomicBool::new(true);
    let promises = thread::scope(|scope| {
        let (one, two, running, files) = (&one, &two, &running, &files);
        let workers: Vec<_> = (0..THREADS)
            .map(|number| {
                let worker = move || work(number, seed, one, two, disk).map_err(words);
                scope.spawn(move || calmly(worker).and_then(|result| result))
            })
            .collect();
        let list =
            |directory| move || calmly(|| list_until(directory, running)).and_then(|result| result);
        let sync = move || calmly(|| sync_until(files, running).map_err(words));
        let watchers = [
            scope.spawn(list(one)),
            scope.spawn(list(two)),
            scope.spawn(move || sync().and_then(|result| result)),
        ];
        let done: Vec<_> = workers.into_iter().map(join).collect();
        running.store(false, Ordering::Relaxed);
        watchers.into_iter().try_for_each(join)?;
        done.into_iter().collect::<Result<Vec<_>, String>>()
    })?;
    files.sync().map_err(words)?;
    Ok(promises.into_iter().flatten().collect())
}

/// Compares what is on the disk at the end with what must be there.
fn check_end(image: &Image, counts: &mut Counts) -> Result<(), String> {
    let reading = look(image, &mut Counts::default())?;
    if let Some(problem) = reading.problems.first() {
        return Err(problem.to_string());
    }
    let (one, two) = (names(&reading, "one"), names(&reading, "two"));
    let expected: BTreeSet<String> = (0..THREADS).flat_map(remaining).collect();
    if !one.keys().copied().eq(expected.iter().map(String::as_str)) {
        return Err(format!("{} names instead of {}", one.len(), expected.len()));
    }
    if let Some((name, _)) =
        one.iter().find(|(name, number)| reading.content(image, **number) != content(name))
    {
        return Err(format!("{name} has another content"));
    }
    if !two.is_empty() {
        return Err(format!("{two:?} was not moved back"));
    }
    counts.add_many("names left, as expected", one.len() as u64);
    use_it(image, &reading)
}

/// Checks that nothing is broken after a cut, and that all is there that was safe.
fn check_cut(cut: &Image, position: usize, promises: &[Promise]) -> Result<(), String> {
    let reading = look(cut, &mut Counts::default())?;
    let one = names(&reading, "one");
    let kept = |promise: &&Promise| {
        promise.from <= position && promise.until.is_none_or(|until| position <= until)
    };
    for Promise { name, .. } in promises.iter().filter(kept) {
        let number =
            one.get(name.as_str()).ok_or_else(|| format!("{name} was safe and is gone"))?;
        if reading.content(cut, *number) != content(name) {
            return Err(format!("{name} was safe and has another content"));
        }
    }
    use_it(cut, &reading)
}

/// The names in a directory of the root.
fn names<'r>(reading: &'r Reading, directory: &str) -> BTreeMap<&'r str, u32> {
    let number = reading.names(reader::ROOT).get(directory).copied();
    number.map(|number| reading.names(number)).unwrap_or_default()
}

fn join<T>(thread: thread::ScopedJoinHandle<'_, Result<T, String>>) -> Result<T, String> {
    thread.join().unwrap_or_else(|_| Err("a thread has panicked".into()))
}

/// The name that a file has at the end.
fn final_name(number: u32, file: u32) -> String {
    format!("{number}-{file}-renamed")
}

fn remaining(number: u32) -> impl Iterator<Item = String> {
    (0..FILES).filter(|file| file % 3 != 0).map(move |file| final_name(number, file))
}

fn content(name: &str) -> Vec<u8> {
    let fill = name.bytes().fold(7_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    bytes(fill, 0, 1 + fill as usize % 700)
}

/// The work of one thread. Returns the files that were safe after an fsync.
fn work(
    number: u32,
    seed: u64,
    one: &File,
    two: &File,
    disk: &Disk,
) -> Result<Vec<Promise>, Failure> {
    let mut promises: Vec<Promise> = Vec::new();
    let mut rng = Rng::with_seed(seed ^ u64::from(number) << 32);
    for file in 0..FILES {
        let (first, last) = (format!("{number}-{file}"), final_name(number, file));
        let made = one.create(&first)?;
        let content = content(&last);
        let half = rng.usize(..=content.len());
        made.write_at(0, &content[..half])?;
        // Some go through another directory: then two are locked at once, in either direction.
        if rng.u8(..4) == 0 {
            one.rename(&first, two, &first)?;
            two.rename(&first, one, &last)?;
        } else {
            one.rename(&first, one, &last)?;
        }
        made.write_at(half as u64, &content[half..])?;
        if rng.u8(..40) == 0 {
            made.fsync()?;
            let from = disk.position();
            promises.push(Promise {
                name: last.clone(),
                from,
                until: (file % 3 == 0).then_some(from),
            });
        }
        if file % 3 == 0 {
            one.unlink(&last)?;
        }
        if rng.u8(..8) == 0 {
            thread::yield_now();
        }
    }
    Ok(promises)
}

/// Lists a directory again and again: no name may be there twice, and the dots come first.
fn list_until(directory: &File, running: &AtomicBool) -> Result<(), String> {
    while running.load(Ordering::Relaxed) {
        let entries = directory.entries().map_err(|error| error.to_string())?;
        let names: BTreeMap<&str, u32> =
            entries.iter().map(|(name, inode)| (name.as_str(), *inode)).collect();
        let dots = entries.iter().take(2).map(|(name, _)| name.as_str());
        if names.len() != entries.len() || !dots.eq([".", ".."]) {
            return Err(format!("a listing of {} entries is not sound", entries.len()));
        }
        thread::yield_now();
    }
    Ok(())
}

fn sync_until(files: &Files, running: &AtomicBool) -> Result<(), Failure> {
    while running.load(Ordering::Relaxed) {
        files.sync()?;
        thread::yield_now();
    }
    Ok(())
}
