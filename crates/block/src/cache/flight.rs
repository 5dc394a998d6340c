//! Requests on their way: who waits for them, and what is done when they come back.
//!
//! A flight is one request to the disk, for one block or for a run of neighbours. It has a completion
//! queue of its own, so that an answer wakes those who wait for this flight and nobody else. Whoever finds
//! the answer *lands* the flight, for all others too: nobody has to be there for a flight that was sent
//! ahead.
//!
//! A flight and its request are a [`Kit`] while they are to spare. Kits go round, so that a read or write
//! allocates nothing.

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::{
    iter, mem,
    sync::atomic::{AtomicU64, Ordering},
};

use ostd::sync::{SpinLock, Waker};
use wait::{Awaited, Patience, wait};

use super::{
    super::{Buffer, Completion, CompletionQueue, Error, IfFull, Operation, Rejected, Request},
    BLOCK_SIZE, Cache, MAX_RUN, SECTORS_PER_BLOCK,
};

/// The purpose of a flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Reads one block, for somebody who waits for it.
    Load,
    /// Reads a run of blocks that will be wanted soon.
    Ahead,
    /// Writes a run of blocks.
    WriteBack,
}

/// A request to the disk that many may wait for.
pub(super) struct Flight {
    pub kind: Kind,
    /// Has room for the one answer.
    done: Arc<CompletionQueue>,
    /// Counts take-offs and landings: odd while it is in the air. Changed with the table locked.
    number: AtomicU64,
    /// Its place in the order of take-offs of its kind.
    order: AtomicU64,
    /// The slots of the blocks that it moves, in the order of the blocks, while it is in the air.
    slots: SpinLock<Vec<usize>>,
}

/// A flight that is to spare, with its request and room for the slots.
pub(super) struct Kit {
    pub flight: Arc<Flight>,
    pub request: Box<Request>,
    /// The first block, and the slots of it and its neighbours.
    pub first: u64,
    pub slots: Vec<usize>,
}

impl Kit {
    /// The block behind the last one.
    pub fn end(&self) -> u64 {
        self.first + self.slots.len() as u64
    }
}

/// One flight from take-off to landing, for whoever waits for it.
pub(super) struct Due {
    flight: Arc<Flight>,
    number: u64,
}

impl Flight {
    fn number(&self) -> u64 {
        self.number.load(Ordering::Acquire)
    }

    /// Gives the flight to somebody who will wait for it; `None` if it is not in the air. To be called with
    /// the table locked.
    pub fn due(self: &Arc<Self>) -> Option<Due> {
        let number = self.number();
        (number % 2 == 1).then(|| Due { flight: self.clone(), number })
    }
}

/// The kits of one kind.
pub(super) struct Kits {
    kind: Kind,
    /// All flights of this kind, in the air or not.
    all: Vec<Arc<Flight>>,
    spare: Vec<Kit>,
    most: usize,
    take_offs: u64,
}

impl Kits {
    /// Begins without kits, to make at most so many.
    pub fn new(kind: Kind, most: usize) -> Self {
        Self { kind, all: Vec::new(), spare: Vec::new(), most, take_offs: 0 }
    }

    /// Makes all the kits at once, with `bytes` bytes of memory each.
    pub fn with_memory(kind: Kind, most: usize, bytes: usize) -> Result<Self, Error> {
        let mut kits = Self::new(kind, most);
        while let Some(mut kit) = kits.make() {
            kit.request.buffers.push(Buffer::alloc(bytes)?);
            kits.spare.push(kit);
        }
        Ok(kits)
    }

    fn make(&mut self) -> Option<Kit> {
        if self.all.len() == self.most {
            return None;
        }
        let blocks = if self.kind == Kind::Load { 1 } else { MAX_RUN };
        let flight = Arc::new(Flight {
            kind: self.kind,
            done: CompletionQueue::new(1),
            number: AtomicU64::new(0),
            order: AtomicU64::new(0),
            slots: SpinLock::new(Vec::new()),
        });
        self.all.push(flight.clone());
        let request = Request::new(self.kind.operation(), 0, Vec::with_capacity(blocks));
        Some(Kit { flight, request, first: 0, slots: Vec::with_capacity(blocks) })
    }

    /// Takes a kit, whose flight is in the air from now on: it must be landed.
    pub fn take(&mut self) -> Option<Kit> {
        let kit = match self.spare.pop() {
            Some(kit) => kit,
            None => self.make()?,
        };
        self.take_offs += 1;
        kit.flight.order.store(self.take_offs, Ordering::Relaxed);
        kit.flight.number.fetch_add(1, Ordering::Release);
        Some(kit)
    }

    /// Takes a kit back, whose flight has landed with this.
    pub fn give_back(&mut self, kit: Kit) {
        kit.flight.number.fetch_add(1, Ordering::Release);
        self.spare.push(kit);
    }

