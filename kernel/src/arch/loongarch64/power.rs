//! Power-off, by the register that the device tree names for it (`syscon-poweroff`).
//!
//! QEMU has such a register and exits with status 0 in any case: how the run went is told by the last line on the
//! console alone.

use core::fmt;

use fdt::{Fdt, node::FdtNode};
use ostd::{
    io::IoMem,
    mm::VmIoOnce,
    power::{ExitCode, poweroff},
};
use spin::Once;

use super::io_memory;

/// The register, and what is written to it. Acquired once and kept, as a panic is too late to map anything.
static REGISTER: Once<(IoMem, u8)> = Once::new();

/// Finds the register in the device tree and keeps it for [`off`]. Calling it again changes nothing.
///
/// # Errors
///
/// There is none, or it cannot be had. [`off`] then halts all CPUs.
pub fn init(fdt: &Fdt<'_>) -> Result<(), PowerError> {
    let acquire = || {
        let (address, value) = find(fdt).ok_or(PowerError::NoRegister)?;
        let end = address.checked_add(1).ok_or(PowerError::NoRegister)?;
        let register = io_memory::acquire(address..end).map_err(PowerError::NotAcquired)?;
        Ok((register, value))
    };
    REGISTER.try_call_once(acquire).map(|_| ())
}

/// The address of the register, and the value that powers off.
fn find(fdt: &Fdt<'_>) -> Option<(usize, u8)> {
    let number = |node: FdtNode<'_, '_>, name| {
        let value = node.property(name)?.value.try_into().ok()?;
        Some(u32::from_be_bytes(value))
    };
    let node = fdt.find_compatible(&["syscon-poweroff"])?;
    let registers = fdt.find_phandle(number(node, "regmap")?)?;
    let start = registers.reg()?.next()?.starting_address as usize;
    let address = start.checked_add(usize::try_from(number(node, "offset")?).ok()?)?;
    Some((address, u8::try_from(number(node, "value")?).ok()?))
}

/// The reason for which the machine cannot be powered off.
#[derive(Debug)]
pub enum PowerError {
    /// The device tree names no register for it.
    NoRegister,
    /// OSTD does not give the register away.
    NotAcquired(ostd::Error),
}

impl fmt::Display for PowerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRegister => f.write_str("no syscon-poweroff in the device tree")?,
            Self::NotAcquired(error) => write!(f, "the register of power-off is taken: {error:?}")?,
        }
        f.write_str("; the machine will halt, and QEMU will not end")
    }
}

impl core::error::Error for PowerError {}

/// Powers the machine off. Takes no lock, allocates nothing, and may be called from any context.
pub fn off(code: ExitCode) -> ! {
    if let Some((register, value)) = REGISTER.get() {
        // Where it has no effect, all that is left is to halt.
        let _ = register.write_once(0, value);
    }
    poweroff(code)
}
