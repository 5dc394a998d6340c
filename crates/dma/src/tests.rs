//! Unit tests of the DMA slices.

use alloc::{vec, vec::Vec};

use ostd::{
    mm::{Frame, UFrame, dma::ToDevice},
    prelude::ktest,
};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::*;

#[derive(Clone, Copy, Debug, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Odd {
    a: u16,
    b: [u8; 5],
    c: u8,
}

fn coherent<T: ostd_pod::Pod>(pages: usize) -> DmaSliceAlloc<T, DmaCoherent> {
    DmaSliceAlloc::new(alloc_coherent(pages).unwrap())
}

fn stream<T: ostd_pod::Pod>(pages: usize) -> DmaSliceAlloc<T, DmaStream> {
    DmaSliceAlloc::new(alloc_stream(pages).unwrap())
}

#[ktest]
fn slots_fill_the_pages_and_do_not_overlap() {
    let pool = coherent::<Odd>(1);
    let slices: Vec<_> = core::iter::from_fn(|| pool.alloc()).collect();
    assert_eq!(slices.len(), PAGE_SIZE / size_of::<Odd>());
    let mut addresses: Vec<_> = slices.iter().map(|slice| slice.extent().address).collect();
    addresses.sort_unstable();
    assert!(addresses.windows(2).all(|pair| pair[1] - pair[0] >= size_of::<Odd>()));
    assert_eq!(addresses.last().unwrap() + size_of::<Odd>() - addresses[0], PAGE_SIZE);
}

#[ktest]
fn each_slice_keeps_its_own_value() {
    let pool = coherent::<Odd>(1);
    let slices: Vec<_> = core::iter::from_fn(|| pool.alloc()).collect();
    let value = |i: usize| Odd { a: i as u16, b: [i as u8; 5], c: !i as u8 };
    for (i, slice) in slices.iter().enumerate() {
        slice.write(&value(i)).unwrap();
    }
    for (i, slice) in slices.iter().enumerate() {
        assert_eq!(slice.read().unwrap(), value(i));
    }
}

#[ktest]
fn running_out_is_none_and_a_dropped_slice_comes_back() {
    let pool = coherent::<[u8; 2048]>(1);
    assert_eq!(pool.available(), 2);
    let first = pool.alloc().unwrap();
    let address = first.extent().address;
    let second = pool.alloc().unwrap();
    assert!(pool.alloc().is_none());
    drop(first);
    assert_eq!(pool.available(), 1);
    assert_eq!(pool.alloc().unwrap().extent().address, address);
    drop(second);
    assert_eq!(pool.available(), 2);
}

#[ktest]
fn slices_outlive_their_allocator() {
    let pool = coherent::<u64>(1);
    let slice = pool.alloc().unwrap();
    drop(pool);
    slice.write(&0x0123_4567_89ab_cdef).unwrap();
    assert_eq!(slice.read().unwrap(), 0x0123_4567_89ab_cdef);
}

#[ktest]
fn an_object_too_small_has_no_slots() {
    let pool = coherent::<[u8; 2 * PAGE_SIZE]>(1);
    assert_eq!(pool.available(), 0);
    assert!(pool.alloc().is_none());
}

#[ktest]
fn stream_slots_do_not_share_a_cache_line() {
    let pool = stream::<u8>(1);
    assert_eq!(pool.available(), PAGE_SIZE / CACHE_LINE);
    let (a, b) = (pool.alloc().unwrap(), pool.alloc().unwrap());
    assert!(a.extent().address.abs_diff(b.extent().address) >= CACHE_LINE);
    a.write(&1).unwrap();
    a.sync_to_device().unwrap();
    b.sync_from_device().unwrap();
}

#[ktest]
fn more_pages_than_can_be_counted_are_refused() {
    for pages in [usize::MAX, usize::MAX / PAGE_SIZE + 1, 1 << 50] {
        assert_eq!(alloc_coherent(pages).err(), Some(DmaError::NoMemory));
        assert_eq!(alloc_stream(pages).err(), Some(DmaError::NoMemory));
    }
}

#[ktest]
fn pages_for_is_enough_and_not_too_much() {
    type Sectors = DmaSliceAlloc<[u8; 512], DmaStream>;
    assert_eq!(Sectors::pages_for(0), Some(1));
    assert_eq!(Sectors::pages_for(8), Some(1));
    assert_eq!(Sectors::pages_for(9), Some(2));
    assert_eq!(Sectors::pages_for(usize::MAX), None);
    assert!(stream::<[u8; 512]>(Sectors::pages_for(9).unwrap()).available() >= 9);
}

