//! One block request as the device sees it, VIRTIO 1.3 section 5.2.6.
//!
//! ```text
//!   +-----------------+      +----------------------+      +-----------------+
//!   | request header  | ---> | data: buffers, or a  | ---> | response        |
//!   | 16 bytes        |      | range to discard     |      | 1 byte          |
//!   | device reads    |      | device reads/writes  |      | device writes   |
//!   +-----------------+      +----------------------+      +-----------------+
//! ```

use alloc::{sync::Arc, vec::Vec};
use core::{iter, mem, ops::Range};

use int_to_c_enum::TryFromInt;
use ostd::mm::dma::DmaCoherent;
use ostd_pod::Pod;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{
    super::{
        init::InitError,
        queue::{Chain, Segments},
    },
    channel::Ended,
    config::BlkConfig,
};
use crate::{
    block::{Buffer, CompletionQueue, Error, Operation, Rejected, Request, SECTOR_SIZE},
    dma::{CACHE_COHERENT, DmaSlice, DmaSliceAlloc},
};

/// The type field of the request header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
enum RequestType {
    /// Read from the disk.
    In = 0,
    /// Write to the disk.
    Out = 1,
    /// Flush the write cache.
    Flush = 4,
    /// Read the serial number.
    GetId = 8,
    /// Discard a range.
    Discard = 11,
    /// Zero a range.
    WriteZeroes = 13,
}

/// What the device reads first.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct RequestHeader {
    request_type: u32,
    reserved: u32,
    sector: u64,
}

/// The range of a discard or write-zeroes request.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct RangeToClear {
    sector: u64,
    num_sectors: u32,
    flags: u32,
}

/// The status byte with which the device answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, TryFromInt)]
#[repr(u8)]
enum ResponseStatus {
    /// Done.
    Ok = 0,
    /// The device or the driver made an error.
    IoErr = 1,
    /// The device does not know the request.
    Unsupp = 2,
    /// Not from the device: what the driver writes beforehand, to notice when the device answers
    /// nothing.
    NotReady = 0xff,
}

/// Request and response slices for one chain: step 1 of a request's life.
#[derive(Debug)]
pub(super) struct Slices {
    header: DmaSlice<RequestHeader, DmaCoherent>,
    /// For discard and write-zeroes requests only.
    range: Option<DmaSlice<RangeToClear, DmaCoherent>>,
    response: DmaSlice<u8, DmaCoherent>,
}

impl Slices {
    /// Makes slices for so many chains. IRQs must be enabled.
    pub fn make(chains: usize) -> Result<Vec<Self>, InitError> {
        let headers = coherent_slices(chains)?;
        let responses = coherent_slices(chains)?;
        let pair =
            || Some(Self { header: headers.alloc()?, range: None, response: responses.alloc()? });
        Ok(iter::from_fn(pair).take(chains).collect())
    }

    /// Adds what only some operations need; gives the slices back if there is none left of it.
    pub fn for_operation(
        self,
        operation: Operation,
        ranges: &DmaSliceAlloc<RangeToClear, DmaCoherent>,
    ) -> Result<Self, Self> {
        match operation {
            Operation::Discard { .. } | Operation::WriteZeroes { .. } => match ranges.alloc() {
                None => Err(self),
                range => Ok(Self { range, ..self }),
            },
            _ => Ok(self),
        }
    }

    /// As [`Self::make`] made them.
    pub fn without_range(self) -> Self {
        Self { range: None, ..self }
    }
}

/// Allocates DMA memory for at least so many slots.
pub(super) fn coherent_slices<T: Pod>(
    slots: usize,
) -> Result<DmaSliceAlloc<T, DmaCoherent>, InitError> {
    let no_memory = InitError::Memory(ostd::Error::NoMemory);
    let pages = DmaSliceAlloc::<T, DmaCoherent>::pages_for(slots).ok_or(no_memory)?;
    let dma = DmaCoherent::alloc(pages, CACHE_COHERENT).map_err(InitError::Memory)?;
    Ok(DmaSliceAlloc::new(dma))
}

/// The memory of one chain, which the queue owns while the device may use it.
#[derive(Debug)]
pub(super) struct RequestChain {
    slices: Slices,
    buffers: Vec<Buffer>,
    data: Data,
    max_segment_bytes: usize,
}

/// What stands between header and response.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Data {
    Nothing,
    Range,
    /// The device reads these bytes of the buffers, counted through all of them.
    ToDevice(Range<usize>),
    /// The device writes these bytes of the buffers.
    FromDevice(Range<usize>),
}

impl Chain for RequestChain {
    fn segments<'a>(&'a self, list: &mut Segments<'a>) {
        list.device_reads(&self.slices.header);
        match &self.data {
            Data::Nothing => {}
            Data::Range => {
                if let Some(range) = &self.slices.range {
                    list.device_reads(range);
                }
            }
            Data::ToDevice(bytes) => {
                for (buffer, part) in parts(&self.buffers, bytes, self.max_segment_bytes) {
                    list.device_reads_part(buffer.memory(), part);
                }
            }
            Data::FromDevice(bytes) => {
                for (buffer, part) in parts(&self.buffers, bytes, self.max_segment_bytes) {
                    list.device_writes_part(buffer.memory(), part);
                }
            }
        }
        list.device_writes(&self.slices.response);
    }
}

