//! The parameter `path=PATH` of jobs on files.

use alloc::{borrow::ToOwned, string::String};

use crate::cmdline::{CmdlineError, CommandLine};

/// The parameter with a hint at its value.
pub(super) const PARAMETER: &str = "path=PATH";

/// Reads the path.
///
/// # Errors
///
/// It is missing.
pub(super) fn parse(line: &CommandLine) -> Result<String, CmdlineError> {
    given(line).ok_or(CmdlineError::missing(PARAMETER))
}

/// Reads the path; the root directory's where none is given.
pub(super) fn parse_or_root(line: &CommandLine) -> String {
    given(line).unwrap_or("/".to_owned())
}

fn given(line: &CommandLine) -> Option<String> {
    line.get("path").map(ToOwned::to_owned)
}
