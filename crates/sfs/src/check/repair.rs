//! Mending.

use alloc::sync::Arc;

use super::{Fault, Report, walk::Walk};
use crate::{
    Error, FileSystem, Locks, MountOptions, Result, RwLock, Storage,
    directory::PARENT_SLOT,
    disk::Disk,
    entries::DIRECTORY_LINKS,
    inode::Node,
    layout::{DiskEntry, ROOT},
};

/// Mends a file system that nobody has mounted, and makes that durable. Returns what [`check`](super::check) found
/// before.
///
/// All that a power cut may leave is mended; another cut meanwhile leaves no other sort of problem. Entries that name
/// nothing and those with a wrong name are removed, blocks that are in use are marked so, counts of
/// links are raised. Damaged inodes and blocks with two owners stay.
///
/// # Errors
///
/// Those of the storage, and [`Error::ReadOnly`].
pub fn repair<S: Storage>(storage: &S) -> Result<Report, S::Error> {
    let report = super::check(storage)?;
    if report.is_clean() {
        return Ok(report);
    }
    match FileSystem::<&S, Alone>::mount(storage, MountOptions::default()) {
        Ok(system) => {
            // First what can be reached, then what is counted.
            let disk = Disk::open(storage)?;
            mend_names(&system, &Walk::new(&disk).run()?)?;
            mend_counts(&system, &Walk::new(&disk).run()?)?;
        }
        Err(error @ Error::Storage(_)) => return Err(error),
        // Without a superblock or a root there is nothing to hold on to.
        Err(_) => (),
    }
    Ok(report)
}

/// Marks blocks as used that are, and removes entries that are wrong.
fn mend_names<S: Storage>(
    system: &FileSystem<&S, Alone>,
    walk: &Walk<'_, &S>,
) -> Result<(), S::Error> {
    let shared = &system.shared;
    shared.change(|| {
        let mut space = shared.space.write();
        let mut owned = walk.owned.next(0);
        while let Some(block) = owned {
            space.take(block);
            owned = walk.owned.next(block + 1);
        }
        Ok(())
    })?;
    // From behind, as a removal moves the last entry.
    for problem in walk.problems().iter().rev() {
        match &problem.fault {
            Fault::Name { slot, .. } | Fault::Dangling { slot, .. } => {
                remove(system, problem.at, *slot, false)?;
            }
            _ => (),
        }
    }
    for (&number, seen) in walk.inodes.iter().filter(|(_, seen)| seen.is_directory()) {
        let kept = if seen.parents.contains(&seen.parent) {
            Some(&seen.parent)
        } else {
            seen.parents.first()
        };
        let kept = if number == ROOT { None } else { kept };
        let mut once = false;
        for &parent in &seen.parents {
            if Some(&parent) == kept && !core::mem::replace(&mut once, true) {
                continue;
            }
            remove_name(system, parent, number, Some(&parent) == kept)?;
        }
    }
    system.sync()
}

/// Removes an entry of a directory, which is one for a directory or not.
fn remove<S: Storage>(
    system: &FileSystem<&S, Alone>,
    directory: u32,
    slot: u32,
    is_directory: bool,
) -> Result<(), S::Error> {
    let shared = &system.shared;
    let Some(node) = node(system, directory)? else {
        return Ok(());
    };
    shared.change(|| {
        let mut state = shared.edit(&node);
        if slot >= state.entries() {
            return Ok(());
        }
        let removal = shared.prepare_removal(&mut state, slot)?;
        shared.remove(&mut state, removal)?;
        let links = state.links().saturating_sub(is_directory.into()).max(DIRECTORY_LINKS);
        state.inode.links = links.into();
        Ok(())
    })
}

/// Removes the first entry of a directory that names a certain directory; or the second one.
fn remove_name<S: Storage>(
    system: &FileSystem<&S, Alone>,
    directory: u32,
    named: u32,
    second: bool,
) -> Result<(), S::Error> {
    let Some(node) = node(system, directory)? else {
        return Ok(());
    };
    let mut slots = alloc::vec::Vec::new();
    let inode = node.state.read().inode;
    system.shared.disk.scan(&inode, |slot, entry| {
        let number = entry.first_chunk().copied().map(u32::from_le_bytes);
        if slot > PARENT_SLOT && number == Some(named) {
            slots.push(slot);
        }
        core::ops::ControlFlow::Continue(())
    })?;
    match slots.get(usize::from(second)) {
        Some(&slot) => remove(system, directory, slot, true),
        None => Ok(()),
    }
}

/// Mends "..", counts of links and the count of unused blocks, and frees blocks that nobody has.
fn mend_counts<S: Storage>(
    system: &FileSystem<&S, Alone>,
    walk: &Walk<'_, &S>,
) -> Result<(), S::Error> {
    let shared = &system.shared;
    for (&number, seen) in &walk.inodes {
        let Some(node) = node(system, number)? else {
            continue;
        };
        let links = u16::try_from(seen.links()).unwrap_or(u16::MAX);
        let parent = seen.parents.first().copied().unwrap_or(ROOT);
        let wrong_parent = seen.is_directory() && seen.parent != parent;
        if links == seen.inode.links.get() && !wrong_parent {
            continue;
        }
        shared.change(|| {
            let mut state = shared.edit(&node);
            if wrong_parent {
                shared.prepare(&mut state, PARENT_SLOT)?;
                shared.set_entry(&state, PARENT_SLOT, &DiskEntry::new(parent, ".."))?;
            }
            state.inode.links = links.into();
            Ok(())
        })?;
    }
    // What has two owners, or lies below damage, could be among the blocks that nobody seems to have.
    let sound = walk.problems().iter().all(|problem| {
        !matches!(
            problem.fault,
            Fault::TwoOwners { .. } | Fault::Inode { .. } | Fault::Dangling { .. }
        )
    });
    shared.change(|| {
        for problem in walk.problems().iter().filter(|_| sound) {
            if let Fault::Leaked { blocks } = problem.fault {
                shared.release(problem.at..problem.at + blocks);
            }
        }
        shared.space.write().recount();
        Ok(())
    })?;
    system.sync()
}

/// The node of an inode that is sound.
fn node<S: Storage>(
    system: &FileSystem<&S, Alone>,
    number: u32,
) -> Result<Option<Arc<Node<Alone>>>, S::Error> {
    match system.shared.node(number) {
        Ok(node) => Ok(Some(node)),
        Err(error @ Error::Storage(_)) => Err(error),
        Err(_) => Ok(None),
    }
}

/// The locks of a file system that only one thread uses, so that nobody ever waits for one.
enum Alone {}

impl Locks for Alone {
    type RwLock<T: Send + Sync + 'static> = spin::RwLock<T>;
}

impl<T: Send + Sync> RwLock<T> for spin::RwLock<T> {
    type Read<'a>
        = spin::RwLockReadGuard<'a, T>
    where
        Self: 'a;
    type Write<'a>
        = spin::RwLockWriteGuard<'a, T>
    where
        Self: 'a;

    fn new(value: T) -> Self {
        Self::new(value)
    }

    fn read(&self) -> Self::Read<'_> {
        self.read()
    }

    fn write(&self) -> Self::Write<'_> {
        self.write()
    }
}
