//! One block request as the device sees it, section 5.2.6.
//!
//! ```text
//!   +-----------------+      +----------------------+      +-----------------+
//!   | request header  | ---> | data: buffers, or a  | ---> | response        |
//!   | 16 bytes        |      | range to clear       |      | 1 byte          |
//!   | device reads    |      | device reads/writes  |      | device writes   |
//!   +-----------------+      +----------------------+      +-----------------+
//! ```

use alloc::vec::Vec;
use core::iter;

use block::Error;
use dma::{Buffer, DmaSlice, DmaSliceAlloc};
use int_to_c_enum::TryFromInt;
use ostd::mm::dma::DmaCoherent;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{super::super::handshake::InitError, submit::Submitted};

/// The type of a request (section 5.2.6, `VIRTIO_BLK_T_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum RequestType {
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

/// The header of a request, which the device reads first.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct RequestHeader {
    request_type: u32,
    reserved: u32,
    sector: u64,
}

/// The range of a discard or write-zeroes request (`struct virtio_blk_discard_write_zeroes`).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct DiscardWriteZeroes {
    pub sector: u64,
    pub num_sectors: u32,
    pub flags: u32,
}

/// The status byte with which the device answers (`VIRTIO_BLK_S_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, TryFromInt)]
#[repr(u8)]
enum ResponseStatus {
    /// Done.
    Ok = 0,
    /// The device or the driver made an error.
    IoErr = 1,
    /// The device does not know the request.
    Unsupp = 2,
    /// Not from the device: the driver writes it beforehand, to notice when the device answers
    /// nothing.
    NotReady = 0xff,
}

/// The memory of one chain, which the queue owns while the device may use it.
///
/// Chains are made once, with their slices for header and response, and used again and again.
#[derive(Debug)]
pub(super) struct RequestMemory {
    pub header: DmaSlice<RequestHeader, DmaCoherent>,
    pub response: DmaSlice<u8, DmaCoherent>,
    /// For discard and write-zeroes requests.
    pub range: DmaSlice<DiscardWriteZeroes, DmaCoherent>,
    /// The data of a call that waits: a page, once there was such a call.
    pub data: Buffer,
    /// The request of a call that does not wait, with its data.
    pub submitted: Submitted,
}

impl RequestMemory {
    /// Makes the memory of so many chains. IRQs must be enabled.
    pub fn make(chains: usize) -> Result<Vec<Self>, InitError> {
        let headers = DmaSliceAlloc::coherent(chains)?;
        let responses = DmaSliceAlloc::coherent(chains)?;
        let ranges = DmaSliceAlloc::coherent(chains)?;
        let memory = || {
            Some(Self {
                header: headers.alloc()?,
                response: responses.alloc()?,
                range: ranges.alloc()?,
                data: Buffer::EMPTY,
                submitted: Submitted::default(),
            })
        };
        Ok(iter::from_fn(memory).take(chains).collect())
    }

    /// Writes the header, and a response that no device gives.
    #[inline(always)]
    pub fn prepare(&self, request_type: RequestType, sector: u64) {
        let header = RequestHeader { request_type: request_type as u32, reserved: 0, sector };
        self.header.store(&header);
        // ANCHOR: exercise-6-prepare
        self.response.store(&(ResponseStatus::NotReady as u8));
        // ANCHOR_END: exercise-6-prepare
    }

    /// Checks the device's answer: the response says that the request was done, and the device has
    /// written the `expected` number of bytes, the response's included.
    #[inline]
    pub fn check_status(&self, written: u32, expected: u32) -> Result<(), Error> {
        // ANCHOR: exercise-6-check_status
        let status = self.response.load();
        match ResponseStatus::try_from(status) {
            Ok(ResponseStatus::Ok) if written >= expected => Ok(()),
            Ok(ResponseStatus::Ok) => Err(Error::Short { written, expected }),
            Ok(ResponseStatus::IoErr) => Err(Error::Io),
            Ok(ResponseStatus::Unsupp) => Err(Error::Unsupported),
            Ok(ResponseStatus::NotReady) => Err(Error::NoAnswer),
            Err(_) => Err(Error::BadStatus(status)),
        }
        // ANCHOR_END: exercise-6-check_status
    }
}
