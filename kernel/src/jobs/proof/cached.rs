//! `job=cached scene=NAME seed=S slots=N`: uses the disk through a cache of N blocks of its own.
//!
//! The uses are those of [`plan::uses`], so that the host knows them, and sees at the disk which of them the cache has
//! kept from it. The scenes write.

use alloc::{format, string::String, vec};

use block::cache::{BLOCK_SIZE, Cache, CacheOptions};
use plan::{
    SECTOR_SIZE,
    uses::{SECTORS_PER_BLOCK, Scene, Step as Use, Uses},
};

use super::super::{Disk, Failure, Run, step, text::Count};
use crate::{
    cmdline::{CmdlineError, CommandLine},
    progress::Step,
};

/// The most blocks of the cache: 64 MiB.
const MOST_SLOTS: u64 = 1 << 14;

pub struct Cached {
    scene: Scene,
    seed: u64,
    slots: u64,
}

impl Run for Cached {
    const NAME: &'static str = "cached";
    const PARAMETERS: &'static [&'static str] =
        &["scene=recent|scan|shift|dirty", "seed=S", "slots=N"];
    type Needs = Disk;

    fn parse(line: &CommandLine) -> Result<Self, CmdlineError> {
        let scene = line.one_of("scene", &Scene::ALL)?;
        Ok(Self {
            scene: scene.ok_or(CmdlineError::missing("scene=recent|scan|shift|dirty"))?,
            seed: line.number("seed")?.ok_or(CmdlineError::missing("seed=S"))?,
            slots: line
                .number_in("slots", 8..=MOST_SLOTS)?
                .ok_or(CmdlineError::missing("slots=N"))?,
        })
    }

    fn run(&self, disk: &Disk) -> Result<String, Failure> {
        let blocks = disk.info().geometry.capacity / SECTORS_PER_BLOCK;
        let uses = Uses::new(self.scene, self.seed, self.slots, blocks).ok_or_else(|| {
            let slots = self.slots;
            Failure::Other(format!(
                "slots={slots} does not go with a disk of {blocks} blocks of 4 KiB; give a multiple of 8 that is at \
                 most an eighth of them"
            ))
        })?;
        let slots = self.slots as usize;
        let options = CacheOptions { blocks: slots, dirty_blocks: slots / 2 };
        let cache = step("making the cache", || Cache::new(disk.clone(), options))?;
        let mut content = vec![0; BLOCK_SIZE];
        let mut sector_content = [0; SECTOR_SIZE];
        let mut count = 0;
        for next in uses {
            match next {
                Use::Read { block } => {
                    let doing = Step::numbered("reading block", block);
                    step(doing, || cache.read(block, 0, &mut content))?;
                }
                Use::Write { block, index, sector } => {
                    plan::fill(self.seed, index, sector, &mut sector_content);
                    let offset = (sector % SECTORS_PER_BLOCK) as usize * SECTOR_SIZE;
                    let doing = Step::numbered("writing block", block);
                    step(doing, || cache.write(block, offset, &sector_content))?;
                }
                Use::Flush => step("flushing", || cache.flush())?,
            }
            count += 1;
        }
        let statistics = cache.statistics();
        let (hits, misses) = (statistics.hits, statistics.misses);
        Ok(format!("{} hits={hits} misses={misses}", Count(count, "step")))
    }
}
