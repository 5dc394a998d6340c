//! Mending the names of files and directories.
//!
//! Nothing gets out of reach: an entry is removed only if it names nothing, or if another one
//! names the same.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::ops::ControlFlow;

use super::{
    Fault,
    repair::{System, leave_damage},
    walk::{Seen, Walk},
};
use crate::{
    Error, Result, Storage,
    directory::name_of,
    entries::DIRECTORY_LINKS,
    inode::State,
    layout::{DiskEntry, ROOT},
};

/// The start of the name of what had no sound one; its number follows.
const LOST: &str = "lost-";
/// So many directories are looked at on the way up from one.
const DEPTH: usize = 1024;

/// The changes that one directory needs.
#[derive(Default)]
struct Edits {
    /// The slots that get another name, with the inodes that they name.
    rename: BTreeMap<u32, u32>,
    /// The slots to be removed.
    remove: BTreeSet<u32>,
    /// Those of them that name directories.
    subdirectories: u16,
}

/// Replaces wrong names, and removes entries that name nothing or what another entry names.
pub(super) fn mend_names<S: Storage>(
    system: &System<'_, S>,
    walk: &Walk<'_, &S>,
) -> Result<(), S::Error> {
    for (directory, edits) in plan(walk) {
        leave_damage(edits.apply(system, directory))?;
    }
    system.sync()
}

/// Gives a directory that the root does not lead to a name in it.
pub(super) fn name_lost<S: Storage>(system: &System<'_, S>, number: u32) -> Result<(), S::Error> {
    let shared = &system.shared;
    let root = shared.node(ROOT)?;
    shared.change(|| {
        let mut state = shared.edit(&root);
        let links = state.links().checked_add(1).ok_or(Error::TooManyLinks)?;
        if let Some(name) = free_name(&lost_names(system, &state)?, number) {
            shared.add(&mut state, ROOT, &DiskEntry::new(number, &name))?;
            state.inode.links = links.into();
        }
        Ok(())
    })
}

/// Decides what is done in each directory.
fn plan<S: Storage>(walk: &Walk<'_, &S>) -> BTreeMap<u32, Edits> {
    let mut plan: BTreeMap<u32, Edits> = BTreeMap::new();
    for problem in &walk.report.problems {
        match problem.fault {
            Fault::Dangling { slot, .. } => {
                plan.entry(problem.at).or_default().remove.insert(slot);
            }
            Fault::Name { slot, inode, .. } => {
                plan.entry(problem.at).or_default().rename.insert(slot, inode);
            }
            _ => (),
        }
    }
    remove_repeated(walk, &mut plan);
    remove_second_parents(walk, &mut plan);
    plan
}

/// Lets wrong names go where another entry of the same directory names the same inode.
fn remove_repeated<S: Storage>(walk: &Walk<'_, &S>, plan: &mut BTreeMap<u32, Edits>) {
    for (&directory, edits) in plan {
        let wrong: BTreeSet<u32> = edits.rename.values().copied().collect();
        for seen in wrong.iter().filter_map(|inode| walk.inodes.get(inode)) {
            if seen.is_directory() {
                // It has several names, of which one stays.
                continue;
            }
            let here = seen.names.iter().filter(|(parent, _)| *parent == directory);
            let slots: Vec<u32> = here.map(|(_, slot)| *slot).collect();
            let sound = slots.iter().find(|slot| !edits.rename.contains_key(slot));
            let kept = sound.or(slots.first()).copied();
            let others = slots.into_iter().filter(|slot| Some(*slot) != kept);
            for slot in others.filter(|slot| edits.rename.contains_key(slot)) {
                edits.remove.insert(slot);
            }
        }
    }
}

