//! A user of the block device that checks every answer while the device does as it likes.

use alloc::{boxed::Box, collections::VecDeque, sync::Arc, vec::Vec};

use block::{
    BlockDevice, Buffer, Completion, CompletionQueue, Error, IfFull, Operation, Request,
    SECTOR_SIZE,
};
use fastrand::Rng;

use super::{
    device::Device,
    leaked::Leaked,
    ledger::{PLACE, mark},
};
use crate::device::blk::VirtioBlk;

/// The most requests in flight.
pub const PLACES: usize = 24;

/// The buffers at each place, in sectors; used in turn.
const BUFFERS: [&[usize]; 8] =
    [&[1], &[1], &[2, 1], &[4], &[1, 1, 1, 1], &[8, 3], &[1, 8, 1], &[16]];

pub struct User {
    pub rng: Rng,
    pub device: Arc<Device>,
    pub driver: Arc<VirtioBlk>,
    pub done: Arc<CompletionQueue>,
    places: Vec<Place>,
    next_tag: u64,
    /// True if flushes go to the device.
    has_flush: bool,
    /// Flushes that the driver says are done.
    flushed: u64,
    pub requests: u64,
    pub succeeded: u64,
    /// Requests that ended because their time was over.
    pub late: u64,
    pub leaked: Leaked,
}

struct Place {
    /// Not here while a request has them, and after the device has kept them for good.
    buffers: Vec<Buffer>,
    in_flight: Option<InFlight>,
}

/// A request in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct InFlight {
    tag: u64,
    operation: Operation,
}

impl InFlight {
    fn of(request: &Request) -> Self {
        Self { tag: request.tag, operation: request.operation }
    }
}

impl User {
    pub fn new(rng: Rng, device: Arc<Device>, driver: Arc<VirtioBlk>, has_flush: bool) -> Self {
        let buffers = |place| {
            let sectors: &[usize] = BUFFERS[place % BUFFERS.len()];
            sectors.iter().map(|sectors| Buffer::alloc(sectors * SECTOR_SIZE).unwrap()).collect()
        };
        Self {
            rng,
            device,
            driver,
            done: CompletionQueue::new(PLACES),
            places: (0..PLACES)
                .map(|place| Place { buffers: buffers(place), in_flight: None })
                .collect(),
            next_tag: 0,
            has_flush,
            flushed: 0,
            requests: 0,
            succeeded: 0,
            late: 0,
            leaked: Leaked::default(),
        }
    }

    /// The number of requests in flight.
    pub fn in_flight(&self) -> usize {
        self.places.iter().filter(|place| place.in_flight.is_some()).count()
    }

    /// A request of any kind for a place that is free, if there is one.
    fn request(&mut self) -> Option<Box<Request>> {
        let start = self.rng.usize(0..PLACES);
        let place = (start..PLACES).chain(0..start).find(|place| {
            let place = &self.places[*place];
            place.in_flight.is_none() && !place.buffers.is_empty()
        })?;
        let sectors = self.rng.u32(1..=20);
        let operation = match self.rng.u32(0..100) {
            0..50 => Operation::Read,
            50..80 => Operation::Write,
            80..88 => Operation::Flush,
            88..94 => Operation::Discard { sectors },
            _ => Operation::WriteZeroes { sectors },
        };
        Some(self.request_of(operation, place))
    }

    fn request_of(&mut self, operation: Operation, place: usize) -> Box<Request> {
        self.next_tag += 1;
        let tag = self.next_tag * PLACES as u64 + place as u64;
        let first = place as u64 * PLACE;
        let moves_data = matches!(operation, Operation::Read | Operation::Write);
        let buffers = match moves_data {
            true => core::mem::take(&mut self.places[place].buffers),
            false => Vec::new(),
        };
        let mut sectors = 0;
        for buffer in &buffers {
            for offset in (0..buffer.len()).step_by(SECTOR_SIZE) {
                buffer.write(offset, &mark(tag, first + sectors).to_le_bytes()).unwrap();
                sectors += 1;
            }
        }
        let sectors = if moves_data { sectors } else { 20 };
        self.device.inner.lock().ledger.begin(place, tag, sectors);
        let flush = operation == Operation::Flush;
        let mut request = Request::new(operation, if flush { 0 } else { first }, buffers);
        request.tag = tag;
        request
    }

    fn place(&mut self, tag: u64) -> &mut Place {
        &mut self.places[(tag % PLACES as u64) as usize]
    }

    fn accepted(&mut self, request: InFlight) {
        self.requests += 1;
        let place = self.place(request.tag);
        assert!(place.in_flight.is_none());
        place.in_flight = Some(request);
    }

    /// Takes a request that was not submitted apart again.
    fn refused(&mut self, request: Request) {
        if matches!(request.operation, Operation::Read | Operation::Write) {
            assert!(!request.buffers.is_empty());
            self.place(request.tag).buffers = request.buffers;
        }
    }

    /// Submits one request.
    pub fn submit(&mut self) {
        let Some(request) = self.request() else { return };
        let in_flight = InFlight::of(&request);
        let (driver, done) = (&self.driver, &self.done);
        // It may complete, and the device may hear of it, before this returns.
        match self.device.bounded(|| driver.submit(request, done, IfFull::Fail)) {
            Ok(()) => self.accepted(in_flight),
            Err(rejected) => {
                assert_eq!(rejected.request.tag, in_flight.tag);
                assert!(may_refuse(rejected.error), "{:?}", rejected.error);
                self.refused(*rejected.request);
            }
        }
    }

