//! Making a file system.

use super::{Result, Storage};

/// Makes an empty file system of `blocks` blocks on `storage`, and makes it durable.
///
/// # Errors
///
/// [`Error::TooSmall`](crate::Error::TooSmall) if the storage has fewer blocks, or `blocks` is too few for a file system; those of the storage.
pub fn format<S: Storage>(storage: &S, blocks: u32) -> Result<(), S::Error> {
    let _ = (storage, blocks);
    todo!()
}
