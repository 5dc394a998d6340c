//! Plugins of QEMU, in C.

use std::{fs, path::Path, process::Command, time::Duration};

use super::CountError;
use crate::process;

/// Compiles the source of a plugin to this file.
pub(super) fn compile(source: &str, plugin: &Path, log: &Path) -> Result<(), CountError> {
    let file = plugin.with_extension("c");
    fs::write(&file, source).map_err(CountError::NoFolder)?;
    let mut compiler = Command::new("cc");
    compiler.args(["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"]);
    compiler.arg(plugin).arg(file);
    Ok(process::run(compiler, Duration::from_secs(60), log)?.expect_success()?)
}
