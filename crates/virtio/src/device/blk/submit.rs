//! Requests that nobody waits for: from a [`Request`] to as many chains as it takes, and to its completion.

use alloc::{boxed::Box, sync::Arc};
use core::cell::Cell;

use block::{
    Completion, CompletionQueue, Error, IfFull, Operation, Rejected, Request, SECTOR_SIZE,
};
use dma::DmaMemory;

use super::{
    super::super::{
        driver::{DeviceError, Driver, Next},
        handshake::InitError,
        queue::{Chain, Segments},
        transport::Transport,
    },
    Blk, BlkFeatures, Device, MIN_SEGMENTS, VirtioBlk,
    cut::list_pieces,
    request::{DiscardWriteZeroes, RequestMemory, RequestType},
};

/// An operation as the device sees it.
#[derive(Clone, Copy)]
pub(super) struct Row {
    pub request_type: RequestType,
    /// The device writes the data; otherwise it reads them.
    pub device_writes: bool,
    /// The header names the sector (section 5.2.6.1).
    pub names_sector: bool,
    /// A range to clear stands where the data would.
    pub has_range: bool,
}

/// The one table of what each operation is to the device. For reads and writes it must agree with
/// [`VirtioBlk::read_block`](super::VirtioBlk) and `write_block`, which a test checks.
///
/// # Errors
///
/// [`Error::Unsupported`] for an operation without a row.
#[inline]
pub(super) fn row(operation: Operation) -> Result<Row, Error> {
    use RequestType as T;

    let (request_type, device_writes, names_sector, has_range) = match operation {
        Operation::Read => (T::In, true, true, false),
        // ANCHOR: exercise-1-row
        Operation::Write => (T::Out, false, true, false),
        // ANCHOR_END: exercise-1-row
        // ANCHOR: exercise-2-row
        Operation::Flush => (T::Flush, false, false, false),
        // ANCHOR_END: exercise-2-row
        Operation::Discard { .. } => (T::Discard, false, false, true),
        Operation::WriteZeroes { .. } => (T::WriteZeroes, false, false, true),
        _ => return Err(Error::Unsupported),
    };
    Ok(Row { request_type, device_writes, names_sector, has_range })
}

/// A submitted request in a chain. What a device writes does not reach it.
#[derive(Debug, Default)]
pub(super) struct Submitted {
    request: Option<Box<Request>>,
    /// The bytes of the disk that the request covers; 0 where there is nothing to count.
    total: Cell<u64>,
    /// The bytes that are done, where one chain cannot hold all of the request.
    done: Cell<u64>,
    /// The bytes that this chain does.
    step: Cell<u64>,
    /// The bytes that the device writes if it does all of this chain.
    expected: Cell<u32>,
}

/// The note about a submitted request: where its completion goes.
pub(super) struct Owner {
    done: Arc<CompletionQueue>,
    tag: u64,
}

impl Owner {
    #[inline(always)]
    fn complete(self, request: Option<Box<Request>>, result: Result<(), Error>) {
        self.done.push(Completion { tag: self.tag, request, result });
    }
}

impl VirtioBlk {
    /// Puts requests in flight as long as there is room, and notifies the device once. Returns how many;
    /// the request that ended it comes back with the reason.
    pub(super) fn submit_from(
        &self,
        done: &Arc<CompletionQueue>,
        next: &mut dyn FnMut() -> Option<Box<Request>>,
    ) -> (usize, Result<(), Rejected>) {
        let (blk, geometry) = (self.device.driver(), self.geometry());
        let (mut at_once, mut result) = (0, Ok(()));
        let sent = self.device.submit(|chain, room| {
            loop {
                let request = next()?;
                let total = match request.check(&geometry).and_then(|total| {
                    done.reserve()?;
                    Ok(total)
                }) {
                    Ok(total) => total,
                    Err(error) => {
                        result = Err(Rejected { error, request });
                        return None;
                    }
                };
                // Without FLUSH there is no volatile cache to flush (section 5.2.5.1).
                let owner = Owner { done: done.clone(), tag: request.tag };
                if request.operation == Operation::Flush
                    && !blk.features.contains(BlkFeatures::BLK_FLUSH)
                {
                    owner.complete(Some(request), Ok(()));
                    at_once += 1;
                    continue;
                }
                return match blk.begin(chain, request, total, room) {
                    Ok(()) => Some(owner),
                    Err(rejected) => {
                        done.cancel();
                        result = Err(rejected);
                        None
                    }
                };
            }
        });
        match sent {
            Ok(sent) => {
                if result.is_ok()
                    && let Some(request) = next()
                {
                    // No chain was to spare for it.
                    result = Err(Rejected { error: Error::WouldBlock, request });
                }
                (sent + at_once, result)
            }
            Err(error) => {
                let rejected = next().map(|request| Rejected { error: error.into(), request });
                (0, rejected.map_or(Ok(()), Err))
            }
        }
    }

