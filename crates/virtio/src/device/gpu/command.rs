//! One command as the device sees it, sections 5.7.6.7 and following.
//!
//! ```text
//!   +-------------------------+      +----------------------+      +-------------------------------+
//!   | request: header, fields | ---> | entries: the pages   | ---> | response: header, and for a   |
//!   | device reads            |      | of a backing, if any |      | question what was asked for   |
//!   +-------------------------+      +----------------------+      +-------------------------------+
//! ```

use alloc::{sync::Arc, vec::Vec};
use core::iter;

use display::{Error, Rect};
use dma::{Buffer, DmaSlice, DmaSliceAlloc};
use ostd::mm::dma::DmaCoherent;

use super::{
    super::super::{handshake::InitError, queue::Segments},
    resource::Resource,
};

/// The segments of the shortest chain with an answer.
pub(super) const MIN_SEGMENTS: usize = 2;

/// The bytes of `struct virtio_gpu_ctrl_hdr`.
const HEADER_BYTES: usize = 24;

/// The most bytes of a request: header, and eight fields.
const REQUEST_BYTES: usize = HEADER_BYTES + 4 * FIELDS;

/// The most fields of a request.
const FIELDS: usize = 8;

/// The flag of a header that asks for an answer only when the command is done, and marks that answer
/// (`VIRTIO_GPU_FLAG_FENCE`).
const FLAG_FENCE: u32 = 1;

/// The formats of pixels that are used (`VIRTIO_GPU_FORMAT_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Format {
    /// Of cursors: devices do not convert those, and this is what they take.
    B8G8R8A8Unorm = 1,
    /// Of screens.
    R8G8B8A8Unorm = 67,
}

/// The kinds of requests, by their names and types (`VIRTIO_GPU_CMD_*`), each with the type of its answer
/// (`VIRTIO_GPU_RESP_*`).
#[rustfmt::skip]
pub(super) mod kind {
    use super::Kind;

    const OK_NODATA: u32 = 0x1100;

    pub const GET_DISPLAY_INFO: Kind = Kind("GET_DISPLAY_INFO", 0x0100, 0x1101);
    pub const RESOURCE_CREATE_2D: Kind = Kind("RESOURCE_CREATE_2D", 0x0101, OK_NODATA);
    pub const RESOURCE_UNREF: Kind = Kind("RESOURCE_UNREF", 0x0102, OK_NODATA);
    pub const SET_SCANOUT: Kind = Kind("SET_SCANOUT", 0x0103, OK_NODATA);
    pub const RESOURCE_FLUSH: Kind = Kind("RESOURCE_FLUSH", 0x0104, OK_NODATA);
    pub const TRANSFER_TO_HOST_2D: Kind = Kind("TRANSFER_TO_HOST_2D", 0x0105, OK_NODATA);
    pub const ATTACH_BACKING: Kind = Kind("RESOURCE_ATTACH_BACKING", 0x0106, OK_NODATA);
    pub const DETACH_BACKING: Kind = Kind("RESOURCE_DETACH_BACKING", 0x0107, OK_NODATA);
    pub const GET_EDID: Kind = Kind("GET_EDID", 0x010a, 0x1104);
    pub const UPDATE_CURSOR: Kind = Kind("UPDATE_CURSOR", 0x0300, super::NO_ANSWER);
    pub const MOVE_CURSOR: Kind = Kind("MOVE_CURSOR", 0x0301, super::NO_ANSWER);
}

/// Stands for the answer to commands about cursors, to which devices give none.
const NO_ANSWER: u32 = 0;

/// A kind of request: its name, its type, and the type of its answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind(&'static str, u32, u32);

/// A request: its kind, and the fields behind its header, each of 32 bits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Command {
    kind: Kind,
    fields: [u32; FIELDS],
    /// The number of fields.
    count: usize,
}

impl Kind {
    /// The request of this kind with these fields.
    #[inline]
    pub fn with<const N: usize>(self, of: [u32; N]) -> Command {
        let mut fields = [0; FIELDS];
        fields.iter_mut().zip(of).for_each(|(field, of)| *field = of);
        Command { kind: self, fields, count: N }
    }

    /// As [`Self::with`], for fields that begin with a part of a resource.
    #[inline]
    pub fn of<const N: usize>(self, part: Rect, others: [u32; N]) -> Command {
        let Command { fields: [a, b, c, d, ..], .. } = self.with(others);
        let Rect { x, y, width, height } = part;
        Command { count: 4 + N, ..self.with([x, y, width, height, a, b, c, d]) }
    }
}

impl Command {
    /// The segments of its chain, but for entries and what is asked for.
    pub fn segments(&self) -> usize {
        if self.kind.2 == NO_ANSWER { 1 } else { MIN_SEGMENTS }
    }
}

