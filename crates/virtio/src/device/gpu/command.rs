//! One command as the device sees it, sections 5.7.6.7 and following.
//!
//! ```text
//!   +-------------------------+      +----------------------+      +-------------------------------+
//!   | request: header, fields | ---> | entries: the pages   | ---> | response: header, and for a   |
//!   | device reads            |      | of a backing, if any |      | question what was asked for   |
//!   +-------------------------+      +----------------------+      +-------------------------------+
//! ```

use alloc::{sync::Arc, vec::Vec};

use display::{Error, Rect};
use dma::{Buffer, DmaSlice};
use ostd::mm::dma::DmaCoherent;

use super::{
    super::{
        super::{
            batch::Step,
            handshake::InitError,
            queue::{Chain, ChainError, Segments},
        },
        slots,
    },
    Gpu,
    resource::Resource,
};

/// The segments of the shortest chain with an answer.
pub(super) const MIN_SEGMENTS: usize = 2;

/// The bytes of `struct virtio_gpu_ctrl_hdr`.
const HEADER_BYTES: usize = 24;

/// The most fields of a request, of 32 bits each.
const FIELDS: usize = 8;

/// The flag of a header that asks for an answer only when the command is done, and marks that answer
/// (`VIRTIO_GPU_FLAG_FENCE`).
const FLAG_FENCE: u32 = 1;

/// The format of screens (`VIRTIO_GPU_FORMAT_R8G8B8A8_UNORM`).
pub(super) const R8G8B8A8_UNORM: u32 = 67;

/// The format of cursors: devices do not convert those, and this is what they take.
pub(super) const B8G8R8A8_UNORM: u32 = 1;

/// The most bytes of information that can be asked for: of GET_EDID.
pub(super) const MAX_INFO: usize = 8 + 1024;

