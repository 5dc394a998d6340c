//! Memory that a device may use whenever it likes, not only while it has a command: lent to it by one command, until it
//! agrees to give it back by another one, or is reset.
//!
//! A chain owns what it lends while it is in flight. The answer is where the ownership moves on: the driver then calls
//! [`Lent::add`]. So at no time the device knows of memory that nobody owns.

use alloc::{sync::Arc, vec::Vec};
use core::mem;

use ostd::sync::{LocalIrqDisabled, SpinLock};

/// All that a device has been lent. While this is locked, nothing else is.
pub struct Lent<T> {
    list: SpinLock<Vec<Arc<T>>, LocalIrqDisabled>,
}

impl<T> Lent<T> {
    /// Nothing yet. There is room for so much; to add more allocates.
    pub fn with_room(most: usize) -> Self {
        Self { list: SpinLock::new(Vec::with_capacity(most)) }
    }

    /// Keeps what the device may use from now on, once.
    ///
    /// May be called from any context.
    pub fn add(&self, lent: Arc<T>) {
        let mut list = self.list.lock();
        if !list.iter().any(|known| Arc::ptr_eq(known, &lent)) {
            list.push(lent);
        }
    }

    /// The device has agreed to give this back.
    ///
    /// May be called from any context.
    pub fn give_back(&self, lent: &Arc<T>) {
        self.list.lock().retain(|known| !Arc::ptr_eq(known, lent));
    }

    /// The device was reset. If it complied, it has let go of everything; otherwise it may use that for ever, and nobody
    /// gets it back. To be called where [`Driver::stopped`](super::driver::Driver::stopped) is.
    pub fn stopped(&self, complied: bool) {
        let mut list = self.list.lock();
        match complied {
            true => list.clear(),
            false => mem::forget(mem::take(&mut *list)),
        }
    }

    /// The number of those that nobody else owns: that only the device may still use.
    pub fn left(&self) -> usize {
        self.list.lock().iter().filter(|lent| Arc::strong_count(lent) == 1).count()
    }
}

#[cfg(ktest)]
mod tests {
    use ostd::prelude::ktest;

    use super::*;

    #[ktest]
    fn what_is_lent_is_kept_until_it_is_given_back() {
        let (lent, one, other) = (Lent::with_room(2), Arc::new(1), Arc::new(1));
        // Equal, but not the same.
        for each in [&one, &other, &one] {
            lent.add(each.clone());
        }
        assert_eq!((Arc::strong_count(&one), lent.left()), (2, 0));
        lent.give_back(&one);
        lent.give_back(&one);
        assert_eq!((Arc::strong_count(&one), Arc::strong_count(&other)), (1, 2));
        drop(other);
        assert_eq!(lent.left(), 1);
    }

    #[ktest]
    fn a_reset_gives_everything_back_if_the_device_complies() {
        for (complied, owners) in [(true, 1), (false, 2)] {
            let (lent, memory) = (Lent::with_room(1), Arc::new(()));
            lent.add(memory.clone());
            lent.stopped(complied);
            assert_eq!(lent.left(), 0);
            drop(lent);
            assert_eq!(Arc::strong_count(&memory), owners);
        }
    }
}
