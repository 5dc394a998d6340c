//! Failures of programs.

use std::{io, path::PathBuf};

use super::End;

/// A program did not do the thing that it was started for.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// There is no such program here.
    #[error("cannot start {program}; `make doctor` says what is missing")]
    Start {
        /// Its name.
        program: String,
        /// The reason.
        source: io::Error,
    },
    /// The log cannot be written or read.
    #[error("cannot write {}", path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The operating system does not tell how the program is.
    #[error("cannot wait for a program")]
    Wait(#[from] io::Error),
    /// It ended with another exit status than 0, or was ended.
    #[error("{end}{tail}")]
    Failed {
        /// Its end.
        end: End,
        /// The last lines of its output.
        tail: String,
    },
    /// It ended before something that it should have done first.
    #[error("it ended before {what}: {end}{tail}")]
    EndedBefore {
        /// The step that it should have done, in words.
        what: String,
        /// Its end.
        end: End,
        /// The last lines of its output.
        tail: String,
    },
    /// It does not take what is typed.
    #[error("it takes nothing more that is typed{tail}")]
    Input {
        /// The reason.
        source: io::Error,
        /// The last lines of its output.
        tail: String,
    },
    /// The time limit is over, and something has not been done.
    #[error("the time is over before {what}{tail}")]
    LateFor {
        /// The step that should have been done, in words.
        what: String,
        /// The last lines of its output.
        tail: String,
    },
}