#[ktest]
fn parts_of_a_slice_are_checked() {
    let pool = stream::<[u8; 512]>(1);
    let slice = pool.alloc().unwrap();
    slice.write_bytes(510, &[7, 8]).unwrap();
    let mut tail = [0; 2];
    slice.read_bytes(510, &mut tail).unwrap();
    assert_eq!(tail, [7, 8]);
    assert!(slice.read_bytes(511, &mut tail).is_err());
    assert!(slice.write_bytes(usize::MAX, &tail).is_err());
    assert!(slice.write_bytes(513, &[]).is_err());
}

#[ktest]
fn direction_is_known_and_kept() {
    let to_device = DmaStream::<ToDevice>::alloc(1, true).unwrap();
    let pool: DmaSliceAlloc<u32, _> = DmaSliceAlloc::new(to_device);
    let slice = pool.alloc().unwrap();
    assert!(slice.extent().device_reads && !slice.extent().device_writes);
    slice.write(&5).unwrap();
    assert!(slice.read().is_err());
}

#[ktest]
fn a_coherent_device_sees_everything_at_once() {
    let pool = stream::<u64>(1);
    let slice = pool.alloc().unwrap();
    let address = slice.extent().address;
    let page: UFrame =
        Frame::from_in_use(address / PAGE_SIZE * PAGE_SIZE).unwrap().try_into().unwrap();
    slice.write(&5).unwrap();
    assert_eq!(page.read_val::<u64>(address % PAGE_SIZE).unwrap(), 5);
    page.write_val(address % PAGE_SIZE, &6u64).unwrap();
    assert_eq!(slice.read().unwrap(), 6);
}

/// OSTD makes another copy of a stream for a device that does not see the CPU's caches. On x86-64 there is no such
/// device: each sees them, whatever is said.
#[ktest]
fn another_device_sees_what_is_synchronised() {
    let seen = if cfg!(target_arch = "x86_64") { 6 } else { 5 };
    set_cache_coherent(false);
    let (pool, buffer) = (stream::<u64>(1), Buffer::alloc(2 * PAGE_SIZE).unwrap());
    set_cache_coherent(true);
    // Several slots, so that no other part is synchronised.
    let slices: Vec<_> = core::iter::from_fn(|| pool.alloc()).collect();
    for slice in &slices {
        slice.write(&5).unwrap();
        slice.sync_to_device().unwrap();
        slice.write(&6).unwrap();
    }
    for slice in &slices {
        assert_eq!(slice.read().unwrap(), 6);
        slice.sync_from_device().unwrap();
        assert_eq!(slice.read().unwrap(), seen);
    }
    // A buffer is synchronised by itself.
    buffer.write(PAGE_SIZE - 1, &[1, 2]).unwrap();
    let mut found = [9; 4];
    buffer.read(PAGE_SIZE - 2, &mut found).unwrap();
    assert_eq!(found, [0, 1, 2, 0]);
}

#[ktest]
fn buffers_hold_what_they_are_given() {
    assert_eq!(Buffer::alloc(0).err(), Some(DmaError::Empty));
    for bytes in [usize::MAX, isize::MAX as usize, 1 << 62, 1 << 40] {
        assert_eq!(Buffer::alloc(bytes).err(), Some(DmaError::NoMemory), "{bytes}");
    }
    let buffer = Buffer::alloc(9 * 512).unwrap();
    assert_eq!(buffer.len(), 9 * 512);
    buffer.write(9 * 512 - 2, &[1, 2]).unwrap();
    let mut tail = [9; 3];
    buffer.read(9 * 512 - 3, &mut tail).unwrap();
    assert_eq!(tail, [0, 1, 2]);
    // The memory has whole pages; the buffer, and what a device is told of it, end before them.
    assert_eq!(buffer.extent().len, buffer.len());
    assert_eq!(buffer.read(9 * 512 - 2, &mut tail), Err(DmaError::OutOfRange));
    assert_eq!(buffer.write(usize::MAX, &tail), Err(DmaError::OutOfRange));
}

