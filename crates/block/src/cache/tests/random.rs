//! Random calls of several tasks, on a disk that answers late, in any order, and not always well.

use ostd::prelude::ktest;

use super::*;

/// Numbers that look random, and are the same in each run.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, end: u64) -> u64 {
        // Constants of Knuth's MMIX.
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// Uses blocks that nobody else does, and compares with what they must hold.
fn user(cache: &Cache, mut random: Random, blocks: Vec<u64>, steps: u32) -> Vec<(u64, Vec<u8>)> {
    let mut held: Vec<_> = blocks.iter().map(|block| (*block, content(*block))).collect();
    for _ in 0..steps {
        let which = random.below(blocks.len() as u64) as usize;
        let (block, expected) = &mut held[which];
        let offset = random.below(4096) as usize;
        let len = random.below((4096 - offset) as u64 + 1) as usize;
        match random.below(20) {
            0..=6 => {
                let byte = random.below(256) as u8;
                if cache.write(*block, offset, &vec![byte; len]).is_ok() {
                    expected[offset..offset + len].fill(byte);
                }
            }
            7..=8 => {
                let byte = random.below(256) as u8;
                if fill(cache, *block, byte).is_ok() {
                    expected.fill(byte);
                }
            }
            9..=15 => {
                let mut data = vec![0; len];
                if cache.read(*block, offset, &mut data).is_ok() {
                    assert_eq!(data, expected[offset..offset + len], "block {block}");
                }
            }
            16 => cache.prefetch(*block, random.below(40)),
            17 => {
                let first = *block;
                for block in first..first + 8 {
                    let _ = cache.read(block, 0, &mut [0; 8]);
                }
            }
            18 => {
                let _ = cache.view(*block, &mut |seen| assert_eq!(seen, expected));
            }
            _ => {
                if cache.flush().is_ok() && random.below(4) == 0 {
                    Task::yield_now();
                }
            }
        }
    }
    held
}

fn run(options: CacheOptions, tasks: u64, fails: bool) {
    const BLOCKS: u64 = 90;
    let (disk, cache) = rig(BLOCKS, options);
    disk.hold();
    let jobs: Vec<_> = (0..tasks)
        .map(|task| {
            let (cache, blocks) = (cache.clone(), (task..BLOCKS - 8).step_by(tasks as usize));
            let blocks = blocks.collect();
            start(move || user(&cache, Random(task), blocks, 600))
        })
        .collect();
    let mut random = Random(99);
    while !jobs.iter().all(Job::has_ended) {
        // The device: late, in any order, sometimes failing.
        if random.below(3) > 0 {
            disk.release_one(random.below(1000) as usize);
        }
        if fails && random.below(30) == 0 {
            let operations = [Operation::Read, Operation::Write, Operation::Flush];
            let first = random.below(BLOCKS * 8);
            disk.break_sectors(operations[random.below(3) as usize], first..first + 20);
        }
        if random.below(60) == 0 {
            disk.heal();
        }
        Task::yield_now();
        let count = cache.statistics();
        assert!(count.cached <= options.blocks.max(4) as u64);
    }
    disk.heal();
    disk.release();
    let held: Vec<_> = jobs.into_iter().flat_map(Job::end).collect();
    // A failure that nobody has seen may be told once more, and for ever that of a flush that has cost blocks.
    let _ = cache.flush();
    assert!(cache.flush().is_ok() || fails);
    for (block, expected) in held {
        assert_eq!(disk.durable(block as usize * 4096, 4096), expected, "block {block}");
    }
    assert_eq!(cache.statistics().dirty, 0);
}

#[ktest]
fn one_task_finds_what_it_wrote() {
    run(CacheOptions { blocks: 16, dirty_blocks: 6 }, 1, false);
}

#[ktest]
fn many_tasks_find_what_they_wrote() {
    run(CacheOptions { blocks: 48, dirty_blocks: 16 }, 8, false);
}

#[ktest]
fn more_tasks_than_slots_find_what_they_wrote() {
    run(CacheOptions { blocks: 4, dirty_blocks: 2 }, 9, false);
}

#[ktest]
fn on_a_failing_disk_many_tasks_find_what_was_taken() {
    run(CacheOptions { blocks: 24, dirty_blocks: 12 }, 6, true);
}
