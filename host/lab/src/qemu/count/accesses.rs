//! The accesses to the registers of devices, each of which leaves the virtual machine.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    ops::{Div, Sub},
    path::Path,
    time::Duration,
};

use super::CountError;
use crate::{
    outcome::Outcome,
    qemu::{Guest, Machine},
};

/// Numbers of accesses: of a run, or of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Accesses {
    /// Reads and writes of registers of virtio devices, the notifications included.
    pub device: f64,
    /// Reads and writes of registers of RISC-V's interrupt controller. A PC has those of its own in the processor.
    pub interrupt_controller: f64,
    /// Notifications.
    pub notifications: f64,
}

impl Accesses {
    /// All accesses.
    pub fn sum(&self) -> f64 {
        self.device + self.interrupt_controller
    }
}

impl Sub for Accesses {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            device: self.device - other.device,
            interrupt_controller: self.interrupt_controller - other.interrupt_controller,
            notifications: self.notifications - other.notifications,
        }
    }
}

impl Div<f64> for Accesses {
    type Output = Self;

    fn div(self, by: f64) -> Self {
        Self {
            device: self.device / by,
            interrupt_controller: self.interrupt_controller / by,
            notifications: self.notifications / by,
        }
    }
}

/// Runs `guest` until it switches off; returns its accesses, and what it printed.
///
/// # Errors
///
/// QEMU cannot be started, fails, or writes no trace.
pub fn accesses(
    machine: &Machine,
    guest: &Guest<'_>,
    limit: Duration,
    log: &Path,
) -> Result<(Accesses, Outcome), CountError> {
    let folder = tempfile::tempdir().map_err(CountError::NoFolder)?;
    let file = folder.path().join("trace");
    let machine = machine
        .clone()
        .option("-trace", "memory_region_ops_*")
        .option("-trace", "virtio_queue_notify")
        .option("-D", file.to_string_lossy());
    let outcome = machine.run(guest, limit, log)?;
    outcome.expect_success()?;
    let trace = File::open(&file).and_then(|file| read(BufReader::new(file)));
    Ok((trace.map_err(CountError::NoTrace)?, outcome))
}

/// Sums a trace up.
fn read(trace: impl BufRead) -> io::Result<Accesses> {
    let mut accesses = Accesses::default();
    for line in trace.split(b'\n') {
        add(&String::from_utf8_lossy(&line?), &mut accesses);
    }
    Ok(accesses)
}

/// Adds what a line of the trace tells.
///
/// Unless QEMU records, notifications are taken by an event file descriptor and are no access to memory for
/// it. So in either case the device's side tells of them: `virtio_queue_notify`.
fn add(line: &str, accesses: &mut Accesses) {
    /// QueueNotify (specification 4.2.2) in each device's page of registers.
    const QUEUE_NOTIFY: &str = "050";
    if line.starts_with("virtio_queue_notify ") {
        accesses.device += 1.0;
        accesses.notifications += 1.0;
    } else if line.contains("name 'virtio-pci-") {
        // Those of its parts for notifications are told by the device.
        if !line.contains("name 'virtio-pci-notify") {
            accesses.device += 1.0;
        }
    } else if line.contains("name 'virtio-mmio'") {
        let address = line.split(" addr ").nth(1).and_then(|rest| rest.split(' ').next());
        if !address.is_some_and(|address| address.ends_with(QUEUE_NOTIFY)) {
            accesses.device += 1.0;
        }
    } else if line.contains(".plic'") {
        accesses.interrupt_controller += 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trace_is_understood() {
        let trace = "\
memory_region_ops_write cpu 0 mr 0x1 addr 0x10000001 value 0x0 size 1 name 'serial'
memory_region_ops_write cpu 0 mr 0x1 addr 0x10008050 value 0x0 size 4 name 'virtio-mmio'
virtio_queue_notify vdev 0x2 n 0 vq 0x3
memory_region_ops_read cpu 0 mr 0x1 addr 0x10008060 value 0x1 size 4 name 'virtio-mmio'
virtio_queue_notify vdev 0x2 n 0 vq 0x3
memory_region_ops_read cpu 0 mr 0x1 addr 0xc201004 value 0x8 size 4 name 'riscv.sifive.plic'
";
        let accesses = read(trace.as_bytes()).unwrap();
        let expected = Accesses { device: 3.0, interrupt_controller: 1.0, notifications: 2.0 };
        assert_eq!(accesses, expected);
        assert_eq!(accesses.sum(), 4.0);
    }

    #[test]
    fn the_parts_of_a_device_on_pci_are_understood() {
        let trace = "\
memory_region_ops_write cpu 0 mr 0x1 addr 0x40003000 value 0x0 size 2 name 'virtio-pci-notify-virtio-blk'
virtio_queue_notify vdev 0x2 n 0 vq 0x3
memory_region_ops_read cpu 0 mr 0x1 addr 0x40001000 value 0x1 size 1 name 'virtio-pci-isr-virtio-blk'
memory_region_ops_read cpu 0 mr 0x1 addr 0xc201004 value 0x8 size 4 name 'riscv.sifive.plic'
";
        let expected = Accesses { device: 2.0, interrupt_controller: 1.0, notifications: 1.0 };
        assert_eq!(read(trace.as_bytes()).unwrap(), expected);
    }

    #[test]
    fn one_request_is_a_difference() {
        let run = |device, interrupt_controller, notifications| Accesses {
            device,
            interrupt_controller,
            notifications,
        };
        let each = (run(70.0, 33.0, 14.0) - run(40.0, 3.0, 4.0)) / 10.0;
        assert_eq!(each, run(3.0, 3.0, 1.0));
    }
}
