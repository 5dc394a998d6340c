//! Names of directory entries.

use super::{NAME_MAX, NameError};

/// Checks a name by which an entry may be looked up.
pub(crate) fn check_lookup(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        Err(NameError::Empty)
    } else if name.contains('/') {
        Err(NameError::Slash)
    } else if name.contains('\0') {
        Err(NameError::Nul)
    } else if name.len() > NAME_MAX {
        Err(NameError::TooLong { length: name.len() })
    } else {
        Ok(())
    }
}

/// Checks a name that an entry may be given, and lose.
pub(crate) fn check(name: &str) -> Result<(), NameError> {
    if matches!(name, "." | "..") {
        return Err(NameError::Dots);
    }
    check_lookup(name)
}