    /// Submits a few requests at once.
    pub fn submit_batch(&mut self) {
        let count = self.rng.usize(1..5);
        // One place each: those of requests not yet accepted must not be given out twice.
        let mut requests = VecDeque::with_capacity(4);
        let free: Vec<_> = (0..PLACES).filter(|place| self.is_free(*place)).take(count).collect();
        for place in free {
            let operation = if self.rng.bool() { Operation::Read } else { Operation::Write };
            requests.push_back(self.request_of(operation, place));
        }
        let all: Vec<_> = requests.iter().map(|request| InFlight::of(request)).collect();
        let (driver, done) = (&self.driver, &self.done);
        let submitted = match self.device.bounded(|| driver.submit_batch(&mut requests, done)) {
            Ok(submitted) => submitted,
            Err(rejected) => {
                assert!(may_refuse(rejected.error), "{:?}", rejected.error);
                let submitted = all.len() - requests.len() - 1;
                assert_eq!(rejected.request.tag, all[submitted].tag);
                self.refused(*rejected.request);
                submitted
            }
        };
        all.iter().take(submitted).for_each(|request| self.accepted(*request));
        requests.into_iter().for_each(|request| self.refused(*request));
    }

    fn is_free(&self, place: usize) -> bool {
        self.places[place].in_flight.is_none() && !self.places[place].buffers.is_empty()
    }

    /// Takes all answers that have arrived, and checks them. Returns their number.
    pub fn reap(&mut self) -> usize {
        let mut count = 0;
        while let Some(completion) = self.done.try_next() {
            self.check(completion);
            count += 1;
        }
        assert_eq!(self.done.open(), self.in_flight());
        count
    }

    fn check(&mut self, Completion { tag, request, result }: Completion) {
        let in_flight = self.place(tag).in_flight.take().expect("an answer that is not due");
        let operation = in_flight.operation;
        assert_eq!(in_flight.tag, tag, "an answer that is not due");
        if let Err(error) = result {
            assert!(may_fail(error), "{error:?}");
            self.late += u64::from(error == Error::TimedOut);
        }
        let ignores_reset = self.device.inner.lock().registers.ignores_reset;
        let lost = ignores_reset && matches!(result, Err(Error::Violation(_) | Error::NeedsReset));
        let Some(request) = request else {
            assert!(lost, "a request is gone");
            let sectors = BUFFERS[(tag % PLACES as u64) as usize % BUFFERS.len()];
            return self.leaked.add(operation, sectors);
        };
        assert!(!lost, "the device may still write to its buffers");
        assert_eq!(InFlight::of(&request), in_flight);
        if result.is_ok() {
            self.check_delivered(&request);
            self.succeeded += 1;
        }
        if matches!(operation, Operation::Read | Operation::Write) {
            assert!(!request.buffers.is_empty(), "buffers are gone");
            self.place(tag).buffers = request.buffers;
        }
    }

    /// The device has delivered all of what the driver says is done.
    fn check_delivered(&mut self, request: &Request) {
        let sectors = match request.operation {
            Operation::Flush => {
                self.flushed += 1;
                let delivered = self.device.inner.lock().ledger.flushes;
                assert!(!self.has_flush || delivered >= self.flushed, "nothing was flushed");
                return;
            }
            Operation::Read | Operation::Write => (request.bytes() / SECTOR_SIZE) as u64,
            Operation::Discard { sectors } | Operation::WriteZeroes { sectors } => sectors.into(),
            other => panic!("no {other:?} was sent"),
        };
        let mut device = self.device.inner.lock();
        let delivered = device.ledger.entries[(request.sector / PLACE) as usize].delivered;
        let all = (1 << sectors) - 1;
        assert_eq!(delivered, all, "{:?} was not delivered", request.operation);
        if request.operation != Operation::Read {
            return;
        }
        let mut sector = request.sector;
        for buffer in &request.buffers {
            for offset in (0..buffer.len()).step_by(SECTOR_SIZE) {
                let mut found = [0; 8];
                buffer.read(offset, &mut found).unwrap();
                let expected = device.ledger.mark(sector);
                assert_eq!(u64::from_le_bytes(found), expected, "sector {sector}");
                sector += 1;
            }
        }
    }

    /// Submits reads of one sector until the queue is full. Returns the number that it took.
    pub fn fill(&mut self) -> usize {
        let mut count = 0;
        for place in 0..PLACES {
            let first = place as u64 * PLACE;
            let buffers = alloc::vec![Buffer::alloc(SECTOR_SIZE).unwrap()];
            let mut request = Request::new(Operation::Read, first, buffers);
            self.next_tag += 1;
            request.tag = self.next_tag * PLACES as u64 + place as u64;
            request.buffers[0].write(0, &mark(request.tag, first).to_le_bytes()).unwrap();
            self.device.inner.lock().ledger.begin(place, request.tag, 1);
            let in_flight = InFlight::of(&request);
            match self.driver.submit(request, &self.done, IfFull::Fail) {
                Ok(()) => self.accepted(in_flight),
                Err(rejected) => {
                    assert_eq!(rejected.error, Error::WouldBlock);
                    self.refused(*rejected.request);
                    break;
                }
            }
            count += 1;
        }
        count
    }
}

/// Returns true if a request may be refused with this error. The device changes the capacity as it
/// likes.
fn may_refuse(error: Error) -> bool {
    matches!(error, Error::WouldBlock | Error::OutOfRange { .. } | Error::Dead)
}

/// Returns true if a request that was taken may end with this error.
fn may_fail(error: Error) -> bool {
    matches!(
        error,
        Error::Io
            | Error::Unsupported
            | Error::BadStatus(_)
            | Error::NoAnswer
            | Error::Short { .. }
            | Error::Violation(_)
            | Error::NeedsReset
            | Error::TimedOut
    )
}
