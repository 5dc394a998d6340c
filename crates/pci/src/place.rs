//! Places on the bus: the size of each BAR, and its address.

use alloc::collections::BTreeMap;

use super::{
    Address, Bar, BarFault, ConfigAccess, Space, Width, Window, Windows,
    config::register,
    function::{BARS, Command},
};

/// Addresses below this are given to nobody: 0 is what a BAR without an address has.
const FIRST_ADDRESS: u64 = 0x1000;

/// A BAR's register, as writing to it has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sized {
    pub space: Space,
    pub wide: bool,
    pub prefetchable: bool,
    pub size: u64,
    /// The address that was in it.
    pub found: u64,
}

/// The sizes of the first `count` BARs. The function decodes no address meanwhile; the registers are as
/// before.
pub(crate) fn sizes(
    access: &dyn ConfigAccess,
    at: Address,
    count: usize,
) -> [Result<Sized, BarFault>; BARS] {
    let command = access.read(at, register::COMMAND, Width::U16);
    let decode = u32::from((Command::IO | Command::MEMORY).bits());
    access.write(at, register::COMMAND, Width::U16, command & !decode);
    let mut sizes = [Err(BarFault::Absent); BARS];
    let mut is_upper = false;
    for (index, entry) in (0u8..).zip(sizes.iter_mut().take(count)) {
        if is_upper {
            is_upper = false;
            *entry = Err(BarFault::UpperHalf);
            continue;
        }
        *entry = size(access, at, index, usize::from(index) + 1 < count);
        is_upper = matches!(entry, Ok(Sized { wide: true, .. }));
    }
    access.write(at, register::COMMAND, Width::U16, command);
    sizes
}

/// The register of a BAR, by its number.
fn offset(index: u8) -> u8 {
    register::BAR + 4 * index
}

/// Writes all ones and reads which bits took them; gives that and the content.
fn probe(access: &dyn ConfigAccess, at: Address, offset: u8) -> (u32, u32) {
    let found = access.read(at, offset, Width::U32);
    access.write(at, offset, Width::U32, u32::MAX);
    let mask = access.read(at, offset, Width::U32);
    access.write(at, offset, Width::U32, found);
    (mask, found)
}

fn size(
    access: &dyn ConfigAccess,
    at: Address,
    index: u8,
    has_next: bool,
) -> Result<Sized, BarFault> {
    const IO: u32 = 1 << 0;
    const PREFETCHABLE: u32 = 1 << 3;

    let (mask, found) = probe(access, at, offset(index));
    if mask == 0 {
        return Err(BarFault::Absent);
    }
    if mask & IO != 0 {
        // The upper half may be fixed to 0, as there are no more ports than 65,536.
        let bits = mask & !0b11;
        let upper = if bits >> 16 == 0 && bits != 0 { !0 << 16 } else { 0 };
        let size = size_of_bits((bits | upper).into(), 32)?;
        let found = u64::from(found & !0b11);
        return Ok(Sized { space: Space::Io, wide: false, prefetchable: false, size, found });
    }
    let wide = match mask >> 1 & 0b11 {
        0b00 => false,
        0b10 if has_next => true,
        0b10 => return Err(BarFault::NoUpperHalf),
        reserved => return Err(BarFault::ReservedType { found: reserved as u8 }),
    };
    let (mut bits, mut address) = (u64::from(mask & !0b1111), u64::from(found & !0b1111));
    if wide {
        let (upper_mask, upper_found) = probe(access, at, offset(index + 1));
        bits |= u64::from(upper_mask) << 32;
        address |= u64::from(upper_found) << 32;
    }
    let size = size_of_bits(bits, if wide { 64 } else { 32 })?;
    let prefetchable = mask & PREFETCHABLE != 0;
    Ok(Sized { space: Space::Memory, wide, prefetchable, size, found: address })
}

/// The size of a BAR of which these address bits can be written: the lowest one, if all above are too.
fn size_of_bits(bits: u64, width: u32) -> Result<u64, BarFault> {
    if bits == 0 {
        return Err(BarFault::NoSize);
    }
    let size = 1 << bits.trailing_zeros();
    let all_above = (u64::MAX >> (64 - width)) & !(size - 1);
    if bits == all_above { Ok(size) } else { Err(BarFault::NotAPowerOfTwo { writable: bits }) }
}

