//! A monitor's account of itself: the part of an EDID that is used (VESA E-EDID 1.4): the monitor's name, and the size that it prefers.

use alloc::string::String;

/// The first bytes of every EDID.
const MAGIC: [u8; 8] = [0, 255, 255, 255, 255, 255, 255, 0];

/// The bytes of a block.
const BLOCK_BYTES: usize = 128;

/// The places of the four descriptors, and their length.
const DESCRIPTORS: usize = 54;
const DESCRIPTOR_BYTES: usize = 18;

/// The tag of a descriptor with the monitor's name.
const TAG_NAME: u8 = 0xfc;

/// The monitor on an output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edid {
    /// Its name; empty if it has none.
    pub name: String,
    /// Width and height of the size that it prefers.
    pub preferred: Option<(u32, u32)>,
}

impl Edid {
    /// Reads the first block; `None` if it is none.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let block = bytes.get(..BLOCK_BYTES)?;
        let sum = block.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
        if !block.starts_with(&MAGIC) || sum != 0 {
            return None;
        }
        let descriptors = block.get(DESCRIPTORS..)?.chunks_exact(DESCRIPTOR_BYTES).take(4);
        let mut edid = Self::default();
        for descriptor in descriptors {
            let [clock_low, clock_high, width, _, width_high, height, _, height_high, ..] =
                descriptor
            else {
                continue;
            };
            if [*clock_low, *clock_high] != [0, 0] {
                // A detailed timing; the first one is preferred.
                let size = |low: u8, high: u8| u32::from(low) | u32::from(high >> 4) << 8;
                let size = (size(*width, *width_high), size(*height, *height_high));
                let usable = size.0 > 0 && size.1 > 0;
                edid.preferred = edid.preferred.or(usable.then_some(size));
            } else if descriptor.get(3) == Some(&TAG_NAME) {
                let name = descriptor.get(5..).unwrap_or_default();
                let name = name.split(|byte| *byte == b'\n').next().unwrap_or_default();
                let printable = name.iter().filter(|byte| (b' '..=b'~').contains(byte));
                edid.name = printable.map(|byte| char::from(*byte)).collect();
            }
        }
        Some(edid)
    }
}
