//! Memory for `virtio-drivers`: what the crate calls the hardware abstraction layer.

#![expect(unsafe_code, reason = "virtio_drivers::Hal is an unsafe trait")]

use alloc::vec::Vec;
use core::ptr::NonNull;

use ostd::{
    mm::{FrameAllocOptions, HasDaddr, HasPaddr, dma::DmaCoherent, io::util::HasVmReaderWriter},
    sync::{LocalIrqDisabled, SpinLock},
};
use spin::Once;
use virtio_drivers::{BufferDirection, Hal, PhysAddr};

/// Memory by OSTD's linear mapping: a virtual address is the physical one plus a fixed distance.
pub struct Linear;

/// The memory that the crate has allocated.
static ALLOCATED: SpinLock<Vec<DmaCoherent>, LocalIrqDisabled> = SpinLock::new(Vec::new());

/// The distance of the linear mapping, as seen at a frame: OSTD keeps its constant to itself.
fn distance() -> usize {
    static DISTANCE: Once<usize> = Once::new();
    *DISTANCE.call_once(|| {
        let frame = FrameAllocOptions::new().alloc_frame().expect("there is no memory at all");
        frame.reader().cursor() as usize - frame.paddr()
    })
}

// SAFETY: Memory comes zeroed, aligned to pages and used by nobody else from OSTD, which also keeps it until
// `dma_dealloc`. Addresses for the device are those of the memory that was asked about.
unsafe impl Hal for Linear {
    fn dma_alloc(pages: usize, _direction: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        // The crate takes address 0 for a failure.
        const NONE: (PhysAddr, NonNull<u8>) = (0, NonNull::dangling());

        let Ok(memory) = DmaCoherent::alloc(pages, true) else { return NONE };
        let Some(start) = NonNull::new(memory.writer().cursor()) else { return NONE };
        let address = memory.daddr() as PhysAddr;
        ALLOCATED.lock().push(memory);
        (address, start)
    }

    unsafe fn dma_dealloc(address: PhysAddr, _start: NonNull<u8>, _pages: usize) -> i32 {
        ALLOCATED.lock().retain(|memory| memory.daddr() as PhysAddr != address);
        0
    }

    /// The registers of QEMU's `virt` machine lie below its memory, so that the linear mapping, which
    /// begins at address 0, has them too.
    unsafe fn mmio_phys_to_virt(address: PhysAddr, _size: usize) -> NonNull<u8> {
        NonNull::new((address as usize + distance()) as *mut u8)
            .expect("no address in the linear mapping is 0")
    }

    unsafe fn share(buffer: NonNull<[u8]>, _direction: BufferDirection) -> PhysAddr {
        // Only memory of the heap comes here, which lies in the linear mapping; the stacks do not.
        (buffer.cast::<u8>().as_ptr() as usize - distance()) as PhysAddr
    }

    unsafe fn unshare(_address: PhysAddr, _buffer: NonNull<[u8]>, _direction: BufferDirection) {}
}
