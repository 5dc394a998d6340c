//! The kernel's command line: `key=value` pairs separated by blanks.
//!
//! ```text
//! job=write sector=3 text="two words" virtio.event_idx=off ostd.log_level=debug -- ignored
//! ```
//!
//! - Double quotes around a value, or around a part of it, keep blanks; inside them `\"` is a quote and
//!   `\\` a backslash.
//! - A bare `--` ends the kernel's part.
//! - Keys that start with `ostd.` belong to OSTD and are never refused here.
//!
//! Whoever starts the kernel is free to type anything, so every mistake is a [`CmdlineError`] whose text
//! says what to type instead.

use alloc::{borrow::ToOwned, string::String, vec::Vec};
use core::{ops::RangeInclusive, str::Chars};

pub use error::CmdlineError;

mod error;
#[cfg(ktest)]
mod tests;

/// The longest command line accepted, in bytes.
pub const MAX_LENGTH: usize = 4096;

/// A parsed command line. Its keys are unique and not empty.
#[derive(Debug)]
pub struct CommandLine {
    pairs: Vec<(String, String)>,
}

impl CommandLine {
    /// Parses `text`, which may come from anywhere.
    ///
    /// # Errors
    ///
    /// A line longer than [`MAX_LENGTH`], a word without `=` or without a key, a key that is there twice,
    /// a quote that is not closed, and a backslash inside quotes before anything but `"` and `\`.
    pub fn parse(text: &str) -> Result<Self, CmdlineError> {
        if text.len() > MAX_LENGTH {
            return Err(CmdlineError::TooLong { length: text.len() });
        }
        let mut pairs: Vec<(String, String)> = Vec::new();
        let mut rest = text.trim_ascii_start();
        while !rest.is_empty() {
            let word_end = rest.find(is_blank).unwrap_or(rest.len());
            let (word, _) = rest.split_at(word_end);
            if word == "--" {
                break;
            }
            let Some((key, _)) = word.split_once('=') else {
                return Err(CmdlineError::NoValue { word: word.to_owned() });
            };
            if key.is_empty() {
                return Err(CmdlineError::NoKey { word: word.to_owned() });
            }
            if pairs.iter().any(|(known, _)| known == key) {
                return Err(CmdlineError::Repeated { key: key.to_owned() });
            }
            // The key and its `=` hold no blanks, so the value starts right behind them.
            let mut chars = rest.split_at(key.len() + 1).1.chars();
            let value = parse_value(&mut chars, key)?;
            pairs.push((key.to_owned(), value));
            rest = chars.as_str().trim_ascii_start();
        }
        Ok(Self { pairs })
    }

