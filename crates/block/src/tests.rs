//! Unit tests of requests and of completions.

use alloc::{boxed::Box, vec, vec::Vec};

use dma::DmaError;
use ostd::prelude::ktest;

use super::*;

const DISK: Geometry = Geometry {
    capacity: 100,
    block_size: 1024,
    read_only: false,
    discard: true,
    write_zeroes: false,
};

fn request(operation: Operation, sector: u64, sectors: usize) -> Box<Request> {
    let buffers =
        if sectors == 0 { vec![] } else { vec![Buffer::alloc(sectors * SECTOR_SIZE).unwrap()] };
    Request::new(operation, sector, buffers)
}

#[ktest]
fn requests_are_checked_against_the_disk() {
    let check = |operation, sector, sectors| request(operation, sector, sectors).check(&DISK);
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
    let mut halves = request(Operation::Read, 0, 1);
    halves.buffers.push(Buffer::alloc(SECTOR_SIZE).unwrap());
    assert_eq!(halves.check(&DISK), misaligned, "no buffer of it holds a whole block");

    let read_only = Geometry { read_only: true, ..DISK };
    let refused = Err(Error::ReadOnly);
    assert_eq!(request(Operation::Write, 0, 2).check(&read_only), refused);
    assert_eq!(request(Operation::Discard { sectors: 2 }, 0, 0).check(&read_only), refused);
    assert_eq!(request(Operation::Read, 0, 2).check(&read_only), Ok(1024));
    assert_eq!(request(Operation::Flush, 0, 0).check(&read_only), Ok(0));
}

#[ktest]
fn what_is_wrong_with_a_buffer_is_told_in_the_words_of_disks() {
    let alloc = |bytes| Buffer::alloc(bytes).map(|_| ()).map_err(Error::from);
    assert_eq!(alloc(0), Err(Error::Empty));
    assert_eq!(alloc(usize::MAX), Err(Error::NoMemory));
    let buffer = Buffer::alloc(9 * SECTOR_SIZE).unwrap();
    let past = buffer.read(9 * SECTOR_SIZE - 2, &mut [0; 3]).map_err(Error::from);
    assert_eq!(past, Err(Error::BufferRange));
    assert_eq!(buffer.write(usize::MAX, &[0; 3]).map_err(Error::from), Err(Error::BufferRange));
    assert_eq!(Error::from(DmaError::WrongDirection), Error::BufferRange);
}

#[ktest]
fn completions_come_out_in_order_and_make_room() {
    let queue = CompletionQueue::new(2);
    let complete = |tag| {
        let mut request = request(Operation::Flush, 0, 0);
        request.tag = tag;
        queue.push(Completion { tag, request: Some(request), result: Ok(()) });
    };
    let reserve = || queue.reserve().map_err(Error::from);
    reserve().unwrap();
    reserve().unwrap();
    assert_eq!(reserve(), Err(Error::WouldBlock));
    queue.cancel();
    reserve().unwrap();
    complete(1);
    complete(2);
    assert_eq!((queue.open(), reserve()), (2, Err(Error::WouldBlock)));
    assert_eq!(queue.try_next().unwrap().request.unwrap().tag, 1);
    reserve().unwrap();
    complete(3);
    let tags: Vec<_> =
        core::iter::from_fn(|| queue.try_next()).map(|completion| completion.tag).collect();
    assert_eq!((tags, queue.open()), (vec![2, 3], 0));
}
