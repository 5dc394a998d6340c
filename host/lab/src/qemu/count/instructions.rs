//! The instructions that a guest executes, counted by a plugin of QEMU.
//!
//! The plugin changes nothing for the guest, and needs no `-icount`: a machine can be counted as it runs
//! otherwise.

use std::{fs, io, path::Path, time::Duration};

use super::{CountError, plugin};
use crate::qemu::{Guest, Machine, escaped};

/// The plugin's source.
const SOURCE: &str = include_str!("instructions.c");

/// Runs `guest` until it switches off; returns its number of instructions.
///
/// # Errors
///
/// There is no C compiler, QEMU is older than 9.0 or built without plugins, or it fails.
pub fn instructions(
    machine: &Machine,
    guest: &Guest<'_>,
    limit: Duration,
    log: &Path,
) -> Result<u64, CountError> {
    let folder = tempfile::tempdir().map_err(CountError::NoFolder)?;
    let number = folder.path().join("number");
    let arguments = format!("out={}", escaped(&number));
    let machine = plugin::attach(machine, &[SOURCE], &arguments, folder.path(), log)?;
    let outcome = machine.run(guest, limit, log)?;
    outcome.expect_success()?;
    read(&number)
}

/// Reads what the plugin has written.
fn read(number: &Path) -> Result<u64, CountError> {
    let text = fs::read_to_string(number).map_err(CountError::NoNumber)?;
    let parsed = text.trim().parse();
    parsed.map_err(|error| CountError::NoNumber(io::Error::new(io::ErrorKind::InvalidData, error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plugin_compiles() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("plugin.so");
        plugin::compile(&[SOURCE], &file, &folder.path().join("log")).unwrap();
        assert!(file.is_file());
    }

    #[test]
    fn the_number_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let number = folder.path().join("number");
        fs::write(&number, "4711\n").unwrap();
        assert_eq!(read(&number).unwrap(), 4711);
    }

    #[test]
    fn an_early_end_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let number = folder.path().join("number");
        assert!(matches!(read(&number), Err(CountError::NoNumber(_))));
        fs::write(&number, "").unwrap();
        assert!(matches!(read(&number), Err(CountError::NoNumber(_))));
    }
}