    /// Everything that is in the air now.
    pub fn in_the_air(&self) -> impl Iterator<Item = Due> {
        self.all.iter().filter_map(Flight::due)
    }

    /// The one of these that has been there for longest.
    pub fn oldest_in_the_air(&self) -> Option<Due> {
        self.in_the_air().min_by_key(|due| due.flight.order.load(Ordering::Relaxed))
    }
}

impl Kind {
    fn operation(self) -> Operation {
        match self {
            Self::Load | Self::Ahead => Operation::Read,
            Self::WriteBack => Operation::Write,
        }
    }
}

impl Cache {
    /// Hands the request to the disk, or lands it at once with the error that there is already.
    ///
    /// # Errors
    ///
    /// The error with which it was landed.
    pub(super) fn take_off(
        &self,
        kit: Kit,
        ready: Result<(), Error>,
        if_full: IfFull,
    ) -> Result<(), Error> {
        let Kit { flight, mut request, first, slots } = kit;
        request.sector = first * SECTORS_PER_BLOCK;
        *flight.slots.lock() = slots;
        let taken = match ready {
            Ok(()) => self.disk.submit(request, &flight.done, if_full),
            Err(error) => Err(Rejected { error, request }),
        };
        let Err(Rejected { error, request }) = taken else { return Ok(()) };
        self.land(&flight, Some(request), Err(error));
        Err(error)
    }

    /// Sleeps until the flight has landed. No spin lock may be held.
    pub(super) fn wait_for(&self, due: &Due) {
        wait(&Landing { cache: self, due }, self.disk.waiting(), None, Patience::default());
    }

    /// Lands the flight if its answer has come.
    pub(super) fn land_if_answered(&self, due: &Due) -> bool {
        let Some(Completion { request, result, .. }) = due.flight.done.try_next() else {
            return false;
        };
        self.land(&due.flight, request, result);
        true
    }

    /// Deals with the answer: what was read is in the cache from now on, what was written is clean.
    fn land(&self, flight: &Arc<Flight>, request: Option<Box<Request>>, result: Result<(), Error>) {
        let mut slots = mem::take(&mut *flight.slots.lock());
        // A device that could not be made to let go of the request keeps its buffers for ever. The slots
        // are given new ones when they are used again.
        let mut request = request.unwrap_or_else(|| {
            Request::new(flight.kind.operation(), 0, Vec::with_capacity(MAX_RUN))
        });
        if flight.kind != Kind::WriteBack {
            for (slot, mut buffer) in slots.iter().zip(blocks(request.buffers.drain(..))) {
                fill_up(&mut buffer);
                *self.slots[*slot].content.write() = buffer;
            }
        }
        let mut table = self.table.lock();
        for slot in slots.drain(..) {
            match flight.kind {
                Kind::WriteBack => table.written(slot, result),
                kind => table.loaded(slot, result, kind == Kind::Ahead, &self.slots),
            }
        }
        table.kits(flight.kind).give_back(Kit { flight: flight.clone(), request, first: 0, slots });
    }
}

/// Cuts buffers into those of single blocks.
fn blocks(buffers: impl Iterator<Item = Buffer>) -> impl Iterator<Item = Buffer> {
    buffers.flat_map(|mut rest| {
        iter::from_fn(move || {
            let behind = rest.split_off(BLOCK_SIZE);
            Some(mem::replace(&mut rest, behind)).filter(|buffer| !buffer.is_empty())
        })
    })
}

/// Makes the buffer of a short last block a whole one; what the disk does not have is 0.
fn fill_up(buffer: &mut Buffer) {
    static ZEROS: [u8; BLOCK_SIZE] = [0; BLOCK_SIZE];

    let on_disk = buffer.len();
    if let Some(missing @ [_, ..]) = ZEROS.get(on_disk..)
        && buffer.resize(BLOCK_SIZE).and_then(|()| buffer.write(on_disk, missing)).is_err()
    {
        // Cannot be: its memory has whole pages.
        *buffer = Buffer::EMPTY;
    }
}

/// A wait for a landing.
struct Landing<'a> {
    cache: &'a Cache,
    due: &'a Due,
}

impl Awaited for Landing<'_> {
    type Output = ();

    fn take(&self) -> Option<()> {
        let Due { flight, number } = self.due;
        (flight.number() != *number || self.cache.land_if_answered(self.due)).then_some(())
    }

    fn look(&self) {
        self.cache.disk.poll();
    }

    fn arm(&self, waker: Arc<Waker>) -> bool {
        // Refuses while somebody else is sending or landing it; one yields to them meanwhile.
        self.cache.disk.before_sleep(&self.due.flight.done, waker)
    }
}
