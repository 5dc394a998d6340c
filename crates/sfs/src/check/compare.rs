//! Comparing what was seen with the counts and the free map.

use alloc::vec::Vec;

use super::{
    Fault,
    walk::{Seen, Walk},
};
use crate::{Result, Storage, layout::ROOT, map::each_word};

impl<S: Storage> Walk<'_, S> {
    /// Compares everything.
    pub(super) fn compare(&mut self) -> Result<(), S::Error> {
        self.tell_damaged();
        let inodes = core::mem::take(&mut self.inodes);
        for (&number, seen) in &inodes {
            // Of what lies below damage, nothing is known.
            if !seen.is_directory() {
                self.compare_count(number, seen, 0);
            } else if seen.is_sound {
                self.compare_directory(number, seen);
            }
        }
        self.inodes = inodes;
        self.compare_map();
        self.look_beyond()
    }

    /// Tells a damaged inode from a block that belongs to another one: there is no inode there any more.
    fn tell_damaged(&mut self) {
        for problem in &mut self.report.problems {
            if let Fault::Damaged { slot, inode, .. } = problem.fault
                && self.owned.get(inode)
            {
                problem.fault = Fault::Dangling { slot, inode };
            }
        }
    }

    /// Compares the count of links with what there is, and `more` that a move explains.
    fn compare_count(&mut self, number: u32, seen: &Seen, more: u32) {
        let (count, found) = (seen.inode.links.get(), seen.links() + more);
        if u32::from(count) < found {
            self.problem(number, Fault::LowLinks { count, found });
        } else if u32::from(count) > found {
            self.problem(number, Fault::HighLinks { count, found });
        }
    }

    /// Compares a directory with its names.
    fn compare_directory(&mut self, number: u32, seen: &Seen) {
        let spare = u32::from(seen.inode.links.get()).checked_sub(seen.links());
        let several = (seen.names.len() as u32 + u32::from(number == ROOT)).saturating_sub(1);
        let mut more = 0;
        if several > 0 {
            let parents: Vec<u32> = seen.parents().collect();
            if spare.is_some_and(|spare| spare >= several) {
                more = several;
                self.problem(number, Fault::SeveralNames { parents });
            } else {
                self.problem(number, Fault::TwoParents { parents });
            }
        }
        let parent = seen.right_parent(number);
        if seen.parent != parent && !seen.parents().any(|parent| parent == seen.parent) {
            self.problem(number, Fault::WrongParent { found: seen.parent, parent });
        }
        self.compare_count(number, seen, more);
    }

    /// Returns `true` for a block that is in use, although no inode has it that the root leads to.
    pub(super) fn is_leaked(&self, block: u32) -> bool {
        (self.disk.first_data()..self.disk.end).contains(&block)
            && !self.free.get(block)
            && !self.owned.get(block)
    }

    fn compare_map(&mut self) {
        let mut next = self.disk.first_data();
        while next < self.disk.end {
            let first = next;
            while self.is_leaked(next) {
                next += 1;
            }
            if next > first {
                self.problem(first, Fault::Leaked { blocks: next - first });
            }
            next += 1;
        }
    }

    /// Looks up in the map on the disk those blocks of inodes that the storage does not have.
    fn look_beyond(&mut self) -> Result<(), S::Error> {
        if self.owned_beyond.is_empty() {
            return Ok(());
        }
        let owned = core::mem::take(&mut self.owned_beyond);
        each_word(self.disk, |first, word| {
            for (&at, &inode) in owned.range(first..=first.saturating_add(63)) {
                if word >> (at - first) & 1 == 1 {
                    self.problem(at, Fault::UsedIsFree { inode });
                }
            }
        })?;
        self.owned_beyond = owned;
        Ok(())
    }
}
