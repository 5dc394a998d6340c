//! The way to a machine's devices: virtio-mmio, in the version that QEMU has for the whole machine, or PCI.

use std::fmt;

/// A way to devices.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Transport {
    /// Virtio-mmio of version 1, QEMU's default.
    Legacy,
    /// Virtio-mmio of version 2, as of VirtIO 1.0.
    Modern,
    /// PCI.
    Pci,
}

impl Transport {
    /// The value of virtio-mmio's version register.
    pub fn version(self) -> Option<u32> {
        match self {
            Self::Legacy => Some(1),
            Self::Modern => Some(2),
            Self::Pci => None,
        }
    }

    /// QEMU's name of a device, given the one on virtio-mmio: `virtio-rng-device`, or `virtio-rng-pci`. What
    /// follows the name stays.
    pub fn device(self, on_mmio: &str) -> String {
        let (name, properties) = on_mmio.split_at(on_mmio.find(',').unwrap_or(on_mmio.len()));
        // Of those without the ending only this one is for virtio-mmio.
        let kind = name.strip_suffix("-device").or((name == "vhost-user-blk").then_some(name));
        match kind {
            Some(kind) if self == Self::Pci => format!("{kind}-pci{properties}"),
            _ => on_mmio.to_owned(),
        }
    }

    /// QEMU's arguments for it.
    pub fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Legacy | Self::Pci => &[],
            Self::Modern => &["-global", "virtio-mmio.force-legacy=false"],
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Legacy => "legacy",
            Self::Modern => "modern",
            Self::Pci => "pci",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_have_another_name_on_pci() {
        let device = "virtio-blk-device,drive=a-device,serial=b";
        assert_eq!(Transport::Modern.device(device), device);
        assert_eq!(Transport::Pci.device(device), "virtio-blk-pci,drive=a-device,serial=b");
        assert_eq!(Transport::Pci.device("virtio-rng-device"), "virtio-rng-pci");
        assert_eq!(
            Transport::Modern.device("vhost-user-blk,chardev=c"),
            "vhost-user-blk,chardev=c"
        );
        assert_eq!(
            Transport::Pci.device("vhost-user-blk,chardev=c"),
            "vhost-user-blk-pci,chardev=c"
        );
        assert_eq!(Transport::Pci.device("virtconsole,chardev=c"), "virtconsole,chardev=c");
    }
}
