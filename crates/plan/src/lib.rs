//! The plan of `job=verify`: which operations it does, and what every sector it writes holds.
//!
//! Both are pure functions: the operations of (seed, count, span, max), a sector's contents of (seed,
//! operation, sector). So the kernel can check what it reads against what the plan says was written, and a
//! program on the host can replay the plan and check the whole disk afterwards. For that reason there is
//! nothing in here but `core`, `alloc` and `fastrand`, whose version is pinned: another version may draw other
//! numbers.
//!
//! Operations count in the order of their indices. Of several writes to a sector the last one wins, in
//! whatever order they complete; who has several in flight must not have two that
//! [conflict](Operation::conflicts_with).
//!
//! [`slices`] has the like for `job=slices`: what it writes to the disk about DMA memory. [`lookups`] is what
//! `job=lookup` and the host tell each other about names, [`uses`] what `job=cached` does with a block cache,
//! [`changes`] what `job=commits` does with files, [`churn`] what the threads of `job=churn` do to them, and [`rects`]
//! which pictures `job=rects` shows.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod changes;
pub mod churn;
pub mod lookups;
pub mod rects;
pub mod slices;
pub mod uses;

use core::{error::Error, fmt, ops::Range};

use fastrand::Rng;

/// The unit of the plan, as of the block device: 512 bytes.
pub const SECTOR_SIZE: usize = 512;

/// An operation's place in the plan decides its kind out of these, in percent. The rest are flushes.
const WRITES: u32 = 50;
const READS: u32 = 45;

/// The operations, in order. Clone it to go through them again.
#[derive(Clone, Debug)]
pub struct Plan {
    random: Rng,
    next: u32,
    count: u32,
    span: u64,
    max: u32,
}

impl Plan {
    /// Plans `count` operations on sectors 0 to `span` - 1, of at most `max` sectors each: random places,
    /// random lengths, about 50 % writes, 45 % reads and 5 % flushes.
    ///
    /// # Errors
    ///
    /// `span` or `max` is 0.
    pub fn new(seed: u64, count: u32, span: u64, max: u32) -> Result<Self, PlanError> {
        if span == 0 {
            return Err(PlanError::NoSpan);
        }
        if max == 0 {
            return Err(PlanError::NoLength);
        }
        Ok(Self { random: Rng::with_seed(seed), next: 0, count, span, max })
    }
}

impl Iterator for Plan {
    type Item = Operation;

    fn next(&mut self) -> Option<Operation> {
        if self.next == self.count {
            return None;
        }
        let index = self.next;
        self.next += 1;
        let kind = match self.random.u32(0..100) {
            0..WRITES => Kind::Write,
            draw if draw < WRITES + READS => Kind::Read,
            _ => {
                return Some(Operation { index, kind: Kind::Flush, sector: 0, sectors: 0 });
            }
        };
        let sector = self.random.u64(0..self.span);
        let length = self.random.u32(1..=self.max);
        // What is left of the span is at least one sector. If it does not fit a u32, it clips nothing.
        let left = u32::try_from(self.span - sector).unwrap_or(u32::MAX);
        Some(Operation { index, kind, sector, sectors: length.min(left) })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.count - self.next) as usize;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Plan {}

/// There is no such plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanError {
    /// There are no sectors to work on.
    NoSpan,
    /// No operation may have even one sector.
    NoLength,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSpan => "there are no sectors to work on; span must be at least 1",
            Self::NoLength => "operations have no sectors; max must be at least 1",
        })
    }
}

impl Error for PlanError {}

/// One operation of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its place in the plan, from 0.
    pub index: u32,
    /// The kind of access.
    pub kind: Kind,
    /// The first sector; 0 for a flush.
    pub sector: u64,
    /// The number of sectors, at least 1; 0 for a flush.
    pub sectors: u32,
}

impl Operation {
    /// The sectors it reads or writes.
    pub fn range(&self) -> Range<u64> {
        self.sector..self.sector + u64::from(self.sectors)
    }

    /// Returns true if the outcome of the two in flight together depends on their order: they have
    /// a sector in common and one of them writes. A flush conflicts with nothing.
    pub fn conflicts_with(&self, other: &Self) -> bool {
        (self.kind == Kind::Write || other.kind == Kind::Write)
            && self.range().start < other.range().end
            && other.range().start < self.range().end
    }
}

/// As the kernel names it: `op 5 write sector 100+8`, or `op 6 flush`.
impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, kind, sector, sectors } = *self;
        match kind {
            Kind::Write => write!(f, "op {index} write sector {sector}+{sectors}"),
            Kind::Read => write!(f, "op {index} read sector {sector}+{sectors}"),
            Kind::Flush => write!(f, "op {index} flush"),
        }
    }
}

