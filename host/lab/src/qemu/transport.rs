//! The version of the virtio-mmio transport. QEMU has one for the whole machine.

use std::fmt;

/// A version of the transport.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Transport {
    /// Version 1, QEMU's default.
    Legacy,
    /// Version 2, as of VirtIO 1.0.
    Modern,
}

impl Transport {
    /// The version register's value.
    pub fn version(self) -> u32 {
        match self {
            Self::Legacy => 1,
            Self::Modern => 2,
        }
    }

    /// QEMU's arguments for it.
    pub fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Legacy => &[],
            Self::Modern => &["-global", "virtio-mmio.force-legacy=false"],
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Legacy => "legacy",
            Self::Modern => "modern",
        })
    }
}
