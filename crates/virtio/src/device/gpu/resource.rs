//! Pixels in memory of the device, the DMA memory that it copies them from, and the commands about both.

use alloc::{sync::Arc, vec::Vec};

use display::{BYTES_PER_PIXEL, Error, Mode, Rect};
use dma::{DmaMemory, Pieces};
use zerocopy::IntoBytes;

use super::command::{Command, kind};

/// A resource with its backing. Whoever holds it keeps the backing.
#[derive(Debug)]
pub(super) struct Resource {
    pub number: u32,
    pub mode: Mode,
    format: u32,
    backing: Pieces,
    /// The list of the backing's pieces for the device.
    pub entries: Pieces,
}

impl Resource {
    /// A new resource for these pixels, which are in its backing. The device does not know it yet. IRQs must be enabled.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`].
    pub fn new(number: u32, format: u32, pixels: &[u8], mode: Mode) -> Result<Arc<Self>, Error> {
        let backing = Pieces::of(pixels).map_err(|_| Error::NoMemory)?;
        // struct virtio_gpu_mem_entry: address, length, padding.
        let extents = backing.list().iter().map(DmaMemory::extent);
        let words: Vec<_> = extents.map(|piece| [piece.address as u64, piece.len as u64]).collect();
        let entries = Pieces::of(words.as_bytes()).map_err(|_| Error::NoMemory)?;
        Ok(Arc::new(Self { number, mode, format, backing, entries }))
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
        let written = self.backing.write_rows(start, source, len, mode.stride(), rows);
        written.map_err(|_| Error::OutsideFrame { area, mode })
    }

    /// The commands by which the device gets to know it and its pixels.
    pub fn introduction(self: &Arc<Self>) -> [Command; 3] {
        let (number, pieces) = (self.number, self.backing.list().len() as u32);
        let create = [number, self.format, self.mode.width(), self.mode.height()];
        let attach = kind::ATTACH_BACKING.with([number, pieces]);
        [
            kind::RESOURCE_CREATE_2D.with(create),
            Command { backing: Some(self.clone()), ..attach },
            self.transfer(self.mode.area()),
        ]
    }

    /// The commands by which the device forgets it.
    pub fn removal(self: &Arc<Self>) -> [Command; 2] {
        // Either is enough: a resource without a backing cannot be detached from it.
        [&kind::DETACH_BACKING, &kind::RESOURCE_UNREF]
            .map(|kind| Command { backing: Some(self.clone()), ..kind.with([self.number, 0]) })
    }

    /// The commands by which all of it is seen on an output.
    pub fn showing(&self, output: u32) -> [Command; 2] {
        let set_scanout = kind::SET_SCANOUT.of(self.mode.area(), [output, self.number]);
        [set_scanout, self.flush(self.mode.area())]
    }

    // ANCHOR: exercise-12-transfer
    /// The byte of the backing at which an area starts.
    fn offset(&self, area: Rect) -> usize {
        area.y as usize * self.mode.stride() + area.x as usize * BYTES_PER_PIXEL
    }

    /// The command by which the device copies an area from the backing.
    #[inline]
    pub fn transfer(&self, area: Rect) -> Command {
        // Of an offset of 64 bits the upper ones come second: a frame has fewer bytes.
        let fields = [self.offset(area) as u32, 0, self.number, 0];
        kind::TRANSFER_TO_HOST_2D.of(area, fields)
    }
    // ANCHOR_END: exercise-12-transfer

    /// The command by which an area is seen.
    #[inline]
    pub fn flush(&self, area: Rect) -> Command {
        kind::RESOURCE_FLUSH.of(area, [self.number, 0])
    }
}
