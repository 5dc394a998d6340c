//! Configuration space in memory: the Enhanced Configuration Access Mechanism of PCI Express.

use alloc::boxed::Box;
use core::{
    fmt::{self, Debug},
    ops::{Range, RangeInclusive},
};

use ostd::{io::IoMem, mm::VmIoOnce};
use spin::Once;

use super::{Address, ConfigAccess, Width};

/// The bytes of a bus: 256 functions of 4096 bytes each (PCI Express 7.2.2).
const BUS_BYTES: usize = 1 << 20;

/// Gives the memory at physical addresses, as `IoMem::acquire` does.
type Acquire<R> = Box<dyn Fn(Range<usize>) -> Result<R, ostd::Error> + Send + Sync>;

/// Configuration space that is a range of memory, 1 MiB for each bus.
///
/// A bus is mapped when it is opened, so a machine whose range has room for 256 buses pays for those that it
/// has.
pub struct Ecam<R = IoMem> {
    /// The address of the first bus.
    start: usize,
    buses: RangeInclusive<u8>,
    acquire: Acquire<R>,
    /// The memory of the buses that have been opened.
    opened: Box<[Once<R>]>,
}

impl<R> Ecam<R> {
    /// The space of `buses`, the first of which is at the physical address `start`. `None` if it ends beyond
    /// the address space, or there is no bus.
    pub fn new(
        start: usize,
        buses: RangeInclusive<u8>,
        acquire: impl Fn(Range<usize>) -> Result<R, ostd::Error> + Send + Sync + 'static,
    ) -> Option<Self> {
        let count = buses.len();
        start.checked_add(count.checked_mul(BUS_BYTES)?)?;
        let opened = (0..count).map(|_| Once::new()).collect();
        (count > 0).then(|| Self { start, buses, acquire: Box::new(acquire), opened })
    }

    /// The place of a bus among those of this space.
    fn place(&self, bus: u8) -> Option<usize> {
        bus.checked_sub(*self.buses.start()).map(usize::from)
    }

    fn opened(&self, at: Address) -> Option<&R> {
        self.opened.get(self.place(at.bus())?)?.get()
    }
}

fn offset_in_bus(at: Address, offset: u8) -> usize {
    usize::from(at.bits() & 0xff) << 12 | usize::from(offset)
}

impl<R: VmIoOnce + Send + Sync> ConfigAccess for Ecam<R> {
    fn open_bus(&self, bus: u8) -> Result<(), ostd::Error> {
        let place = self.place(bus).ok_or(ostd::Error::InvalidArgs)?;
        let window = self.opened.get(place).ok_or(ostd::Error::InvalidArgs)?;
        let start = self.start + place * BUS_BYTES;
        window.try_call_once(|| (self.acquire)(start..start + BUS_BYTES)).map(|_| ())
    }

    fn read(&self, at: Address, offset: u8, width: Width) -> u32 {
        let offset = offset_in_bus(at, offset);
        let value = self.opened(at).and_then(|window| match width {
            Width::U8 => window.read_once::<u8>(offset).map(u32::from).ok(),
            Width::U16 => window.read_once::<u16>(offset).map(u32::from).ok(),
            Width::U32 => window.read_once::<u32>(offset).ok(),
        });
        value.unwrap_or(width.all_ones())
    }

    fn write(&self, at: Address, offset: u8, width: Width, value: u32) {
        let offset = offset_in_bus(at, offset);
        if let Some(window) = self.opened(at) {
            // An access that cannot be made has no effect, as on the bus.
            let _ = match width {
                Width::U8 => window.write_once(offset, &(value as u8)),
                Width::U16 => window.write_once(offset, &(value as u16)),
                Width::U32 => window.write_once(offset, &value),
            };
        }
    }
}

impl<R> Debug for Ecam<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { start, buses, .. } = self;
        f.debug_struct("Ecam").field("start", start).field("buses", buses).finish_non_exhaustive()
    }
}
