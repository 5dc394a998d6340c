//! Bytes as people read them.

use core::fmt::{self, Write as _};

/// The printable text at the start of a sector: up to the first zero byte, other bytes as escapes.
pub struct Text<'a>(pub &'a [u8]);

impl Text<'_> {
    /// The most bytes that are shown.
    const LONGEST: usize = 64;

    fn bytes(&self) -> &[u8] {
        self.0.split(|byte| *byte == 0).next().unwrap_or_default()
    }

    /// The text without quotation marks.
    pub fn unquoted(&self) -> impl fmt::Display {
        let bytes = self.bytes();
        fmt::from_fn(move |f| {
            let (shown, more) = bytes.split_at_checked(Self::LONGEST).unwrap_or((bytes, &[]));
            write!(f, "{}{}", shown.escape_ascii(), if more.is_empty() { "" } else { "..." })
        })
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.bytes();
        let (shown, more) = bytes.split_at_checked(Self::LONGEST).unwrap_or((bytes, &[]));
        write!(f, "\"{}\"", shown.escape_ascii())?;
        if more.is_empty() { Ok(()) } else { f.write_str("...") }
    }
}

/// One line of a dump: address, 16 bytes in hexadecimal, and the same as text.
pub struct DumpLine<'a> {
    /// The byte offset on the disk.
    pub address: u64,
    /// At most 16 bytes.
    pub bytes: &'a [u8],
}

impl DumpLine<'_> {
    /// The number of bytes that a line shows.
    pub const BYTES: usize = 16;
}

impl fmt::Display for DumpLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x} ", self.address)?;
        for byte in self.bytes {
            write!(f, " {byte:02x}")?;
        }
        f.write_str("  |")?;
        for byte in self.bytes {
            let shown = if byte.is_ascii_graphic() || *byte == b' ' { *byte } else { b'.' };
            write!(f, "{}", char::from(shown))?;
        }
        f.write_str("|")
    }
}

/// A name from a disk or a command line, with its control characters as escapes.
pub struct Name<'a>(pub &'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|char| match char.is_control() {
            true => write!(f, "{}", char.escape_default()),
            false => f.write_char(char),
        })
    }
}

/// Bytes as hexadecimal numbers without anything between them.
pub struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A count with its noun, in the singular or with an "s".
pub struct Count<'a>(pub u64, pub &'a str);

impl fmt::Display for Count<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.0, self.1, if self.0 == 1 { "" } else { "s" })
    }
}
