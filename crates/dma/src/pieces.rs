//! Memory for what is too large to be asked for in one piece, such as the pixels of a screen.

use alloc::vec::Vec;

use ostd::mm::PAGE_SIZE;

use super::{Buffer, DmaError, DmaMemory};

/// The lengths of pieces to try. Long ones make short lists for the device; short ones are there where free memory is
/// scattered.
const PIECE_BYTES: [usize; 2] = [16 * PAGE_SIZE, PAGE_SIZE];

/// The distance of addresses that share an entry of QEMU's cache of address translations.
const TRANSLATION_REACH: usize = 4 << 20;

/// The most pieces that are allocated and given back for their distance. What is left then is slow, not wrong.
const MAX_SLOW: usize = 64;

/// Memory in many pieces for bytes that the CPU copies there from elsewhere.
#[derive(Debug)]
pub struct Pieces {
    /// All of one length, but for the last one.
    list: Vec<Buffer>,
    piece_bytes: usize,
}

impl Pieces {
    /// Allocates `bytes` bytes, filled with zeros, no piece of which is at a distance from the bytes that are going to be
    /// copied there that makes the copy slow: see [`is_slow`]. `source` is the address of the first of those. IRQs must
    /// be enabled.
    ///
    /// # Errors
    ///
    /// [`DmaError::NoMemory`].
    pub fn alloc(source: usize, bytes: usize) -> Result<Self, DmaError> {
        let allocated = PIECE_BYTES.iter().find_map(|piece_bytes| {
            let list = alloc_list(source, bytes, *piece_bytes).ok()?;
            Some(Self { list, piece_bytes: *piece_bytes })
        });
        allocated.ok_or(DmaError::NoMemory)
    }

    /// A copy of these bytes, as [`Self::alloc`] and [`Self::write`] make it.
    ///
    /// # Errors
    ///
    /// [`DmaError::NoMemory`].
    pub fn of(bytes: &[u8]) -> Result<Self, DmaError> {
        let pieces = Self::alloc(bytes.as_ptr().addr(), bytes.len())?;
        pieces.write(0, bytes)?;
        Ok(pieces)
    }

    /// The pieces, in the order of the bytes.
    pub fn list(&self) -> &[Buffer] {
        &self.list
    }

    /// Copies as [`Buffer::write_rows`] does: `rows` rows of `len` bytes, `stride` bytes from one to the next in `source`
    /// and here, the first to byte `offset`.
    ///
    /// # Errors
    ///
    /// [`DmaError::OutOfRange`] if they reach over an end, or into each other; some may have been copied.
    pub fn write_rows(
        &self,
        mut offset: usize,
        mut source: &[u8],
        len: usize,
        stride: usize,
        mut rows: usize,
    ) -> Result<(), DmaError> {
        if len == stride {
            // Without gaps, all of them are one row.
            let bytes = len.checked_mul(rows).and_then(|bytes| source.get(..bytes));
            return self.write(offset, bytes.ok_or(DmaError::OutOfRange)?);
        }
        while rows > 0 {
            let (piece, at) = (offset / self.piece_bytes, offset % self.piece_bytes);
            // The rows that lie in this piece as a whole; there may be none.
            let whole = match (self.piece_bytes - at).checked_sub(len) {
                Some(room) => rows.min(1 + room.checked_div(stride).unwrap_or(0)),
                None => 0,
            };
            let piece = self.list.get(piece).ok_or(DmaError::OutOfRange)?;
            piece.write_rows(at, source, len, stride, whole)?;
            if whole == 0 {
                self.write(offset, source.get(..len).ok_or(DmaError::OutOfRange)?)?;
            }
            let done = whole.max(1);
            (offset, rows) = (offset.saturating_add(done.saturating_mul(stride)), rows - done);
            source = source.get(done.saturating_mul(stride)..).unwrap_or_default();
        }
        Ok(())
    }

    /// Copies `data` to byte `offset`, over the ends of pieces.
    ///
    /// # Errors
    ///
    /// [`DmaError::OutOfRange`] if it reaches over the end; some of it may have been copied.
    pub fn write(&self, mut offset: usize, mut data: &[u8]) -> Result<(), DmaError> {
        while !data.is_empty() {
            let at = offset % self.piece_bytes;
            let (now, later) = data.split_at(data.len().min(self.piece_bytes - at));
            let piece = self.list.get(offset / self.piece_bytes).ok_or(DmaError::OutOfRange)?;
            piece.write(at, now)?;
            (offset, data) = (offset + now.len(), later);
        }
        Ok(())
    }
}