/// Addresses that are given out one after the other.
///
/// As buses are walked depth first, what is behind a bridge lies in one piece.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pool {
    window: Window,
    next: u64,
}

impl Pool {
    fn new(window: Option<Window>) -> Self {
        let window = window.unwrap_or(Window { bus: 0, cpu: 0, size: 0 });
        Self { window, next: window.bus.max(FIRST_ADDRESS) }
    }

    /// The first address that has not been given out.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Gives `size` bytes, which is a power of two, at a multiple of it.
    fn take(&mut self, size: u64) -> Option<(u64, u64)> {
        let address = self.next.checked_next_multiple_of(size)?;
        let end = address.checked_add(size)?;
        if end > self.window.bus.checked_add(self.window.size)? {
            return None;
        }
        let cpu = self.window.cpu.checked_add(address - self.window.bus)?;
        self.next = end;
        Some((address, cpu))
    }

    /// Goes on at a multiple of `unit`. Past the end of the window there is nothing to give.
    pub fn align(&mut self, unit: u64) {
        self.next = self.next.checked_next_multiple_of(unit).unwrap_or(u64::MAX);
    }

    /// Goes back to `next`: nothing has been given since.
    pub fn go_back(&mut self, next: u64) {
        self.next = next;
    }
}

/// The addresses that a host bridge lets through.
#[derive(Debug)]
pub(crate) struct Pools {
    pub io: Pool,
    pub memory: Pool,
    pub high: Pool,
}

impl Pools {
    pub fn new(windows: &Windows) -> Self {
        // What lies above 4 GiB cannot be told to a BAR of 32 bits.
        let low = |window: Window| {
            let room = (1u64 << 32).saturating_sub(window.bus);
            Window { size: window.size.min(room), ..window }
        };
        Self {
            io: Pool::new(windows.io.map(low)),
            memory: Pool::new(windows.memory.map(low)),
            high: Pool::new(windows.high),
        }
    }

    /// Gives a BAR its address. What fits goes below 4 GiB, where every bridge lets it through. `high` says
    /// that prefetchable memory above that reaches the function, too.
    pub fn assign(
        &mut self,
        access: &dyn ConfigAccess,
        at: Address,
        index: u8,
        sized: &Sized,
        high: bool,
    ) -> Result<Bar, BarFault> {
        let Sized { space, wide, prefetchable, size, .. } = *sized;
        let place = match space {
            Space::Io => self.io.take(size),
            Space::Memory => match self.memory.take(size) {
                None if wide && prefetchable && high => self.high.take(size),
                place => place,
            },
        };
        let (address, cpu) = place.ok_or(BarFault::NoRoom { size })?;
        let flags = match space {
            Space::Io => 0b11,
            Space::Memory => 0b1111,
        };
        access.write(at, offset(index), Width::U32, address as u32);
        let mut found = u64::from(access.read(at, offset(index), Width::U32) & !flags);
        if wide {
            access.write(at, offset(index + 1), Width::U32, (address >> 32) as u32);
            found |= u64::from(access.read(at, offset(index + 1), Width::U32)) << 32;
        }
        if found != address {
            return Err(BarFault::NotKept { written: address, found });
        }
        Ok(Bar { space, wide, prefetchable, address, cpu, size })
    }
}

/// The ranges of BARs that firmware has placed.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// From the first address to the end.
    memory: BTreeMap<u64, u64>,
    io: BTreeMap<u64, u64>,
}

impl Taken {
    /// Takes a BAR as the firmware has left it.
    pub fn keep(&mut self, sized: &Sized) -> Result<Bar, BarFault> {
        let Sized { space, wide, prefetchable, size, found: address } = *sized;
        if address == 0 {
            return Err(BarFault::NotAssigned);
        }
        let end = address.checked_add(size).filter(|_| address.is_multiple_of(size));
        let end = end.ok_or(BarFault::BadAddress { address, size })?;
        let taken = match space {
            Space::Memory => &mut self.memory,
            Space::Io => &mut self.io,
        };
        // What is taken does not overlap, so only the last one that starts before the end can reach in.
        if let Some((&other, &other_end)) = taken.range(..end).next_back()
            && other_end > address
        {
            return Err(BarFault::Overlaps { other });
        }
        taken.insert(address, end);
        Ok(Bar { space, wide, prefetchable, address, cpu: address, size })
    }
}