/// The buffers' parts that make up `bytes`, none longer than `max` bytes.
fn parts<'a>(
    buffers: &'a [Buffer],
    bytes: &Range<usize>,
    max: usize,
) -> impl Iterator<Item = (&'a Buffer, Range<usize>)> {
    let bytes = bytes.clone();
    let mut buffer_start = 0;
    buffers.iter().flat_map(move |buffer| {
        // Both ends relative to this buffer; empty where the two do not meet.
        let start = bytes.start.saturating_sub(buffer_start).min(buffer.len());
        let end = bytes.end.saturating_sub(buffer_start).min(buffer.len());
        buffer_start += buffer.len();
        (start..end).step_by(max).map(move |at| (buffer, at..end.min(at + max)))
    })
}

/// The driver's note about a chain: whose request it is and how far that has come.
#[derive(Debug)]
pub(super) struct Ticket {
    /// The request; its buffers are in the chain.
    request: Request,
    done: Arc<CompletionQueue>,
    /// The bytes of the request done by earlier chains.
    progress: u64,
    /// The bytes of the request that this chain does.
    step: u64,
    /// The bytes that the device writes if it does everything.
    expected: u32,
}

impl RequestChain {
    /// Step 2: links header, data and response to a chain that does all of `request`, or as much
    /// of it as fits `room` segments and the device's limits; [`Ticket::next_chain`] does the
    /// rest.
    ///
    /// The request has passed [`Request::check`], and `room` is 3 at least.
    ///
    /// # Errors
    ///
    /// [`Error::Misaligned`] if a buffer does not hold whole blocks; the request comes back.
    pub fn new(
        slices: Slices,
        mut request: Request,
        done: Arc<CompletionQueue>,
        config: &BlkConfig,
        room: usize,
    ) -> Result<(Self, Ticket), (Slices, Rejected)> {
        let whole = |buffer: &Buffer| buffer.len().is_multiple_of(config.block_size as usize);
        let moves_data = matches!(request.operation, Operation::Read | Operation::Write);
        if moves_data && !request.buffers.iter().all(whole) {
            let error = Error::Misaligned { block_size: config.block_size };
            return Err((slices, Rejected { error, request }));
        }
        let buffers = mem::take(&mut request.buffers);
        let max_segment_bytes = config.max_segment_bytes as usize;
        let mut chain = Self { slices, buffers, data: Data::Nothing, max_segment_bytes };
        let mut ticket = Ticket { request, done, progress: 0, step: 0, expected: 0 };
        match chain.prepare(&mut ticket, config, room) {
            Ok(()) => Ok((chain, ticket)),
            Err(error) => {
                let (slices, request) = chain.into_request(ticket);
                Err((slices, Rejected { error, request }))
            }
        }
    }

    /// Describes the next step of the request in header, range and data, and poisons the response.
    fn prepare(
        &mut self,
        ticket: &mut Ticket,
        config: &BlkConfig,
        room: usize,
    ) -> Result<(), Error> {
        let segments = room.saturating_sub(2).min(config.max_segments as usize);
        let sector = ticket.request.sector + ticket.progress / SECTOR_SIZE as u64;
        let start = ticket.progress as usize;
        let request_type = match ticket.request.operation {
            Operation::Read => {
                let end = self.end_of_step(start, segments);
                self.data = Data::FromDevice(start..end);
                ticket.step = (end - start) as u64;
                ticket.expected = ticket.step as u32 + 1;
                RequestType::In
            }
            Operation::Write => {
                let end = self.end_of_step(start, segments);
                self.data = Data::ToDevice(start..end);
                ticket.step = (end - start) as u64;
                ticket.expected = 1;
                RequestType::Out
            }
            Operation::GetSerial => {
                self.data = Data::FromDevice(0..Operation::SERIAL_BYTES);
                ticket.expected = Operation::SERIAL_BYTES as u32 + 1;
                RequestType::GetId
            }
            Operation::Flush => {
                ticket.expected = 1;
                RequestType::Flush
            }
            Operation::Discard { sectors } => {
                self.clear(ticket, sector, sectors, config.max_discard_sectors)?;
                RequestType::Discard
            }
            Operation::WriteZeroes { sectors } => {
                self.clear(ticket, sector, sectors, config.max_write_zeroes_sectors)?;
                RequestType::WriteZeroes
            }
        };
        if ticket.step == 0 && !matches!(request_type, RequestType::Flush | RequestType::GetId) {
            return Err(Error::TooManyBuffers);
        }
        // Only reads and writes name a sector in the header (section 5.2.6.1).
        let sector = match request_type {
            RequestType::In | RequestType::Out => sector,
            _ => 0,
        };
        let header = RequestHeader { request_type: request_type as u32, reserved: 0, sector };
        self.slices.header.write(&header).map_err(|_| Error::NoMemory)?;
        let poison = ResponseStatus::NotReady as u8;
        self.slices.response.write(&poison).map_err(|_| Error::NoMemory)
    }

