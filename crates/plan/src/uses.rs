//! The uses of a block cache by `job=cached`: which blocks are read and written, one after the other.
//!
//! The host knows them too, so it can tell from the requests that arrive at the disk what the cache has kept. Each
//! [`Step::Flush`] reaches the disk, and parts one stretch of uses from the next.

use fastrand::Rng;

/// The sectors of a block.
pub const SECTORS_PER_BLOCK: u64 = 8;
/// Slots are counted in eighths of the cache.
const PARTS: u64 = 8;
/// The draws for a number without a common divisor; nearly always a few are enough.
const DRAWS: usize = 64;

/// The kinds of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scene {
    /// A half of the cache is used again before as many new blocks come.
    Recent,
    /// Few blocks are used often, and between that several times as many as fit, once each.
    Scan,
    /// A set that was used often gives way to another one.
    Shift,
    /// Blocks are changed, and others read before a flush.
    Dirty,
}

impl Scene {
    /// All of them, by the names that they have on a command line.
    pub const ALL: [(&'static str, Self); 4] = [
        ("recent", Self::Recent),
        ("scan", Self::Scan),
        ("shift", Self::Shift),
        ("dirty", Self::Dirty),
    ];

    /// Its name on a command line.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, scene)| *scene == self).map_or("", |(name, _)| name)
    }

    /// The stretches of uses, and whether a flush ends each.
    fn stretches(self) -> &'static [(Stretch, bool)] {
        const fn read(first: u64, end: u64, rounds: u32) -> Stretch {
            Stretch { first, end, rounds, writes: false }
        }
        const fn write(first: u64, end: u64, rounds: u32) -> Stretch {
            Stretch { first, end, rounds, writes: true }
        }
        match self {
            Self::Recent => {
                const {
                    &[
                        (read(0, 8, 1), true),
                        (read(0, 4, 2), true),
                        (read(8, 12, 1), true),
                        (read(0, 4, 1), true),
                        (read(12, 16, 1), true),
                        (read(0, 4, 1), true),
                    ]
                }
            }
            Self::Scan => {
                const {
                    &[
                        (read(0, 2, 4), true),
                        (read(2, 32, 1), true),
                        (read(0, 2, 2), true),
                        (read(32, 64, 1), true),
                        (read(0, 2, 1), true),
                    ]
                }
            }
            Self::Shift => {
                const { &[(read(0, 4, 20), true), (read(4, 9, 12), true), (read(4, 9, 1), true)] }
            }
            Self::Dirty => {
                const {
                    &[
                        (write(0, 1, 2), false),
                        (read(8, 32, 1), false),
                        (read(0, 1, 1), true),
                        (write(1, 2, 1), false),
                        (read(32, 48, 1), true),
                        (write(0, 16, 2), true),
                    ]
                }
            }
        }
    }
}

/// Uses of one set of blocks.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    /// The set, in eighths of the cache.
    first: u64,
    end: u64,
    /// Each round uses each of its blocks once, in an order of its own.
    rounds: u32,
    writes: bool,
}

impl Stretch {
    /// The number of blocks in the set, with so many slots.
    fn blocks(&self, slots: u64) -> u64 {
        (self.end - self.first) * slots / PARTS
    }
}

/// Something to be done with the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Read a block.
    Read {
        /// The block.
        block: u64,
    },
    /// Write what [`fill`](super::fill) makes of this index into one sector of a block.
    Write {
        /// The block.
        block: u64,
        /// The number of the step.
        index: u32,
        /// The sector, counted from the start of the disk.
        sector: u64,
    },
    /// Flush.
    Flush,
}

/// All steps of a scene, in order.
#[derive(Clone, Debug)]
pub struct Uses {
    random: Rng,
    left: &'static [(Stretch, bool)],
    slots: u64,
    /// Block number n of the scene lies at `first + n * distance` on the disk, which has so many.
    blocks: u64,
    first: u64,
    distance: u64,
    round: u32,
    /// Use number n of the round is of block `start + n * stride` of the set.
    start: u64,
    stride: u64,
    next: u64,
    index: u32,
}

