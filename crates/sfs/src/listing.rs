//! The names of a directory in memory, for those who list it again.
//!
//! A listing is made by the first one who lists a directory, and dropped by whoever is about to change it. Then the
//! names need not be copied, checked and put together once more. It lives with the inode in memory, so no longer than the last
//! handle; the names of a large directory are not kept.

use alloc::{string::String, sync::Arc, vec::Vec};
use core::ops::ControlFlow;

use super::{
    Entry, Locks, Result, RwLock, Storage,
    inode::{Node, State},
    mount::Shared,
};

/// The most entries of a directory whose names are kept.
const ENTRIES_MAX: u32 = 4096;

/// The entries of a directory in the order of their slots.
#[derive(Default)]
pub(crate) struct Listing {
    /// The names one behind the other.
    names: String,
    /// The end of each name, and the number of the inode that it names.
    entries: Vec<(usize, u32)>,
}

impl Listing {
    fn push(&mut self, entry: Entry<'_>) {
        self.names.push_str(entry.name);
        self.entries.push((self.names.len(), entry.inode));
    }

    /// Shows the entries until `look` breaks it off.
    fn visit(&self, look: &mut dyn FnMut(Entry<'_>) -> ControlFlow<()>) {
        let mut start = 0;
        for &(end, inode) in &self.entries {
            let name = self.names.get(start..end).unwrap_or_default();
            if look(Entry { name, inode }).is_break() {
                break;
            }
            start = end;
        }
    }
}

impl<S: Storage, L: Locks> Shared<S, L> {
    /// Shows the entries of a directory, from memory where that is possible.
    pub(crate) fn visit(
        &self,
        node: &Node<L>,
        state: &State,
        look: &mut dyn FnMut(Entry<'_>) -> ControlFlow<()>,
    ) -> Result<(), S::Error> {
        let kept = node.listing.read().clone();
        if let Some(listing) = kept {
            listing.visit(look);
            return Ok(());
        }
        let mut listing = Listing::default();
        let mut keep = state.entries() <= ENTRIES_MAX;
        self.visit_disk(state, node.number, &mut |entry| {
            if keep {
                listing.push(entry);
            }
            let flow = look(entry);
            keep &= flow.is_continue();
            flow
        })?;
        if keep {
            *node.listing.write() = Some(Arc::new(listing));
        }
        Ok(())
    }
}
