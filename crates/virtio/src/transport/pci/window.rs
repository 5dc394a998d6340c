//! A part of a window of registers.

use ostd::mm::{PodOnce, VmIoOnce};

use super::super::Registers;

/// Some of the registers behind a BAR, of which nothing outside can be reached.
#[derive(Clone, Debug)]
pub(super) struct Window<R> {
    registers: R,
    start: usize,
    length: usize,
}

impl<R: Registers> Window<R> {
    /// `length` bytes from `start` on; `None` if `registers` ends before.
    pub fn new(registers: R, start: usize, length: usize) -> Option<Self> {
        let end = start.checked_add(length)?;
        (end <= registers.size()).then_some(Self { registers, start, length })
    }

    pub fn length(&self) -> usize {
        self.length
    }

    #[inline]
    fn offset<T>(&self, offset: usize) -> Result<usize, ostd::Error> {
        match offset.checked_add(size_of::<T>()) {
            Some(end) if end <= self.length => Ok(self.start + offset),
            _ => Err(ostd::Error::InvalidArgs),
        }
    }

    #[inline]
    pub fn read<T: PodOnce>(&self, offset: usize) -> Result<T, ostd::Error> {
        self.registers.read_once(self.offset::<T>(offset)?)
    }

    #[inline]
    pub fn write<T: PodOnce>(&self, offset: usize, value: T) -> Result<(), ostd::Error> {
        self.registers.write_once(self.offset::<T>(offset)?, &value)
    }
}

impl<R: Registers> VmIoOnce for Window<R> {
    fn read_once<T: PodOnce>(&self, offset: usize) -> Result<T, ostd::Error> {
        self.read(offset)
    }

    fn write_once<T: PodOnce>(&self, offset: usize, new_val: &T) -> Result<(), ostd::Error> {
        self.write(offset, *new_val)
    }
}
