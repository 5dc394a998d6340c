//! The account of `job=slices`, for the kernel that writes it to a disk and for the host that reads it there.
//!
//! It has three parts, each written when it is complete: that the job has begun, which slices it got, and how
//! its rounds went. Each is a list of words behind a mark of its own.

use core::iter;

use super::SECTOR_SIZE;

/// A slice of the job holds so many words of 8 bytes.
pub const WORDS: usize = 3;
/// The same in bytes.
pub const CELL_BYTES: usize = 8 * WORDS;
/// The most slices that are taken.
pub const MOST: usize = 512;

/// The content of a slice: that of number `number`, with this seed.
pub fn content(seed: u64, number: u64) -> [u64; WORDS] {
    let start = seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    [start, !start, start.rotate_left(32)]
}

/// A part of the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The job has begun.
    Begun,
    /// It has taken as many slices as there are.
    Taken,
    /// It has taken and dropped slices for so many rounds.
    Rounds,
}

impl Part {
    /// Its first sector, from that of the account on.
    pub fn sector(self) -> u64 {
        match self {
            Self::Begun => 0,
            Self::Taken => 1,
            Self::Rounds => 1 + Self::Taken.sectors() as u64,
        }
    }

    /// The sectors that it may fill.
    pub fn sectors(self) -> usize {
        let words = match self {
            Self::Begun | Self::Rounds => 0,
            Self::Taken => MOST * (1 + WORDS),
        };
        // Behind the mark and the number of words.
        ((2 + words) * 8).div_ceil(SECTOR_SIZE)
    }

    fn mark(self) -> u64 {
        u64::from_le_bytes(match self {
            Self::Begun => *b"slices 0",
            Self::Taken => *b"slices 1",
            Self::Rounds => *b"slices 2",
        })
    }

    /// The bytes of this part with these words, as far as there is room.
    pub fn bytes(self, words: &[u64]) -> impl Iterator<Item = u8> + '_ {
        let head = [self.mark(), words.len() as u64];
        let bytes = head.into_iter().chain(words.iter().copied()).flat_map(u64::to_le_bytes);
        bytes.chain(iter::repeat(0)).take(self.sectors() * SECTOR_SIZE)
    }

    /// The words of this part on a disk whose account begins at sector `at`; `None` if it is not there.
    pub fn words(self, disk: &[u8], at: u64) -> Option<impl Iterator<Item = u64> + '_> {
        let start = usize::try_from(at + self.sector()).ok()?.checked_mul(SECTOR_SIZE)?;
        let part = disk.get(start..)?.get(..self.sectors() * SECTOR_SIZE)?;
        let (words, _) = part.as_chunks::<8>();
        let mut words = words.iter().copied().map(u64::from_le_bytes);
        if words.next()? != self.mark() {
            return None;
        }
        let count = usize::try_from(words.next()?).ok()?;
        Some(words.take(count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_read_as_it_was_written() {
        let words = [7, u64::MAX, 0];
        for part in [Part::Begun, Part::Taken, Part::Rounds] {
            let start = (5 + part.sector()) as usize * SECTOR_SIZE;
            let mut disk = [0xa5; 40 * SECTOR_SIZE];
            assert!(part.words(&disk, 5).is_none());
            for (to, byte) in disk.iter_mut().skip(start).zip(part.bytes(&words)) {
                *to = byte;
            }
            assert!(part.words(&disk, 5).is_some_and(|found| found.eq(words)));
            assert!(part.words(&disk, 4).is_none());
        }
    }

    #[test]
    fn contents_differ() {
        assert_ne!(content(1, 2), content(1, 3));
        assert_ne!(content(1, 2), content(2, 2));
    }
}