/// A kind of operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Reads sectors and checks them.
    Read,
    /// Writes sectors that [`fill`] made.
    Write,
    /// Makes the writes so far durable.
    Flush,
}

// A sector that the plan has written says which one it is:
//
//   byte 0   sector          u64, little-endian, as all that follows
//   byte 8   operation       u32
//   byte 12  MAGIC           u32
//   byte 16  62 random words u64 each, from seed, operation and sector
const MAGIC: u32 = u32::from_le_bytes(*b"plan");

/// Fills `out` with what the plan's operation `index` writes to `sector`.
pub fn fill(seed: u64, index: u32, sector: u64, out: &mut [u8; SECTOR_SIZE]) {
    let (words, _) = out.as_chunks_mut();
    for (word, value) in words.iter_mut().zip(contents(seed, index, sector)) {
        *word = value.to_le_bytes();
    }
}

/// Checks that `data` is what the plan's operation `index` writes to `sector`.
///
/// # Errors
///
/// It is not; the [`Mismatch`] says what it is instead.
pub fn check(seed: u64, index: u32, sector: u64, data: &[u8; SECTOR_SIZE]) -> Result<(), Mismatch> {
    match difference(seed, index, sector, data) {
        None => Ok(()),
        Some(offset) => Err(identify(seed, index, sector, data, offset)),
    }
}

/// The words of a sector, header and all.
fn contents(seed: u64, index: u32, sector: u64) -> impl Iterator<Item = u64> {
    let header = [sector, u64::from(MAGIC) << 32 | u64::from(index)];
    // One after the other, with the generator between them: combined in one step, two of them could
    // cancel out, and two sectors that must differ would be alike.
    let joined = [u64::from(index), sector]
        .into_iter()
        .fold(seed, |state, input| Rng::with_seed(state).u64(..) ^ input);
    let mut random = Rng::with_seed(joined);
    header.into_iter().chain(core::iter::repeat_with(move || random.u64(..)))
}

/// The offset of the first word in which `data` differs from what it should be.
fn difference(seed: u64, index: u32, sector: u64, data: &[u8; SECTOR_SIZE]) -> Option<usize> {
    let (words, _) = data.as_chunks();
    words
        .iter()
        .zip(contents(seed, index, sector))
        .position(|(word, expected)| u64::from_le_bytes(*word) != expected)
        .map(|word| word * size_of::<u64>())
}

/// Names what `data` is, if it is not what `index` writes to `sector` and differs from that at `offset`.
fn identify(
    seed: u64,
    index: u32,
    sector: u64,
    data: &[u8; SECTOR_SIZE],
    offset: usize,
) -> Mismatch {
    if data.iter().all(|byte| *byte == 0) {
        return Mismatch::Zeros;
    }
    let (words, _) = data.as_chunks();
    let mut words = words.iter().map(|word| u64::from_le_bytes(*word));
    let (found_sector, tag) = (words.next().unwrap_or(0), words.next().unwrap_or(0));
    // The lower half is the operation, the upper half the magic number.
    let found_index = tag as u32;
    if (found_sector, found_index) == (sector, index) && (tag >> 32) as u32 == MAGIC {
        Mismatch::Damaged { offset }
    } else if difference(seed, found_index, found_sector, data).is_some() {
        Mismatch::Garbage
    } else if found_sector == sector {
        Mismatch::OtherOperation { index: found_index }
    } else {
        Mismatch::OtherSector { sector: found_sector, index: found_index }
    }
}

/// The wrong contents of a sector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// Nothing but zeros.
    Zeros,
    /// The data that another operation of this plan writes to this sector: a lost write, or a late one.
    OtherOperation {
        /// The other operation.
        index: u32,
    },
    /// The data that this plan writes to another sector.
    OtherSector {
        /// The other sector.
        sector: u64,
        /// The operation that writes it.
        index: u32,
    },
    /// It starts as it should and goes on differently.
    Damaged {
        /// The first byte that is wrong, rounded down to 8 bytes.
        offset: usize,
    },
    /// Nothing that this plan ever writes.
    Garbage,
}

impl Error for Mismatch {}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zeros => f.write_str("holds zeros"),
            Self::OtherOperation { index } => write!(f, "holds what op {index} writes there"),
            Self::OtherSector { sector, index } => {
                write!(f, "holds what op {index} writes to sector {sector}")
            }
            Self::Damaged { offset } => write!(f, "is damaged from byte {offset} on"),
            Self::Garbage => f.write_str("holds something that was never written"),
        }
    }
}

#[cfg(test)]
mod tests;
