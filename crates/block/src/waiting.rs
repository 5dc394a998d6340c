//! The waiting calls, each made of a request that is submitted and waited for.
//!
//! [`BlockDevice`] provides them. They are functions of their own so that a driver with a shorter way for
//! most calls can leave the rest to them; errors and contracts are those of the trait's methods.

use alloc::{boxed::Box, vec, vec::Vec};

use super::{BlockDevice, Buffer, CompletionQueue, Error, IfFull, Operation, Reaper, Request};

/// Submits a request, waits for its end, and gives it back.
///
/// # Errors
///
/// [`Error`], of the submission or of the completion.
pub fn submit_and_wait<D: BlockDevice + ?Sized>(
    disk: &D,
    request: Box<Request>,
) -> Result<Box<Request>, Error> {
    let done = CompletionQueue::new(1);
    disk.submit(request, &done, IfFull::Wait)?;
    // The queue has room for the one completion, and every request gets one.
    let completion = Reaper::new(&done, disk).next().ok_or(Error::Dead)?;
    completion.result.and(completion.request.ok_or(Error::Dead))
}

/// Reads into a buffer of its own and copies out of it.
///
/// # Errors
///
/// As [`BlockDevice::read_block`].
pub fn read<D: BlockDevice + ?Sized>(disk: &D, sector: u64, data: &mut [u8]) -> Result<(), Error> {
    let buffers = vec![Buffer::alloc(data.len())?];
    let request = submit_and_wait(disk, Request::new(Operation::Read, sector, buffers))?;
    Ok(request.buffers.first().ok_or(Error::Empty)?.read(0, data)?)
}

/// Copies into a buffer of its own and writes that.
///
/// # Errors
///
/// As [`BlockDevice::write_block`].
pub fn write<D: BlockDevice + ?Sized>(disk: &D, sector: u64, data: &[u8]) -> Result<(), Error> {
    let buffer = Buffer::alloc(data.len())?;
    buffer.write(0, data)?;
    submit_and_wait(disk, Request::new(Operation::Write, sector, vec![buffer])).map(|_| ())
}

/// Does an operation that moves no data.
///
/// # Errors
///
/// As [`submit_and_wait`].
pub fn without_data<D: BlockDevice + ?Sized>(
    disk: &D,
    operation: Operation,
    sector: u64,
) -> Result<(), Error> {
    submit_and_wait(disk, Request::new(operation, sector, Vec::new())).map(|_| ())
}
