//! Memory as a device sees it: by device address, whoever owns it.

use ostd::mm::{Frame, PAGE_SIZE, UFrame, VmIo};

/// Reads and writes DMA memory by its device address.
///
/// It finds the page by its number, as the hardware does, and refuses what is not untyped memory. A
/// page that has been given back to the system is not found, so a test notices when the driver
/// frees memory that the device still uses.
#[derive(Debug)]
pub struct DeviceMemory;

impl DeviceMemory {
    /// Copies from `address` on; `false` if that is not DMA memory in use.
    pub fn read(address: u64, out: &mut [u8]) -> bool {
        let mut at = address as usize;
        let mut rest = out;
        while !rest.is_empty() {
            let offset = at % PAGE_SIZE;
            let (now, later) = rest.split_at_mut(rest.len().min(PAGE_SIZE - offset));
            let Some(page) = page(at - offset) else { return false };
            page.read_bytes(offset, now).expect("inside the page");
            at += now.len();
            rest = later;
        }
        true
    }

    /// Copies to `address` on; `false` if that is not DMA memory in use.
    pub fn write(address: u64, data: &[u8]) -> bool {
        let mut at = address as usize;
        let mut rest = data;
        while !rest.is_empty() {
            let offset = at % PAGE_SIZE;
            let (now, later) = rest.split_at(rest.len().min(PAGE_SIZE - offset));
            let Some(page) = page(at - offset) else { return false };
            page.write_bytes(offset, now).expect("inside the page");
            at += now.len();
            rest = later;
        }
        true
    }

    /// Reads a little-endian number of 2 bytes.
    pub fn u16(address: u64) -> u16 {
        let mut bytes = [0; 2];
        assert!(Self::read(address, &mut bytes), "no memory at {address:#x}");
        u16::from_le_bytes(bytes)
    }

    /// Reads a little-endian number of 4 bytes.
    pub fn u32(address: u64) -> u32 {
        let mut bytes = [0; 4];
        assert!(Self::read(address, &mut bytes), "no memory at {address:#x}");
        u32::from_le_bytes(bytes)
    }

    /// Reads a little-endian number of 8 bytes.
    pub fn u64(address: u64) -> u64 {
        let mut bytes = [0; 8];
        assert!(Self::read(address, &mut bytes), "no memory at {address:#x}");
        u64::from_le_bytes(bytes)
    }
}

fn page(address: usize) -> Option<UFrame> {
    Frame::from_in_use(address).ok()?.try_into().ok()
}
