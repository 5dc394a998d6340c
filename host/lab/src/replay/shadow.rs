//! The possible contents of a disk: for every sector, the writes that could be the one to be found there.
//!
//! A write is certain (it was acknowledged, and nothing may undo it) or possible (it was under way,
//! or not yet safe, when something happened). A sector must hold its newest certain write, or a
//! possible one that came after it; without a certain one it may also be as it was at first.

use std::fmt::Write as _;

use plan::{Mismatch, Operation};

use super::error::{BadSectors, ShadowError};
use crate::image::SECTOR;

/// The most bad sectors that are described one by one.
const TOLD: usize = 8;

type Result<T> = std::result::Result<T, ShadowError>;

/// The writes to each sector of a disk, in the order in which they were submitted.
#[derive(Clone, Debug)]
pub struct Shadow {
    seed: u64,
    first: u64,
    sectors: Vec<History>,
}

#[derive(Clone, Debug, Default)]
struct History {
    writes: Vec<u32>,
    /// The number of writes up to the newest certain one, that one included.
    certain: usize,
}

/// The findings of a look at a disk.
#[derive(Debug, Default)]
pub struct Findings {
    /// Sectors that were looked at.
    pub sectors: u64,
    /// Sectors that hold something older than their newest certain write.
    pub lost: u64,
    /// Sectors that hold what was never written there.
    pub foreign: u64,
    /// Sectors whose newest write is not there, and need not be.
    pub undone: u64,
    /// The first bad sectors, for people to read.
    description: String,
}

impl Shadow {
    /// A disk of so many sectors that no operation of the plan with this seed has written to.
    pub fn new(seed: u64, sectors: usize) -> Self {
        Self::of_part(seed, 0, sectors)
    }

    /// The same for so many sectors from `first` on; where a disk is looked at, it is this part of it.
    pub fn of_part(seed: u64, first: u64, sectors: usize) -> Self {
        Self { seed, first, sectors: vec![History::default(); sectors] }
    }

    /// The operation has written, for certain.
    ///
    /// # Errors
    ///
    /// [`ShadowError::Beyond`].
    pub fn certain(&mut self, operation: &Operation) -> Result<()> {
        for history in self.range(operation)? {
            history.writes.push(operation.index);
            history.certain = history.writes.len();
        }
        Ok(())
    }

    /// The operation may have written each of its sectors, or not.
    ///
    /// # Errors
    ///
    /// [`ShadowError::Beyond`].
    pub fn possible(&mut self, operation: &Operation) -> Result<()> {
        for history in self.range(operation)? {
            history.writes.push(operation.index);
        }
        Ok(())
    }

    /// Leaves the sectors from here on out of account, as when the disk has shrunk.
    pub fn truncate(&mut self, sectors: usize) {
        self.sectors.truncate(sectors);
    }

    fn range(&mut self, operation: &Operation) -> Result<&mut [History]> {
        let range = operation.range();
        let place = |sector: u64| usize::try_from(sector.checked_sub(self.first)?).ok();
        place(range.start)
            .zip(place(range.end))
            .and_then(|(start, end)| self.sectors.get_mut(start..end))
            .ok_or(ShadowError::Beyond(operation.index))
    }

    /// Compares a disk that held `before` at first. Both may be longer than the sectors that the
    /// plan writes to; nothing may have changed there.
    ///
    /// # Errors
    ///
    /// The disk has another size. What it holds is no error here.
    pub fn look(&self, before: &[u8], disk: &[u8]) -> Result<Findings> {
        if before.len() != disk.len() {
            return Err(ShadowError::Size { expected: before.len(), found: disk.len() });
        }
        let (planned, found) = (self.sectors.len(), disk.len() / SECTOR);
        if found < planned {
            return Err(ShadowError::TooShort { planned, found });
        }
        let untouched = History::default();
        let histories = self.sectors.iter().chain(std::iter::repeat(&untouched));
        let (before, disk) = (before.as_chunks().0, disk.as_chunks().0);
        let mut findings = Findings::default();
        for (((sector, history), before), found) in
            (self.first..).zip(histories).zip(before).zip(disk)
        {
            findings.sectors += 1;
            let found = self.identify(history, sector, before, found);
            findings.judge(history, sector, &found);
        }
        Ok(findings)
    }