    /// Parses `bytes` as they stand in the device tree's `/chosen/bootargs`, the closing NUL included or
    /// not.
    ///
    /// OSTD turns a command line that is not UTF-8 into an empty one. That would run the default job
    /// instead of the one that was meant, so it is an error here.
    ///
    /// # Errors
    ///
    /// Those of [`parse`](Self::parse), and bytes that are not UTF-8.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CmdlineError> {
        let bytes = bytes.strip_suffix(&[0]).unwrap_or(bytes);
        match core::str::from_utf8(bytes) {
            Ok(text) => Self::parse(text),
            Err(error) => Err(CmdlineError::NotUtf8 { offset: error.valid_up_to() }),
        }
    }

    /// The value of `key`, without its quotes; `None` if the key is not there.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    /// The value of `key` as a number that fits `T`, decimal or hexadecimal with `0x`; `None` if the key
    /// is not there.
    ///
    /// # Errors
    ///
    /// A value that is no number, or none that fits `T`.
    pub fn number<T: TryFrom<u64>>(&self, key: &str) -> Result<Option<T>, CmdlineError> {
        self.number_in(key, 0..=u64::MAX)
    }

    /// As [`number`](Self::number), and the number must lie in `range` too.
    ///
    /// # Errors
    ///
    /// A value that is no number, or one outside `range` or outside of what fits `T`.
    pub fn number_in<T: TryFrom<u64>>(
        &self,
        key: &str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<T>, CmdlineError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let (digits, radix) = match value.strip_prefix("0x") {
            Some(digits) => (digits, 16),
            None => (value, 10),
        };
        let (min, max) = (*range.start(), largest::<T>().min(*range.end()));
        let (key, value) = (key.to_owned(), value.to_owned());
        // `from_str_radix` would take a sign as well.
        if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
            return Err(CmdlineError::NotANumber { key, value, min, max });
        }
        // Nothing but digits: it can only fail by overflow.
        u64::from_str_radix(digits, radix)
            .ok()
            .filter(|number| range.contains(number))
            .and_then(|number| T::try_from(number).ok())
            .map(Some)
            .ok_or(CmdlineError::OutOfRange { key, value, min, max })
    }

    /// The meaning that `choices` give to the value of `key`; `None` if the key is not there.
    ///
    /// # Errors
    ///
    /// A value that is none of the choices.
    pub fn one_of<T: Copy>(
        &self,
        key: &str,
        choices: &[(&str, T)],
    ) -> Result<Option<T>, CmdlineError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        match choices.iter().find(|(name, _)| *name == value) {
            Some((_, meaning)) => Ok(Some(*meaning)),
            None => Err(CmdlineError::NotOneOf {
                key: key.to_owned(),
                value: value.to_owned(),
                choices: choices.iter().map(|(name, _)| (*name).to_owned()).collect(),
            }),
        }
    }

    /// `key=on` is true and `key=off` is false; `None` if the key is not there.
    ///
    /// # Errors
    ///
    /// Any other value.
    pub fn switch(&self, key: &str) -> Result<Option<bool>, CmdlineError> {
        self.one_of(key, &[("on", true), ("off", false)])
    }

    /// Makes sure that every key is one that `taker`, such as `job read`, knows. An entry of `known` is a
    /// key, or a key with a hint at its value (`sector=N`), and is shown to the user as it is.
    ///
    /// # Errors
    ///
    /// The first key that is not in `known`.
    pub fn reject_unknown(&self, taker: &str, known: &[&str]) -> Result<(), CmdlineError> {
        let is_known = |key: &str| {
            key.starts_with("ostd.")
                || known.iter().any(|entry| entry.split('=').next() == Some(key))
        };
        match self.pairs.iter().find(|(key, _)| !is_known(key)) {
            None => Ok(()),
            Some((key, _)) => Err(CmdlineError::Unknown {
                key: key.clone(),
                taker: taker.to_owned(),
                known: known.iter().map(|entry| (*entry).to_owned()).collect(),
            }),
        }
    }
}

/// Reads one value up to the blank that ends it, and takes its quotes off.
fn parse_value(chars: &mut Chars<'_>, key: &str) -> Result<String, CmdlineError> {
    let mut value = String::new();
    let mut quoted = false;
    while let Some(next) = chars.next() {
        match next {
            '"' => quoted = !quoted,
            '\\' if quoted => match chars.next() {
                Some(escaped @ ('"' | '\\')) => value.push(escaped),
                Some(found) => {
                    return Err(CmdlineError::BadEscape { key: key.to_owned(), found });
                }
                None => break,
            },
            blank if is_blank(blank) && !quoted => return Ok(value),
            other => value.push(other),
        }
    }
    if quoted {
        return Err(CmdlineError::UnterminatedQuote { key: key.to_owned() });
    }
    Ok(value)
}

fn is_blank(char: char) -> bool {
    char.is_ascii_whitespace()
}

/// The largest number of the form 2^n - 1 that fits `T`, which is the largest of all for the integer types.
fn largest<T: TryFrom<u64>>() -> u64 {
    (0..u64::BITS)
        .map(|unused| u64::MAX >> unused)
        .find(|candidate| T::try_from(*candidate).is_ok())
        .unwrap_or(0)
}
