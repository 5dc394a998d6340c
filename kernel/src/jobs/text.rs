//! Bytes as people read them.

use core::fmt;

/// The printable text at the start of a sector: up to the first zero byte, other bytes as escapes.
pub struct Text<'a>(pub &'a [u8]);

impl Text<'_> {
    fn bytes(&self) -> &[u8] {
        self.0.split(|byte| *byte == 0).next().unwrap_or_default()
    }

    /// Returns `true` if there is no text.
    pub fn is_empty(&self) -> bool {
        self.bytes().is_empty()
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 64;
        let bytes = self.bytes();
        let (shown, more) = bytes.split_at_checked(LONGEST).unwrap_or((bytes, &[]));
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

/// A count with its noun, in the singular or with an "s".
pub struct Count<'a>(pub u64, pub &'a str);

impl fmt::Display for Count<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.0, self.1, if self.0 == 1 { "" } else { "s" })
    }
}
