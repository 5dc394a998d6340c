//! Compares the files on a disk with those that the plan says to be there.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use anyhow::{Context, Result, bail, ensure};
use plan::churn::{Load, Name};
use sfs_proof::{
    image::Image,
    reader::{Kind, ROOT, Reading},
};

use super::replay::{File, State};

/// The amount that was looked at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Findings {
    /// Names.
    pub names: u64,
    /// Bytes in the files.
    pub bytes: u64,
}

/// The files that an inode may be, by the steps that made them.
type Files = BTreeSet<u32>;

/// Compares. Each directory must have the names of a thread as they were after one of the numbers of steps in
/// its window; each file one of the sizes that it had then, and in every place a byte that it had there; and what has a
/// name all the time must have one.
///
/// # Errors
///
/// Words on the first thing that is not as it must be.
pub fn judge(
    load: &Load,
    begun: bool,
    windows: &[RangeInclusive<u32>],
    reading: &Reading,
    image: &Image,
) -> Result<Findings> {
    let mut found: BTreeMap<Name, u32> = BTreeMap::new();
    let mut expected = 0;
    for (place, directory) in load.directories().enumerate() {
        let Some(number) = reading.names(ROOT).get(&*directory.to_string()).copied() else {
            ensure!(!begun, "/{directory} was safe and is gone");
            continue;
        };
        expected += 1;
        for (name, inode) in reading.names(number) {
            let name = Name::parse(place, name)
                .filter(|parsed| parsed.thread < load.threads && parsed.to_string() == name);
            let name = name.with_context(|| format!("nobody made the name {name:?}"))?;
            found.insert(name, inode);
        }
    }
    ensure!(reading.names(ROOT).len() == expected, "the root has other names");

    let mut owners: BTreeMap<u32, u32> = BTreeMap::new();
    let mut findings = Findings::default();
    for (thread, window) in (0..).zip(windows) {
        let names: BTreeMap<Name, u32> = found
            .iter()
            .filter(|(name, _)| name.thread == thread)
            .map(|(name, inode)| (*name, *inode))
            .collect();
        for inode in names.values() {
            let owner = *owners.entry(*inode).or_insert(thread);
            ensure!(owner == thread, "inode {inode} has names of the threads {owner} and {thread}");
        }
        let states = State::of(load, thread, window);
        let bytes = of_thread(&states, load, &names, reading, image)
            .with_context(|| format!("thread {thread} after {window:?} steps"))?;
        findings.names += names.len() as u64;
        findings.bytes += bytes;
    }
    Ok(findings)
}

/// Compares what a thread has left. Returns the number of bytes in its files.
fn of_thread(
    states: &[State],
    load: &Load,
    found: &BTreeMap<Name, u32>,
    reading: &Reading,
    image: &Image,
) -> Result<u64> {
    let mut inodes: BTreeMap<u32, Files> = BTreeMap::new();
    for (place, directory) in load.directories().enumerate() {
        let names: BTreeMap<Name, u32> = found
            .iter()
            .filter(|(name, _)| name.directory == place)
            .map(|(n, i)| (*n, *i))
            .collect();
        let same: Vec<&State> = states.iter().filter(|state| fits(state, place, &names)).collect();
        ensure!(!same.is_empty(), "/{directory} never had just these of its names: {names:?}");
        for (name, file) in same.iter().flat_map(|state| state.in_directory(place)) {
            if let Some(inode) = names.get(&name) {
                inodes.entry(*inode).or_default().insert(file.number);
            }
        }
    }
    let mut bytes = 0;
    let mut certain: BTreeMap<u32, u32> = BTreeMap::new();
    for (inode, files) in &inodes {
        bytes += content(states, *inode, files, reading, image)?;
        if let Some(file) = files.first().filter(|_| files.len() == 1)
            && let Some(other) = certain.insert(*file, *inode)
        {
            bail!("the file of step {file} is both inode {other} and inode {inode}");
        }
    }
    let Some((first, rest)) = states.split_first() else { return Ok(bytes) };
    for file in first.names.values() {
        let is_found = || inodes.values().any(|files| files.contains(&file.number));
        ensure!(
            is_found() || rest.iter().any(|state| state.file(file.number).is_none()),
            "the file of step {} was safe and has lost its name",
            file.number
        );
    }
    Ok(bytes)
}

/// True if a directory has these names in a state, and names of one file lead to one inode, others to others.
fn fits(state: &State, place: usize, names: &BTreeMap<Name, u32>) -> bool {
    let expected: Vec<(Name, &File)> = state.in_directory(place).collect();
    if !expected.iter().map(|(name, _)| name).eq(names.keys()) {
        return false;
    }
    let pairs: BTreeSet<(u32, u32)> = expected
        .iter()
        .zip(names.values())
        .map(|((_, file), inode)| (file.number, *inode))
        .collect();
    let files: Files = pairs.iter().map(|(file, _)| *file).collect();
    let inodes: BTreeSet<u32> = pairs.iter().map(|(_, inode)| *inode).collect();
    pairs.len() == files.len() && pairs.len() == inodes.len()
}

/// Compares the content of an inode with all that it may be. Returns the number of its bytes.
fn content(
    states: &[State],
    inode: u32,
    files: &Files,
    reading: &Reading,
    image: &Image,
) -> Result<u64> {
    let kind = reading.nodes.get(&inode).map(|node| node.kind);
    ensure!(kind == Some(Kind::File), "inode {inode} is {kind:?} instead of a file");
    let found = reading.content(image, inode);
    let versions: Vec<&[u8]> = states
        .iter()
        .flat_map(|state| files.iter().filter_map(|number| state.file(*number)))
        .map(|file| file.content.as_slice())
        .collect();
    let length = found.len() as u64;
    if versions.contains(&found.as_slice()) {
        return Ok(length);
    }
    let sizes: BTreeSet<usize> = versions.iter().map(|version| version.len()).collect();
    ensure!(sizes.contains(&found.len()), "inode {inode} has {length} bytes, and had {sizes:?}");
    let odd = found
        .iter()
        .enumerate()
        .find(|(place, byte)| !versions.iter().any(|version| version.get(*place) == Some(byte)));
    match odd {
        Some((place, byte)) => {
            let had: BTreeSet<_> =
                versions.iter().filter_map(|version| version.get(place)).collect();
            bail!(
                "byte {place} of inode {inode}, of {length}, is {byte:#x}, and was one of {had:x?}"
            )
        }
        None => Ok(length),
    }
}
