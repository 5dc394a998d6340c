//! A descriptor chain as the device sees it.

use alloc::{vec, vec::Vec};

use ostd::mm::PAGE_SIZE;

use super::DeviceMemory;

/// One buffer of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceBuffer {
    pub address: u64,
    pub length: u32,
    pub writable: bool,
}

/// A chain that the driver has made available.
#[derive(Clone, Debug)]
pub struct DeviceChain {
    pub head: u16,
    /// The address and the entries of its indirect table, if it has one.
    pub table: Option<(u64, u16)>,
    /// None where the device has written over the descriptors and cannot follow them.
    pub buffers: Vec<DeviceBuffer>,
}

impl DeviceChain {
    /// All that the device may read.
    pub fn readable(&self) -> Vec<u8> {
        let mut all = Vec::new();
        for buffer in self.buffers.iter().filter(|buffer| !buffer.writable) {
            let mut bytes = vec![0; buffer.length as usize];
            assert!(DeviceMemory::read(buffer.address, &mut bytes));
            all.extend(bytes);
        }
        all
    }

    /// The number of bytes that the device may write.
    pub fn writable_length(&self) -> u32 {
        self.buffers.iter().filter(|buffer| buffer.writable).map(|buffer| buffer.length).sum()
    }

    /// The number of bytes that the device may read.
    pub fn readable_length(&self) -> u32 {
        self.buffers.iter().filter(|buffer| !buffer.writable).map(|buffer| buffer.length).sum()
    }

    /// Reads from byte `offset` of what the device may read on; `out` lies within one buffer.
    pub fn read_at(&self, offset: u32, out: &mut [u8]) {
        self.read_of(false, offset, out);
    }

    /// Reads from byte `offset` of what the device may write on; `out` lies within one buffer.
    pub fn read_written(&self, offset: u32, out: &mut [u8]) {
        self.read_of(true, offset, out);
    }

    fn read_of(&self, writable: bool, mut offset: u32, out: &mut [u8]) {
        for buffer in self.buffers.iter().filter(|buffer| buffer.writable == writable) {
            if offset < buffer.length {
                assert!(offset as usize + out.len() <= buffer.length as usize);
                assert!(DeviceMemory::read(buffer.address + u64::from(offset), out));
                return;
            }
            offset -= buffer.length;
        }
        panic!("the chain ends {offset} bytes before that");
    }

    /// Writes `data` from byte `offset` of what the device may write on.
    pub fn write(&self, offset: usize, data: &[u8]) {
        let mut start = 0;
        for buffer in self.buffers.iter().filter(|buffer| buffer.writable) {
            let end = start + buffer.length as usize;
            let from = offset.max(start);
            let to = (offset + data.len()).min(end);
            if from < to {
                let part = &data[from - offset..to - offset];
                assert!(DeviceMemory::write(buffer.address + (from - start) as u64, part));
            }
            start = end;
        }
    }

    /// Writes over what the device is only to read, from the second buffer on.
    pub fn overwrite(&self, byte: u8) {
        for buffer in self.buffers.iter().skip(1).filter(|buffer| !buffer.writable) {
            assert!(DeviceMemory::write(buffer.address, &[byte; 8]));
        }
    }

    /// Changes the entries of the indirect table, if there is one.
    pub fn change_table(&self, change: impl FnOnce(&mut [[u8; 16]])) {
        let Some((table, entries)) = self.table else { return };
        let mut bytes = vec![0; 16 * usize::from(entries)];
        assert!(DeviceMemory::read(table, &mut bytes));
        change(bytes.as_chunks_mut().0);
        assert!(DeviceMemory::write(table, &bytes));
    }

    /// Returns true if all of the chain is DMA memory in use.
    pub fn is_in_memory(&self) -> bool {
        self.buffers.iter().all(|DeviceBuffer { address, length, .. }| {
            let Some(last) = address.checked_add(u64::from(*length).wrapping_sub(1)) else {
                return false;
            };
            let mut places = (*address..last).step_by(PAGE_SIZE).chain([last]);
            *length > 0 && places.all(|at| DeviceMemory::read(at, &mut [0]))
        })
    }
}
