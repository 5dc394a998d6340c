//! The bytes that are typed on the console.
//!
//! The serial port interrupts when bytes have come. They wait in a queue until a task reads them. When the
//! queue is full the port is not listened to for a while, so that the bytes that follow wait in front of it,
//! and none is lost where whoever sends them can wait as well, as QEMU can.
//!
//! Ctrl-C is seen in the interrupt. While there is work in the foreground it asks that to stop, and what was
//! typed before it is forgotten; otherwise it is a byte like any other.
//!
//! A keyboard that is not at the serial port takes the same way from [`type_in`] on.

use alloc::{boxed::Box, collections::VecDeque};

use ostd::sync::{LocalIrqDisabled, SpinLock, WaitQueue};

use crate::{
    drivers::serial::{self, OpenError, Port},
    progress,
    task::Work,
};

/// The byte that Ctrl-C sends.
pub const CTRL_C: u8 = 3;

/// The most bytes that wait to be read.
const CAPACITY: usize = 16 << 10;

/// The most bytes that are taken from the port in one interrupt. It interrupts again for those that follow.
const MOST_AT_ONCE: usize = 256;

static INPUT: SpinLock<Option<Input>, LocalIrqDisabled> = SpinLock::new(None);
static ARRIVED: WaitQueue = WaitQueue::new();

/// Begins to listen to the serial port. Calling it again changes nothing.
///
/// To be called in a task on the boot CPU, by one at a time.
///
/// # Errors
///
/// There is no serial port to listen to.
pub fn open() -> Result<(), OpenError> {
    if INPUT.lock().is_none() {
        listen_to(Box::new(serial::open(interrupt)?));
    }
    Ok(())
}

fn listen_to(port: Box<dyn Port>) {
    let input = Input::new(port);
    // An interrupt finds it: bytes that have come already interrupt at once.
    INPUT.lock().insert(input).resume();
}

fn interrupt() {
    if let Some(input) = &mut *INPUT.lock() {
        input.receive();
    }
    ARRIVED.wake_all();
}

/// Sleeps until something has been typed, and moves as much of it as there is room for into `bytes`. Returns
/// how much that is: 0 only if there is no room. To be called after [`open`], in a task.
pub fn read(bytes: &mut [u8]) -> usize {
    let _pause = progress::pause();
    ARRIVED.wait_until(|| Some(take(bytes)).filter(|count| *count > 0 || bytes.is_empty()))
}

/// The same without sleeping; returns 0 if nothing has been typed or the port was not opened.
pub fn take(bytes: &mut [u8]) -> usize {
    INPUT.lock().as_mut().map_or(0, |input| input.take(bytes))
}

/// Takes in what has been typed in another place than at the serial port. Returns the number of bytes that there was
/// room for: none before [`open`]. Callable in any context.
pub fn type_in(bytes: &[u8]) -> usize {
    let count = INPUT.lock().as_mut().map_or(0, |input| input.type_in(bytes));
    ARRIVED.wake_all();
    count
}

/// Puts work into the foreground, where Ctrl-C stops it, until what is returned is dropped. Work that was
/// there before is not in the foreground any more.
pub fn foreground(work: &Work) -> Foreground {
    set_foreground(Some(work.clone()));
    Foreground(())
}

/// Work is in the foreground.
#[must_use]
pub struct Foreground(());

impl Drop for Foreground {
    fn drop(&mut self) {
        set_foreground(None);
    }
}

fn set_foreground(work: Option<Work>) {
    if let Some(input) = &mut *INPUT.lock() {
        input.foreground = work;
    }
}

struct Input {
    port: Box<dyn Port>,
    bytes: VecDeque<u8>,
    is_listening: bool,
    foreground: Option<Work>,
}

impl Input {
    fn new(port: Box<dyn Port>) -> Self {
        // All of it: there is nothing to allocate in an interrupt.
        let bytes = VecDeque::with_capacity(CAPACITY);
        Self { port, bytes, is_listening: false, foreground: None }
    }

    fn listen(&mut self, on: bool) {
        self.port.set_interrupts(on);
        self.is_listening = on;
    }

