//! A cursor over a file.

use embedded_io::{ErrorType, Read, Seek, SeekFrom, Write};

use super::{Error, Inode, Locks, Storage};

/// A cursor over a file.
pub struct File<S: Storage, L: Locks> {
    inode: Inode<S, L>,
    position: u64,
}

impl<S: Storage, L: Locks> File<S, L> {
    /// Makes a cursor at the start of a file.
    pub fn new(inode: Inode<S, L>) -> Self {
        Self { inode, position: 0 }
    }

    /// Returns the file.
    pub fn inode(&self) -> &Inode<S, L> {
        &self.inode
    }
}

impl<S: Storage, L: Locks> ErrorType for File<S, L> {
    type Error = Error<S::Error>;
}

impl<S: Storage, L: Locks> Read for File<S, L> {
    fn read(&mut self, data: &mut [u8]) -> Result<usize, Self::Error> {
        let length = self.inode.read_at(self.position, data)?;
        self.position = self.position.saturating_add(length as u64);
        Ok(length)
    }
}

impl<S: Storage, L: Locks> Write for File<S, L> {
    fn write(&mut self, data: &[u8]) -> Result<usize, Self::Error> {
        let length = self.inode.write_at(self.position, data)?;
        self.position = self.position.saturating_add(length as u64);
        Ok(length)
    }

    fn flush(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

impl<S: Storage, L: Locks> Seek for File<S, L> {
    fn seek(&mut self, to: SeekFrom) -> Result<u64, Self::Error> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => u64::from(self.inode.stat().size).checked_add_signed(by),
        };
        self.position = position.ok_or(Error::TooLarge)?;
        Ok(self.position)
    }
}
