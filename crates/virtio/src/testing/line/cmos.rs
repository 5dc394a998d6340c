//! The clock of a PC, which came with the AT: registers behind two ports, and the eighth interrupt of ISA.

use ostd::{
    arch::{
        device::io_port::{ReadWriteAccess, WriteOnlyAccess},
        irq::{IRQ_CHIP, MappedIrqLine},
    },
    io::IoPort,
    irq::IrqLine,
    sync::{LocalIrqDisabled, SpinLock},
};

/// The numbers of registers.
mod register {
    pub const B: u8 = 0x0b;
    pub const C: u8 = 0x0c;
}

/// In register B: interrupts 1024 times a second, at the rate that the firmware leaves in register A.
const PERIODIC: u8 = 1 << 6;

pub struct Clock {
    ports: SpinLock<Ports, LocalIrqDisabled>,
}

struct Ports {
    number: IoPort<u8, WriteOnlyAccess>,
    data: IoPort<u8, ReadWriteAccess>,
}

impl Clock {
    /// The clock, and how its interrupt is led to a line.
    pub fn find() -> (Self, impl FnOnce(IrqLine) -> MappedIrqLine) {
        let (number, data) = (IoPort::acquire(0x70).unwrap(), IoPort::acquire(0x71).unwrap());
        let map = |line| IRQ_CHIP.get().unwrap().map_isa_pin_to(line, 8).unwrap();
        (Self { ports: SpinLock::new(Ports { number, data }) }, map)
    }

    /// Interrupts once.
    pub fn ring(&self) {
        let ports = self.ports.lock();
        let b = ports.read(register::B);
        ports.write(register::B, b | PERIODIC);
    }

    /// Ends an interrupt, and lets none follow.
    pub fn clear(&self) {
        let ports = self.ports.lock();
        let b = ports.read(register::B);
        ports.write(register::B, b & !PERIODIC);
        // Its reading ends the interrupt.
        ports.read(register::C);
    }
}

impl Ports {
    fn read(&self, register: u8) -> u8 {
        self.number.write(register);
        self.data.read()
    }

    fn write(&self, register: u8, value: u8) {
        self.number.write(register);
        self.data.write(value);
    }
}
