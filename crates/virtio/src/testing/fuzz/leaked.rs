//! The memory that the driver leaves, on purpose, to a device that does not let go of it.

use block::{Operation, SECTOR_SIZE};
use ostd::mm::PAGE_SIZE;

use super::device::Inner;
use crate::{features::Features, queue::Table};

/// The requests that were lost.
#[derive(Default)]
pub struct Leaked {
    chains: usize,
    /// Pages of the requests' own buffers.
    buffers: usize,
}

impl Leaked {
    /// Notes that a request is lost, with buffers of so many sectors each if it moves data.
    pub fn add(&mut self, operation: Operation, sectors: &[usize]) {
        self.chains += 1;
        match operation {
            Operation::Read | Operation::Write => {
                let pages =
                    sectors.iter().map(|sectors| (sectors * SECTOR_SIZE).div_ceil(PAGE_SIZE));
                self.buffers += pages.sum::<usize>();
            }
            // The others move none.
            _ => {}
        }
    }

    /// All pages of DMA memory that are lost with the queue of a device, but for the one in which the
    /// waiting calls of one of the chains had their data, if that chain is lost.
    pub fn pages(&self, device: &Inner) -> usize {
        let Some(queue) = &device.queue else { return 0 };
        let entries = usize::from(queue.size);
        let rings = (queue.device_area - queue.descriptors) as usize + 6 + 8 * entries;
        let has_tables =
            device.registers.driver_features & Features::RING_INDIRECT_DESC.bits() != 0;
        // Tables, headers, ranges and responses of all chains lie in common pages, which one chain keeps alive.
        let tables = if has_tables { entries * size_of::<Table>() } else { 0 };
        let chains =
            if self.chains > 0 { [tables, entries * 16, entries * 16, entries] } else { [0; 4] };
        let shared: usize = chains.iter().map(|bytes| bytes.div_ceil(PAGE_SIZE)).sum();
        rings.div_ceil(PAGE_SIZE) + shared + self.buffers
    }
}
