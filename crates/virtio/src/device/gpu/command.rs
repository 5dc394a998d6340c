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

use display::{Error, Mode, Rect};
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

/// The answer to a command that asks for nothing (`VIRTIO_GPU_RESP_OK_NODATA`).
const OK_NODATA: u32 = 0x1100;

/// The formats of pixels that are used (`VIRTIO_GPU_FORMAT_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Format {
    /// Of cursors: devices do not convert those, and this is what they take.
    B8G8R8A8Unorm = 1,
    /// Of screens.
    R8G8B8A8Unorm = 67,
}

/// A request: its type, the type of its answer, and its fields behind the header, each of 32 bits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Command {
    name: &'static str,
    request_type: u32,
    response_type: u32,
    fields: [u32; FIELDS],
    /// The number of fields.
    count: usize,
}

impl Command {
    const fn new<const N: usize>(name: &'static str, request_type: u32, of: [u32; N]) -> Self {
        let (mut fields, mut i) = ([0; FIELDS], 0);
        while i < N {
            fields[i] = of[i];
            i += 1;
        }
        Self { name, request_type, response_type: OK_NODATA, fields, count: N }
    }

    /// Asks for the place and size of every output.
    pub fn get_display_info() -> Self {
        Self { response_type: 0x1101, ..Self::new("GET_DISPLAY_INFO", 0x0100, []) }
    }

    /// Asks for the EDID of an output.
    pub fn get_edid(scanout: u32) -> Self {
        Self { response_type: 0x1104, ..Self::new("GET_EDID", 0x010a, [scanout, 0]) }
    }

    /// Makes a resource, memory of the device for pixels.
    pub fn resource_create_2d(resource: u32, format: Format, mode: Mode) -> Self {
        let fields = [resource, format as u32, mode.width(), mode.height()];
        Self::new("RESOURCE_CREATE_2D", 0x0101, fields)
    }

    /// Ends a resource.
    pub fn resource_unref(resource: u32) -> Self {
        Self::new("RESOURCE_UNREF", 0x0102, [resource, 0])
    }

    /// Ties an output to a part of a resource.
    pub fn set_scanout(scanout: u32, resource: u32, of: Rect) -> Self {
        let Rect { x, y, width, height } = of;
        Self::new("SET_SCANOUT", 0x0103, [x, y, width, height, scanout, resource])
    }

    /// Shows a part of a resource on the outputs that are tied to it.
    #[inline]
    pub fn resource_flush(resource: u32, part: Rect) -> Self {
        let Rect { x, y, width, height } = part;
        Self::new("RESOURCE_FLUSH", 0x0104, [x, y, width, height, resource, 0])
    }

    /// Copies a part of a resource from its backing, where it starts at byte `offset`.
    #[inline]
    pub fn transfer_to_host_2d(resource: u32, part: Rect, offset: u64) -> Self {
        let Rect { x, y, width, height } = part;
        let [low, high] = [offset as u32, (offset >> 32) as u32];
        Self::new("TRANSFER_TO_HOST_2D", 0x0105, [x, y, width, height, low, high, resource, 0])
    }

    /// Gives a resource its backing, the entries of which follow.
    pub fn resource_attach_backing(resource: u32, entries: u32) -> Self {
        Self::new("RESOURCE_ATTACH_BACKING", 0x0106, [resource, entries])
    }

    /// Takes its backing away from a resource.
    pub fn resource_detach_backing(resource: u32) -> Self {
        Self::new("RESOURCE_DETACH_BACKING", 0x0107, [resource, 0])
    }

    /// Shows a cursor, or none for resource 0.
    pub fn update_cursor(scanout: u32, at: (u32, u32), resource: u32, hot: (u32, u32)) -> Self {
        Self::new("UPDATE_CURSOR", 0x0300, [scanout, at.0, at.1, 0, resource, hot.0, hot.1, 0])
    }

    /// Moves the cursor.
    pub fn move_cursor(scanout: u32, at: (u32, u32), resource: u32) -> Self {
        Self::new("MOVE_CURSOR", 0x0301, [scanout, at.0, at.1, 0, resource, 0, 0, 0])
    }

    /// The bytes of the request.
    fn bytes(&self) -> usize {
        HEADER_BYTES + 4 * self.count
    }
}

/// The memory of one chain, which the queue owns while the device may use it.
#[derive(Debug)]
pub(super) struct Memory {
    request: DmaSlice<[u64; REQUEST_BYTES / 8], DmaCoherent>,
    response: DmaSlice<[u64; HEADER_BYTES / 8], DmaCoherent>,
    /// What was asked for, behind the response.
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
                command: Command::get_display_info(),
                fence: 0,
                info_bytes: 0,
            })
        };
        Ok(iter::from_fn(memory).take(chains).collect())
    }

    /// Writes the request, which asks for `info_bytes` bytes, and a response that no device gives. A fence of 0 is
    /// none, for commands without an answer.
    #[inline]
    pub fn prepare(&mut self, command: Command, info_bytes: usize, fence: u64) {
        let [f0, f1, f2, f3, f4, f5, f6, f7] = command.fields;
        let pair = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        self.request.store(&[
            pair(command.request_type, if fence == 0 { 0 } else { FLAG_FENCE }),
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
        self.describe_request(segments);
        if let Some(resource) = &self.attached {
            resource.describe_entries(segments);
        }
        segments.device_writes(&self.response);
        if self.info_bytes > 0 {
            segments.device_writes(&self.info);
        }
    }

    /// Describes the request of a command that devices do not answer, as those about the cursor.
    #[inline]
    pub fn describe_request<'a>(&'a self, segments: &mut Segments<'a>) {
        segments.device_reads_part(&self.request, 0..self.command.bytes());
    }

    /// Checks the device's answer: it is of the right type, as long as it must be, and for this command.
    ///
    /// # Errors
    ///
    /// [`Error::Short`], [`Error::Refused`], [`Error::BadAnswer`], [`Error::WrongFence`].
    #[inline]
    pub fn check(&self, written: u32) -> Result<(), Error> {
        let Command { name: command, response_type: expected, .. } = self.command;
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

/// The device's reason not to do something (`VIRTIO_GPU_RESP_ERR_*`).
fn refusal(response_type: u32) -> Option<&'static str> {
    Some(match response_type {
        0x1200 => "ERR_UNSPEC",
        0x1201 => "ERR_OUT_OF_MEMORY",
        0x1202 => "ERR_INVALID_SCANOUT_ID",
        0x1203 => "ERR_INVALID_RESOURCE_ID",
        0x1204 => "ERR_INVALID_CONTEXT_ID",
        0x1205 => "ERR_INVALID_PARAMETER",
        _ => return None,
    })
}