    /// Puts one request in flight, and waits for room if it may.
    pub(super) fn submit_one(
        &self,
        request: Box<Request>,
        done: &Arc<CompletionQueue>,
        if_full: IfFull,
    ) -> Result<(), Rejected> {
        let mut request = Some(request);
        loop {
            let (_, result) = self.submit_from(done, &mut || request.take());
            let Err(Rejected { error, request: refused }) = result else { return Ok(()) };
            if error != Error::WouldBlock || if_full == IfFull::Fail || !done.has_room() {
                return Err(Rejected { error, request: refused });
            }
            if let Err(error) = self.wait_for_room() {
                return Err(Rejected { error: error.into(), request: refused });
            }
            request = Some(refused);
        }
    }

    fn wait_for_room(&self) -> Result<(), DeviceError> {
        self.device.wait_for_room(self.device.queue()?, |inner| {
            inner.has_free_segments(MIN_SEGMENTS) && !inner.spare.is_empty()
        })
    }
}

impl Blk {
    /// Puts a request into a spare chain and links as much of it as fits `room` segments.
    #[inline(always)]
    fn begin(
        &self,
        chain: &mut Chain<RequestMemory>,
        request: Box<Request>,
        total: u64,
        room: usize,
    ) -> Result<(), Rejected> {
        let submitted = &mut chain.memory_mut().submitted;
        submitted.total.set(total);
        submitted.done.set(0);
        submitted.request = Some(request);
        match self.link_step::<true>(chain, room) {
            Ok(()) => Ok(()),
            Err(error) => match self.take_back(chain) {
                Some(request) => Err(Rejected { error, request }),
                None => Ok(()),
            },
        }
    }

    /// Describes the next step of the request: all of it, or as much as fits `room` segments and the
    /// device's limits. When a chain is to be sent again, its own descriptors have just become free, so
    /// that the next step always fits.
    ///
    /// Compiled once for the `FIRST` step, inlined in the way of every request, and once for later steps.
    #[inline(always)]
    fn link_step<const FIRST: bool>(
        &self,
        chain: &mut Chain<RequestMemory>,
        room: usize,
    ) -> Result<(), Error> {
        if room < MIN_SEGMENTS {
            return Err(Error::WouldBlock);
        }
        let memory = chain.memory();
        let Some(request) = &memory.submitted.request else { return Err(Error::Empty) };
        let row = row(request.operation)?;
        let done = if FIRST { 0 } else { memory.submitted.done.get() };
        let sector = request.sector + done / SECTOR_SIZE as u64;
        memory.prepare(row.request_type, if row.names_sector { sector } else { 0 });
        if row.has_range {
            self.link_range(chain, sector)
        } else {
            self.link_data::<FIRST>(chain, row, done as usize, room)
        }
    }

    #[inline(always)]
    fn link_data<const FIRST: bool>(
        &self,
        chain: &mut Chain<RequestMemory>,
        row: Row,
        skip: usize,
        room: usize,
    ) -> Result<(), Error> {
        let most = (room - 2).min(self.config.max_segments as usize);
        // The device counts what it writes, the response too, in 32 bits.
        let longest = (self.config.max_segment_bytes as usize).min(u32::MAX as usize - 1);
        let mut bytes = 0u32;
        let linked = chain.link(|memory, segments| {
            segments.device_reads(&memory.header);
            if let Some(request) = &memory.submitted.request {
                bytes = match &request.buffers[..] {
                    // The short way for the usual request, one buffer in one piece.
                    [buffer] if FIRST && buffer.len() <= longest => {
                        list(segments, buffer, row.device_writes);
                        buffer.len() as u32
                    }
                    // So many buffers of a row as one piece.
                    buffers if FIRST && (1..=longest).contains(&buffers.extent().len) => {
                        list(segments, buffers, row.device_writes);
                        buffers.extent().len as u32
                    }
                    buffers => {
                        list_pieces(segments, buffers, row.device_writes, skip, longest, most)
                    }
                };
            }
            segments.device_writes(&memory.response);
        });
        let submitted = &chain.memory().submitted;
        match linked {
            Ok(()) if bytes > 0 || submitted.total.get() == 0 => {}
            Ok(()) => return Err(Error::TooManyBuffers),
            Err(error) => return Err(error.into()),
        }
        submitted.step.set(bytes.into());
        submitted.expected.set(1 + if row.device_writes { bytes } else { 0 });
        Ok(())
    }