#[ktest]
fn a_buffer_is_cut_into_pages_and_put_together_again() {
    let mut first = Buffer::alloc(2 * PAGE_SIZE + 512).unwrap();
    let address = first.extent().address;
    for (page, byte) in [1, 2, 3].into_iter().enumerate() {
        first.write(page * PAGE_SIZE, &[byte; 512]).unwrap();
    }
    assert!(first.split_off(512).is_empty() && first.split_off(3 * PAGE_SIZE).is_empty());
    let mut second = first.split_off(PAGE_SIZE);
    let third = second.split_off(PAGE_SIZE);
    let parts = [&first, &second, &third];
    assert_eq!(parts.map(Buffer::len), [PAGE_SIZE, PAGE_SIZE, 512]);
    for (page, part) in parts.into_iter().enumerate() {
        assert_eq!(part.extent().address, address + page * PAGE_SIZE);
        let mut found = [0; 512];
        part.read(0, &mut found).unwrap();
        assert_eq!(found, [page as u8 + 1; 512]);
        // Nobody reaches into a part that is somebody else's.
        let out = Err(DmaError::OutOfRange);
        assert_eq!((part.read(part.len(), &mut found), part.write(part.len(), &[0])), (out, out));
    }
    third.copy_from(500, &second, 12).unwrap();
    let mut found = [0; 13];
    third.read(499, &mut found).unwrap();
    assert_eq!(found, [3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]);

    let third = first.unsplit(third).unwrap_err();
    let other = first.unsplit(Buffer::alloc(PAGE_SIZE).unwrap()).unwrap_err();
    assert!(first.unsplit(Buffer::EMPTY).is_err() && Buffer::default().unsplit(other).is_err());
    first.unsplit(second).unwrap();
    first.unsplit(third).unwrap();
    assert_eq!((first.len(), first.extent().address), (2 * PAGE_SIZE + 512, address));
    // A part that is shorter than its memory has nothing behind it.
    first.resize(2 * PAGE_SIZE).unwrap();
    let mut second = first.split_off(PAGE_SIZE);
    second.resize(512).unwrap();
    assert!(first.unsplit(second).is_ok() && first.len() == PAGE_SIZE + 512);
    let rest = first.split_off(PAGE_SIZE);
    first.resize(512).unwrap();
    assert!(first.unsplit(rest).is_err());
}

#[ktest]
fn a_buffer_is_copied_into_another_as_far_as_both_reach() {
    let (source, target) = (Buffer::alloc(600).unwrap(), Buffer::alloc(2 * PAGE_SIZE).unwrap());
    source.write(0, &[7; 600]).unwrap();
    target.copy_from(PAGE_SIZE - 1, &source, 600).unwrap();
    let mut found = [9; 602];
    target.read(PAGE_SIZE - 2, &mut found).unwrap();
    assert_eq!((found[0], found[1], found[600], found[601]), (0, 7, 7, 0));
    assert_eq!(target.copy_from(0, &source, 601), Err(DmaError::OutOfRange));
    assert_eq!(target.copy_from(2 * PAGE_SIZE - 599, &source, 600), Err(DmaError::OutOfRange));
    assert_eq!(target.copy_from(usize::MAX, &source, 2), Err(DmaError::OutOfRange));
}

#[ktest]
fn a_buffer_is_filled_with_all_of_the_data_and_nothing_else() {
    let mut buffer = Buffer::EMPTY;
    for data in [&[7; 600][..], &[8; 3], &[9; PAGE_SIZE + 1]] {
        buffer.fill(data).unwrap();
        let mut found = vec![0; data.len()];
        buffer.read(0, &mut found).unwrap();
        assert_eq!((&found[..], buffer.len()), (data, data.len()));
    }
    assert_eq!((buffer.fill(&[]), buffer.len()), (Err(DmaError::Empty), PAGE_SIZE + 1));
}

#[ktest]
fn a_buffer_is_resized_in_its_memory_as_far_as_that_goes() {
    let mut buffer = Buffer::default();
    assert!(buffer.is_empty() && buffer.extent().len == 0);
    assert_eq!(buffer.read(0, &mut []), Err(DmaError::OutOfRange));
    assert_eq!(buffer.resize(0), Err(DmaError::Empty));
    buffer.resize(512).unwrap();
    let address = buffer.extent().address;
    buffer.resize(PAGE_SIZE).unwrap();
    assert_eq!((buffer.extent().address, buffer.len()), (address, PAGE_SIZE));
    assert_eq!(buffer.resize(0), Err(DmaError::Empty));
    assert!(!buffer.is_empty() && buffer.len() == PAGE_SIZE);
    buffer.resize(1).unwrap();
    assert_eq!(buffer.write(0, &[1, 2]), Err(DmaError::OutOfRange));
    buffer.resize(PAGE_SIZE + 1).unwrap();
    buffer.write(PAGE_SIZE, &[1]).unwrap();
    assert_eq!(buffer.resize(usize::MAX), Err(DmaError::NoMemory));
    assert_eq!(buffer.len(), PAGE_SIZE + 1);
}
