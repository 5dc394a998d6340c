//! The address of a function.

use core::fmt;

/// Bus, device and function. There are 256 buses, 32 devices on each, and 8 functions in each.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    bus: u8,
    /// Device and function in one byte, as requests on the bus carry them.
    slot: u8,
}

impl Address {
    /// The function with these numbers, if there can be one.
    pub const fn new(bus: u8, device: u8, function: u8) -> Option<Self> {
        if device < 32 && function < 8 {
            Some(Self { bus, slot: device << 3 | function })
        } else {
            None
        }
    }

    /// The function whose device is in the upper 5 bits and whose function is in the lower 3 bits of `slot`.
    pub const fn of_slot(bus: u8, slot: u8) -> Self {
        Self { bus, slot }
    }

    /// The bus.
    pub const fn bus(self) -> u8 {
        self.bus
    }

    /// The device, 0 to 31.
    pub const fn device(self) -> u8 {
        self.slot >> 3
    }

    /// The function, 0 to 7.
    pub const fn function(self) -> u8 {
        self.slot & 7
    }

    /// Bus, device and function in 16 bits: bits 15 to 8, 7 to 3, and 2 to 0.
    pub const fn bits(self) -> u16 {
        (self.bus as u16) << 8 | self.slot as u16
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}:{:02x}.{}", self.bus, self.device(), self.function())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