/// Leaves every directory one name: one in the directory that ".." names if the root leads there in another way, else the
/// one by which the walk has come from the root.
fn remove_second_parents<S: Storage>(walk: &Walk<'_, &S>, plan: &mut BTreeMap<u32, Edits>) {
    let directories = || walk.inodes.iter().filter(|(_, seen)| seen.is_directory());
    // The directories above each. They are a tree, and stay one.
    let mut above: BTreeMap<u32, u32> = BTreeMap::new();
    for (&number, seen) in directories().filter(|(number, _)| **number != ROOT) {
        above.extend(seen.parents().next().map(|parent| (number, parent)));
    }
    for (&number, seen) in directories().filter(|(_, seen)| seen.is_sound) {
        let mut kept = None;
        if number != ROOT {
            if seen.names.len() < 2 {
                continue;
            }
            let agrees = seen.parents().any(|parent| parent == seen.parent);
            if agrees && is_elsewhere(&above, number, seen.parent) {
                above.insert(number, seen.parent);
            }
            let parent = above.get(&number).copied();
            kept = kept_name(seen, parent.unwrap_or(ROOT), plan);
        }
        for &(directory, slot) in seen.names.iter().filter(|name| Some(**name) != kept) {
            let edits = plan.entry(directory).or_default();
            edits.remove.insert(slot);
            edits.subdirectories = edits.subdirectories.saturating_add(1);
        }
    }
}

/// Returns `true` if the way up from directory `from` comes to the root, and not to directory `number` before.
fn is_elsewhere(above: &BTreeMap<u32, u32>, number: u32, from: u32) -> bool {
    let mut at = from;
    for _ in 0..DEPTH {
        if at == ROOT || at == number {
            return at == ROOT;
        }
        let Some(&next) = above.get(&at) else {
            return false;
        };
        at = next;
    }
    false
}

/// Chooses a name in directory `parent`: a sound one, if there is any.
fn kept_name(seen: &Seen, parent: u32, plan: &BTreeMap<u32, Edits>) -> Option<(u32, u32)> {
    let here = || seen.names.iter().filter(|(directory, _)| *directory == parent);
    let edits = plan.get(&parent);
    let is_wrong = |slot| edits.is_some_and(|edits| edits.rename.contains_key(slot));
    here().find(|(_, slot)| !is_wrong(slot)).or(here().next()).copied()
}

impl Edits {
    fn apply<S: Storage>(self, system: &System<'_, S>, directory: u32) -> Result<(), S::Error> {
        let shared = &system.shared;
        let node = shared.node(directory)?;
        let mut taken = lost_names(system, &node.state.read())?;
        for (&slot, &inode) in self.rename.iter().filter(|(slot, _)| !self.remove.contains(slot)) {
            let Some(name) = free_name(&taken, inode) else {
                continue;
            };
            shared.change(|| {
                let mut state = shared.edit(&node);
                shared.prepare(&mut state, slot)?;
                shared.set_entry(&state, slot, &DiskEntry::new(inode, &name))
            })?;
            taken.insert(name);
        }
        // From behind, as a removal moves the last entry.
        for slot in self.remove.into_iter().rev() {
            shared.change(|| {
                let mut state = shared.edit(&node);
                let removal = shared.prepare_removal(&mut state, slot)?;
                shared.remove(&mut state, removal)
            })?;
        }
        shared.change(|| {
            let mut state = shared.edit(&node);
            let links = state.links().saturating_sub(self.subdirectories).max(DIRECTORY_LINKS);
            state.inode.links = links.into();
            Ok(())
        })
    }
}

/// The names of a directory that are like those that a repair gives.
fn lost_names<S: Storage>(
    system: &System<'_, S>,
    state: &State,
) -> Result<BTreeSet<String>, S::Error> {
    let mut names = BTreeSet::new();
    system.shared.disk.scan(&state.inode, |_, entry| {
        let name = entry.split_first_chunk::<4>().and_then(|(_, name)| name_of(name));
        names.extend(name.filter(|name| name.starts_with(LOST)).map(str::to_string));
        ControlFlow::Continue(())
    })?;
    Ok(names)
}

/// A name for an inode that is not taken.
fn free_name(taken: &BTreeSet<String>, inode: u32) -> Option<String> {
    let more = (1..=taken.len()).map(|number| format!("{LOST}{inode}-{number}"));
    [format!("{LOST}{inode}")].into_iter().chain(more).find(|name| !taken.contains(name))
}
