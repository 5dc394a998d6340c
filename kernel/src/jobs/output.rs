//! Where the output of a job or a command goes: the console, or a file.

use alloc::{format, string::String};
use core::{fmt, mem};

use super::{Failure, failure, text::Name};
use crate::{console, fs::Inode, task};

/// A place for output. Every piece of it is a checkpoint. What follows on the console when it is dropped begins a new
/// line.
pub(super) struct Output {
    target: Target,
}

enum Target {
    Console {
        bytes: console::Bytes,
        /// The next byte begins a line.
        at_start: bool,
    },
    File {
        path: String,
        inode: Inode,
        position: u64,
    },
}

impl Output {
    /// The console.
    pub(super) fn console() -> Self {
        Self { target: Target::Console { bytes: console::Bytes::default(), at_start: true } }
    }

    /// A file, from this position on; `path` is for messages.
    pub(super) fn file(path: &str, inode: Inode, position: u64) -> Self {
        Self { target: Target::File { path: path.into(), inode, position } }
    }

    /// Puts one line out.
    ///
    /// # Errors
    ///
    /// Those of [`Self::bytes`].
    pub(super) fn line(&mut self, line: impl fmt::Display) -> Result<(), Failure> {
        self.bytes(format!("{line}\n").as_bytes())
    }

    /// Puts bytes out.
    ///
    /// # Errors
    ///
    /// The work was stopped, or the file cannot be written.
    pub(super) fn bytes(&mut self, mut data: &[u8]) -> Result<(), Failure> {
        match &mut self.target {
            Target::Console { bytes, at_start } => {
                for piece in data.chunks(console::PIECE) {
                    task::checkpoint()?;
                    bytes.print(piece);
                    *at_start = piece.ends_with(b"\n");
                }
            }
            Target::File { path, inode, position } => {
                while !data.is_empty() {
                    task::checkpoint()?;
                    let count = inode.write_at(*position, data).map_err(failure::file(path))?;
                    data = data.get(count..).filter(|_| count > 0).ok_or_else(|| {
                        Failure::Other(format!("{}: the file takes no more", Name(path)))
                    })?;
                    *position += count as u64;
                }
            }
        }
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Target::Console { bytes, at_start } = &mut self.target {
            mem::take(bytes).end();
            if !*at_start {
                console::print("\n");
            }
        }
    }
}
