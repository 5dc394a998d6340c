//! The PCI bus: configuration space in memory where ACPI tells the place (MCFG), and behind two ports otherwise.

use alloc::{string::ToString, sync::Arc, vec::Vec};
use core::{fmt, ops::RangeInclusive};

use ostd::{
    arch::{
        device::io_port::{PortRead, PortWrite, ReadWriteAccess, WriteOnlyAccess},
        kernel::ACPI_INFO,
    },
    io::IoPort,
    sync::{LocalIrqDisabled, SpinLock},
};
use pci::{Address, ConfigAccess, Ecam, Resources, Width};

use super::io_memory;
use crate::arch::{HostBridge, Interrupts};

/// The host bridges of the machine, of which OSTD tells one. The firmware of a PC has numbered its buses and
/// placed the BARs, and the functions interrupt by messages.
///
/// # Errors
///
/// ACPI tells no place of configuration space, and the ports are somebody else's.
pub fn host_bridges() -> Vec<Result<HostBridge, NoPorts>> {
    Vec::from([host_bridge()])
}

fn host_bridge() -> Result<HostBridge, NoPorts> {
    let (name, access, buses): (_, Arc<dyn ConfigAccess>, _) = match in_memory() {
        Some((memory, buses)) => ("PCI by ACPI's MCFG", Arc::new(memory), buses),
        None => ("PCI by ports", Arc::new(Ports::acquire().map_err(NoPorts)?), 0..=u8::MAX),
    };
    let bus = pci::HostBridge { access, buses, resources: Resources::AsFound };
    Ok(HostBridge { name: name.to_string(), bus, interrupts: Interrupts::Messages })
}

/// Configuration space is nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPorts(ostd::Error);

impl fmt::Display for NoPorts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(error) = self;
        write!(f, "ACPI tells of no PCI bus, and port {ADDRESS:#x} cannot be had ({error:?})")
    }
}

impl core::error::Error for NoPorts {}

fn in_memory() -> Option<(Ecam, RangeInclusive<u8>)> {
    let region = ACPI_INFO.get()?.pci_ecam_region.as_ref()?;
    let buses = region.bus_start..=region.bus_end;
    // The address is that of bus 0, whichever bus is the first (PCI Firmware Specification 3.0, section 4.1.2).
    let start = usize::try_from(region.base_address).ok()?;
    let first = start.checked_add(usize::from(region.bus_start) << 20)?;
    Some((Ecam::new(first, buses.clone(), io_memory::acquire)?, buses))
}

/// The port that takes an address: bit 31, bus, device and function, and a register (PCI 3.2.2.3.2).
const ADDRESS: u16 = 0xcf8;
/// The first of the four ports behind which the register's bytes then are.
const DATA: u16 = 0xcfc;

/// Configuration space behind two ports, as PCs have it since the first PCI bus.
struct Ports {
    /// Locked from an address to the access that it is for.
    address: SpinLock<IoPort<u32, WriteOnlyAccess>, LocalIrqDisabled>,
}

impl Ports {
    fn acquire() -> Result<Self, ostd::Error> {
        // The port of a reset lies in the middle of this one.
        Ok(Self { address: SpinLock::new(IoPort::acquire_overlapping(ADDRESS)?) })
    }

    // ANCHOR: port
    /// Chooses a register, and does something with the port behind which it then is.
    /// `None` if that is somebody else's.
    fn with_data<T, R>(
        &self,
        at: Address,
        offset: u8,
        access: impl FnOnce(&IoPort<T, ReadWriteAccess>) -> R,
    ) -> Option<R> {
        let address = self.address.lock();
        // The ports of several widths lie on each other: each is had for its access only.
        let data = IoPort::acquire_overlapping(DATA + u16::from(offset & 3)).ok()?;
        address.write(1 << 31 | u32::from(at.bits()) << 8 | u32::from(offset & !3));
        Some(access(&data))
    }
    // ANCHOR_END: port

    fn read_as<T: PortRead + Into<u32>>(&self, at: Address, offset: u8) -> Option<u32> {
        self.with_data(at, offset, |data: &IoPort<T, _>| data.read().into())
    }

    fn write_as<T: PortWrite>(&self, at: Address, offset: u8, value: T) {
        self.with_data(at, offset, |data: &IoPort<T, _>| data.write(value));
    }
}

impl ConfigAccess for Ports {
    fn read(&self, at: Address, offset: u8, width: Width) -> u32 {
        let value = match width {
            Width::U8 => self.read_as::<u8>(at, offset),
            Width::U16 => self.read_as::<u16>(at, offset),
            Width::U32 => self.read_as::<u32>(at, offset),
        };
        value.unwrap_or(width.all_ones())
    }

    fn write(&self, at: Address, offset: u8, width: Width, value: u32) {
        match width {
            Width::U8 => self.write_as(at, offset, value as u8),
            Width::U16 => self.write_as(at, offset, value as u16),
            Width::U32 => self.write_as(at, offset, value),
        }
    }
}

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ports").finish_non_exhaustive()
    }
}

#[cfg(ktest)]
mod tests {
    use ostd::prelude::ktest;

    use super::*;

    /// The tests run at once, and the ports are there once.
    #[ktest]
    fn ports_and_memory_show_the_same_machine() {
        let ports = Ports::acquire().unwrap();
        let (memory, _) = in_memory().unwrap();
        memory.open_bus(0).unwrap();
        let mut found = 0;
        for slot in 0..=u8::MAX {
            let at = Address::of_slot(0, slot);
            for offset in (0..64).step_by(4) {
                let value = |access: &dyn ConfigAccess, width| access.read(at, offset, width);
                for width in [Width::U8, Width::U16, Width::U32] {
                    assert_eq!(value(&ports, width), value(&memory, width), "{at} {offset:#x}");
                }
                // The widths are parts of each other.
                let whole = value(&ports, Width::U32);
                assert_eq!(value(&ports, Width::U16), whole & 0xffff);
                let upper = |offset, width| ports.read(at, offset, width);
                assert_eq!(upper(offset + 2, Width::U16), whole >> 16);
                assert_eq!(upper(offset + 3, Width::U8), whole >> 24);
            }
            found += u32::from(ports.read(at, 0, Width::U16) != 0xffff);
        }
        // The host bridge and the bridge to ISA at least.
        assert!(found >= 2, "{found}");
        assert!(Ports::acquire().is_err());
        drop(ports);
        assert!(Ports::acquire().is_ok());
    }

    /// The command register has bits that keep what is written, and lies beside one whose bits do not.
    #[ktest]
    fn what_is_written_through_the_ports_is_read_in_memory() {
        const COMMAND: u8 = 4;
        const NO_PIN: u32 = 1 << 10;
        let ports = Ports::acquire().unwrap();
        // The bridge to ISA.
        let at = Address::new(0, 31, 0).unwrap();
        let before = ports.read(at, COMMAND, Width::U16);
        ports.write(at, COMMAND, Width::U16, before ^ NO_PIN);
        let changed = ports.read(at, COMMAND, Width::U32) as u16;
        ports.write(at, COMMAND, Width::U16, before);
        assert_eq!(u32::from(changed), before ^ NO_PIN);
        assert_eq!(ports.read(at, COMMAND, Width::U16), before);
    }
}
