//! The contents that a disk may have after a power cut: of everything that has changed since the last sync, the old or the
//! new.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    disk::Image,
    model::{Body, Id, Node, ROOT, State},
    reader::{self, Kind, Reading},
    session::Session,
};

/// The trees that may be on the disk if the power is cut at this position of the log: from the one at the last
/// sync to the one after the operation that was going on.
pub fn possible(session: &Session, position: usize) -> &[State] {
    let mut first = 0;
    let mut last = 0;
    for (index, step) in session.steps.iter().enumerate() {
        if step.start > position {
            break;
        }
        last = index + 1;
        if step.syncs() && step.end <= position {
            first = index + 1;
        }
    }
    &session.states[first..=last]
}

impl crate::session::Step {
    /// True if everything before is safe after it.
    pub fn syncs(&self) -> bool {
        use crate::model::Op;
        self.answer.is_ok() && matches!(self.op, Op::Sync | Op::Fsync(_) | Op::Remount)
    }
}

/// Compares what is on a disk with the trees that it may hold, the oldest first. Each directory must be as it was
/// in one of them; each file must have one of its sizes, and in every place a byte that it had there; and what
/// had a name in all of them must have one.
///
/// # Errors
///
/// Words on the first thing that should not be.
pub fn judge(states: &[State], reading: &Reading, image: &Image) -> Result<(), String> {
    // What each inode on the disk may be. It can be more than one thing, as numbers are used again.
    let mut known: BTreeMap<u32, BTreeSet<Id>> = BTreeMap::new();
    let mut todo = vec![(reader::ROOT, BTreeSet::from([ROOT]))];
    while let Some((number, ids)) = todo.pop() {
        let seen = known.entry(number).or_default();
        if ids.is_subset(seen) {
            continue;
        }
        seen.extend(&ids);
        let node = reading.nodes.get(&number).ok_or(format!("inode {number} is gone"))?;
        match node.kind {
            Kind::Directory => directory(states, reading, number, &ids, &mut todo)?,
            Kind::File | Kind::Symlink => file(states, reading, image, number, &ids)?,
            Kind::Device(_) => return Err(format!("inode {number} is a device")),
        }
    }
    let Some((first, rest)) = states.split_first() else { return Ok(()) };
    for (id, node) in &first.nodes {
        let named = |state: &State| state.node(*id).is_some_and(|node| node.links > 0);
        if !named(first) || !rest.iter().all(named) {
            continue;
        }
        if !known.get(&node.number).is_some_and(|ids| ids.contains(id)) {
            return Err(format!(
                "inode {} was safe and has lost its name: {}",
                node.number,
                what(node)
            ));
        }
    }
    Ok(())
}

/// Finds a tree in which the directory was as it is on the disk, and enters what its names lead to.
fn directory(
    states: &[State],
    reading: &Reading,
    number: u32,
    ids: &BTreeSet<Id>,
    todo: &mut Vec<(u32, BTreeSet<Id>)>,
) -> Result<(), String> {
    let found = reading.names(number);
    let mut below: BTreeMap<u32, BTreeSet<Id>> = BTreeMap::new();
    let mut same = false;
    for (state, id) in states.iter().flat_map(|state| ids.iter().map(move |id| (state, id))) {
        let Some(names) = state.names(*id) else { continue };
        let numbers = names
            .iter()
            .map(|(name, id)| (name.as_str(), state.node(*id).map_or(0, |node| node.number), *id));
        if numbers
            .clone()
            .map(|(name, number, _)| (name, number))
            .eq(found.iter().map(|(n, i)| (*n, *i)))
        {
            same = true;
            for (_, number, id) in numbers {
                below.entry(number).or_default().insert(id);
            }
        }
    }
    if !same {
        return Err(format!("directory {number} never had exactly these names: {found:?}"));
    }
    todo.extend(below);
    Ok(())
}

/// Compares a file or symlink with all contents that it had.
fn file(
    states: &[State],
    reading: &Reading,
    image: &Image,
    number: u32,
    ids: &BTreeSet<Id>,
) -> Result<(), String> {
    let mut versions: Vec<&Arc<Node>> = Vec::new();
    for node in states.iter().flat_map(|state| ids.iter().filter_map(|id| state.nodes.get(id))) {
        if !versions.iter().any(|known| Arc::ptr_eq(known, node)) {
            versions.push(node);
        }
    }
    let contents: Vec<&[u8]> = versions
        .iter()
        .filter_map(|node| match &node.body {
            Body::File(content) => Some(content.as_slice()),
            Body::Symlink(target) => Some(target.as_bytes()),
            Body::Directory { .. } => None,
        })
        .collect();
    let found = reading.content(image, number);
    if contents.iter().any(|content| *content == found) {
        return Ok(());
    }
    if !contents.iter().any(|content| content.len() == found.len()) {
        let sizes: Vec<usize> = contents.iter().map(|content| content.len()).collect();
        return Err(format!("inode {number} has {} bytes, and had {sizes:?}", found.len()));
    }
    let odd = found
        .iter()
        .enumerate()
        .find(|(place, byte)| !contents.iter().any(|content| content.get(*place) == Some(byte)));
    match odd {
        Some((place, byte)) => {
            let had: Vec<_> = contents.iter().map(|content| content.get(place)).collect();
            Err(format!("byte {place} of inode {number} is {byte:#x}, and was {had:?}"))
        }
        None => Ok(()),
    }
}

fn what(node: &Node) -> String {
    match &node.body {
        Body::File(content) => format!("a file of {} bytes", content.len()),
        Body::Symlink(_) => "a symlink".into(),
        Body::Directory { names, .. } => format!("a directory with {} names", names.len()),
    }
}
