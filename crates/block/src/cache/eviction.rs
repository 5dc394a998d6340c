//! Which block goes when another one needs its place.
//!
//! The cache has a fixed number of slots, each of which holds a block or is free. [`Eviction`] knows the
//! slots by their numbers, counted from 0, and nothing of what is in them. The cache tells it three things:
//! this slot now holds something that may go ([`Eviction::insert`]), this slot was used
//! ([`Eviction::touched`]), and this slot must stay for now ([`Eviction::remove`]), since it holds changes
//! that the disk has not got. When a place is needed, the cache asks for a [`Eviction::victim`].
//!
//! The best victim is the block that will not be used for the longest time. Nobody knows it, but the past is
//! a fair guess: what was used lately will be used again soon. Evicting the *least recently used* block (LRU)
//! follows from that, and a list is all it takes: whatever is used moves to one end, the victim is at the
//! other.
//!
//! LRU has one weakness. Who reads a large file once uses every block of it lately, and drives out all that
//! is used again and again.
//!
//! Each call takes the same short time, whatever the number of slots: it is made with the cache's table
//! locked, and one of them for every block that is read.

use alloc::vec::Vec;

// ANCHOR: exercise-10-eviction
/// A place in a list: those of the slots, and behind them the two [`List`]s' own.
#[derive(Clone, Copy)]
struct Link {
    /// The place that was used before this one.
    older: usize,
    /// The place that was used after this one.
    newer: usize,
    /// The list that it is in.
    list: Option<List>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum List {
    OnTrial,
    Proven,
}

/// Decides which slot goes.
///
/// There are two lists (a *segmented* LRU). A block begins *on trial*, and only its second use makes it *proven*.
/// Victims come from those on trial first: a file that is read once passes through that list and leaves the
/// proven ones alone. Too many proven blocks would leave no place for trials, so the least recently used of
/// them goes back on trial.
pub(super) struct Eviction {
    /// Two rings. A list's own link closes its ring: `newer` than that is its oldest slot, `older` than that
    /// its newest.
    links: Vec<Link>,
    /// The number of proven slots, and the most that there may be.
    proven: usize,
    most_proven: usize,
}

impl Eviction {
    /// Knows `slots` slots, and may take none of them.
    pub fn new(slots: usize) -> Self {
        let alone = |place| Link { older: place, newer: place, list: None };
        Self { links: (0..slots + 2).map(alone).collect(), proven: 0, most_proven: slots / 4 * 3 }
    }

    /// Takes in a slot that was used just now. It may go from now on.
    pub fn insert(&mut self, slot: usize) {
        self.remove(slot);
        self.append(slot, List::OnTrial);
    }

    /// Notes that a slot was used again. Does nothing with one that may not go.
    pub fn touched(&mut self, slot: usize) {
        if self.links[slot].list.is_none() {
            return;
        }
        self.remove(slot);
        self.append(slot, List::Proven);
        if self.proven > self.most_proven
            && let Some(oldest) = self.oldest(List::Proven)
        {
            self.insert(oldest);
        }
    }

    /// Lets a slot stay until it is inserted again. Does nothing with one that may not go.
    pub fn remove(&mut self, slot: usize) {
        let Link { older, newer, list } = self.links[slot];
        if list == Some(List::Proven) {
            self.proven -= 1;
        }
        self.links[older].newer = newer;
        self.links[newer].older = older;
        self.links[slot] = Link { older: slot, newer: slot, list: None };
    }

    /// Chooses the slot that goes, and removes it. `None` if none may.
    pub fn victim(&mut self) -> Option<usize> {
        let slot = self.oldest(List::OnTrial).or_else(|| self.oldest(List::Proven))?;
        self.remove(slot);
        Some(slot)
    }

    /// The place of a list's own link.
    fn end(&self, list: List) -> usize {
        self.links.len() - if list == List::OnTrial { 1 } else { 2 }
    }

    fn oldest(&self, list: List) -> Option<usize> {
        let end = self.end(list);
        Some(self.links[end].newer).filter(|slot| *slot != end)
    }

    /// Puts a slot that is in no list behind the newest of `list`.
    fn append(&mut self, slot: usize, list: List) {
        let end = self.end(list);
        let newest = self.links[end].older;
        self.links[slot] = Link { older: newest, newer: end, list: Some(list) };
        self.links[newest].newer = slot;
        self.links[end].older = slot;
        if list == List::Proven {
            self.proven += 1;
        }
    }
}
// ANCHOR_END: exercise-10-eviction