/// The memory of one chain, which the queue owns while the device may use it.
#[derive(Debug)]
pub(super) struct Memory {
    request: DmaSlice<[u64; REQUEST_BYTES / 8], DmaCoherent>,
    response: DmaSlice<[u64; HEADER_BYTES / 8], DmaCoherent>,
    /// The information that was asked for, behind the response.
    pub info: Buffer,
    /// The resource the list of whose pieces goes with the request.
    pub attached: Option<Arc<Resource>>,
    /// The request, as the device was told it.
    command: Command,
    fence: u64,
    info_bytes: usize,
}

impl Memory {
    /// Makes the memory of so many chains. IRQs must be enabled.
    pub fn make(chains: usize) -> Result<Vec<Self>, InitError> {
        let requests = DmaSliceAlloc::coherent(chains)?;
        let responses = DmaSliceAlloc::coherent(chains)?;
        let memory = || {
            Some(Self {
                request: requests.alloc()?,
                response: responses.alloc()?,
                info: Buffer::EMPTY,
                attached: None,
                command: kind::GET_DISPLAY_INFO.with([]),
                fence: 0,
                info_bytes: 0,
            })
        };
        Ok(iter::from_fn(memory).take(chains).collect())
    }

    /// Writes the request, which asks for `info_bytes` bytes, and a response that no device gives.
    #[inline]
    pub fn prepare(&mut self, command: Command, info_bytes: usize, fence: u64) {
        let [f0, f1, f2, f3, f4, f5, f6, f7] = command.fields;
        let pair = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        self.request.store(&[
            pair(command.kind.1, FLAG_FENCE),
            fence,
            0, // ctx_id, ring_idx
            pair(f0, f1),
            pair(f2, f3),
            pair(f4, f5),
            pair(f6, f7),
        ]);
        self.response.store(&[0; HEADER_BYTES / 8]);
        (self.command, self.fence, self.info_bytes) = (command, fence, info_bytes);
    }

    /// Describes request, entries and response.
    #[inline]
    pub fn describe<'a>(&'a self, segments: &mut Segments<'a>) {
        let Command { kind, count, .. } = self.command;
        segments.device_reads_part(&self.request, 0..HEADER_BYTES + 4 * count);
        if let Some(resource) = &self.attached {
            resource.describe_entries(segments);
        }
        if kind.2 != NO_ANSWER {
            segments.device_writes(&self.response);
        }
        if self.info_bytes > 0 {
            segments.device_writes(&self.info);
        }
    }

    /// Checks the device's answer: it is of the right type, as long as it must be, and for this command.
    ///
    /// # Errors
    ///
    /// [`Error::Short`], [`Error::Refused`], [`Error::BadAnswer`], [`Error::WrongFence`].
    #[inline]
    pub fn check(&self, written: u32) -> Result<(), Error> {
        let Kind(command, _, expected) = self.command.kind;
        if expected == NO_ANSWER {
            return Ok(());
        }
        let [types, fence, _] = self.response.load_words();
        let (found, flags) = (types as u32, (types >> 32) as u32);
        let whole = (HEADER_BYTES + self.info_bytes) as u32;
        if found == expected && flags & FLAG_FENCE != 0 && fence == self.fence && written >= whole {
            return Ok(());
        }
        Err(match refusal(found) {
            _ if written < HEADER_BYTES as u32 => {
                Error::Short { command, written, expected: whole }
            }
            Some(reason) => Error::Refused { command, reason },
            None if found != expected => Error::BadAnswer { command, found, expected },
            None if flags & FLAG_FENCE == 0 || fence != self.fence => {
                let found = (flags & FLAG_FENCE != 0).then_some(fence);
                Error::WrongFence { command, found, expected: self.fence }
            }
            None => Error::Short { command, written, expected: whole },
        })
    }
}

/// The device's reason not to do something with a resource that it does not know.
pub(super) const UNKNOWN_RESOURCE: &str = "ERR_INVALID_RESOURCE_ID";

/// The device's reason not to do something (`VIRTIO_GPU_RESP_ERR_*`).
fn refusal(response_type: u32) -> Option<&'static str> {
    Some(match response_type {
        0x1200 => "ERR_UNSPEC",
        0x1201 => "ERR_OUT_OF_MEMORY",
        0x1202 => "ERR_INVALID_SCANOUT_ID",
        0x1203 => UNKNOWN_RESOURCE,
        0x1204 => "ERR_INVALID_CONTEXT_ID",
        0x1205 => "ERR_INVALID_PARAMETER",
        _ => return None,
    })
}
