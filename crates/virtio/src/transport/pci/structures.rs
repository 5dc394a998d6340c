//! The places of a device's registers, as its capabilities tell (VIRTIO 1.3 section 4.1.4).

use alloc::vec::Vec;
use core::ops::Range;

use pci::{Capability, Function, Space, id};

use super::{super::Registers, FunctionError, Structure, register, window::Window};

/// Offsets in the capability of a structure.
mod field {
    /// The capability's length.
    pub const CAP_LEN: u8 = 2;
    /// The kind of structure.
    pub const CFG_TYPE: u8 = 3;
    /// The BAR that the structure is in.
    pub const BAR: u8 = 4;
    /// The structure's first byte in that BAR.
    pub const OFFSET: u8 = 8;
    /// Its length.
    pub const LENGTH: u8 = 12;
    /// The bytes of the capability.
    pub const END: u8 = 16;
    /// For notifications: the bytes from one `queue_notify_off` to the next.
    pub const NOTIFY_OFF_MULTIPLIER: u8 = 16;
    /// The bytes of that capability.
    pub const NOTIFY_END: u8 = 20;
}

/// The highest number of a BAR; what is above is reserved, and such a capability to be ignored.
const LAST_BAR: u8 = 5;

/// The most memory of one BAR that is mapped. A device of 1024 queues with a page for the notifications of
/// each needs a quarter of it.
const MAX_SPAN: u64 = 16 << 20;

/// The most bytes of a device's configuration; no kind of device has so many.
const MAX_CONFIG: u64 = 4096;

/// The place of a structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    bar: u8,
    start: u64,
    length: u64,
}

/// The places of all structures that the driver uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Structures {
    common: Place,
    notify: Place,
    pub notify_off_multiplier: u32,
    isr: Place,
    device: Option<Place>,
}

impl Structures {
    /// Reads the capabilities. Of several for one structure the first counts that is in memory, as the device
    /// would like it to (section 4.1.4.1); those in ports, and those of kinds that are not used here,
    /// are passed over.
    pub fn find(function: &Function) -> Result<Self, FunctionError> {
        let (mut common, mut notify, mut isr, mut device) = (None, None, None, None);
        let capabilities = function.capabilities().map_err(FunctionError::List)?;
        for capability in capabilities.iter().filter(|found| found.id == id::VENDOR_SPECIFIC) {
            let offset = read_header(function, capability)?;
            let structure = match function.read_u8(offset + field::CFG_TYPE) {
                1 => Structure::Common,
                2 => Structure::Notify,
                3 => Structure::Isr,
                4 => Structure::Device,
                // 5 is a way to the registers through configuration space, for firmware; 8 is shared memory.
                _ => continue,
            };
            let slot = match structure {
                Structure::Common => &mut common,
                Structure::Notify => &mut notify,
                Structure::Isr => &mut isr,
                Structure::Device => &mut device,
            };
            if slot.is_none()
                && let Some(place) = read_place(function, offset, structure)?
            {
                let multiplier = match structure {
                    Structure::Notify => read_multiplier(function, offset)?,
                    _ => 0,
                };
                *slot = Some((place, multiplier));
            }
        }
        let found = |place: Option<(Place, u32)>, structure| {
            place.ok_or(FunctionError::NoStructure { structure })
        };
        let (common, _) = found(common, Structure::Common)?;
        let (notify, notify_off_multiplier) = found(notify, Structure::Notify)?;
        Ok(Self {
            common,
            notify,
            notify_off_multiplier,
            isr: found(isr, Structure::Isr)?.0,
            device: device.map(|(place, _)| place),
        })
    }

    /// Gets access to the structures, and to the table of messages if there is one: one range of memory for
    /// each BAR, no larger than need be.
    pub fn open<R: Registers>(
        &self,
        function: &Function,
        table: Option<(u8, Range<u64>)>,
        acquire: impl FnMut(Range<usize>) -> Result<R, ostd::Error>,
    ) -> Result<Windows<R>, FunctionError> {
        let table = table.map(|(bar, range)| Place {
            bar,
            start: range.start,
            length: range.end.saturating_sub(range.start),
        });
        let places = [Some(self.common), Some(self.notify), Some(self.isr), self.device, table];
        let spans = spans(places.into_iter().flatten())?;
        let memory = acquire_all(function, spans, acquire)?;
        let window = |place: Place| -> Result<Window<R>, FunctionError> {
            let (bar, start) = (place.bar, place.start);
            let (_, first, registers) = memory
                .iter()
                .find(|(number, ..)| *number == bar)
                .ok_or(FunctionError::TooFarApart { bar })?;
            let start = start.saturating_sub(*first) as usize;
            Window::new(registers.clone(), start, place.length as usize)
                .ok_or(FunctionError::Access(ostd::Error::InvalidArgs))
        };
        Ok(Windows {
            common: window(self.common)?,
            notify: window(self.notify)?,
            isr: window(self.isr)?,
            device: self.device.map(window).transpose()?,
            table: table.map(window).transpose()?,
        })
    }
}

