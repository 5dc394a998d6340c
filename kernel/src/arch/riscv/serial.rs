//! The serial port, for what is typed: a UART of the kind NS16550A.
//!
//! It is the one that the device tree names as the console. The firmware has set it up and prints through it. So
//! nothing is changed here but its interrupt for bytes that have come; OSTD's `Ns16550aUart::init` would choose speed
//! and queue anew.

use alloc::borrow::ToOwned;
use core::fmt;

use device_tree::{DeviceNode, InterruptError, SerialError};
use fdt::Fdt;
use ostd::{
    console::uart_ns16650a::Ns16550aRegister, io::IoMem, irq::IrqLine, mm::VmIoOnce, sync::SpinLock,
};

use super::{
    io_memory,
    irq::{self, MappedIrqLine},
};
use crate::arch::MapError;

/// The node name by which a device tree announces the port.
const COMPATIBLE: &str = "ns16550a";

/// Line status: a byte has come.
const DATA_READY: u8 = 1 << 0;
/// Interrupt enable: when a byte has come.
const RECEIVED: u8 = 1 << 0;

/// The port's node, copied out of the device tree until somebody wants to listen.
static FOUND: SpinLock<Option<Result<DeviceNode, SerialError>>> = SpinLock::new(None);

/// Looks for the port.
pub(super) fn find(fdt: &Fdt<'_>) {
    *FOUND.lock() = Some(device_tree::serial_port(fdt, COMPATIBLE));
}

/// A serial port that is listened to.
pub struct SerialPort {
    registers: IoMem,
    _line: MappedIrqLine,
}

/// Opens the port; `on_interrupt` is called in interrupt context whenever bytes have come, from when its
/// interrupts are switched on. To be called once, in a task on the boot CPU.
///
/// # Errors
///
/// There is no port, or it cannot be used.
pub fn open(on_interrupt: fn()) -> Result<SerialPort, OpenError> {
    let none = || Err(SerialError::NoPort { kind: COMPATIBLE.to_owned() });
    let node = FOUND.lock().clone().unwrap_or_else(none).map_err(OpenError::NoPort)?;
    let interrupt = node.interrupt.map_err(OpenError::NoInterrupt)?;
    let registers = io_memory::acquire(node.range).map_err(OpenError::NotAcquired)?;
    let mut line = IrqLine::alloc().map_err(OpenError::Line)?;
    line.on_active(move |_| on_interrupt());
    let line = irq::map(&interrupt, line).map_err(OpenError::Map)?;
    Ok(SerialPort { registers, _line: line })
}

impl SerialPort {
    /// The next byte, if there is one.
    pub fn receive(&mut self) -> Option<u8> {
        // A register that cannot be read is one without a byte.
        let read = |register| self.registers.read_once::<u8>(register as usize).ok();
        (read(Ns16550aRegister::LineStat)? & DATA_READY != 0)
            .then(|| read(Ns16550aRegister::DataOrDivisorLo))?
    }

    /// Interrupts while a byte is waiting, or does not.
    pub fn set_interrupts(&mut self, on: bool) {
        let enabled = if on { RECEIVED } else { 0 };
        let register = Ns16550aRegister::IntEnOrDivisorHi as usize;
        if let Err(error) = self.registers.write_once(register, &enabled) {
            log::warn!("the serial port does not take its interrupts: {error:?}");
        }
    }
}

/// The reason for which nothing can be typed.
#[derive(Debug)]
pub enum OpenError {
    /// The device tree names no port that can be used.
    NoPort(SerialError),
    /// OSTD does not give the registers away.
    NotAcquired(ostd::Error),
    /// The device tree does not tell its interrupt.
    NoInterrupt(InterruptError),
    /// OSTD has no line left for its interrupt.
    Line(ostd::Error),
    /// The interrupt controller does not take its interrupt.
    Map(MapError),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPort(error) => write!(f, "nothing can be typed: {error}"),
            Self::NotAcquired(error) => {
                write!(f, "the serial port's registers are taken ({error:?})")
            }
            Self::NoInterrupt(error) => {
                write!(f, "the serial port's interrupt cannot be used: {error}")
            }
            Self::Line(error) => {
                write!(f, "there is no interrupt line left for the serial port ({error:?})")
            }
            Self::Map(error) => write!(f, "the serial port's interrupt cannot be used: {error}"),
        }
    }
}

impl core::error::Error for OpenError {}
