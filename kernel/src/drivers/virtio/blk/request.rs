//! One block request as the device sees it, VIRTIO 1.3 section 5.2.6.
//!
//! ```text
//!   +-----------------+      +----------------------+      +-----------------+
//!   | request header  | ---> | data: buffers, or a  | ---> | response        |
//!   | 16 bytes        |      | range to discard     |      | 1 byte          |
//!   | device reads    |      | device reads/writes  |      | device writes   |
//!   +-----------------+      +----------------------+      +-----------------+
//! ```

use alloc::{boxed::Box, vec::Vec};
use core::{iter, mem, ops::Range};

use int_to_c_enum::TryFromInt;
use ostd::mm::dma::DmaCoherent;
use ostd_pod::Pod;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{
    super::{
        init::InitError,
        queue::{Chain, MAX_SEGMENTS, Segments},
    },
    config::BlkConfig,
};
use crate::{
    block::{Buffer, Error, Operation, Request, SECTOR_SIZE},
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

/// One chain with all its memory, which the queue owns while the device may use it.
///
/// Chains are made once, with their slices for header and response, and used again and again.
#[derive(Debug)]
pub(super) struct RequestChain {
    header: DmaSlice<RequestHeader, DmaCoherent>,
    /// For discard and write-zeroes requests only.
    range: Option<DmaSlice<RangeToClear, DmaCoherent>>,
    response: DmaSlice<u8, DmaCoherent>,
    /// The request's, while it is in this chain.
    buffers: Vec<Buffer>,
    data: Data,
    device_writes: bool,
}

/// What a chain moves of its buffers.
#[derive(Debug, Default)]
struct Data {
    /// The bytes before the first one to move.
    skip: usize,
    /// The most bytes of one segment.
    longest: usize,
    /// The number of segments.
    segments: usize,
}

/// The most data segments of a chain: what header and response leave.
const MAX_DATA_SEGMENTS: usize = MAX_SEGMENTS - 2;

/// Cuts the buffers, without the first `skip` bytes, into pieces of at most `longest` bytes.
fn pieces(
    buffers: &[Buffer],
    skip: usize,
    longest: usize,
) -> impl Iterator<Item = (&Buffer, Range<usize>)> {
    let mut buffers = buffers.iter();
    let mut buffer = buffers.next();
    let mut start = skip;
    iter::from_fn(move || {
        loop {
            let current = buffer?;
            if start < current.len() {
                let end = current.len().min(start.saturating_add(longest));
                return Some((current, mem::replace(&mut start, end)..end));
            }
            start -= current.len();
            buffer = buffers.next();
        }
    })
}

impl Chain for RequestChain {
    fn segments<'a>(&'a self, list: &mut Segments<'a>) {
        list.device_reads(&self.header);
        if let Some(range) = &self.range {
            list.device_reads(range);
        }
        let Data { skip, longest, segments } = self.data;
        for (buffer, bytes) in pieces(&self.buffers, skip, longest).take(segments) {
            match self.device_writes {
                true => list.device_writes_part(buffer.memory(), bytes),
                false => list.device_reads_part(buffer.memory(), bytes),
            }
        }
        list.device_writes(&self.response);
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

impl RequestChain {
    /// Makes so many chains. IRQs must be enabled.
    #[expect(clippy::vec_box, reason = "a chain moves into the queue and back, as one word")]
    pub fn make(chains: usize) -> Result<Vec<Box<Self>>, InitError> {
        let headers = coherent_slices(chains)?;
        let responses = coherent_slices(chains)?;
        let chain = || {
            Some(Box::new(Self {
                header: headers.alloc()?,
                range: None,
                response: responses.alloc()?,
                buffers: Vec::new(),
                data: Data::default(),
                device_writes: false,
            }))
        };
        Ok(iter::from_fn(chain).take(chains).collect())
    }

    /// The rest of step 1: takes the slice that only some operations need. Returns whether there
    /// was one.
    pub fn take_range(
        &mut self,
        operation: Operation,
        ranges: &DmaSliceAlloc<RangeToClear, DmaCoherent>,
    ) -> bool {
        match operation {
            Operation::Discard { .. } | Operation::WriteZeroes { .. } => {
                self.range = ranges.alloc();
                self.range.is_some()
            }
            _ => true,
        }
    }

    /// Step 2: links header, data and response to a chain that does all of `request`, or as much
    /// of it as fits `room` segments and the device's limits; [`Self::next_step`] does the rest.
    ///
    /// `total` is what [`Request::check`] gave, and `room` is 3 at least.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyBuffers`] if not even the first part fits; the request is as it was.
    pub fn link(
        &mut self,
        request: &mut Request,
        total: u64,
        config: &BlkConfig,
        room: usize,
    ) -> Result<(), Error> {
        move_all(&mut request.buffers, &mut self.buffers);
        (request.flight.total, request.flight.progress) = (total, 0);
        self.next_step(request, config, room).inspect_err(|_| self.unlink(request))
    }

    /// Undoes [`Self::link`]: gives the request its buffers back.
    pub fn unlink(&mut self, request: &mut Request) {
        move_all(&mut self.buffers, &mut request.buffers);
    }

    /// Gives back what [`Self::take_range`] took.
    pub fn return_range(&mut self) {
        self.range = None;
    }

    /// Describes the next step of the request in header, range and data, and poisons the response.
    ///
    /// `room` is how many segments a chain can have now. When a chain is to be sent again, its own
    /// descriptors have just become free, so that the next step always fits.
    ///
    /// # Errors
    ///
    /// As [`Self::link`].
    pub fn next_step(
        &mut self,
        request: &mut Request,
        config: &BlkConfig,
        room: usize,
    ) -> Result<(), Error> {
        self.data.segments = 0;
        request.flight.since = ostd::arch::read_tsc();
        let mut sector = request.sector + request.flight.progress / SECTOR_SIZE as u64;
        request.flight.expected = size_of::<u8>() as u32;
        let request_type = match request.operation {
            Operation::Read => {
                self.device_writes = true;
                let bytes = self.choose_data(request, config, room)?;
                request.flight.expected += bytes;
                RequestType::In
            }
            Operation::Write => {
                self.device_writes = false;
                self.choose_data(request, config, room)?;
                RequestType::Out
            }
            operation => {
                // Only reads and writes name a sector in the header (section 5.2.6.1).
                let first = mem::take(&mut sector);
                self.prepare_other(operation, first, request, config)?
            }
        };
        let header = RequestHeader { request_type: request_type as u32, reserved: 0, sector };
        self.header.write(&header).map_err(|_| Error::NoMemory)?;
        let poison = ResponseStatus::NotReady as u8;
        self.response.write(&poison).map_err(|_| Error::NoMemory)
    }

    /// Chooses what of the buffers this chain moves; returns the number of bytes.
    fn choose_data(
        &mut self,
        request: &mut Request,
        config: &BlkConfig,
        room: usize,
    ) -> Result<u32, Error> {
        let most = room.saturating_sub(2).min(config.max_segments as usize).min(MAX_DATA_SEGMENTS);
        let skip = request.flight.progress as usize;
        let longest = config.max_segment_bytes as usize;
        let (mut bytes, mut segments) = (0u32, 0);
        for (_, piece) in pieces(&self.buffers, skip, longest).take(most) {
            // The device counts what it writes, the response too, in 32 bits.
            let more = u32::try_from(piece.len()).ok();
            match more.and_then(|more| bytes.checked_add(more)) {
                Some(sum) if sum < u32::MAX => (bytes, segments) = (sum, segments + 1),
                _ => break,
            }
        }
        self.data = Data { skip, longest, segments };
        request.flight.step = bytes.into();
        if bytes == 0 { Err(Error::TooManyBuffers) } else { Ok(bytes) }
    }

    /// [`Self::next_step`] for operations that move no sectors.
    fn prepare_other(
        &mut self,
        operation: Operation,
        sector: u64,
        request: &mut Request,
        config: &BlkConfig,
    ) -> Result<RequestType, Error> {
        match operation {
            Operation::GetSerial => {
                self.device_writes = true;
                self.data = Data { skip: 0, longest: Operation::SERIAL_BYTES, segments: 1 };
                request.flight.expected += Operation::SERIAL_BYTES as u32;
                Ok(RequestType::GetId)
            }
            Operation::Discard { sectors } => {
                self.clear(request, sector, sectors, config.max_discard_sectors)?;
                Ok(RequestType::Discard)
            }
            Operation::WriteZeroes { sectors } => {
                self.clear(request, sector, sectors, config.max_write_zeroes_sectors)?;
                Ok(RequestType::WriteZeroes)
            }
            Operation::Flush | Operation::Read | Operation::Write => Ok(RequestType::Flush),
        }
    }

    fn clear(
        &mut self,
        request: &mut Request,
        sector: u64,
        sectors: u32,
        limit: u32,
    ) -> Result<(), Error> {
        let done = request.flight.progress / SECTOR_SIZE as u64;
        let left = u64::from(sectors).saturating_sub(done);
        // Cannot truncate: it is no larger than `limit`.
        let num_sectors = left.min(limit.into()) as u32;
        request.flight.step = u64::from(num_sectors) * SECTOR_SIZE as u64;
        let range = self.range.as_ref().ok_or(Error::NoMemory)?;
        range.write(&RangeToClear { sector, num_sectors, flags: 0 }).map_err(|_| Error::NoMemory)
    }

    /// The number of segments that it lists.
    pub fn segment_count(&self) -> usize {
        2 + usize::from(self.range.is_some()) + self.data.segments
    }

    /// Step 5: what the device answered, having written `written` bytes.
    fn check_response(&self, expected: u32, written: u32) -> Result<(), Error> {
        let byte = self.response.read().map_err(|_| Error::NoAnswer)?;
        match ResponseStatus::try_from(byte) {
            Ok(ResponseStatus::Ok) if written < expected => Err(Error::Short { written, expected }),
            Ok(ResponseStatus::Ok) => Ok(()),
            Ok(ResponseStatus::IoErr) => Err(Error::Io),
            Ok(ResponseStatus::Unsupp) => Err(Error::Unsupported),
            Ok(ResponseStatus::NotReady) => Err(Error::NoAnswer),
            Err(_) => Err(Error::BadStatus(byte)),
        }
    }

    /// Decides what follows when the device has returned this chain of `request`, having written
    /// `written` bytes: how the request has ended, or `None` if [`Self::next_step`] is to come.
    pub fn settle(&self, request: &mut Request, written: u32) -> Option<Result<(), Error>> {
        let flight = &mut request.flight;
        if let Err(error) = self.check_response(flight.expected, written) {
            return Some(Err(error));
        }
        flight.progress += flight.step;
        (flight.progress >= flight.total).then_some(Ok(()))
    }
}

/// Moves a vector to where an empty one is.
///
/// This is on the way of every request, and neither of the short ways is cheap: `mem::swap` is
/// compiled to a copy byte by byte here, and a mere assignment runs the destructor of the old vector.
fn move_all<T>(from: &mut Vec<T>, to: &mut Vec<T>) {
    let old = mem::replace(to, mem::take(from));
    if old.capacity() == 0 {
        // Without capacity it owns nothing.
        mem::forget(old);
    }
}
