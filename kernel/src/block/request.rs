//! One request to a disk.

use alloc::{boxed::Box, sync::Arc, vec::Vec};

use super::{Buffer, CompletionQueue, DiskInfo, Error, SECTOR_SIZE};

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Fill the buffers from the disk.
    Read,
    /// Write the buffers to the disk.
    Write,
    /// Make completed writes safe from a power cut.
    Flush,
    /// Forget the content of this many sectors.
    Discard {
        /// How many.
        sectors: u32,
    },
    /// Fill this many sectors with zeros.
    WriteZeroes {
        /// How many.
        sectors: u32,
    },
    /// Put the disk's serial number, up to [`Self::SERIAL_BYTES`] bytes, padded with zeros, at
    /// the start of the only buffer.
    GetSerial,
}

impl Operation {
    /// The longest serial number.
    pub const SERIAL_BYTES: usize = 20;
}

/// A request: an operation, where on the disk, and the memory it moves.
///
/// The memory belongs to the disk's driver while the request is in flight and comes back with
/// the [`super::Completion`], so a request can be used again without allocating anything.
#[derive(Debug)]
pub struct Request {
    /// What to do.
    pub operation: Operation,
    /// The first sector.
    pub sector: u64,
    /// What is read or written, in the order of the sectors; empty for other operations.
    pub buffers: Vec<Buffer>,
    /// The submitter's own mark, which comes back with the completion.
    pub tag: u64,
    /// The driver's notes.
    pub(crate) flight: Flight,
}

/// What a driver notes about a request that is in flight.
///
/// The notes travel with the request, so that the driver has nothing to allocate for them.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    /// Where the completion goes.
    pub done: Option<Arc<CompletionQueue>>,
    /// The bytes that the whole request covers; 0 where there is nothing to count.
    pub total: u64,
    /// The bytes done already, if the request is done in several steps.
    pub progress: u64,
    /// The bytes that the present step does.
    pub step: u64,
    /// The bytes of a complete answer to the present step.
    pub expected: u32,
    /// When the present step began, in ticks of the machine's timer.
    pub since: u64,
}

impl Request {
    /// A request without a tag. It lives in a box, as it is handed on many times.
    pub fn new(operation: Operation, sector: u64, buffers: Vec<Buffer>) -> Box<Self> {
        Box::new(Self { operation, sector, buffers, tag: 0, flight: Flight::default() })
    }

    /// The number of bytes in the buffers.
    pub fn bytes(&self) -> usize {
        self.buffers.iter().map(Buffer::len).sum()
    }

    /// Checks what can be checked before a disk of `capacity` sectors now is asked. Returns how many bytes
    /// of the disk the request covers; 0 for a flush and for the serial number.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`], [`Error::Misaligned`], [`Error::OutOfRange`], [`Error::ReadOnly`],
    /// [`Error::Unsupported`].
    pub fn check(&self, disk: &DiskInfo, capacity: u64) -> Result<u64, Error> {
        let block_size = u64::from(disk.block_size);
        let (bytes, whole_blocks) = match self.operation {
            Operation::Flush => return Ok(0),
            Operation::GetSerial => {
                return if self.buffers.len() == 1 { Ok(0) } else { Err(Error::Empty) };
            }
            Operation::Read | Operation::Write => {
                let lengths = self.buffers.iter().map(|buffer| buffer.len() as u64);
                lengths.fold((0, true), |(sum, whole), length| {
                    (sum + length, whole && length.is_multiple_of(block_size))
                })
            }
            Operation::Discard { sectors } | Operation::WriteZeroes { sectors } => {
                let bytes = u64::from(sectors) * SECTOR_SIZE as u64;
                (bytes, bytes.is_multiple_of(block_size))
            }
        };
        match self.operation {
            Operation::Discard { .. } if !disk.discard => return Err(Error::Unsupported),
            Operation::WriteZeroes { .. } if !disk.write_zeroes => return Err(Error::Unsupported),
            Operation::Read => {}
            _ if disk.read_only => return Err(Error::ReadOnly),
            _ => {}
        }
        if bytes == 0 {
            return Err(Error::Empty);
        }
        let sectors = bytes / SECTOR_SIZE as u64;
        if !whole_blocks || !self.sector.is_multiple_of(block_size / SECTOR_SIZE as u64) {
            return Err(Error::Misaligned { block_size: disk.block_size });
        }
        match self.sector.checked_add(sectors) {
            Some(end) if end <= capacity => Ok(bytes),
            _ => Err(Error::OutOfRange { sector: self.sector, sectors, capacity }),
        }
    }
}