    fn identify(
        &self,
        history: &History,
        sector: u64,
        before: &[u8; SECTOR],
        found: &[u8; SECTOR],
    ) -> Content {
        if found == before {
            return Content::Before;
        }
        let newest = history.writes.last().copied().unwrap_or(0);
        match plan::check(self.seed, newest, sector, found) {
            Ok(()) => Content::Write(newest),
            Err(Mismatch::OtherOperation { index }) => Content::Write(index),
            Err(mismatch) => Content::Foreign(mismatch),
        }
    }
}

/// The contents of a sector.
enum Content {
    Before,
    Write(u32),
    Foreign(Mismatch),
}

impl Findings {
    /// Returns true if every sector is as it may be.
    pub fn good(&self) -> bool {
        self.lost == 0 && self.foreign == 0
    }

    /// Fails, describing the first bad sectors, unless all is good.
    ///
    /// # Errors
    ///
    /// There are bad sectors.
    pub fn expect_good(&self) -> std::result::Result<(), BadSectors> {
        if self.good() {
            return Ok(());
        }
        let Self { sectors, lost, foreign, undone: _, description } = self;
        Err(BadSectors {
            sectors: *sectors,
            lost: *lost,
            foreign: *foreign,
            description: description.clone(),
        })
    }

    fn judge(&mut self, history: &History, sector: u64, found: &Content) {
        let place = match found {
            Content::Before => Some(0),
            // Places count from 1, as in `certain`.
            Content::Write(index) => {
                history.writes.iter().position(|write| write == index).map(|place| place + 1)
            }
            Content::Foreign(_) => None,
        };
        match place {
            Some(place) if place >= history.certain => {
                self.undone += u64::from(place < history.writes.len());
                return;
            }
            Some(_) => self.lost += 1,
            None => self.foreign += 1,
        }
        if self.lost + self.foreign > TOLD as u64 {
            return;
        }
        let _ = write!(self.description, "\nsector {sector} ");
        let _ = match found {
            Content::Before => write!(self.description, "is as it was at first"),
            Content::Write(index) => {
                write!(self.description, "holds what op {index} writes there")
            }
            Content::Foreign(mismatch) => write!(self.description, "{mismatch}"),
        };
        let allowed = history.writes.get(history.certain.saturating_sub(1)..).unwrap_or_default();
        let _ = write!(self.description, "; it should hold one of the ops {allowed:?}");
        if history.certain == 0 {
            let _ = write!(self.description, ", or be as it was at first");
        }
    }
}

#[cfg(test)]
mod tests {
    use plan::Kind;

    use super::*;

    const SEED: u64 = 77;

    fn write(index: u32, sector: u64, sectors: u32) -> Operation {
        Operation { index, kind: Kind::Write, sector, sectors }
    }

    /// A shadow of four sectors: op 3 certain in 0 and 1, op 5 certain in 1, op 8 possible in 1 and
    /// 2; sector 3 is never written.
    fn shadow() -> Shadow {
        let mut shadow = Shadow::new(SEED, 3);
        shadow.certain(&write(3, 0, 2)).unwrap();
        shadow.certain(&write(5, 1, 1)).unwrap();
        shadow.possible(&write(8, 1, 2)).unwrap();
        shadow
    }

    /// A disk of four sectors with what these operations write to the first three.
    fn disk(writes: [Option<u32>; 3]) -> Vec<u8> {
        let mut disk = vec![0; 4 * SECTOR];
        for (sector, write) in writes.into_iter().enumerate() {
            if let Some(index) = write {
                let target = disk[sector * SECTOR..].first_chunk_mut().unwrap();
                plan::fill(SEED, index, sector as u64, target);
            }
        }
        disk
    }

    fn look(disk: &[u8]) -> (u64, u64, u64) {
        let findings = shadow().look(&vec![0; 4 * SECTOR], disk).unwrap();
        assert_eq!(findings.sectors, 4);
        assert_eq!(findings.expect_good().is_ok(), findings.good());
        (findings.lost, findings.foreign, findings.undone)
    }

