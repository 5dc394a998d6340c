//! Mending.

use alloc::vec::Vec;

use super::{Fault, Report, names, walk::Walk};
use crate::{
    Error, FileSystem, Locks, MountOptions, Result, RwLock, Storage, directory::PARENT_SLOT,
    disk::Disk, layout::DiskEntry,
};

/// A file system that is being mended.
pub(super) type System<'s, S> = FileSystem<&'s S, Alone>;

/// Mends a file system that nobody has mounted, and makes that durable. Returns what [`check`](super::check) found
/// before.
///
/// All that a power cut may leave is mended; another cut meanwhile leaves no other sort of problem. Of other damage,
/// blocks that are in use are marked so, counts of links are raised, entries that name nothing are removed, and wrong names
/// are replaced by `lost-` and the number of the inode. So is the name of a directory in a circle that the root did not
/// lead to; it is in the root then.
///
/// Damaged inodes stay, and all that they may have; so do blocks with two owners. As long as there are any, or if there
/// was anything else that may have hidden to whom a block belongs, no block is freed and no count lowered. After a look at what
/// there is now, a second repair does that.
///
/// # Errors
///
/// Those of the storage, [`Error::ReadOnly`], and [`Error::Failed`] if a write has failed. Damage and a full disk are
/// none: the rest is mended.
pub fn repair<S: Storage>(storage: &S) -> Result<Report, S::Error> {
    let disk = match Disk::open(storage) {
        Ok(disk) => disk,
        Err(error @ Error::Storage(_)) => return Err(error),
        Err(_) => return Ok(Report::of_no_file_system()),
    };
    let walk = Walk::new(&disk).run()?;
    if walk.report.is_clean() {
        return Ok(walk.into_report());
    }
    let system = match System::mount(storage, MountOptions::default()) {
        Ok(system) => system,
        Err(error @ Error::Storage(_)) => return Err(error),
        // Without a root there is nothing to hold on to.
        Err(_) => return Ok(walk.into_report()),
    };
    let knew_owners = walk.knows_owners;
    mark_used(&system, &walk)?;
    let lost = |problem: &super::Problem| match problem.fault {
        Fault::Circle { reached: false } => Some(problem.at),
        _ => None,
    };
    let lost: Vec<u32> = walk.report.problems.iter().filter_map(lost).collect();
    let report = if lost.is_empty() {
        names::mend_names(&system, &walk)?;
        walk.into_report()
    } else {
        let report = walk.into_report();
        for number in lost {
            leave_damage(names::name_lost(&system, number))?;
        }
        system.sync()?;
        names::mend_names(&system, &Walk::new(&disk).run()?)?;
        report
    };
    // What can be reached is settled, and now it can be counted.
    let walk = Walk::new(&disk).run()?;
    mend_counts(&system, &walk, knew_owners && walk.knows_owners)?;
    Ok(report)
}

/// Goes on if something could not be mended.
pub(super) fn leave_damage<E>(mended: Result<(), E>) -> Result<(), E> {
    match mended {
        Err(Error::Storage(_) | Error::ReadOnly | Error::Failed) | Ok(()) => mended,
        Err(_) => Ok(()),
    }
}

/// Marks all blocks as used that are.
fn mark_used<S: Storage>(system: &System<'_, S>, walk: &Walk<'_, &S>) -> Result<(), S::Error> {
    let shared = &system.shared;
    shared.change(|| {
        let mut space = shared.space.write();
        let mut owned = walk.owned.next(0);
        while let Some(block) = owned {
            space.take(block);
            owned = walk.owned.next(block + 1);
        }
        Ok(())
    })
}

/// Mends "..", counts of links and the count of unused blocks. If all owners of blocks are known, lowers counts as well, and
/// frees the blocks that nobody has.
fn mend_counts<S: Storage>(
    system: &System<'_, S>,
    walk: &Walk<'_, &S>,
    knows_owners: bool,
) -> Result<(), S::Error> {
    let shared = &system.shared;
    for (&number, seen) in &walk.inodes {
        let is_directory = seen.is_directory();
        // Of a directory that has kept several names, the count tells so.
        if is_directory && (!seen.is_sound || seen.names.len() > 1) {
            continue;
        }
        let count = seen.inode.links.get();
        let mut links = u16::try_from(seen.links()).unwrap_or(u16::MAX);
        if !knows_owners {
            links = links.max(count);
        }
        let parent = seen.right_parent(number);
        let wrong_parent = is_directory && seen.has_dots && seen.parent != parent;
        if links == count && !wrong_parent {
            continue;
        }
        let mended = shared.node(number).and_then(|node| {
            shared.change(|| {
                let mut state = shared.edit(&node);
                if wrong_parent {
                    shared.prepare(&mut state, PARENT_SLOT)?;
                    shared.set_entry(&state, PARENT_SLOT, &DiskEntry::new(parent, ".."))?;
                }
                state.inode.links = links.into();
                Ok(())
            })
        });
        leave_damage(mended)?;
    }
    shared.change(|| {
        if knows_owners {
            shared.release((0..walk.disk.end).filter(|block| walk.is_leaked(*block)));
        }
        shared.space.write().recount();
        Ok(())
    })?;
    system.sync()
}

/// The locks of a file system that only one thread uses, so that nobody ever waits for one.
pub(super) enum Alone {}

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
