//! One event of an input device.

use core::fmt;

use super::codes::{self, EV_SYN, SYN_DROPPED, SYN_REPORT};

/// A change of one thing: of a key, a button, an axis.
///
/// The numbers are evdev's, in the machine's byte order. They come from a device, which can say anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The type: [`EV_KEY`](codes::EV_KEY) and the like.
    pub kind: u16,
    /// The key, button or axis, by the type.
    pub code: u16,
    /// Of a key: 0 released, 1 pressed, 2 repeated. Of an axis: its position, or by how much it has moved.
    pub value: i32,
}

impl Event {
    /// An event.
    pub const fn new(kind: u16, code: u16, value: i32) -> Self {
        Self { kind, code, value }
    }

    /// The event in 64 bits, from the lowest one on: type, code, value.
    pub const fn to_bits(self) -> u64 {
        let Self { kind, code, value } = self;
        (value.cast_unsigned() as u64) << 32 | (code as u64) << 16 | kind as u64
    }

    /// The event of such bits.
    pub const fn from_bits(bits: u64) -> Self {
        Self::new(bits as u16, (bits >> 16) as u16, ((bits >> 32) as u32).cast_signed())
    }

    /// Says that so many events are missing, or that their number is not known (0).
    pub const fn dropped(count: i32) -> Self {
        Self::new(EV_SYN, SYN_DROPPED, count)
    }

    /// Returns `true` if a group ends here.
    pub const fn is_report(&self) -> bool {
        self.kind == EV_SYN && self.code == SYN_REPORT
    }

    /// Returns `true` if events are missing in front of this, and the rest of the group that follows is incomplete.
    pub const fn is_dropped(&self) -> bool {
        self.kind == EV_SYN && self.code == SYN_DROPPED
    }
}

/// The names of type and code, where they have some, and the value: `EV_KEY KEY_A 1`.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, code, value } = *self;
        write!(f, "{} {} {value}", codes::kind_name(kind), codes::name(kind, code))
    }
}
