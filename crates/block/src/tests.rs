//! Unit tests of requests, buffers and completion queues.

use alloc::{boxed::Box, string::String, vec, vec::Vec};

use ostd::prelude::ktest;

use super::*;

fn disk() -> DiskInfo {
    DiskInfo {
        serial: String::new(),
        capacity: 100,
        block_size: 1024,
        physical_block_size: 1024,
        read_only: false,
        writeback: true,
        max_segments: 1,
        max_segment_bytes: Some(4096),
        discard: true,
        write_zeroes: false,
        queue_size: 8,
        queues: 1,
    }
}

fn request(operation: Operation, sector: u64, sectors: usize) -> Box<Request> {
    let buffers = if sectors == 0 { vec![] } else { vec![Buffer::alloc(sectors).unwrap()] };
    Request::new(operation, sector, buffers)
}

#[ktest]
fn requests_are_checked_against_the_disk() {
    let check =
        |operation, sector, sectors| request(operation, sector, sectors).check(&disk(), 100);
    let misaligned = Err(Error::Misaligned { block_size: 1024 });
    assert_eq!(check(Operation::Read, 0, 2), Ok(1024));
    assert_eq!(check(Operation::Write, 98, 2), Ok(1024));
    assert_eq!(check(Operation::Read, 1, 2), misaligned);
    assert_eq!(check(Operation::Read, 0, 3), misaligned);
    assert_eq!(check(Operation::Read, 0, 0), Err(Error::Empty));
    let error = Error::OutOfRange { sector: 98, sectors: 4, capacity: 100 };
    assert_eq!(check(Operation::Read, 98, 4), Err(error));
    let error = Error::OutOfRange { sector: u64::MAX - 1, sectors: 2, capacity: 100 };
    assert_eq!(check(Operation::Write, u64::MAX - 1, 2), Err(error));
    assert_eq!(check(Operation::Flush, 0, 0), Ok(0));
    assert_eq!(check(Operation::Discard { sectors: 4 }, 96, 0), Ok(2048));
    assert_eq!(check(Operation::Discard { sectors: 3 }, 96, 0), misaligned);
    assert!(check(Operation::Discard { sectors: u32::MAX - 1 }, 0, 0).is_err());
    assert_eq!(check(Operation::WriteZeroes { sectors: 2 }, 0, 0), Err(Error::Unsupported));
    assert_eq!(check(Operation::GetSerial, 0, 0), Err(Error::Empty));
    let mut halves = request(Operation::Read, 0, 1);
    halves.buffers.push(Buffer::alloc(1).unwrap());
    assert_eq!(halves.check(&disk(), 100), misaligned, "no buffer of it holds a whole block");

    let read_only = DiskInfo { read_only: true, ..disk() };
    let refused = Err(Error::ReadOnly);
    assert_eq!(request(Operation::Write, 0, 2).check(&read_only, 100), refused);
    assert_eq!(request(Operation::Discard { sectors: 2 }, 0, 0).check(&read_only, 100), refused);
    assert_eq!(request(Operation::Read, 0, 2).check(&read_only, 100), Ok(1024));
    assert_eq!(request(Operation::Flush, 0, 0).check(&read_only, 100), Ok(0));
}

#[ktest]
fn buffers_hold_what_they_are_given() {
    assert_eq!(Buffer::alloc(0).err(), Some(Error::Empty));
    assert_eq!(Buffer::alloc(usize::MAX).err(), Some(Error::NoMemory));
    let buffer = Buffer::alloc(9).unwrap();
    assert_eq!(buffer.len(), 9 * SECTOR_SIZE);
    buffer.write(9 * SECTOR_SIZE - 2, &[1, 2]).unwrap();
    let mut tail = [9; 3];
    buffer.read(9 * SECTOR_SIZE - 3, &mut tail).unwrap();
    assert_eq!(tail, [0, 1, 2]);
    // The memory has whole pages, the buffer ends before them.
    assert!(buffer.memory().extent().len > buffer.len());
    assert_eq!(buffer.read(9 * SECTOR_SIZE - 2, &mut tail), Err(Error::BufferRange));
    assert_eq!(buffer.write(usize::MAX, &tail), Err(Error::BufferRange));
}

#[ktest]
fn completions_come_out_in_order_and_make_room() {
    let queue = CompletionQueue::new(2);
    let complete = |tag| {
        let mut request = request(Operation::Flush, 0, 0);
        request.tag = tag;
        queue.push(Completion { request, result: Ok(()) });
    };
    queue.reserve().unwrap();
    queue.reserve().unwrap();
    assert_eq!(queue.reserve(), Err(Error::WouldBlock));
    queue.cancel();
    queue.reserve().unwrap();
    complete(1);
    complete(2);
    assert_eq!((queue.open(), queue.reserve()), (2, Err(Error::WouldBlock)));
    assert_eq!(queue.try_next().unwrap().request.tag, 1);
    queue.reserve().unwrap();
    complete(3);
    let tags: Vec<_> =
        core::iter::from_fn(|| queue.try_next()).map(|completion| completion.request.tag).collect();
    assert_eq!((tags, queue.open()), (vec![2, 3], 0));
}
