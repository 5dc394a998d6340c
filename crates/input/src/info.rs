//! The account that a device gives of itself.

use alloc::{string::String, vec::Vec};
use core::fmt;

use super::codes::{self, EV_ABS};

/// All that is known about an input device. Every value comes from the device; a driver has checked those that
/// can be wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceInfo {
    /// Its name, for people; empty if it has none. It may hold any characters.
    pub name: String,
    /// Its serial number, as its name.
    pub serial: String,
    /// Its maker's numbers, if it tells them.
    pub ids: Option<Ids>,
    /// The types of events that it can send, or lights and sounds that it has, each with its codes.
    pub supported: Vec<(u16, Codes)>,
    /// The ranges of its absolute axes, by their codes.
    pub axes: Vec<(u16, Axis)>,
}

impl DeviceInfo {
    /// Returns `true` if the device knows this code of this type.
    pub fn supports(&self, kind: u16, code: u16) -> bool {
        self.codes(kind).is_some_and(|codes| codes.contains(code))
    }

    /// The codes of a type, if the device knows the type.
    pub fn codes(&self, kind: u16) -> Option<&Codes> {
        self.supported.iter().find(|(known, _)| *known == kind).map(|(_, codes)| codes)
    }

    /// The range of an absolute axis, if the device has it.
    pub fn axis(&self, code: u16) -> Option<Axis> {
        self.axes.iter().find(|(known, _)| *known == code).map(|(_, axis)| *axis)
    }
}

/// One line for people: names and numbers, how many codes of each type there are, the ranges of axes.
impl fmt::Display for DeviceInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, serial {:?}", self.name, self.serial)?;
        if let Some(Ids { bus, vendor, product, version }) = self.ids {
            write!(f, ", bus {bus}, vendor {vendor:#x}, product {product:#x}, version {version}")?;
        }
        for (kind, codes) in &self.supported {
            write!(f, ", {} {}", codes::kind_name(*kind), codes.iter().count())?;
        }
        for (code, Axis { min, max, .. }) in &self.axes {
            write!(f, ", {} {min} to {max}", codes::name(EV_ABS, *code))?;
        }
        Ok(())
    }
}

/// The numbers by which makers tell their devices apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    /// The kind of bus that the device is said to be on; 6 is a virtual device.
    pub bus: u16,
    /// The maker.
    pub vendor: u16,
    /// The product, by its maker.
    pub product: u16,
    /// Its version.
    pub version: u16,
}

impl Ids {
    /// The numbers in their order, two bytes each, the lower one first.
    pub fn from_le_bytes(bytes: [u8; 8]) -> Self {
        let all = u64::from_le_bytes(bytes);
        let [bus, vendor, product, version] = [0, 16, 32, 48].map(|bit| (all >> bit) as u16);
        Self { bus, vendor, product, version }
    }
}

/// A set of codes, one bit each, from the lowest bit of the first byte on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Codes(Vec<u8>);

impl Codes {
    /// The set with these bits.
    pub fn new(bits: &[u8]) -> Self {
        Self(bits.into())
    }

    /// Returns `true` if the code is in the set.
    pub fn contains(&self, code: u16) -> bool {
        let byte = self.0.get(usize::from(code / 8));
        byte.is_some_and(|byte| byte >> (code % 8) & 1 != 0)
    }

    /// The codes in the set, the lowest first.
    pub fn iter(&self) -> impl Iterator<Item = u16> {
        (0..=u16::MAX).take(self.0.len() * 8).filter(|code| self.contains(*code))
    }
}

/// The range of an absolute axis. Of a device that a driver has checked, `max` is not below `min`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Axis {
    /// The lowest position.
    pub min: i32,
    /// The highest position.
    pub max: i32,
    /// A change of no more than this is noise.
    pub fuzz: u32,
    /// Positions no further than this from the middle mean that nothing is touched.
    pub flat: u32,
    /// Units for a millimetre; 0 if that is not known.
    pub resolution: u32,
}

impl Axis {
    /// The numbers in their order, four bytes each, the lowest one first.
    pub fn from_le_bytes(bytes: [u8; 20]) -> Self {
        let mut numbers = bytes.as_chunks().0.iter().map(|number| u32::from_le_bytes(*number));
        let mut next = || numbers.next().unwrap_or(0);
        let (min, max) = (next().cast_signed(), next().cast_signed());
        Self { min, max, fuzz: next(), flat: next(), resolution: next() }
    }

    /// The place of a position on a line of `length` points: the nearest one, from 0 to `length` - 1.
    ///
    /// A host that shows a screen of so many points divides the range into as many parts, and this finds the
    /// point that it meant. A position outside of the range stands for the end that is nearer.
    pub fn place(&self, position: i32, length: u32) -> u32 {
        let [min, max, position] = [self.min, self.max, position].map(i64::from);
        let range = (max - min).max(0);
        let along = (position - min).clamp(0, range);
        // All of them fit 32 bits, so nothing overflows.
        let [range, along] = [range, along].map(i64::unsigned_abs);
        let place = (along * u64::from(length) + range / 2).checked_div(range).unwrap_or(0);
        u32::try_from(place).unwrap_or(u32::MAX).min(length.saturating_sub(1))
    }
}