    #[cold]
    fn link_range(&self, chain: &mut Chain<RequestMemory>, sector: u64) -> Result<(), Error> {
        let memory = chain.memory();
        let submitted = &memory.submitted;
        let limit = match &submitted.request {
            Some(request) if matches!(request.operation, Operation::Discard { .. }) => {
                self.config.max_discard_sectors
            }
            _ => self.config.max_write_zeroes_sectors,
        };
        let left = (submitted.total.get() - submitted.done.get()) / SECTOR_SIZE as u64;
        // Cannot truncate: it is no larger than `limit`.
        let num_sectors = left.min(limit.into()) as u32;
        submitted.step.set(u64::from(num_sectors) * SECTOR_SIZE as u64);
        submitted.expected.set(1);
        memory.range.store(&DiscardWriteZeroes { sector, num_sectors, flags: 0 });
        let linked = chain.link(|memory, segments| {
            segments.device_reads(&memory.header);
            segments.device_reads(&memory.range);
            segments.device_writes(&memory.response);
        });
        Ok(linked?)
    }

    /// Takes the request out of a chain.
    #[inline]
    fn take_back(&self, chain: &mut Chain<RequestMemory>) -> Option<Box<Request>> {
        chain.memory_mut().submitted.request.take()
    }

    /// The end of a step: what is left of the request is linked, or it is complete.
    #[inline]
    fn end_step(
        &self,
        chain: &mut Chain<RequestMemory>,
        written: u32,
        room: usize,
    ) -> Option<Result<(), Error>> {
        let memory = chain.memory();
        let submitted = &memory.submitted;
        if let Err(error) = memory.check_status(written, submitted.expected.get()) {
            return Some(Err(error));
        }
        submitted.done.set(submitted.done.get() + submitted.step.get());
        if submitted.done.get() >= submitted.total.get() {
            return Some(Ok(()));
        }
        self.link_next_step(chain, room).err().map(Err)
    }

    /// Few requests need a second step: its code is kept off the way of the others.
    #[cold]
    fn link_next_step(&self, chain: &mut Chain<RequestMemory>, room: usize) -> Result<(), Error> {
        self.link_step::<false>(chain, room)
    }
}

/// Lists one piece of memory.
#[inline(always)]
fn list<'a, D: DmaMemory + ?Sized>(
    segments: &mut Segments<'a>,
    memory: &'a D,
    device_writes: bool,
) {
    match device_writes {
        true => segments.device_writes(memory),
        false => segments.device_reads(memory),
    }
}

impl Driver for Blk {
    type Memory = RequestMemory;
    type Note = Owner;

    #[inline]
    fn answered(
        &self,
        chain: &mut Chain<RequestMemory>,
        owner: Owner,
        written: u32,
        room: usize,
    ) -> Next<Owner> {
        let Some(result) = self.end_step(chain, written, room) else { return Next::Again(owner) };
        owner.complete(self.take_back(chain), result);
        if result.is_ok() { Next::Done } else { Next::Failed }
    }

    fn ended(&self, chain: Option<&mut Chain<RequestMemory>>, owner: Owner, why: DeviceError) {
        let request = chain.and_then(|chain| self.take_back(chain));
        owner.complete(request, Err(why.into()));
    }

    fn configure(&self, transport: &dyn Transport) -> Result<(), InitError> {
        self.read_configuration_again(transport)
    }

    fn configuration_changed(&self, device: &Device<Self>) {
        self.read_capacity_again(device);
    }

    fn name(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "block device \"{}\"", self.serial.get().map_or("", |serial| serial))
    }
}
