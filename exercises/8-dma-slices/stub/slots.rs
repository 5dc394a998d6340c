// TODO(exercise 8): each slot is given out once, and what comes back is forgotten, see
// exercises/8-dma-slices
/// The slots that have never been given out.
#[derive(Debug)]
pub(super) struct Slots {
    starts: Vec<usize>,
}

impl Slots {
    /// So many slots, with so many bytes from the start of one to that of the next. All are free.
    fn new(count: usize, stride: usize) -> Self {
        Self { starts: (0..count).map(|slot| slot * stride).collect() }
    }

    /// Takes a free slot and gives its start in bytes, or `None` when all are in use.
    fn take(&mut self) -> Option<usize> {
        self.starts.pop()
    }

    /// Makes the slot that starts at this byte free again. Allocates nothing.
    pub(super) fn give_back(&mut self, start: usize) {
        let _ = start;
    }

    /// The number of free slots.
    fn available(&self) -> usize {
        self.starts.len()
    }
}