/// The registers of a device.
pub(super) struct Windows<R> {
    pub common: Window<R>,
    pub notify: Window<R>,
    pub isr: Window<R>,
    pub device: Option<Window<R>>,
    pub table: Option<Window<R>>,
}

/// Checks that a capability is as long as it must be; gives its offset.
fn read_header(function: &Function, capability: &Capability) -> Result<u8, FunctionError> {
    check_length(function, capability.offset, field::END)?;
    Ok(capability.offset)
}

fn check_length(function: &Function, offset: u8, needed: u8) -> Result<(), FunctionError> {
    let length = function.read_u8(offset + field::CAP_LEN);
    // Its last byte must be in configuration space, too.
    if length < needed || offset.checked_add(needed - 1).is_none() {
        return Err(FunctionError::ShortCapability { offset, length, needed });
    }
    Ok(())
}

fn read_multiplier(function: &Function, offset: u8) -> Result<u32, FunctionError> {
    check_length(function, offset, field::NOTIFY_END)?;
    Ok(function.read_u32(offset + field::NOTIFY_OFF_MULTIPLIER))
}

/// The place of a structure; `None` if it is in ports, or its BAR's number is reserved.
fn read_place(
    function: &Function,
    offset: u8,
    structure: Structure,
) -> Result<Option<Place>, FunctionError> {
    let bar = function.read_u8(offset + field::BAR);
    if bar > LAST_BAR {
        return Ok(None);
    }
    let start = u64::from(function.read_u32(offset + field::OFFSET));
    let length = u64::from(function.read_u32(offset + field::LENGTH));
    let memory = function.bar(bar).map_err(|fault| FunctionError::Bar { structure, bar, fault })?;
    if memory.space == Space::Io {
        return Ok(None);
    }
    if memory.range(start, length).is_none() {
        return Err(FunctionError::Outside { structure, bar, start, length, size: memory.size });
    }
    // Alignment and length (section 4.1.4.1 and those of each structure); what is longer than it can be of
    // use is not looked at.
    let (alignment, shortest, longest) = match structure {
        Structure::Common => (4, register::END as u64, register::END as u64),
        Structure::Notify => (2, super::NOTIFICATION_BYTES, MAX_SPAN),
        Structure::Isr => (1, 1, 1),
        Structure::Device => (4, 1, MAX_CONFIG),
    };
    if !start.is_multiple_of(alignment) {
        return Err(FunctionError::Unaligned { structure, start, alignment });
    }
    if length < shortest {
        return Err(FunctionError::TooShort { structure, length, needed: shortest });
    }
    Ok(Some(Place { bar, start, length: length.min(longest) }))
}

/// For each BAR the bytes from the first to the last that are used.
fn spans(places: impl Iterator<Item = Place>) -> Result<Vec<(u8, Range<u64>)>, FunctionError> {
    let mut spans: Vec<(u8, Range<u64>)> = Vec::new();
    for Place { bar, start, length } in places {
        // Cannot overflow: it is in the BAR.
        let end = start.saturating_add(length);
        match spans.iter_mut().find(|(number, _)| *number == bar) {
            Some((_, span)) => *span = span.start.min(start)..span.end.max(end),
            None => spans.push((bar, start..end)),
        }
    }
    match spans.iter().find(|(_, span)| span.end - span.start > MAX_SPAN) {
        Some((bar, _)) => Err(FunctionError::TooFarApart { bar: *bar }),
        None => Ok(spans),
    }
}

/// Acquires the spans: number of the BAR, first byte in it, memory.
fn acquire_all<R: Registers>(
    function: &Function,
    spans: Vec<(u8, Range<u64>)>,
    mut acquire: impl FnMut(Range<usize>) -> Result<R, ostd::Error>,
) -> Result<Vec<(u8, u64, R)>, FunctionError> {
    let mut memory = Vec::new();
    for (bar, span) in spans {
        let range = function
            .bar(bar)
            .ok()
            .and_then(|bar| bar.range(span.start, span.end.saturating_sub(span.start)));
        let range = range.ok_or(FunctionError::TooFarApart { bar })?;
        memory.push((bar, span.start, acquire(range).map_err(FunctionError::Access)?));
    }
    Ok(memory)
}
