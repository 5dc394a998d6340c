//! From a PCI function's pin to an interrupt: `interrupt-map` (section 2.4.3).

use alloc::vec::Vec;

use fdt::node::FdtNode;

use super::{Interrupt, InterruptError, interrupt::Plics, number32, property, take_number};

/// The three cells of a function's unit address, and the pin.
type Key = [u32; 4];

/// The pins of the functions on a host bridge's first bus, and the interrupts that they are led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterruptMap {
    mask: Key,
    entries: Vec<(Key, Result<Interrupt, InterruptError>)>,
}

impl InterruptMap {
    pub(super) fn of(node: FdtNode<'_, '_>, plics: &Plics) -> Result<Self, InterruptError> {
        const NAME: &str = "interrupt-map";
        const MALFORMED: InterruptError = InterruptError::Malformed { property: NAME };

        let mut rest = property(node, NAME).ok_or(InterruptError::NotDescribed)?;
        if property(node, "#interrupt-cells").and_then(number32) != Some(1) {
            return Err(InterruptError::Malformed { property: "#interrupt-cells" });
        }
        // Without a mask, all bits count.
        let mask = match property(node, "interrupt-map-mask") {
            None => [u32::MAX; 4],
            Some(value) => match take_key(value) {
                Some((mask, [])) => mask,
                _ => return Err(InterruptError::Malformed { property: "interrupt-map-mask" }),
            },
        };
        let mut entries = Vec::new();
        while !rest.is_empty() {
            let (key, behind) = take_key(rest).ok_or(MALFORMED)?;
            let (parent, behind) = take_number(behind, 1).ok_or(MALFORMED)?;
            // Cannot truncate: it was one cell. A parent that is not known has entries of a length that is not
            // known either, so nothing can be read behind this one.
            let parent = parent as u32;
            let address_bytes = (plics.address_cells(parent)? as usize).checked_mul(4);
            let specifier = address_bytes.and_then(|bytes| behind.get(bytes..)).ok_or(MALFORMED)?;
            let interrupt = match plics.pin(parent, specifier, NAME) {
                Ok((interrupt, behind)) => {
                    rest = behind;
                    Ok(interrupt)
                }
                Err(error @ InterruptError::NoSuchPin { .. }) => {
                    rest = specifier.get(4..).ok_or(MALFORMED)?;
                    Err(error)
                }
                Err(error) => return Err(error),
            };
            entries.push((masked(key, mask), interrupt));
        }
        Ok(Self { mask, entries })
    }

    /// The interrupt of a function on the first bus that raises pin `pin`, 1 to 4. `function` is its address:
    /// bus, device and function in bits 15 to 8, 7 to 3, and 2 to 0.
    ///
    /// # Errors
    ///
    /// There is no entry for it, or one that names no interrupt.
    pub fn interrupt(&self, function: u16, pin: u8) -> Result<Interrupt, InterruptError> {
        let key = masked([u32::from(function) << 8, 0, 0, pin.into()], self.mask);
        let entry = self.entries.iter().find(|(found, _)| *found == key);
        entry.map_or(Err(InterruptError::NotDescribed), |(_, interrupt)| *interrupt)
    }
}

/// The bits of a key that count.
fn masked(mut key: Key, mask: Key) -> Key {
    key.iter_mut().zip(mask).for_each(|(cell, mask)| *cell &= mask);
    key
}

fn take_key(bytes: &[u8]) -> Option<(Key, &[u8])> {
    let (cells, rest) = bytes.split_first_chunk::<16>()?;
    let mut key = Key::default();
    for (cell, bytes) in key.iter_mut().zip(cells.chunks_exact(4)) {
        *cell = number32(bytes)?;
    }
    Some((key, rest))
}