    /// Listens again. Bytes that have come already need not interrupt any more.
    fn resume(&mut self) {
        self.listen(true);
        self.receive();
    }

    // ANCHOR: receive
    fn receive(&mut self) {
        for _ in 0..MOST_AT_ONCE {
            if self.bytes.len() >= CAPACITY {
                self.listen(false);
                return;
            }
            let Some(byte) = self.port.receive() else {
                return;
            };
            self.accept(byte);
        }
    }

    /// Takes in a byte that there is room for.
    fn accept(&mut self, byte: u8) {
        match &self.foreground {
            Some(work) if byte == CTRL_C => {
                work.stop();
                self.bytes.clear();
            }
            _ => self.bytes.push_back(byte),
        }
    }
    // ANCHOR_END: receive

    fn type_in(&mut self, bytes: &[u8]) -> usize {
        let room = CAPACITY.saturating_sub(self.bytes.len());
        let accepted = bytes.get(..room).unwrap_or(bytes);
        accepted.iter().for_each(|byte| self.accept(*byte));
        accepted.len()
    }

    fn take(&mut self, bytes: &mut [u8]) -> usize {
        let count = bytes.len().min(self.bytes.len());
        for (to, from) in bytes.iter_mut().zip(self.bytes.drain(..count)) {
            *to = from;
        }
        if !self.is_listening && self.bytes.len() <= CAPACITY / 2 {
            self.resume();
        }
        count
    }
}

#[cfg(ktest)]
mod tests {
    use alloc::{sync::Arc, vec, vec::Vec};

    use ostd::prelude::ktest;

    use super::*;
    use crate::task::{Builder, checkpoint};

    /// The bytes that are sent to a port, and its last setting.
    #[derive(Default)]
    struct Line {
        sent: VecDeque<u8>,
        interrupts: bool,
    }

    impl Port for Arc<SpinLock<Line>> {
        fn receive(&mut self) -> Option<u8> {
            self.lock().sent.pop_front()
        }

        fn set_interrupts(&mut self, on: bool) {
            self.lock().interrupts = on;
        }
    }

    fn open() -> (Arc<SpinLock<Line>>, Input) {
        let line = Arc::new(SpinLock::new(Line::default()));
        let mut input = Input::new(Box::new(line.clone()));
        input.resume();
        (line, input)
    }

    /// Interrupts as long as the port does.
    fn deliver(line: &SpinLock<Line>, input: &mut Input) {
        while line.lock().interrupts && !line.lock().sent.is_empty() {
            input.receive();
        }
    }

    fn take(input: &mut Input, most: usize) -> Vec<u8> {
        let mut bytes = vec![0; most];
        let count = input.take(&mut bytes);
        bytes.truncate(count);
        bytes
    }

    fn is_stopped(work: &Work) -> bool {
        Builder::new("test").part_of(work).spawn(|| checkpoint().is_err()).unwrap().join()
    }

    #[ktest]
    fn the_first_interrupt_finds_who_takes_its_bytes() {
        struct Lost(Arc<SpinLock<u32>>);

        impl Port for Lost {
            fn receive(&mut self) -> Option<u8> {
                None
            }

            fn set_interrupts(&mut self, on: bool) {
                // Whoever holds the lock has interrupts off: there it comes later.
                let nobody_listens = INPUT.try_lock().is_some_and(|input| input.is_none());
                *self.0.lock() += u32::from(on && nobody_listens);
            }
        }

        let lost = Arc::new(SpinLock::new(0));
        listen_to(Box::new(Lost(lost.clone())));
        let is_open = INPUT.lock().take().is_some();
        assert!(is_open && *lost.lock() == 0);
    }

    #[ktest]
    fn what_is_typed_is_read_in_order() {
        let (line, mut input) = open();
        assert_eq!(take(&mut input, 9), b"");
        line.lock().sent.extend(b"hello \xff\0");
        deliver(&line, &mut input);
        assert_eq!(take(&mut input, 5), b"hello");
        assert_eq!(take(&mut input, 9), b" \xff\0");
    }

