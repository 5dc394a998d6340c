//! Pixels in memory of the device, the DMA memory that it copies them from, and the commands about both.

use alloc::{sync::Arc, vec::Vec};

use display::{BYTES_PER_PIXEL, Error, Mode, Rect};
use dma::{Buffer, Pieces};
use ostd::mm::PAGE_SIZE;
use zerocopy::IntoBytes;

use super::{
    super::super::{
        batch,
        queue::{Chain, ChainError, Segments},
    },
    Gpu,
    command::{Command, Format, Memory, kind},
};

/// The words of an entry, which names a piece of a backing (`struct virtio_gpu_mem_entry`): address, and length.
const ENTRY_WORDS: usize = 2;

/// A resource with its backing. Whoever holds it keeps the backing.
#[derive(Debug)]
pub(super) struct Resource {
    pub number: u32,
    pub mode: Mode,
    format: Format,
    backing: Pieces,
    /// The list of the backing's pieces for the device, in pages.
    entries: Vec<Buffer>,
}

impl Resource {
    /// A new resource for a frame of these pixels, which are in its backing. The device does not know it yet. IRQs must
    /// be enabled.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`].
    pub fn new(gpu: &Gpu, format: Format, pixels: &[u8], mode: Mode) -> Result<Arc<Self>, Error> {
        let no_memory = |_| Error::NoMemory;
        let backing = Pieces::alloc(pixels.as_ptr().addr(), pixels.len()).map_err(no_memory)?;
        let words: Vec<u64> = backing
            .extents()
            .flat_map(|extent| -> [u64; ENTRY_WORDS] { [extent.address as u64, extent.len as u64] })
            .collect();
        let mut entries = Vec::new();
        for page in words.as_bytes().chunks(PAGE_SIZE) {
            let mut list = Buffer::EMPTY;
            list.fill(page).map_err(no_memory)?;
            entries.push(list);
        }
        let resource = Self { number: gpu.next_resource(), mode, format, backing, entries };
        resource.write(pixels, mode.area())?;
        Ok(Arc::new(resource))
    }

    /// Copies an area of a frame's pixels to the backing.
    ///
    /// # Errors
    ///
    /// [`Error::OutsideFrame`] if that is not in both.
    #[inline]
    pub fn write(&self, pixels: &[u8], area: Rect) -> Result<(), Error> {
        let (mode, start) = (self.mode, self.offset(area));
        let (len, rows) = (area.width as usize * BYTES_PER_PIXEL, area.height as usize);
        let source = pixels.get(start..).unwrap_or_default();
        let written = match len == mode.stride() {
            // Whole rows are one piece.
            true => source.get(..len * rows).map(|source| self.backing.write(start, source)),
            false => Some(self.backing.write_rows(start, source, len, mode.stride(), rows)),
        };
        written.and_then(Result::ok).ok_or(Error::OutsideFrame { area, mode })
    }

    /// Describes the list of the pieces.
    pub fn describe_entries<'a>(&'a self, segments: &mut Segments<'a>) {
        self.entries.iter().for_each(|page| segments.device_reads(page));
    }

    /// The commands by which the device gets to know it and its pixels.
    pub fn introduction(self: &Arc<Self>) -> [Step; 3] {
        let pieces = self.backing.extents().len() as u32;
        let attach = kind::ATTACH_BACKING.with([self.number, pieces]);
        let (width, height) = (self.mode.width(), self.mode.height());
        let create = [self.number, self.format as u32, width, height];
        [
            kind::RESOURCE_CREATE_2D.with(create).into(),
            Step { command: attach, attached: Some(self.clone()) },
            self.transfer(self.mode.area()),
        ]
    }

    /// The commands by which all of it is seen on an output.
    pub fn showing(&self, output: u32) -> [Step; 2] {
        let set_scanout = kind::SET_SCANOUT.of(self.mode.area(), [output, self.number]);
        [set_scanout.into(), self.flush(self.mode.area())]
    }

    // ANCHOR: exercise-12-transfer
    /// The byte of the backing at which an area starts.
    fn offset(&self, area: Rect) -> usize {
        area.y as usize * self.mode.stride() + area.x as usize * BYTES_PER_PIXEL
    }

    /// The command by which the device copies an area from the backing.
    #[inline]
    pub fn transfer(&self, area: Rect) -> Step {
        // Of an offset of 64 bits the upper ones come second: a frame has fewer bytes.
        let fields = [self.offset(area) as u32, 0, self.number, 0];
        kind::TRANSFER_TO_HOST_2D.of(area, fields).into()
    }
    // ANCHOR_END: exercise-12-transfer

    /// The command by which an area is seen.
    #[inline]
    pub fn flush(&self, area: Rect) -> Step {
        kind::RESOURCE_FLUSH.of(area, [self.number, 0]).into()
    }
}

/// A command, and the resource whose backing it tells the device of.
pub(super) struct Step {
    command: Command,
    attached: Option<Arc<Resource>>,
}

impl From<Command> for Step {
    #[inline]
    fn from(command: Command) -> Self {
        Self { command, attached: None }
    }
}

impl batch::Step<Gpu> for Step {
    #[inline]
    fn segments(&self) -> usize {
        let entries = self.attached.as_ref().map_or(0, |resource| resource.entries.len());
        self.command.segments() + entries
    }

    #[inline]
    fn link(self, chain: &mut Chain<Memory>, gpu: &Gpu) -> Result<(), ChainError> {
        let memory = chain.memory_mut();
        memory.prepare(self.command, 0, gpu.next_fence());
        memory.attached = self.attached;
        chain.link(|memory, segments| memory.describe(segments))
    }
}
