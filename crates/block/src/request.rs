//! One request to a disk.

use alloc::{boxed::Box, vec::Vec};

use super::{Buffer, Error, Geometry, SECTOR_SIZE};

/// The action that a request asks for. A driver that does not have one fails it with
/// [`Error::Unsupported`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// Fill the buffers from the disk.
    Read,
    /// Write the buffers to the disk.
    Write,
    /// Make completed writes safe from a power cut.
    Flush,
    /// Forget the content of this many sectors.
    Discard {
        /// Their number.
        sectors: u32,
    },
    /// Fill this many sectors with zeros.
    WriteZeroes {
        /// Their number.
        sectors: u32,
    },
}

/// A request: an operation, its place on the disk, and the memory that it moves.
///
/// The memory belongs to the disk's driver while the request is in flight and comes back with
/// the [`super::Completion`], so a request can be used again without allocating anything.
#[derive(Debug)]
pub struct Request {
    /// The action.
    pub operation: Operation,
    /// The first sector.
    pub sector: u64,
    /// The data, in the order of the sectors; empty for other operations.
    pub buffers: Vec<Buffer>,
    /// The submitter's own mark, which comes back with the completion.
    pub tag: u64,
}

impl Request {
    /// A request without a tag. It lives in a box, as it is handed on many times.
    pub fn new(operation: Operation, sector: u64, buffers: Vec<Buffer>) -> Box<Self> {
        Box::new(Self { operation, sector, buffers, tag: 0 })
    }

    /// The number of bytes in the buffers.
    pub fn bytes(&self) -> usize {
        self.buffers.iter().map(Buffer::len).sum()
    }

    /// Checks the request against the properties of the disk, before the disk is asked. Returns the
    /// number of bytes of the disk that it covers; 0 for a flush.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`], [`Error::Misaligned`], [`Error::OutOfRange`], [`Error::ReadOnly`],
    /// [`Error::Unsupported`], and [`Error::TooManyBuffers`] where an operation moves no data.
    #[inline(always)]
    pub fn check(&self, disk: &Geometry) -> Result<u64, Error> {
        match self.operation {
            Operation::Read => disk.check(self.sector, self.data_bytes(disk)?),
            Operation::Write if disk.read_only => Err(Error::ReadOnly),
            Operation::Write => disk.check(self.sector, self.data_bytes(disk)?),
            Operation::Flush | Operation::Discard { .. } | Operation::WriteZeroes { .. }
                if !self.buffers.is_empty() =>
            {
                Err(Error::TooManyBuffers)
            }
            Operation::Flush => Ok(0),
            Operation::Discard { .. } if !disk.discard => Err(Error::Unsupported),
            Operation::WriteZeroes { .. } if !disk.write_zeroes => Err(Error::Unsupported),
            Operation::Discard { .. } | Operation::WriteZeroes { .. } if disk.read_only => {
                Err(Error::ReadOnly)
            }
            Operation::Discard { sectors } | Operation::WriteZeroes { sectors } => {
                disk.check(self.sector, u64::from(sectors) * SECTOR_SIZE as u64)
            }
        }
    }

    /// The bytes of the buffers, each of which holds whole blocks.
    #[inline]
    fn data_bytes(&self, disk: &Geometry) -> Result<u64, Error> {
        let mut bytes = 0;
        for length in self.buffers.iter().map(|buffer| buffer.len() as u64) {
            if length & (u64::from(disk.block_size) - 1) != 0 {
                return Err(Error::Misaligned { block_size: disk.block_size });
            }
            bytes += length;
        }
        Ok(bytes)
    }
}
