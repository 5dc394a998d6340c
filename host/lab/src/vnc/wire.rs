//! The bytes of a connection, most significant first, and its beginning.

use std::{
    io::{BufReader, Read as _, Write as _},
    os::unix::net::UnixStream,
    time::Duration,
};

use super::VncError;

type Result<T> = std::result::Result<T, VncError>;

/// The version of the protocol that is spoken here.
const VERSION: &[u8; 12] = b"RFB 003.008\n";

/// The security type without a password.
const SECURITY_NONE: u8 = 1;

/// A connection.
#[derive(Debug)]
pub(super) struct Wire {
    stream: BufReader<UnixStream>,
}

impl Wire {
    /// Greets the server; returns width and height of its screen, too.
    pub(super) fn open(stream: UnixStream, patience: Duration) -> Result<(Self, (u16, u16))> {
        let limited = stream
            .set_read_timeout(Some(patience))
            .and_then(|()| stream.set_write_timeout(Some(patience)));
        limited.map_err(VncError::NotThere)?;
        let mut wire = Self { stream: BufReader::new(stream) };
        let version: [u8; 12] = wire.array()?;
        if version != *VERSION {
            return Err(VncError::Version(String::from_utf8_lossy(&version).into_owned()));
        }
        wire.send(VERSION)?;
        let count = wire.u8()?;
        let types = wire.bytes(count.into())?;
        // No types at all: a sentence follows that says why.
        if types.is_empty() {
            return Err(VncError::Refused(wire.text()?));
        }
        if !types.contains(&SECURITY_NONE) {
            return Err(VncError::Security(types));
        }
        wire.send(&[SECURITY_NONE])?;
        if wire.u32()? != 0 {
            return Err(VncError::Refused(wire.text()?));
        }
        // Other clients may stay.
        wire.send(&[1])?;
        let size = (wire.u16()?, wire.u16()?);
        // The pixel format, which will be another one.
        let _: [u8; 16] = wire.array()?;
        wire.text()?;
        Ok((wire, size))
    }

    pub(super) fn send(&mut self, message: &[u8]) -> Result<()> {
        self.stream.get_mut().write_all(message).map_err(VncError::Deaf)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes).map_err(VncError::Silent)?;
        Ok(bytes)
    }

    pub(super) fn u8(&mut self) -> Result<u8> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    pub(super) fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(super) fn i32(&mut self) -> Result<i32> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    /// So many bytes. The memory grows with what comes, whatever number was announced.
    pub(super) fn bytes(&mut self, count: usize) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let taken = (&mut self.stream).take(count as u64).read_to_end(&mut bytes);
        match taken.map_err(VncError::Silent)? {
            all if all == count => Ok(bytes),
            _ => Err(VncError::Silent(std::io::ErrorKind::UnexpectedEof.into())),
        }
    }

    /// A text with its length before it.
    pub(super) fn text(&mut self) -> Result<String> {
        let length = self.u32()?;
        Ok(String::from_utf8_lossy(&self.bytes(length as usize)?).into_owned())
    }
}