fn alloc_list(source: usize, bytes: usize, piece_bytes: usize) -> Result<Vec<Buffer>, DmaError> {
    // Kept until the end, or else the same memory would be allocated again.
    let mut slow = Vec::new();
    let mut list = Vec::new();
    for start in (0..bytes).step_by(piece_bytes) {
        let len = piece_bytes.min(bytes - start);
        let mut piece = Buffer::alloc(len)?;
        while is_slow(source.wrapping_add(start), piece.extent().address) && slow.len() < MAX_SLOW {
            slow.push(piece);
            piece = Buffer::alloc(len)?;
        }
        list.push(piece);
    }
    Ok(list)
}

/// Returns `true` if to copy from `source` to `target` is slow under QEMU: pages that are a multiple of 4 MiB apart drive
/// each other out of its cache of address translations, 16 times as long as the copy takes elsewhere.
///
/// One may be an address of the CPU and the other one of a device: those differ by a multiple of that, if at all.
pub fn is_slow(source: usize, target: usize) -> bool {
    target.wrapping_sub(source).wrapping_add(PAGE_SIZE) % TRANSLATION_REACH < 2 * PAGE_SIZE
}

#[cfg(ktest)]
mod tests {
    use alloc::vec;

    use ostd::prelude::ktest;

    use super::*;

    fn bytes(pieces: &Pieces) -> Vec<u8> {
        let read = |piece: &Buffer| {
            let mut bytes = vec![0; piece.len()];
            piece.read(0, &mut bytes).unwrap();
            bytes
        };
        pieces.list.iter().flat_map(read).collect()
    }

    #[ktest]
    fn pages_that_share_an_entry_are_at_a_slow_distance() {
        let source = 0x8765_4000;
        for reach in [0, 1, 5].map(|times| times * TRANSLATION_REACH) {
            for distance in [0, 1, PAGE_SIZE - 1] {
                assert!(is_slow(source, source + reach + distance));
                assert!(is_slow(source + reach + distance, source));
            }
            for distance in [2 * PAGE_SIZE, TRANSLATION_REACH / 2] {
                assert!(!is_slow(source, source + reach + distance));
                assert!(!is_slow(source + reach + distance, source));
            }
        }
    }

    #[ktest]
    fn no_piece_is_at_a_slow_distance_from_its_source() {
        let [long, short] = PIECE_BYTES;
        for bytes in [long, short, 3 * long + 100] {
            // The memory that is likely to be allocated next, so that it has to be refused.
            let next = Buffer::alloc(long.min(bytes)).unwrap().extent().address;
            for source in [next, next + TRANSLATION_REACH, next.wrapping_sub(TRANSLATION_REACH)] {
                let pieces = Pieces::alloc(source, bytes).unwrap();
                let mut start = 0;
                for extent in pieces.list().iter().map(Buffer::extent) {
                    assert!(!is_slow(source.wrapping_add(start), extent.address), "{start}");
                    start += extent.len;
                }
                assert_eq!(start, bytes);
            }
        }
    }

    #[ktest]
    fn rows_are_copied_over_the_ends_of_pieces() {
        let (long, stride) = (PIECE_BYTES[0], 1000);
        let size = 2 * long + 100;
        let source: Vec<u8> = (0..size).map(|at| (at % 251) as u8 + 1).collect();
        for (offset, len, rows) in
            [(0, 1000, 131), (7, 300, 100), (long - 10, 20, 2), (long - 1, 1, 9), (size - 5, 5, 1)]
        {
            let pieces = Pieces::alloc(source.as_ptr().addr(), size).unwrap();
            pieces.write_rows(offset, &source, len, stride, rows).unwrap();
            let mut expected = vec![0; size];
            for row in 0..rows {
                let (to, from) = (offset + row * stride, row * stride);
                expected[to..to + len].copy_from_slice(&source[from..from + len]);
            }
            assert!(bytes(&pieces) == expected, "{rows} rows of {len} bytes to {offset}");
        }
        let pieces = Pieces::alloc(0, size).unwrap();
        let too_far = pieces.write_rows(size - 5, &source, 6, stride, 1);
        assert_eq!(too_far, Err(DmaError::OutOfRange));
        assert_eq!(pieces.write(size, &[1]), Err(DmaError::OutOfRange));
        assert_eq!(pieces.write_rows(0, &source[..9], 10, stride, 1), Err(DmaError::OutOfRange));
    }
}