/// A kind of request: its name, its type (`VIRTIO_GPU_CMD_*`), the type of its answer (`VIRTIO_GPU_RESP_*`), and the bytes
/// of information behind that.
#[derive(Debug)]
pub(super) struct Kind(&'static str, u32, u32, usize);

/// The kinds of requests.
#[rustfmt::skip]
pub(super) mod kind {
    use super::{Kind, MAX_INFO, NO_ANSWER};

    const OK_NODATA: u32 = 0x1100;

    pub static GET_DISPLAY_INFO: Kind = Kind("GET_DISPLAY_INFO", 0x0100, 0x1101, 16 * 24);
    pub static RESOURCE_CREATE_2D: Kind = Kind("RESOURCE_CREATE_2D", 0x0101, OK_NODATA, 0);
    pub static RESOURCE_UNREF: Kind = Kind("RESOURCE_UNREF", 0x0102, OK_NODATA, 0);
    pub static SET_SCANOUT: Kind = Kind("SET_SCANOUT", 0x0103, OK_NODATA, 0);
    pub static RESOURCE_FLUSH: Kind = Kind("RESOURCE_FLUSH", 0x0104, OK_NODATA, 0);
    pub static TRANSFER_TO_HOST_2D: Kind = Kind("TRANSFER_TO_HOST_2D", 0x0105, OK_NODATA, 0);
    pub static ATTACH_BACKING: Kind = Kind("RESOURCE_ATTACH_BACKING", 0x0106, OK_NODATA, 0);
    pub static DETACH_BACKING: Kind = Kind("RESOURCE_DETACH_BACKING", 0x0107, OK_NODATA, 0);
    pub static GET_EDID: Kind = Kind("GET_EDID", 0x010a, 0x1104, MAX_INFO);
    pub static UPDATE_CURSOR: Kind = Kind("UPDATE_CURSOR", 0x0300, NO_ANSWER, 0);
    pub static MOVE_CURSOR: Kind = Kind("MOVE_CURSOR", 0x0301, NO_ANSWER, 0);
}

/// Stands for the answer to commands about cursors, to which devices give none.
const NO_ANSWER: u32 = 0;

/// The device's reason not to do something with a resource that it does not know.
const UNKNOWN_RESOURCE: &str = "ERR_INVALID_RESOURCE_ID";

/// The device's reasons not to do something, from type 0x1200 on (`VIRTIO_GPU_RESP_ERR_*`).
#[rustfmt::skip]
static REFUSALS: [&str; 6] = [
    "ERR_UNSPEC", "ERR_OUT_OF_MEMORY", "ERR_INVALID_SCANOUT_ID",
    UNKNOWN_RESOURCE, "ERR_INVALID_CONTEXT_ID", "ERR_INVALID_PARAMETER",
];

/// A request: its kind, and the fields behind its header.
#[derive(Debug)]
pub(super) struct Command {
    pub kind: &'static Kind,
    pub fields: [u32; FIELDS],
    /// The number of fields.
    pub count: usize,
    /// The resource whose backing the device gets, or is to give up.
    pub backing: Option<Arc<Resource>>,
}

impl Kind {
    /// The request of this kind with these fields.
    #[inline]
    pub fn with<const N: usize>(&'static self, of: [u32; N]) -> Command {
        let mut fields = [0; FIELDS];
        fields.iter_mut().zip(of).for_each(|(field, of)| *field = of);
        Command { kind: self, fields, count: N, backing: None }
    }

    /// As [`Self::with`], for fields that begin with a part of a resource.
    #[inline]
    pub fn of<const N: usize>(&'static self, part: Rect, others: [u32; N]) -> Command {
        let Command { fields: [a, b, c, d, ..], .. } = self.with(others);
        let Rect { x, y, width, height } = part;
        Command { count: 4 + N, ..self.with([x, y, width, height, a, b, c, d]) }
    }
}

impl Command {
    /// Returns `true` if after such an answer the device has no backing that it was to give up by it. One that has refused
    /// to get to know the resource has nothing to give up.
    pub fn gives_up(&self, answer: Result<(), Error>) -> bool {
        let is_done =
            matches!(answer, Ok(()) | Err(Error::Refused { reason: UNKNOWN_RESOURCE, .. }));
        is_done && !self.attaches()
    }

    /// Returns `true` if the device gets a backing by it.
    pub fn attaches(&self) -> bool {
        self.kind.1 == kind::ATTACH_BACKING.1
    }

    /// The pages that list the pieces of that backing.
    #[inline]
    fn entries(&self) -> &[Buffer] {
        match &self.backing {
            Some(resource) if self.attaches() => resource.entries.list(),
            _ => &[],
        }
    }
}

impl Step<Gpu> for Command {
    #[inline]
    fn segments(&self) -> usize {
        self.entries().len() + if self.kind.2 == NO_ANSWER { 1 } else { MIN_SEGMENTS }
    }

    #[inline]
    fn link(self, chain: &mut Chain<Memory>, gpu: &Gpu) -> Result<(), ChainError> {
        chain.memory_mut().prepare(self, gpu.next_fence());
        chain.link(|memory, segments| memory.describe(segments))
    }
}

/// The memory of one chain, which the queue owns while the device may use it.
#[derive(Debug)]
pub(super) struct Memory {
    request: DmaSlice<[u64; (HEADER_BYTES + 4 * FIELDS) / 8], DmaCoherent>,
    response: DmaSlice<[u64; HEADER_BYTES / 8], DmaCoherent>,
    /// The information that was asked for, behind the response.
    pub info: DmaSlice<[u8; MAX_INFO], DmaCoherent>,
    /// The request, as the device was told it.
    pub command: Command,
    fence: u64,
}

impl Memory {
    /// Makes the memory of so many chains. IRQs must be enabled.
    pub fn make(chains: usize) -> Result<Vec<Self>, InitError> {
        let slots = slots(chains)?.into_iter().zip(slots(chains)?).zip(slots(chains)?);
        let memory = slots.map(|((request, response), info)| {
            let command = kind::GET_DISPLAY_INFO.with([]);
            Self { request, response, info, command, fence: 0 }
        });
        Ok(memory.collect())
    }

    /// Writes the request, and a response that no device gives.
    #[inline]
    fn prepare(&mut self, command: Command, fence: u64) {
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
        (self.command, self.fence) = (command, fence);
    }

    /// Describes request, entries and response.
    #[inline]
    fn describe<'a>(&'a self, segments: &mut Segments<'a>) {
        let Command { kind, count, .. } = self.command;
        segments.device_reads_part(&self.request, 0..HEADER_BYTES + 4 * count);
        self.command.entries().iter().for_each(|page| segments.device_reads(page));
        if kind.2 != NO_ANSWER {
            segments.device_writes(&self.response);
        }
        if kind.3 > 0 {
            segments.device_writes_part(&self.info, 0..kind.3);
        }
    }

    /// Checks the device's answer: it is of the right type, as long as it must be, and for this command.
    ///
    /// # Errors
    ///
    /// [`Error::Short`], [`Error::Refused`], [`Error::BadAnswer`], [`Error::WrongFence`].
    #[inline]
    pub fn check(&self, written: u32) -> Result<(), Error> {
        let Kind(command, _, expected, info_bytes) = *self.command.kind;
        if expected == NO_ANSWER {
            return Ok(());
        }
        let [types, fence, _] = self.response.load_words();
        let (found, flags) = (types as u32, (types >> 32) as u32);
        let fence = (flags & FLAG_FENCE != 0).then_some(fence);
        let whole = (HEADER_BYTES + info_bytes) as u32;
        if found == expected && fence == Some(self.fence) && written >= whole {
            return Ok(());
        }
        let refusal = found.checked_sub(0x1200).and_then(|reason| REFUSALS.get(reason as usize));
        let short = Error::Short { command, written, expected: whole };
        Err(match refusal {
            _ if written < HEADER_BYTES as u32 => short,
            Some(&reason) => Error::Refused { command, reason },
            None if found != expected => Error::BadAnswer { command, found, expected },
            None if fence == Some(self.fence) => short,
            None => Error::WrongFence { command, found: fence, expected: self.fence },
        })
    }
}
