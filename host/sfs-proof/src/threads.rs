//! Threads that make, rename and remove files in one directory at the same time.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use fastrand::Rng;

use crate::{
    aftermath::{look, use_it},
    counts::Counts,
    disk::Disk,
    model::bytes,
    run::{Failure, File, Files, calmly, mount},
    start,
};

/// Threads that change the directory.
const THREADS: u32 = 8;
/// Files that each of them makes, renames, and of which it removes every third.
const FILES: u32 = 500;
/// Blocks of the file system: enough for all files with a block each, and the directory.
const BLOCKS: u32 = 12_000;

/// One race: all threads at once, and somebody who syncs and two who list the directory meanwhile.
///
/// # Errors
///
/// Words on what is not as exactly these operations leave it.
pub fn case(seed: u64) -> Result<Counts, String> {
    let disk = Disk::new(start::fresh(BLOCKS)?);
    let files = mount(&disk).map_err(|error| error.to_string())?;
    let prepare = || Ok::<_, Failure>((files.root().mkdir("one")?, files.root().mkdir("two")?));
    let (one, two) = prepare().map_err(|error| error.to_string())?;
    let running = AtomicBool::new(true);
    let words = |error: Failure| error.to_string();
    let results: Vec<Result<(), String>> = thread::scope(|scope| {
        let (one, two, running, files) = (&one, &two, &running, &files);
        let workers: Vec<_> = (0..THREADS)
            .map(|number| {
                let worker = move || work(number, seed, one, two).map_err(words);
                scope.spawn(move || calmly(worker).and_then(|result| result))
            })
            .collect();
        let watchers: Vec<_> = [
            scope.spawn(move || calmly(|| list_until(one, running)).and_then(|result| result)),
            scope.spawn(move || calmly(|| list_until(two, running)).and_then(|result| result)),
            scope.spawn(move || {
                calmly(|| sync_until(files, running).map_err(words)).and_then(|result| result)
            }),
        ]
        .into();
        let done: Vec<_> = workers.into_iter().map(join).collect();
        running.store(false, Ordering::Relaxed);
        done.into_iter().chain(watchers.into_iter().map(join)).collect()
    });
    results.into_iter().collect::<Result<(), String>>()?;

    files.sync().map_err(words)?;
    let listed: BTreeMap<String, u32> = one.entries().map_err(words)?.into_iter().skip(2).collect();
    drop((one, two, files));
    let image = disk.image();
    let reading = look(&image, &mut Counts::default())?;
    if let Some(problem) = reading.problems.first() {
        return Err(problem.to_string());
    }
    let root = reading.names(reader_root());
    let found = root.get("one").map(|number| reading.names(*number)).unwrap_or_default();
    let expected: Vec<String> = (0..THREADS).flat_map(remaining).collect();
    let mut sorted: Vec<&str> = expected.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    if !found.keys().copied().eq(sorted.iter().copied()) || listed.len() != sorted.len() {
        return Err(format!("{} names instead of {}", found.len(), sorted.len()));
    }
    for (name, number) in &found {
        if reading.content(&image, *number) != content(name) {
            return Err(format!("{name} has another content"));
        }
    }
    let left = root.get("two").map(|number| reading.names(*number)).unwrap_or_default();
    if !left.is_empty() {
        return Err(format!("{left:?} was not moved back"));
    }
    use_it(&image, &reading)?;
    let mut counts = Counts::default();
    counts.add_many("files made", u64::from(THREADS * FILES));
    counts.add_many("names left, as expected", found.len() as u64);
    Ok(counts)
}

fn reader_root() -> u32 {
    crate::reader::ROOT
}

fn join(thread: thread::ScopedJoinHandle<'_, Result<(), String>>) -> Result<(), String> {
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

/// The work of one thread.
fn work(number: u32, seed: u64, one: &File, two: &File) -> Result<(), Failure> {
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
        }
        if file % 3 == 0 {
            one.unlink(&last)?;
        }
        if rng.u8(..8) == 0 {
            thread::yield_now();
        }
    }
    Ok(())
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
