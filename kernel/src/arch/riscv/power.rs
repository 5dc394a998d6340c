//! Power-off with an exit status.
//!
//! QEMU's `virt` machine has SiFive's test device (`sifive,test0` in the device tree). Writing a finisher
//! code to its first register ends QEMU (`hw/misc/sifive_test.c`): 0x5555 with status 0, and
//! `status << 16 | 0x3333` with that status. Without the device there is still the firmware's power-off,
//! but QEMU then exits with 0 in any case.

use core::fmt;

use device_tree::{DeviceNode, NodeError};
use fdt::Fdt;
use ostd::{
    arch::{read_tsc, tsc_freq},
    io::IoMem,
    mm::VmIoOnce,
    power::{ExitCode, poweroff},
};
use spin::Once;

use super::io_memory;

/// The test device's registers. Acquired once and kept, as a panic is too late to map anything.
static TEST_DEVICE: Once<IoMem> = Once::new();

/// Finds the test device in the device tree and keeps it for [`off`]. Calling it again changes nothing.
///
/// # Errors
///
/// There is no such device, or its registers cannot be had. [`off`] then powers off through the
/// firmware, and the host cannot tell failure from success.
pub fn init(fdt: &Fdt<'_>) -> Result<(), PowerError> {
    let acquire = || {
        let range = find_test_device(fdt)?.range;
        io_memory::acquire(range).map_err(PowerError::NotAcquired)
    };
    TEST_DEVICE.try_call_once(acquire).map(|_| ())
}

fn find_test_device(fdt: &Fdt<'_>) -> Result<DeviceNode, PowerError> {
    let mut error = PowerError::NoTestDevice;
    for compatible in ["sifive,test1", "sifive,test0"] {
        for node in device_tree::devices(fdt, compatible) {
            match node {
                Ok(node) => return Ok(node),
                Err(broken) => error = PowerError::BrokenNode(broken),
            }
        }
    }
    Err(error)
}

/// The reason for which there is no test device to power off through.
#[derive(Debug)]
pub enum PowerError {
    /// The device tree names none.
    NoTestDevice,
    /// The device tree's node cannot be used.
    BrokenNode(NodeError),
    /// OSTD does not give the registers away.
    NotAcquired(ostd::Error),
}

impl fmt::Display for PowerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTestDevice => f.write_str("no sifive,test device in the device tree")?,
            Self::BrokenNode(error) => write!(f, "the sifive,test device is unusable: {error}")?,
            Self::NotAcquired(error) => {
                write!(f, "the sifive,test device's registers are taken: {error:?}")?;
            }
        }
        f.write_str("; QEMU's exit status will not tell failure from success")
    }
}

impl core::error::Error for PowerError {}

/// Powers the machine off. Takes no lock, allocates nothing, and may be called from any context; to be
/// called with IRQs off, as it may take a second.
pub fn off(code: ExitCode) -> ! {
    if let Some(device) = TEST_DEVICE.get()
        && device.write_once(0, &finisher_code(&code)).is_ok()
    {
        // QEMU ends a moment later. Asking the firmware within that moment would replace the exit status,
        // since it powers off through the same device.
        wait_one_second();
    }
    // Directly, as OSTD's own power-off is not there yet when OSTD itself panics while it starts.
    match code {
        ExitCode::Success => sbi_rt::system_reset(sbi_rt::Shutdown, sbi_rt::NoReason),
        ExitCode::Failure => sbi_rt::system_reset(sbi_rt::Shutdown, sbi_rt::SystemFailure),
    };
    poweroff(code);
}

/// `FINISHER_PASS`, or `FINISHER_FAIL` with the exit status in the upper half.
const fn finisher_code(code: &ExitCode) -> u32 {
    match code {
        ExitCode::Success => 0x5555,
        ExitCode::Failure => 1 << 16 | 0x3333,
    }
}

fn wait_one_second() {
    let start = read_tsc();
    while read_tsc().wrapping_sub(start) < tsc_freq() {
        core::hint::spin_loop();
    }
}

#[cfg(ktest)]
mod tests {
    use ostd::prelude::ktest;

    use super::{super::device_tree, *};

    #[ktest]
    fn finisher_codes_are_those_of_qemu() {
        assert_eq!(finisher_code(&ExitCode::Success), 0x5555);
        assert_eq!(finisher_code(&ExitCode::Failure), 0x1_3333);
    }

    #[ktest]
    fn the_test_device_of_this_machine_is_found() {
        let fdt = device_tree().unwrap();
        assert_eq!(find_test_device(fdt).unwrap().range, 0x10_0000..0x10_1000);
    }

    #[ktest]
    fn init_can_be_repeated() {
        let fdt = device_tree().unwrap();
        assert!(init(fdt).is_ok());
        assert!(init(fdt).is_ok());
    }
}
