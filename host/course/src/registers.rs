//! The registers of a virtio-mmio device as QEMU's trace tells that they were written: how a driver sets a
//! device up.

use std::fmt;

/// Bits of the device status, VIRTIO 1.3 section 2.1.
pub mod status {
    /// The driver may drive the device.
    pub const DRIVER_OK: u64 = 4;
    /// The features are complete.
    pub const FEATURES_OK: u64 = 8;
    /// The driver has given the device up.
    pub const FAILED: u64 = 128;
}

/// Offsets of registers, sections 4.2.2 and 4.2.4.
mod register {
    pub const DRIVER_FEATURES: u64 = 0x20;
    pub const DRIVER_FEATURES_SEL: u64 = 0x24;
    pub const QUEUE_PFN: u64 = 0x40;
    pub const QUEUE_READY: u64 = 0x44;
    pub const INTERRUPT_STATUS: u64 = 0x60;
    pub const INTERRUPT_ACK: u64 = 0x64;
    pub const STATUS: u64 = 0x70;
}

/// A set of features; displayed by their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeatureBits(pub u64);

/// The features that the driver implements.
const NAMES: &[(u32, &str)] = &[
    (1, "BLK_SIZE_MAX"),
    (2, "BLK_SEG_MAX"),
    (5, "BLK_RO"),
    (6, "BLK_BLK_SIZE"),
    (9, "BLK_FLUSH"),
    (10, "BLK_TOPOLOGY"),
    (11, "BLK_CONFIG_WCE"),
    (12, "BLK_MQ"),
    (13, "BLK_DISCARD"),
    (14, "BLK_WRITE_ZEROES"),
    (28, "RING_INDIRECT_DESC"),
    (29, "RING_EVENT_IDX"),
    (32, "VERSION_1"),
];

impl FeatureBits {
    /// All that the driver implements.
    pub const IMPLEMENTED: Self = {
        let (mut bits, mut number) = (0, 0);
        while number < NAMES.len() {
            bits |= 1 << NAMES[number].0;
            number += 1;
        }
        Self(bits)
    };
}

impl fmt::Display for FeatureBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |bit: u32| {
            let known = NAMES.iter().find(|(number, _)| *number == bit);
            known.map_or_else(|| format!("bit {bit}"), |(_, name)| (*name).to_owned())
        };
        let bits = (0..u64::BITS).filter(|bit| self.0 >> bit & 1 != 0);
        let names: Vec<String> = bits.map(name).collect();
        f.write_str(if names.is_empty() { "none" } else { "" })?;
        f.write_str(&names.join(" "))
    }
}

/// A driver's attempt to set a device up, from a reset to the next one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attempt {
    /// Everything that the status has ever been.
    status: u64,
    /// The features that were written, the last word for each half; `None` if there were none.
    pub features: Option<u64>,
    /// FEATURES_OK was set before a word of the features was written.
    pub features_ok_first: bool,
    /// A queue was given to the device.
    pub queue: bool,
}

impl Attempt {
    /// The first attempt of a machine with one device, from QEMU's trace of `virtio_mmio_write_offset`.
    pub fn first(trace: &str) -> Option<Self> {
        let mut attempt: Option<Self> = None;
        let mut half = 0;
        for (register, value) in trace.lines().filter_map(written) {
            if register == register::STATUS && value == 0 {
                // A second reset before anything else is no second attempt.
                if attempt.as_ref().is_some_and(|attempt| attempt.status != 0) {
                    return attempt;
                }
                attempt = Some(Self::default());
                continue;
            }
            let Some(attempt) = &mut attempt else { continue };
            match register {
                register::STATUS => attempt.status |= value,
                register::DRIVER_FEATURES_SEL => half = value,
                register::DRIVER_FEATURES => {
                    let before = attempt.features.unwrap_or(0);
                    let (kept, shift) = match half {
                        0 => (before >> 32 << 32, 0),
                        _ => (before & u64::from(u32::MAX), 32),
                    };
                    attempt.features = Some(kept | value << shift);
                    attempt.features_ok_first |= attempt.has(status::FEATURES_OK);
                }
                register::QUEUE_PFN | register::QUEUE_READY => attempt.queue |= value != 0,
                _ => {}
            }
        }
        attempt
    }

    /// Returns `true` if the status has had this bit.
    pub fn has(&self, bit: u64) -> bool {
        self.status & bit != 0
    }
}

/// The use of the registers for interrupts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Acknowledgements {
    /// The reads of InterruptStatus.
    pub reads: usize,
    /// The writes of InterruptACK.
    pub acknowledged: usize,
}

impl Acknowledgements {
    /// Counts in QEMU's trace of `virtio_mmio_read` and `virtio_mmio_write_offset`.
    pub fn read(trace: &str) -> Self {
        let mut counted = Self::default();
        let status = format!("virtio_mmio_read offset {:#x}", register::INTERRUPT_STATUS);
        for line in trace.lines() {
            counted.reads += usize::from(line.trim_end().ends_with(&status));
            let is_acknowledged = |(at, _)| at == register::INTERRUPT_ACK;
            counted.acknowledged += usize::from(written(line).is_some_and(is_acknowledged));
        }
        counted
    }
}

/// Register and value of a line such as `... offset 0x70 value 0x1`.
fn written(line: &str) -> Option<(u64, u64)> {
    let (_, rest) = line.split_once(" offset 0x")?;
    let (register, value) = rest.split_once(" value 0x")?;
    let number = |text: &str| u64::from_str_radix(text.trim(), 16).ok();
    Some((number(register)?, number(value)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(writes: &[(u64, u64)]) -> Attempt {
        let name = "virtio_mmio_write_offset virtio_mmio_write";
        let line = |(at, value)| format!("{name} offset {at:#x} value {value:#x}\n");
        let text: String = writes.iter().copied().map(line).collect();
        Attempt::first(&text).unwrap()
    }

    #[test]
    fn a_set_up_is_read_from_the_trace() {
        let good =
            [(0x70, 0), (0x70, 3), (0x24, 0), (0x20, 0x200), (0x24, 1), (0x20, 1), (0x70, 0xb)];
        let good = [&good[..], &[(0x44, 1), (0x70, 0xf)]].concat();
        let read = attempt(&good);
        let features = Some(1 << 32 | 0x200);
        assert_eq!(read, Attempt { status: 0xf, features, features_ok_first: false, queue: true });
        // What follows the next reset is no part of it.
        assert_eq!(attempt(&[&good[..], &[(0x70, 0), (0x70, 0x80)]].concat()), read);
        assert!(attempt(&[(0x70, 0), (0x70, 0xb), (0x20, 0)]).features_ok_first);
        assert_eq!(attempt(&[(0x70, 0), (0x70, 0x83)]).features, None);
        assert_eq!(Attempt::first("no trace"), None);
    }

    #[test]
    fn acknowledgements_are_counted() {
        let trace = "virtio_mmio_read virtio_mmio_read offset 0x60\n\
                     virtio_mmio_write_offset virtio_mmio_write offset 0x64 value 0x1\n\
                     virtio_mmio_read virtio_mmio_read offset 0x70\n";
        let counted = Acknowledgements { reads: 1, acknowledged: 1 };
        assert_eq!(Acknowledgements::read(trace), counted);
    }

    #[test]
    fn features_have_names() {
        assert_eq!(FeatureBits(0).to_string(), "none");
        assert_eq!(FeatureBits(1 << 5 | 1 << 40).to_string(), "BLK_RO bit 40");
    }
}
