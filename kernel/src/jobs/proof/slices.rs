//! `job=slices sector=N seed=S count=C slots=K [stream=on|off]`: takes and drops slices of DMA memory.
//!
//! It takes slices from an allocator for K until there are none, fills all of them, and writes to the disk where
//! they lie and what they hold. Then it takes and drops slices at random, C times, and writes how that went. The
//! account is that of [`plan::slices`], from sector N on.

use alloc::{format, string::String, vec::Vec};

use block::{Error, SECTOR_SIZE};
use dma::{DmaError, DmaMemory, DmaObject, DmaSlice, DmaSliceAlloc, alloc_stream};
use fastrand::Rng;
use ostd::mm::dma::DmaStream;
use plan::slices::{MOST, Part, WORDS, content};

use super::super::{Disk, Failure, Run, step};
use crate::{
    cmdline::{CmdlineError, CommandLine},
    progress::Step,
};

/// The content of a slice.
type Cell = [u64; WORDS];

pub struct Slices {
    sector: u64,
    seed: u64,
    count: u64,
    slots: usize,
    stream: bool,
}

impl Run for Slices {
    const NAME: &'static str = "slices";
    const PARAMETERS: &'static [&'static str] =
        &["sector=N", "seed=S", "count=C", "slots=K", "stream=on|off"];
    type Needs = Disk;

    fn parse(line: &CommandLine) -> Result<Self, CmdlineError> {
        Ok(Self {
            sector: line.number("sector")?.ok_or(CmdlineError::missing("sector=N"))?,
            seed: line.number("seed")?.ok_or(CmdlineError::missing("seed=S"))?,
            count: line.number("count")?.ok_or(CmdlineError::missing("count=C"))?,
            slots: line
                .number_in("slots", 1..=MOST as u64)?
                .ok_or(CmdlineError::missing("slots=K"))?,
            stream: line.switch("stream")?.unwrap_or(false),
        })
    }

    fn run(&self, disk: &Disk) -> Result<String, Failure> {
        let no_memory = |error| Failure::disk("allocating slices")(Error::from(error));
        if !self.stream {
            return self.run_with(&DmaSliceAlloc::coherent(self.slots).map_err(no_memory)?, disk);
        }
        let pages = DmaSliceAlloc::<Cell, DmaStream>::pages_for(self.slots);
        let stream = pages.ok_or(DmaError::NoMemory).and_then(alloc_stream).map_err(no_memory)?;
        self.run_with(&DmaSliceAlloc::new(stream), disk)
    }
}

impl Slices {
    fn run_with<D: DmaObject>(
        &self,
        slices: &DmaSliceAlloc<Cell, D>,
        disk: &Disk,
    ) -> Result<String, Failure> {
        self.write(Part::Begun, &[], disk)?;

        let taken = take_all(slices);
        let number = taken.len();
        for (number, slice) in (0..).zip(&taken) {
            fill(slice, content(self.seed, number));
        }
        let describe = |slice: &DmaSlice<Cell, D>| {
            let address = slice.extent().address as u64;
            [address].into_iter().chain(look(slice))
        };
        let words: Vec<u64> = taken.iter().flat_map(describe).collect();
        self.write(Part::Taken, &words, disk)?;
        drop(taken);

        let (refused, wrong) = self.take_and_drop(slices, number);
        let again = take_all(slices).len();
        self.write(Part::Rounds, &[refused, wrong, again as u64], disk)?;
        Ok(format!("slices={number} refused={refused} wrong={wrong} again={again}"))
    }

    /// Takes and drops slices at random. Returns how many were refused although not all of the `number` were in
    /// use, and how many did not hold what was put into them.
    fn take_and_drop<D: DmaObject>(
        &self,
        slices: &DmaSliceAlloc<Cell, D>,
        number: usize,
    ) -> (u64, u64) {
        let mut random = Rng::with_seed(self.seed);
        let mut held: Vec<(u64, DmaSlice<Cell, D>)> = Vec::with_capacity(number);
        let (mut refused, mut wrong) = (0, 0);
        for round in 0..self.count {
            if held.len() < number {
                match slices.alloc() {
                    Some(slice) => {
                        fill(&slice, content(self.seed, round));
                        held.push((round, slice));
                    }
                    None => refused += 1,
                }
            }
            // Of those that are held about a half, most of the time.
            while held.len() > random.usize(0..number.max(1)) {
                let (round, slice) = held.swap_remove(random.usize(0..held.len()));
                wrong += u64::from(look(&slice) != content(self.seed, round));
            }
        }
        (refused, wrong)
    }

    fn write(&self, part: Part, words: &[u64], disk: &Disk) -> Result<(), Failure> {
        let sector = self.sector.saturating_add(part.sector());
        let bytes: Vec<u8> = part.bytes(words).collect();
        step(Step::numbered("writing sector", sector), || {
            let mut sectors = (sector..).zip(bytes.chunks(SECTOR_SIZE));
            sectors.try_for_each(|(sector, data)| disk.write_block(sector, data))
        })
    }
}

/// Takes slices until there are none, but no more than can be told.
fn take_all<D: DmaObject>(slices: &DmaSliceAlloc<Cell, D>) -> Vec<DmaSlice<Cell, D>> {
    core::iter::from_fn(|| slices.alloc()).take(MOST).collect()
}

/// Puts something into a slice. Where that fails, the slice does not hold it, which is seen later.
fn fill<D: DmaObject>(slice: &DmaSlice<Cell, D>, content: Cell) {
    let _ = slice.write(&content).and_then(|()| slice.sync_to_device());
}

/// The content of a slice, or zeros where it has none.
fn look<D: DmaObject>(slice: &DmaSlice<Cell, D>) -> Cell {
    slice.read().unwrap_or_default()
}