    /// The number of segments that it lists.
    pub fn segment_count(&self) -> usize {
        2 + match &self.data {
            Data::Nothing => 0,
            Data::Range => 1,
            Data::ToDevice(bytes) | Data::FromDevice(bytes) => {
                parts(&self.buffers, bytes, self.max_segment_bytes).count()
            }
        }
    }

    /// How far a chain gets from byte `start` of the buffers on with so many segments.
    fn end_of_step(&self, start: usize, segments: usize) -> usize {
        let all = start..self.buffers.iter().map(Buffer::len).sum();
        let taken = parts(&self.buffers, &all, self.max_segment_bytes).take(segments);
        // Lengths that fit 32 bits together with the response, as the device counts them so.
        taken
            .scan(0u32, |sum, (_, part)| {
                *sum = u32::try_from(part.len()).ok().and_then(|len| sum.checked_add(len))?;
                (*sum < u32::MAX).then_some(part.len())
            })
            .fold(start, |end, len| end + len)
    }

    fn clear(
        &mut self,
        ticket: &mut Ticket,
        sector: u64,
        sectors: u32,
        limit: u32,
    ) -> Result<(), Error> {
        let left = u64::from(sectors).saturating_sub(ticket.progress / SECTOR_SIZE as u64);
        // Cannot truncate: it is no larger than `limit`.
        let num_sectors = left.min(limit.into()) as u32;
        self.data = Data::Range;
        ticket.step = u64::from(num_sectors) * SECTOR_SIZE as u64;
        ticket.expected = 1;
        let range = self.slices.range.as_ref().ok_or(Error::NoMemory)?;
        range.write(&RangeToClear { sector, num_sectors, flags: 0 }).map_err(|_| Error::NoMemory)
    }

    /// Step 5: what the device answered, having written `written` bytes.
    fn check_response(&self, ticket: &Ticket, written: u32) -> Result<(), Error> {
        let byte = self.slices.response.read().map_err(|_| Error::NoAnswer)?;
        match ResponseStatus::try_from(byte) {
            Ok(ResponseStatus::Ok) if written < ticket.expected => {
                Err(Error::Short { written, expected: ticket.expected })
            }
            Ok(ResponseStatus::Ok) => Ok(()),
            Ok(ResponseStatus::IoErr) => Err(Error::Io),
            Ok(ResponseStatus::Unsupp) => Err(Error::Unsupported),
            Ok(ResponseStatus::NotReady) => Err(Error::NoAnswer),
            Err(_) => Err(Error::BadStatus(byte)),
        }
    }
}

/// What becomes of a request when the device has returned one of its chains.
#[derive(Debug)]
pub(super) enum Outcome {
    /// There is more to do, with this chain.
    Continue(RequestChain, Ticket),
    /// The request has ended.
    Ended(Ended),
}

impl Ticket {
    /// Whose request it is.
    pub fn done(&self) -> &Arc<CompletionQueue> {
        &self.done
    }

    /// Decides what follows when the device has returned `chain`.
    ///
    /// `room` is how many segments a chain can have now, the descriptors of the returned one
    /// included, so that the next step always fits.
    pub fn settle(
        mut self,
        mut chain: RequestChain,
        written: u32,
        config: &BlkConfig,
        room: usize,
    ) -> Outcome {
        let result = chain.check_response(&self, written).and_then(|()| {
            self.progress += self.step;
            let more = self.progress < self.total(&chain);
            if more { chain.prepare(&mut self, config, room).map(|()| true) } else { Ok(false) }
        });
        match result {
            Ok(true) => Outcome::Continue(chain, self),
            Ok(false) => Outcome::Ended(self.end(chain, Ok(()))),
            Err(error) => Outcome::Ended(self.end(chain, Err(error))),
        }
    }

    /// Ends the request, whose chain has come back.
    pub fn end(self, chain: RequestChain, result: Result<(), Error>) -> Ended {
        let done = self.done.clone();
        let (slices, request) = chain.into_request(self);
        Ended { slices, done, request, result }
    }

    /// The request without its buffers, which had to be left to the device.
    pub fn without_memory(self) -> (Arc<CompletionQueue>, Request) {
        (self.done, self.request)
    }

    /// The bytes that the whole request covers; 0 where there is nothing to count.
    fn total(&self, chain: &RequestChain) -> u64 {
        match self.request.operation {
            Operation::Read | Operation::Write => {
                chain.buffers.iter().map(|buffer| buffer.len() as u64).sum()
            }
            Operation::Discard { sectors } | Operation::WriteZeroes { sectors } => {
                u64::from(sectors) * SECTOR_SIZE as u64
            }
            Operation::Flush | Operation::GetSerial => 0,
        }
    }
}

impl RequestChain {
    /// The slices, and the request with its buffers put back.
    pub fn into_request(self, ticket: Ticket) -> (Slices, Request) {
        (self.slices, Request { buffers: self.buffers, ..ticket.request })
    }
}
