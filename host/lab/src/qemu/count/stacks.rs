//! The functions in which a guest executes its instructions, and their callers, found by a plugin of QEMU that
//! looks from time to time.
//!
//! As the moments are told by the number of instructions and not by a clock, a slow host changes nothing.

use std::{fs, path::Path, time::Duration};

use super::{CountError, plugin};
use crate::qemu::{Guest, Machine, escaped};

/// The plugin's source.
const PARTS: &[&str] = &[plugin::FRAMES, include_str!("stacks.c")];

/// One look at a CPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// The instruction that is next: the first one of a block that nothing jumps into.
    pub address: u64,
    /// The register `ra`, which holds the return address where the function has but begun. `None` outside of
    /// the kernel.
    pub ra: Option<u64>,
    /// The return addresses in the frames, the innermost first.
    pub callers: Vec<u64>,
}

impl Look {
    /// The addresses of the stack, the innermost first, each inside of the function that it stands for. `begin` is
    /// the beginning of the function that runs.
    pub fn stack(&self, begin: Option<u64>) -> Vec<u64> {
        let mut addresses = vec![self.address];
        // A function that has but begun has no frame yet: the first one is its caller's.
        let caller = self.ra.filter(|_| begin == Some(self.address));
        let returns = caller.iter().chain(&self.callers);
        // A call may be a function's last instruction, so that its return address is another function's.
        addresses.extend(returns.map(|address| address.saturating_sub(1)));
        addresses
    }

    /// Reads a line of a plugin's.
    pub(super) fn read(line: &str) -> Option<Self> {
        let mut numbers = Vec::new();
        for word in line.split(' ') {
            numbers.push(u64::from_str_radix(word, 16).ok()?);
        }
        let mut numbers = numbers.into_iter();
        Some(Self { address: numbers.next()?, ra: numbers.next(), callers: numbers.collect() })
    }
}

/// Runs `guest` until it switches off, and looks whenever a CPU has executed `every` instructions. The guest's
/// functions must keep frame pointers.
///
/// # Errors
///
/// There is no C compiler, QEMU is older than 10.0 or built without plugins, or it fails.
pub fn stacks(
    machine: &Machine,
    guest: &Guest<'_>,
    every: u64,
    limit: Duration,
    log: &Path,
) -> Result<Vec<Look>, CountError> {
    let folder = tempfile::tempdir().map_err(CountError::NoFolder)?;
    let looks = folder.path().join("looks");
    let arguments = format!("out={},every={every}", escaped(&looks));
    let machine = plugin::attach(machine, PARTS, &arguments, folder.path(), log)?;
    let outcome = machine.run(guest, limit, log)?;
    outcome.expect_success()?;
    let text = fs::read_to_string(looks).map_err(CountError::NoStacks)?;
    text.lines()
        .map(|line| Look::read(line).ok_or_else(|| CountError::BadStack(line.into())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plugin_compiles() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("plugin.so");
        plugin::compile(PARTS, &file, &folder.path().join("log")).unwrap();
        assert!(file.is_file());
    }

    #[test]
    fn a_look_is_read() {
        let read =
            Look::read("ffffffff80200000 ffffffff80200010 ffffffff80200020 ffffffff80200030")
                .unwrap();
        assert_eq!((read.address, read.ra), (0xffff_ffff_8020_0000, Some(0xffff_ffff_8020_0010)));
        assert_eq!(read.callers, [0xffff_ffff_8020_0020, 0xffff_ffff_8020_0030]);
        let firmware = Look { address: 0x8000_0000, ra: None, callers: Vec::new() };
        assert_eq!(Look::read("80000000"), Some(firmware));
        for line in ["", "x", "1 ", "1 2 3g"] {
            assert_eq!(Look::read(line), None, "{line}");
        }
    }

    #[test]
    fn a_function_that_has_begun_is_called_by_ra() {
        let look = Look { address: 0x100, ra: Some(0x202), callers: vec![0x302, 0x402] };
        assert_eq!(look.stack(Some(0x100)), [0x100, 0x201, 0x301, 0x401]);
        // Later it has a frame, and ra may hold anything.
        assert_eq!(look.stack(Some(0xf0)), [0x100, 0x301, 0x401]);
        let firmware = Look { address: 0x100, ra: None, callers: Vec::new() };
        assert_eq!(firmware.stack(None), [0x100]);
    }
}