    #[ktest]
    fn nothing_is_lost_of_more_than_fits() {
        let (line, mut input) = open();
        let sent: Vec<u8> = (0..5 * CAPACITY).map(|number| (number % 251) as u8).collect();
        line.lock().sent.extend(&sent);
        let mut found = Vec::new();
        while found.len() < sent.len() {
            deliver(&line, &mut input);
            assert!(input.bytes.len() <= CAPACITY && input.bytes.capacity() < 2 * CAPACITY);
            let more = take(&mut input, 1000);
            assert!(!more.is_empty());
            found.extend(more);
        }
        // Without work in the foreground, Ctrl-C is among them.
        assert!(found == sent && sent.contains(&CTRL_C));
    }

    /// A port that holds one byte, and interrupts when one comes after it was empty, and at no other time.
    #[derive(Default)]
    struct EdgePort {
        held: Option<u8>,
        sent: VecDeque<u8>,
        edge: bool,
    }

    impl Port for Arc<SpinLock<EdgePort>> {
        fn receive(&mut self) -> Option<u8> {
            let mut port = self.lock();
            let byte = port.held.take();
            port.held = port.sent.pop_front();
            port.edge |= port.held.is_some();
            byte
        }

        fn set_interrupts(&mut self, _on: bool) {}
    }

    #[ktest]
    fn nothing_is_lost_where_a_waiting_byte_does_not_interrupt_again() {
        let sent: Vec<u8> = (0..3 * CAPACITY).map(|number| (number % 251) as u8).collect();
        // The first byte has come before anybody listened.
        let port = EdgePort { held: Some(sent[0]), sent: sent[1..].to_vec().into(), edge: false };
        let port = Arc::new(SpinLock::new(port));
        let mut input = Input::new(Box::new(port.clone()));
        input.resume();
        let mut found = Vec::new();
        while found.len() < sent.len() {
            while core::mem::take(&mut port.lock().edge) {
                input.receive();
            }
            let more = take(&mut input, 1000);
            assert!(!more.is_empty(), "{} bytes were read", found.len());
            found.extend(more);
        }
        assert!(found == sent);
    }

    #[ktest]
    fn one_interrupt_takes_a_bounded_number() {
        let (line, mut input) = open();
        line.lock().sent.extend([7; 3 * MOST_AT_ONCE]);
        input.receive();
        assert_eq!(input.bytes.len(), MOST_AT_ONCE);
    }

    #[ktest]
    fn ctrl_c_stops_the_work_in_the_foreground_and_forgets_what_was_typed() {
        let (line, mut input) = open();
        let (work, other) = (Work::default(), Work::default());
        input.foreground = Some(work.clone());
        line.lock().sent.extend(b"ls\n\x03echo");
        deliver(&line, &mut input);
        assert_eq!(take(&mut input, 9), b"echo");
        assert!(is_stopped(&work) && !is_stopped(&other));
        input.foreground = None;
        line.lock().sent.extend(b"ls\n\x03echo");
        deliver(&line, &mut input);
        assert_eq!(take(&mut input, 9), b"ls\n\x03echo");
    }

    #[ktest]
    fn what_is_typed_elsewhere_is_treated_like_the_rest() {
        let (line, mut input) = open();
        line.lock().sent.extend(b"one ");
        deliver(&line, &mut input);
        assert_eq!(input.type_in(b"two \x03"), 5);
        assert_eq!(take(&mut input, 99), b"one two \x03");
        let work = Work::default();
        input.foreground = Some(work.clone());
        assert_eq!(input.type_in(b"ls\n\x03echo"), 8);
        assert_eq!(take(&mut input, 99), b"echo");
        assert!(is_stopped(&work));
    }

    #[ktest]
    fn what_is_typed_elsewhere_and_has_no_room_is_left_to_the_caller() {
        let (_, mut input) = open();
        assert_eq!(input.type_in(&vec![7; CAPACITY - 2]), CAPACITY - 2);
        assert_eq!(input.type_in(b"abcd"), 2);
        assert_eq!(input.type_in(b"cd"), 0);
        assert!(take(&mut input, CAPACITY).ends_with(b"ab"));
        assert_eq!(input.type_in(b"cd"), 2);
    }
}