impl Uses {
    /// Plans a scene for a cache of so many slots above a disk of so many blocks. `None` if the slots are no multiple
    /// of 8, or the disk has fewer than eight times as many blocks.
    pub fn new(scene: Scene, seed: u64, slots: u64, blocks: u64) -> Option<Self> {
        let fits = slots > 0 && slots.is_multiple_of(PARTS) && slots <= blocks / PARTS;
        // The products below do not overflow.
        if !fits || blocks > u64::from(u32::MAX) {
            return None;
        }
        let mut random = Rng::with_seed(seed);
        let (first, distance) = (random.u64(0..blocks), without_divisor(blocks, &mut random));
        let left = scene.stretches();
        let mut uses = Self {
            random,
            left,
            slots,
            blocks,
            first,
            distance,
            round: 0,
            start: 0,
            stride: 1,
            next: 0,
            index: 0,
        };
        uses.begin_round();
        Some(uses)
    }

    fn begin_round(&mut self) {
        let Some((stretch, _)) = self.left.first() else { return };
        let count = stretch.blocks(self.slots);
        self.next = 0;
        self.start = self.random.u64(0..count.max(1));
        self.stride = without_divisor(count, &mut self.random);
    }
}

impl Iterator for Uses {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        loop {
            let ((stretch, flush), later) = self.left.split_first()?;
            let count = stretch.blocks(self.slots);
            if self.next < count {
                let place = (self.start + self.next * self.stride) % count;
                let number = stretch.first * self.slots / PARTS + place;
                let block = (self.first + number * self.distance) % self.blocks;
                let index = self.index;
                self.next += 1;
                self.index += 1;
                let sector = block * SECTORS_PER_BLOCK + u64::from(index) % SECTORS_PER_BLOCK;
                return Some(match stretch.writes {
                    true => Step::Write { block, index, sector },
                    false => Step::Read { block },
                });
            }
            self.round += 1;
            if self.round < stretch.rounds {
                self.begin_round();
                continue;
            }
            self.round = 0;
            self.left = later;
            self.begin_round();
            if *flush {
                return Some(Step::Flush);
            }
        }
    }
}

/// A number below `count` that has no divisor in common with it: its multiples reach every number below `count` once.
fn without_divisor(count: u64, random: &mut Rng) -> u64 {
    let mut draws = core::iter::repeat_with(|| random.u64(0..count.max(1))).take(DRAWS);
    draws.find(|number| divisor(*number, count) == 1).unwrap_or(1)
}

/// The greatest common divisor.
fn divisor(a: u64, b: u64) -> u64 {
    let (mut a, mut b) = (a, b);
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::{collections::BTreeSet, vec::Vec};

    use super::*;

    const SLOTS: u64 = 64;
    const BLOCKS: u64 = 1000;

    fn steps(scene: Scene, seed: u64) -> Vec<Step> {
        Uses::new(scene, seed, SLOTS, BLOCKS).into_iter().flatten().collect()
    }

    #[test]
    fn a_round_uses_each_block_of_its_set_once() {
        let steps = steps(Scene::Shift, 7);
        let half = SLOTS as usize / 2;
        let (first, second) = (&steps[..half], &steps[half..2 * half]);
        let set = |steps: &[Step]| {
            let block = |step: &Step| match step {
                Step::Read { block } | Step::Write { block, .. } => Some(*block),
                Step::Flush => None,
            };
            steps.iter().filter_map(block).collect::<BTreeSet<u64>>()
        };
        assert_eq!(set(first).len(), half);
        assert_eq!(set(first), set(second));
        assert_ne!(first, second);
        assert_eq!(steps[20 * half], Step::Flush);
        assert!(set(&steps).iter().all(|block| *block < BLOCKS));
    }

    #[test]
    fn a_seed_decides_and_the_last_step_is_a_flush() {
        for (name, scene) in Scene::ALL {
            assert_eq!(scene.name(), name);
            assert_eq!(steps(scene, 1), steps(scene, 1));
            assert_ne!(steps(scene, 1), steps(scene, 2));
            assert_eq!(steps(scene, 1).last(), Some(&Step::Flush));
        }
        let writes =
            |step: &Step| matches!(step, Step::Write { sector, block, .. } if sector / 8 == *block);
        assert_eq!(steps(Scene::Dirty, 3).into_iter().filter(writes).count(), 8 * 2 + 8 + 128 * 2);
    }

    #[test]
    fn there_is_no_plan_without_room() {
        assert!(Uses::new(Scene::Scan, 1, 0, 1000).is_none());
        assert!(Uses::new(Scene::Scan, 1, 12, 1000).is_none());
        assert!(Uses::new(Scene::Scan, 1, 64, 511).is_none());
        assert!(Uses::new(Scene::Scan, 1, 64, 512).is_some());
    }
}
