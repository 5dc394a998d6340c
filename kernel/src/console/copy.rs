//! A copy of what is printed, for whoever shows it in another place as well.
//!
//! Printing puts the text into a queue, in any context, and waits for nobody; a task takes it out when it likes.
//! In a full queue the oldest text makes room: what was printed last is what people look for.
//!
//! Until somebody asks for the copy there is none, and printing looks at one word to see that. A panic is not
//! copied: nothing runs behind it that could show it.

use alloc::collections::VecDeque;
use core::fmt::{self, Write};

use ostd::sync::{LocalIrqDisabled, SpinLock};
use spin::Once;

/// The most bytes that wait to be taken: several screens full of text.
pub const CAPACITY: usize = 64 << 10;

static COPY: Once<SpinLock<Queue, LocalIrqDisabled>> = Once::new();

/// Begins to copy. Calling it again changes nothing.
///
/// To be called in a task.
pub fn begin() {
    // All of the memory: none is allocated while something is printed.
    COPY.call_once(|| SpinLock::new(Queue::new(CAPACITY)));
}

/// Moves as much of what was printed as there is room for into `bytes`. It may end within a character.
pub fn take(bytes: &mut [u8]) -> Taken {
    COPY.get().map_or(Taken { count: 0, has_gap: false }, |queue| queue.lock().take(bytes))
}

/// The outcome of [`take`].
#[derive(Debug, PartialEq, Eq)]
pub struct Taken {
    /// The number of bytes.
    pub count: usize,
    /// Text in front of them was lost, as it was not taken in time.
    pub has_gap: bool,
}

/// Text on its way to the console, which goes to the copy too when it is formatted.
pub(super) struct Copied<'a>(pub fmt::Arguments<'a>);

impl fmt::Display for Copied<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match COPY.get() {
            None => f.write_fmt(self.0),
            Some(queue) => Both { console: f, queue }.write_fmt(self.0),
        }
    }
}

struct Both<'a, 'b> {
    console: &'a mut fmt::Formatter<'b>,
    queue: &'static SpinLock<Queue, LocalIrqDisabled>,
}

impl Write for Both<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.queue.lock().put(text.as_bytes());
        self.console.write_str(text)
    }
}

struct Queue {
    bytes: VecDeque<u8>,
    capacity: usize,
    has_gap: bool,
}

impl Queue {
    fn new(capacity: usize) -> Self {
        Self { bytes: VecDeque::with_capacity(capacity), capacity, has_gap: false }
    }

    fn put(&mut self, text: &[u8]) {
        // The end of a text that has no room by itself.
        let start = text.len().saturating_sub(self.capacity);
        let text = text.get(start..).unwrap_or_default();
        let excess = (self.bytes.len() + text.len()).saturating_sub(self.capacity);
        self.has_gap |= excess > 0 || start > 0;
        self.bytes.drain(..excess);
        self.bytes.extend(text);
    }

    fn take(&mut self, bytes: &mut [u8]) -> Taken {
        let count = bytes.len().min(self.bytes.len());
        for (to, from) in bytes.iter_mut().zip(self.bytes.drain(..count)) {
            *to = from;
        }
        Taken { count, has_gap: core::mem::take(&mut self.has_gap) }
    }
}

#[cfg(ktest)]
mod tests {
    use alloc::{vec, vec::Vec};

    use ostd::prelude::ktest;

    use super::*;

    fn take(queue: &mut Queue, most: usize) -> (Vec<u8>, bool) {
        let mut bytes = vec![0; most];
        let taken = queue.take(&mut bytes);
        bytes.truncate(taken.count);
        (bytes, taken.has_gap)
    }

    #[ktest]
    fn what_is_put_is_taken_in_order() {
        let mut queue = Queue::new(10);
        assert_eq!(take(&mut queue, 9), (Vec::new(), false));
        queue.put(b"hello ");
        queue.put(b"you");
        assert_eq!(take(&mut queue, 4), (b"hell".to_vec(), false));
        queue.put(b"there");
        assert_eq!(take(&mut queue, 99), (b"o youthere".to_vec(), false));
    }

    #[ktest]
    fn the_oldest_text_makes_room_and_that_is_told_once() {
        let mut queue = Queue::new(8);
        let room = queue.bytes.capacity();
        queue.put(b"12345678");
        queue.put(b"ab");
        assert_eq!(take(&mut queue, 3), (b"345".to_vec(), true));
        assert_eq!(take(&mut queue, 9), (b"678ab".to_vec(), false));
        queue.put(b"a text that is longer than the queue");
        assert_eq!(take(&mut queue, 99), (b"he queue".to_vec(), true));
        assert_eq!((take(&mut queue, 99), queue.bytes.capacity()), ((Vec::new(), false), room));
    }

    #[ktest]
    fn what_is_printed_is_copied_from_the_beginning_on() {
        let print = |text: fmt::Arguments<'_>| alloc::format!("{}", Copied(text));
        assert_eq!(print(format_args!("not {}", "copied")), "not copied");
        assert!(COPY.get().is_none());
        begin();
        assert_eq!(print(format_args!("a\u{20ac}\n")), "a\u{20ac}\n");
        assert_eq!(print(format_args!("b {}", 7)), "b 7");
        let mut bytes = [0; 200];
        let taken = super::take(&mut bytes);
        let text = core::str::from_utf8(&bytes[..taken.count]).unwrap();
        assert_eq!((text, taken.has_gap), ("a\u{20ac}\nb 7", false));
        begin();
        assert_eq!(super::take(&mut bytes), Taken { count: 0, has_gap: false });
    }
}
