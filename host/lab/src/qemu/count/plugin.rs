//! Plugins of QEMU, in C.

use std::{fs, path::Path, process::Command, time::Duration};

use super::CountError;
use crate::{
    process,
    qemu::{Machine, escaped},
};

/// Declarations, and the way from a function to its callers, for the plugins that need it.
pub(super) const FRAMES: &str = include_str!("frames.c");

/// The machine with a plugin, which is compiled into `folder` from these parts. `arguments` are `NAME=VALUE`, with
/// commas between them.
pub(super) fn attach(
    machine: &Machine,
    parts: &[&str],
    arguments: &str,
    folder: &Path,
    log: &Path,
) -> Result<Machine, CountError> {
    let plugin = folder.join("plugin.so");
    compile(parts, &plugin, log)?;
    Ok(machine.clone().option("-plugin", format!("{},{arguments}", escaped(&plugin))))
}

/// Compiles the source of a plugin, all parts of it behind each other, to this file.
pub(super) fn compile(parts: &[&str], plugin: &Path, log: &Path) -> Result<(), CountError> {
    let file = plugin.with_extension("c");
    fs::write(&file, parts.concat()).map_err(CountError::NoFolder)?;
    let mut compiler = Command::new("cc");
    compiler.args(["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"]);
    compiler.arg(plugin).arg(file);
    Ok(process::run(compiler, Duration::from_secs(60), log)?.expect_success()?)
}
