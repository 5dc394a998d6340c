//! The mistakes that a command line can have, in sentences for whoever typed it.

use alloc::{borrow::ToOwned, string::String, vec::Vec};
use core::fmt;

use super::MAX_LENGTH;

/// The reason for which a command line, or one of its values, cannot be taken. The text says what to
/// type instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CmdlineError {
    /// The line is longer than [`MAX_LENGTH`].
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// The line is not UTF-8.
    NotUtf8 {
        /// The first byte that is wrong.
        offset: usize,
    },
    /// A word has no `=`.
    NoValue {
        /// The word.
        word: String,
    },
    /// A word has nothing before its `=`.
    NoKey {
        /// The word.
        word: String,
    },
    /// A key is there twice.
    Repeated {
        /// The key.
        key: String,
    },
    /// A quote is opened and not closed.
    UnterminatedQuote {
        /// The key whose value it is.
        key: String,
    },
    /// A backslash inside quotes stands before something it cannot escape.
    BadEscape {
        /// The key whose value it is.
        key: String,
        /// The character behind the backslash.
        found: char,
    },
    /// A value is no number.
    NotANumber {
        /// The key.
        key: String,
        /// Its value.
        value: String,
        /// The smallest number accepted.
        min: u64,
        /// The largest number accepted.
        max: u64,
    },
    /// A number is too small or too large.
    OutOfRange {
        /// The key.
        key: String,
        /// Its value.
        value: String,
        /// The smallest number accepted.
        min: u64,
        /// The largest number accepted.
        max: u64,
    },
    /// A value is none of the words that are possible.
    NotOneOf {
        /// The key.
        key: String,
        /// Its value.
        value: String,
        /// The words that are possible.
        choices: Vec<String>,
    },
    /// A value does not have the form that its key asks for.
    Malformed {
        /// The key.
        key: String,
        /// Its value.
        value: String,
        /// The form that is expected.
        expected: String,
    },
    /// Two keys are there of which one is enough.
    Both {
        /// The keys.
        keys: [&'static str; 2],
    },
    /// A key that is needed is not there.
    Missing {
        /// The key, or the key with a hint at its value.
        key: String,
    },
    /// A key is there that nobody asks for.
    Unknown {
        /// The key.
        key: String,
        /// The part of the kernel that does not know it, such as `job read`.
        taker: String,
        /// The keys that are possible.
        known: Vec<String>,
    },
}

impl CmdlineError {
    /// The error of a job that cannot do without `key`, given as `sector` or, with a hint at its value, as
    /// `sector=N`.
    pub fn missing(key: &str) -> Self {
        Self::Missing { key: key.to_owned() }
    }
}

impl fmt::Display for CmdlineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { length } => {
                write!(f, "the command line has {length} bytes; use at most {MAX_LENGTH}")
            }
            Self::NotUtf8 { offset } => {
                write!(f, "the command line is not UTF-8 at byte {offset}; type plain text")
            }
            Self::NoValue { word } => {
                write!(f, "{} has no value; write key=value or key=\"a b\"", Shown(word))
            }
            Self::NoKey { word } => {
                write!(f, "{} has no key before its \"=\"; write it as key=value", Shown(word))
            }
            Self::Repeated { key } => {
                write!(f, "parameter {} is given twice; give it once", Shown(key))
            }
            Self::UnterminatedQuote { key } => write!(
                f,
                "the value of {} opens a double quote and never closes it; write {}=\"two words\"",
                Shown(key),
                Plain(key)
            ),
            Self::BadEscape { key, found } => write!(
                f,
                "the value of {} has a backslash before {found:?}; inside quotes write \\\" for a quote \
                 and \\\\ for a backslash",
                Shown(key)
            ),
            Self::NotANumber { key, value, min, max } => write!(
                f,
                "{}={} is not a number; give one from {min} to {max}, decimal or hexadecimal with 0x",
                Plain(key),
                Shown(value)
            ),
            Self::OutOfRange { key, value, min, max } => write!(
                f,
                "{}={} is out of range; give a number from {min} to {max}",
                Plain(key),
                Shown(value)
            ),
            Self::NotOneOf { key, value, choices } => write!(
                f,
                "{}={} is not possible; give one of: {}",
                Plain(key),
                Shown(value),
                choices.join(" ")
            ),
            Self::Both { keys: [one, other] } => write!(f, "give {one}= or {other}=, not both"),
            Self::Malformed { key, value, expected } => {
                write!(f, "{}={} is not possible; {0}= takes {expected}", Plain(key), Shown(value))
            }
            Self::Missing { key } => write!(f, "parameter {key} is missing; add it"),
            Self::Unknown { key, taker, known } => {
                write!(f, "unknown parameter {}; {taker} takes: {}", Shown(key), known.join(" "))
            }
        }
    }
}

impl core::error::Error for CmdlineError {}

/// Typed text in quotes: one line, no control characters, not too long to read.
struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", Plain(self.0))
    }
}

/// As [`Shown`], without the quotes.
struct Plain<'a>(&'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LIMIT: usize = 60;
        for char in self.0.chars().take(LIMIT) {
            write!(f, "{}", char.escape_debug())?;
        }
        if self.0.chars().nth(LIMIT).is_some() {
            f.write_str("...")?;
        }
        Ok(())
    }
}
