//! Disks of virtual machines, and the faults they can have.

use std::path::{Path, PathBuf};

use super::stack::{Stack, escaped};
use crate::image::{Image, SECTOR};

/// Linux's number of an I/O error. The device reports every error as one.
pub const EIO: u32 = 5;

/// Linux's number of a full disk.
pub const ENOSPC: u32 = 28;

/// Properties of a device whose errors go to the guest instead of stopping it, and each of whose requests
/// meets its fate on its own.
pub const REPORT_ERRORS: &str = ",rerror=report,werror=report,request-merging=off";

/// A disk of a virtual machine that may have others: a [`Stack`] with what most cases want to say of a disk.
#[derive(Clone, Debug)]
pub struct Disk {
    medium: Medium,
    serial: Option<String>,
    slot: Option<u8>,
    read_only: bool,
    properties: Vec<String>,
    faults: Vec<Fault>,
}

/// The medium behind a disk.
#[derive(Clone, Debug)]
enum Medium {
    /// A file on the host.
    File(PathBuf),
    /// Nothing: bytes that read as zeros whatever is written.
    Void { bytes: usize, latency_ns: u64 },
}

/// A kind of access, for a fault to hit.
#[derive(Clone, Copy, Debug)]
pub enum Access {
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Flushing.
    Flush,
}

/// An error that QEMU makes up, instead of carrying out what the device was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// The kind of access that is hit.
    pub access: Access,
    /// Only accesses that touch this sector; all if `None`.
    pub sector: Option<u64>,
    /// Linux's number of the error that the disk seems to have.
    pub errno: u32,
    /// Only the first of these accesses.
    pub once: bool,
}

impl Disk {
    /// A disk with the serial number `lab` in the next free slot, from the highest down.
    pub fn new(image: &Image) -> Self {
        Self::file(image.path())
    }

    /// The same on a file that somebody else has made.
    pub fn file(path: &Path) -> Self {
        Self::on(Medium::File(path.to_owned()))
    }

    /// A disk that takes every write, keeps none and reads as zeros, and needs so many nanoseconds for each
    /// request.
    pub fn slow(sectors: usize, latency_ns: u64) -> Self {
        Self::on(Medium::Void { bytes: sectors * SECTOR, latency_ns })
    }

    /// A disk that takes every write, keeps none and reads as zeros.
    pub fn forgetful(sectors: usize) -> Self {
        Self::slow(sectors, 0)
    }

    fn on(medium: Medium) -> Self {
        Self {
            medium,
            serial: Some("lab".to_owned()),
            slot: None,
            read_only: false,
            properties: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// With this serial number.
    pub fn serial(mut self, serial: &str) -> Self {
        self.serial = Some(serial.to_owned());
        self
    }

    /// Without a serial number.
    pub fn no_serial(mut self) -> Self {
        self.serial = None;
        self
    }

    /// In this virtio-mmio slot, 0 to 7.
    pub fn slot(mut self, slot: u8) -> Self {
        self.slot = Some(slot);
        self
    }

    /// Cannot be written.
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// With properties of QEMU's device, `name=value` with commas between them; may be empty.
    pub fn property(mut self, property: impl Into<String>) -> Self {
        self.properties.push(property.into());
        self
    }

    /// With a fault.
    pub fn fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// The QEMU options for this disk. `number` makes its names unique.
    pub fn options(&self, number: usize) -> Vec<String> {
        let read_only = if self.read_only { ",read-only=on" } else { "" };
        let medium = match &self.medium {
            Medium::File(path) => format!("driver=file,filename={}", escaped(path)),
            Medium::Void { bytes, latency_ns } => {
                format!("driver=null-co,size={bytes},latency-ns={latency_ns},read-zeroes=on")
            }
        };
        let mut stack = Stack::named(&format!("disk{number}-"), &format!("{medium}{read_only}"));
        let mut properties = String::new();
        if let Some(serial) = &self.serial {
            properties.push_str(&format!(",serial={serial}"));
        }
        if let Some(slot) = self.slot {
            properties.push_str(&format!(",bus=virtio-mmio-bus.{slot}"));
        }
        if !self.faults.is_empty() {
            let rules: String = (0..).zip(&self.faults).map(|(n, fault)| fault.rule(n)).collect();
            stack = stack.under(&format!("driver=blkdebug{rules}"));
            properties.push_str(REPORT_ERRORS);
        }
        for property in self.properties.iter().filter(|property| !property.is_empty()) {
            properties.push_str(&format!(",{property}"));
        }
        stack.under(&format!("driver=raw{read_only}")).device_without_serial(&properties)
    }
}

impl Fault {
    /// An error that hits all accesses of this kind, always.
    pub const fn every(access: Access, errno: u32) -> Self {
        Self { access, sector: None, errno, once: false }
    }

    /// Only accesses that touch this sector.
    pub const fn at(self, sector: u64) -> Self {
        Self { sector: Some(sector), ..self }
    }

    /// Only the first of these accesses.
    pub const fn once(self) -> Self {
        Self { once: true, ..self }
    }

    /// A rule of QEMU's driver `blkdebug`, with a comma before it. `number` makes it unique.
    pub fn rule(&self, number: usize) -> String {
        let access = match self.access {
            Access::Read => "read",
            Access::Write => "write",
            Access::Flush => "flush",
        };
        let key = format!(",inject-error.{number}");
        // Without an event the rule holds from the start.
        let mut option = format!("{key}.event=none{key}.iotype={access}{key}.errno={}", self.errno);
        if let Some(sector) = self.sector {
            option.push_str(&format!("{key}.sector={sector}"));
        }
        if self.once {
            option.push_str(&format!("{key}.once=on"));
        }
        option
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk() -> Disk {
        Disk::on(Medium::File("/tmp/a,b.img".into()))
    }

    #[test]
    fn a_plain_disk() {
        assert_eq!(
            disk().options(0),
            [
                "-blockdev",
                "driver=file,filename=/tmp/a,,b.img,node-name=disk0-0",
                "-blockdev",
                "driver=raw,file=disk0-0,node-name=disk0-1",
                "-device",
                "virtio-blk-device,drive=disk0-1,serial=lab",
            ]
        );
    }

    #[test]
    fn a_read_only_disk_with_a_fault_in_a_slot() {
        let fault = Fault::every(Access::Write, ENOSPC).at(9).once();
        let options =
            disk().no_serial().slot(3).read_only().fault(fault).property("queue-size=8").options(2);
        assert_eq!(options[1], "driver=file,filename=/tmp/a,,b.img,read-only=on,node-name=disk2-0");
        assert_eq!(
            options[3],
            "driver=blkdebug,inject-error.0.event=none,inject-error.0.iotype=write,inject-error.0.errno=28,\
             inject-error.0.sector=9,inject-error.0.once=on,image=disk2-0,node-name=disk2-1"
        );
        assert_eq!(options[5], "driver=raw,read-only=on,file=disk2-1,node-name=disk2-2");
        assert_eq!(
            options[7],
            "virtio-blk-device,drive=disk2-2,bus=virtio-mmio-bus.3,rerror=report,werror=report,\
             request-merging=off,queue-size=8"
        );
    }
}
