//! The functions in which a guest executes its instructions, and their callers, found by a plugin of QEMU that
//! looks from time to time.
//!
//! As the moments are told by the number of instructions and not by a clock, a slow host changes nothing.

use std::{fs, path::Path, time::Duration};

use super::{CountError, plugin};
use crate::qemu::{Guest, Machine, escaped};

/// The plugin's source.
const SOURCE: &str = include_str!("stacks.c");

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
    let (plugin, looks) = (folder.path().join("plugin.so"), folder.path().join("looks"));
    plugin::compile(SOURCE, &plugin, log)?;
    let options = format!("{},out={},every={every}", escaped(&plugin), escaped(&looks));
    let outcome = machine.clone().option("-plugin", options).run(guest, limit, log)?;
    outcome.expect_success()?;
    let text = fs::read_to_string(looks).map_err(CountError::NoStacks)?;
    text.lines().map(|line| look(line).ok_or_else(|| CountError::BadStack(line.into()))).collect()
}

/// Reads a line of the plugin's.
fn look(line: &str) -> Option<Look> {
    let mut numbers = Vec::new();
    for word in line.split(' ') {
        numbers.push(u64::from_str_radix(word, 16).ok()?);
    }
    let mut numbers = numbers.into_iter();
    Some(Look { address: numbers.next()?, ra: numbers.next(), callers: numbers.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plugin_compiles() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("plugin.so");
        plugin::compile(SOURCE, &file, &folder.path().join("log")).unwrap();
        assert!(file.is_file());
    }

    #[test]
    fn a_look_is_read() {
        let read =
            look("ffffffff80200000 ffffffff80200010 ffffffff80200020 ffffffff80200030").unwrap();
        assert_eq!((read.address, read.ra), (0xffff_ffff_8020_0000, Some(0xffff_ffff_8020_0010)));
        assert_eq!(read.callers, [0xffff_ffff_8020_0020, 0xffff_ffff_8020_0030]);
        let firmware = Look { address: 0x8000_0000, ra: None, callers: Vec::new() };
        assert_eq!(look("80000000"), Some(firmware));
        for line in ["", "x", "1 ", "1 2 3g"] {
            assert_eq!(look(line), None, "{line}");
        }
    }
}
