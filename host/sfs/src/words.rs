//! Numbers and names as people read and write them.

use std::fmt;

use anyhow::{Context, Result, bail};
use indicatif::BinaryBytes;
use sfs::BLOCK_SIZE;

/// A size in bytes for people, such as "17.20 MiB".
pub fn size(bytes: u64) -> String {
    BinaryBytes(bytes).to_string()
}

/// The bytes of so many blocks.
pub fn bytes(blocks: u32) -> u64 {
    u64::from(blocks) * BLOCK_SIZE as u64
}

/// A number of things, such as "1 file" or "3 files".
pub fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// The number of things in a folder or an image, the folder itself not counted.
#[derive(Debug, Default)]
pub struct Counts {
    /// Folders.
    pub folders: usize,
    /// Files.
    pub files: usize,
    /// Their sizes together.
    pub bytes: u64,
    /// Symlinks.
    pub symlinks: usize,
    /// Further names of files and symlinks.
    pub links: usize,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (folders, files) = (count(self.folders, "folder"), count(self.files, "file"));
        write!(f, "{folders}, {files} ({})", size(self.bytes))?;
        for (number, what) in [(self.symlinks, "symlink"), (self.links, "hard link")] {
            if number > 0 {
                write!(f, ", {}", count(number, what))?;
            }
        }
        Ok(())
    }
}

/// A name out of an image, for a terminal: what would steer the terminal is shown as `\u{1b}` and the like.
pub fn name(name: &str) -> String {
    let mut shown = String::with_capacity(name.len());
    for character in name.chars() {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Reads a size such as `64M`, `1G`, `512K` or a number of bytes. K, M and G are powers of 1024.
///
/// # Errors
///
/// It is no such size.
pub fn parse_size(text: &str) -> Result<u64> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit: u64 = match text.strip_prefix(digits).unwrap_or_default() {
        "" => 1,
        "K" | "k" | "KiB" => 1 << 10,
        "M" | "m" | "MiB" => 1 << 20,
        "G" | "g" | "GiB" => 1 << 30,
        "T" | "t" | "TiB" => 1 << 40,
        unit => bail!(
            "the unit {unit:?} is not known; a size is a number with K, M, G or T, such as 64M"
        ),
    };
    let number: u64 =
        digits.parse().context("a size is a whole number with K, M, G or T, such as 64M")?;
    number.checked_mul(unit).context("the size is too large for any image")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024() {
        assert_eq!(parse_size("4096").unwrap(), 4096);
        assert_eq!(parse_size("64M").unwrap(), 64 << 20);
        assert_eq!(parse_size("2KiB").unwrap(), 2048);
        for wrong in ["", "M", "1.5M", "-1", "10X", "64 M", "99999999999T", "6 4M"] {
            assert!(parse_size(wrong).is_err(), "{wrong:?} was taken");
        }
    }

    #[test]
    fn counts_leave_out_what_there_is_not() {
        let mut counts = Counts { folders: 1, files: 2, bytes: 2048, ..Counts::default() };
        assert_eq!(counts.to_string(), "1 folder, 2 files (2.00 KiB)");
        counts.links = 1;
        assert_eq!(counts.to_string(), "1 folder, 2 files (2.00 KiB), 1 hard link");
    }

    #[test]
    fn a_name_cannot_steer_the_terminal() {
        assert_eq!(name("é\u{1b}[2J\n文"), "é\\u{1b}[2J\\n文");
    }
}