    #[test]
    fn possible_writes_may_be_there_in_part() {
        assert_eq!(look(&disk([Some(3), Some(8), Some(8)])), (0, 0, 0));
        assert_eq!(look(&disk([Some(3), Some(5), Some(8)])), (0, 0, 1));
        assert_eq!(look(&disk([Some(3), Some(5), None])), (0, 0, 2));
    }

    #[test]
    fn lost_writes_are_found() {
        assert_eq!(look(&disk([None, Some(5), None])), (1, 0, 2));
        assert_eq!(look(&disk([Some(3), Some(3), Some(8)])), (1, 0, 0));
        assert_eq!(look(&disk([None; 3])), (2, 0, 1));
    }

    #[test]
    fn what_was_never_written_is_found() {
        let good = disk([Some(3), Some(8), Some(8)]);
        // An operation that was never issued, or does not write there.
        assert_eq!(look(&disk([Some(5), Some(8), Some(8)])), (0, 1, 0));
        assert_eq!(look(&disk([Some(3), Some(9), Some(8)])), (0, 1, 0));
        // Torn in the middle of a sector.
        let mut torn = good.clone();
        torn[SECTOR + 256..2 * SECTOR]
            .copy_from_slice(&disk([None, Some(5), None])[SECTOR + 256..2 * SECTOR]);
        assert_eq!(look(&torn), (0, 1, 0));
        // Another sector's contents.
        let mut moved = good.clone();
        moved.copy_within(SECTOR..2 * SECTOR, 2 * SECTOR);
        assert_eq!(look(&moved), (0, 1, 0));
        // Beyond the plan.
        let mut beyond = good;
        beyond[3 * SECTOR + 9] = 1;
        assert_eq!(look(&beyond), (0, 1, 0));
    }

    #[test]
    fn bad_sectors_are_described() {
        let findings = shadow().look(&vec![0; 4 * SECTOR], &disk([None, Some(3), None])).unwrap();
        let text = findings.expect_good().unwrap_err().to_string();
        assert!(text.starts_with("of 4 sectors, 2 have lost a write and 0 hold"), "{text}");
        assert!(text.contains("sector 0 is as it was at first; it should hold one of the ops [3]"));
        assert!(text.contains(
            "sector 1 holds what op 3 writes there; it should hold one of the ops [5, 8]"
        ));
    }

    #[test]
    fn a_part_of_a_disk_is_looked_at_by_itself() {
        let mut shadow = Shadow::of_part(SEED, 100, 2);
        shadow.certain(&write(3, 101, 1)).unwrap();
        let mut part = vec![0; 2 * SECTOR];
        plan::fill(SEED, 3, 101, part[SECTOR..].first_chunk_mut().unwrap());
        shadow.look(&vec![0; 2 * SECTOR], &part).unwrap().expect_good().unwrap();
        // What belongs to another place is no good here.
        plan::fill(SEED, 3, 1, part[SECTOR..].first_chunk_mut().unwrap());
        assert_eq!(shadow.look(&vec![0; 2 * SECTOR], &part).unwrap().foreign, 1);
        for outside in [write(4, 99, 1), write(4, 99, 2), write(4, 101, 2), write(4, 102, 1)] {
            assert_eq!(shadow.possible(&outside), Err(ShadowError::Beyond(4)));
        }
    }

    #[test]
    fn disks_of_another_size_are_not_compared() {
        let sizes = |before: usize, disk: usize| {
            shadow().look(&vec![0; before * SECTOR], &vec![0; disk * SECTOR]).map(drop)
        };
        let (expected, found) = (4 * SECTOR, 5 * SECTOR);
        assert_eq!(sizes(4, 5), Err(ShadowError::Size { expected, found }));
        assert_eq!(sizes(2, 2), Err(ShadowError::TooShort { planned: 3, found: 2 }));
        let mut shorter = shadow();
        shorter.truncate(2);
        shorter.look(&vec![0; 2 * SECTOR], &vec![0; 2 * SECTOR]).unwrap();
    }
}
