use block::Buffer;

use super::super::super::queue::Segments;

// TODO(exercise 3): list_pieces is not written yet, see exercises/3-scatter-gather
/// Lists what of the buffers one chain moves, without the first `skip` bytes of them, in at most `most`
/// segments of at most `longest` bytes; returns the number of bytes. Until it is written, a request has one
/// buffer that fits one segment.
pub(super) fn list_pieces<'a>(
    segments: &mut Segments<'a>,
    buffers: &'a [Buffer],
    device_writes: bool,
    skip: usize,
    longest: usize,
    most: usize,
) -> u32 {
    let _ = (segments, buffers, device_writes, skip, longest, most);
    0
}
