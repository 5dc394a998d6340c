//! Cutting the memory of a request into the segments of a chain: scatter-gather.

// ANCHOR: exercise-3-cut
use core::{iter, mem, ops::Range};

use block::Buffer;

use super::super::super::queue::Segments;

/// Lists what of the buffers one chain moves, in at most so many pieces of at most `longest` bytes; returns
/// the number of bytes.
#[inline(never)]
pub(super) fn list_pieces<'a>(
    segments: &mut Segments<'a>,
    buffers: &'a [Buffer],
    device_writes: bool,
    skip: usize,
    longest: usize,
    most: usize,
) -> u32 {
    let mut bytes = 0u32;
    for (buffer, piece) in pieces(buffers, skip, longest).take(most) {
        // The device counts what it writes, the response too, in 32 bits.
        let more = u32::try_from(piece.len()).ok();
        match more.and_then(|more| bytes.checked_add(more)) {
            Some(sum) if sum < u32::MAX => bytes = sum,
            _ => break,
        }
        match device_writes {
            true => segments.device_writes_part(buffer, piece),
            false => segments.device_reads_part(buffer, piece),
        }
    }
    bytes
}

/// Cuts the buffers, without the first `skip` bytes, into pieces of at most `longest` bytes.
fn pieces(
    buffers: &[Buffer],
    skip: usize,
    longest: usize,
) -> impl Iterator<Item = (&Buffer, Range<usize>)> {
    let mut buffers = buffers.iter();
    let mut buffer = buffers.next();
    let mut start = skip;
    iter::from_fn(move || {
        loop {
            let current = buffer?;
            if start < current.len() {
                let end = current.len().min(start.saturating_add(longest));
                return Some((current, mem::replace(&mut start, end)..end));
            }
            start -= current.len();
            buffer = buffers.next();
        }
    })
}
// ANCHOR_END: exercise-3-cut
