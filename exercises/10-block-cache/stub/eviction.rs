// TODO(exercise 10): what came first goes first, however it is used, see exercises/10-block-cache
/// Decides which slot goes.
pub(super) struct Eviction {
    /// The slots that may go, in the order in which they came.
    slots: Vec<usize>,
}

impl Eviction {
    /// Knows `slots` slots, and may take none of them.
    pub fn new(slots: usize) -> Self {
        Self { slots: Vec::with_capacity(slots) }
    }

    /// Takes in a slot that was used just now. It may go from now on.
    pub fn insert(&mut self, slot: usize) {
        self.remove(slot);
        self.slots.push(slot);
    }

    /// Notes that a slot was used again. Does nothing with one that may not go.
    pub fn touched(&mut self, slot: usize) {
        let _ = slot;
    }

    /// Lets a slot stay until it is inserted again. Does nothing with one that may not go.
    pub fn remove(&mut self, slot: usize) {
        self.slots.retain(|known| *known != slot);
    }

    /// Chooses the slot that goes, and removes it. `None` if none may.
    pub fn victim(&mut self) -> Option<usize> {
        let slot = self.slots.first().copied()?;
        self.remove(slot);
        Some(slot)
    }
}
