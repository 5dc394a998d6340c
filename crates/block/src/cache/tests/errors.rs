//! A disk that fails.

use ostd::prelude::ktest;

use super::*;

const EVERYTHING: core::ops::Range<u64> = 0..u64::MAX;

#[ktest]
fn a_failed_read_is_told_to_all_who_wait_and_costs_no_slot() {
    let (disk, cache) = rig(64, CacheOptions { blocks: 4, ..SMALL });
    disk.break_sectors(Operation::Read, 8..9);
    for _ in 0..20 {
        assert_eq!(read(&cache, 1), Err(Error::Io));
        assert_eq!(cache.write(1, 1, &[1]), Err(Error::Io));
    }
    disk.hold();
    let jobs = [0; 3].map(|_| {
        let cache = cache.clone();
        start(move || read(&cache, 1))
    });
    jobs.iter().for_each(Job::must_wait);
    disk.release();
    assert!(jobs.into_iter().all(|job| job.end() == Err(Error::Io)));
    let count = cache.statistics();
    assert_eq!((count.cached, count.dirty, count.evictions), (0, 0, 0));
    for block in [0, 2, 3, 4] {
        assert_eq!(read(&cache, block).unwrap(), content(block));
    }
    assert_eq!(cache.statistics().cached, 4);
    disk.heal();
    assert_eq!(read(&cache, 1).unwrap(), content(1));
    // Who writes all of a block does not read it.
    disk.break_sectors(Operation::Read, EVERYTHING);
    fill(&cache, 9, 1).unwrap();
    assert_eq!(read(&cache, 9).unwrap(), [1; BLOCK_SIZE]);
}

#[ktest]
fn a_bad_block_does_not_spoil_those_that_are_read_with_it() {
    let (disk, cache) = rig(64, SMALL);
    disk.break_sectors(Operation::Read, 8 * 8..8 * 8 + 1);
    disk.hold();
    cache.prefetch(0, 16);
    let other = cache.clone();
    let waits = start(move || read(&other, 7));
    waits.must_wait();
    disk.release();
    assert_eq!(waits.end(), Ok(content(7)));
    for block in 0..16 {
        let expected = if block == 8 { Err(Error::Io) } else { Ok(content(block)) };
        assert_eq!(read(&cache, block), expected);
    }
}

#[ktest]
fn a_block_that_cannot_be_written_stays_dirty_and_each_flush_says_so() {
    let (disk, cache) = rig(64, SMALL);
    for block in [1, 2, 3, 9] {
        fill(&cache, block, 7).unwrap();
    }
    disk.break_sectors(Operation::Write, 2 * 8..3 * 8);
    for _ in 0..3 {
        assert_eq!(cache.flush(), Err(Error::Io));
        assert_eq!(read(&cache, 2).unwrap(), [7; BLOCK_SIZE]);
        // The others are safe.
        assert_eq!(disk.durable(9 * 4096, 1), [7]);
    }
    assert_eq!(cache.statistics().dirty, 3);
    disk.heal();
    assert_eq!((cache.flush(), cache.statistics().dirty), (Ok(()), 0));
    assert_eq!(disk.durable(2 * 4096, 1), [7]);
    assert_eq!(cache.flush(), Ok(()));
}

#[ktest]
fn a_failure_that_nobody_saw_is_told_by_the_next_flush_once() {
    let (disk, cache) = rig(64, SMALL);
    disk.break_sectors(Operation::Write, EVERYTHING);
    // Enough of them to begin with writing back.
    for block in (0..20).step_by(2) {
        fill(&cache, block, 7).unwrap();
    }
    disk.heal();
    assert_eq!(cache.flush(), Err(Error::Io));
    assert_eq!((cache.flush(), cache.statistics().dirty), (Ok(()), 0));
    (0..20).step_by(2).for_each(|block| assert_eq!(disk.durable(block * 4096, 1), [7]));
}

#[ktest]
fn who_writes_is_told_when_nothing_can_be_written_any_more() {
    let (disk, cache) = rig(64, CacheOptions { blocks: 32, dirty_blocks: 8 });
    disk.break_sectors(Operation::Write, EVERYTHING);
    let taken = (0..20).take_while(|block| fill(&cache, block * 2, 7).is_ok()).count();
    assert_eq!((taken, cache.statistics().dirty), (8, 8));
    disk.asked();
    assert_eq!(fill(&cache, 40, 7), Err(Error::Io));
    // Bounded, and not given up at the first.
    assert_eq!(disk.asked().len(), 8);
    assert_eq!(read(&cache, 40).unwrap(), content(40));
    // What is dirty may still be changed, and everything may be read.
    fill(&cache, 0, 8).unwrap();
    assert_eq!(read(&cache, 0).unwrap(), [8; BLOCK_SIZE]);
    (0..64).for_each(|block| assert!(read(&cache, block).is_ok()));
    assert_eq!(cache.flush(), Err(Error::Io));
    disk.heal();
    assert_eq!(cache.flush(), Ok(()));
    assert_eq!((disk.durable(0, 1), disk.durable(14 * 4096, 1)), (vec![8], vec![7]));
}

#[ktest]
fn one_bad_block_does_not_stop_those_who_write_others() {
    let (disk, cache) = rig(64, CacheOptions { blocks: 32, dirty_blocks: 8 });
    disk.break_sectors(Operation::Write, 20 * 8..21 * 8);
    for round in 0..5 {
        (0..64).step_by(2).for_each(|block| fill(&cache, block, round).unwrap());
    }
    assert_eq!(cache.flush(), Err(Error::Io));
    for block in (0..64).step_by(2).filter(|block| *block != 20) {
        assert_eq!(disk.durable(block * 4096, 1), [4]);
    }
}

#[ktest]
fn after_a_failed_flush_everything_since_the_last_one_is_written_again() {
    let (disk, cache) = rig(64, SMALL);
    fill(&cache, 1, 7).unwrap();
    cache.flush().unwrap();
    read(&cache, 2).unwrap();
    fill(&cache, 3, 7).unwrap();
    fill(&cache, 4, 7).unwrap();
    disk.asked();
    disk.break_sectors(Operation::Flush, EVERYTHING);
    for _ in 0..3 {
        assert_eq!(cache.flush(), Err(Error::Io));
        assert_eq!(disk.asked(), [writes(3, 2), FLUSH]);
    }
    disk.heal();
    cache.flush().unwrap();
    assert_eq!(disk.asked(), [writes(3, 2), FLUSH]);
    cache.flush().unwrap();
    assert_eq!(disk.asked(), [FLUSH]);
}

#[ktest]
fn a_failed_flush_is_not_forgotten_for_blocks_that_have_given_way() {
    let (disk, cache) = rig(64, SMALL);
    (0..60).for_each(|block| fill(&cache, block, 7).unwrap());
    disk.break_sectors(Operation::Flush, EVERYTHING);
    assert_eq!(cache.flush(), Err(Error::Io));
    disk.heal();
    // The disk may have lost what can be written no more.
    (0..3).for_each(|_| assert_eq!(cache.flush(), Err(Error::Io)));

    // Blocks that were safe before they gave way are not lost.
    let (disk, cache) = rig(64, SMALL);
    (0..60).for_each(|block| fill(&cache, block, 7).unwrap());
    cache.flush().unwrap();
    (0..60).for_each(|block| assert_eq!(read(&cache, block).unwrap(), [7; BLOCK_SIZE]));
    disk.break_sectors(Operation::Flush, EVERYTHING);
    assert_eq!(cache.flush(), Err(Error::Io));
    disk.heal();
    cache.flush().unwrap();
}

#[ktest]
fn a_disk_that_knows_no_flush_keeps_nothing_back() {
    let (disk, cache) = rig(64, SMALL);
    disk.break_sectors(Operation::Flush, EVERYTHING);
    disk.fail_with(Error::Unsupported);
    fill(&cache, 1, 7).unwrap();
    assert_eq!((cache.flush(), cache.statistics().dirty), (Ok(()), 0));
    assert_eq!(disk.on_disk(4096, 1), [7]);
}

#[ktest]
fn memory_that_the_device_keeps_is_replaced_and_no_change_is_lost_with_it() {
    let (disk, cache) = rig(64, CacheOptions { blocks: 8, dirty_blocks: 4 });
    fill(&cache, 30, 7).unwrap();
    disk.keep_failed();
    disk.break_sectors(Operation::Read, EVERYTHING);
    disk.break_sectors(Operation::Write, EVERYTHING);
    for block in 0..30 {
        assert_eq!(read(&cache, block), Err(Error::Io));
        cache.prefetch(block, 5);
    }
    (0..10).for_each(|_| assert_eq!(cache.flush(), Err(Error::Io)));
    disk.heal();
    (0..30).for_each(|block| assert_eq!(read(&cache, block).unwrap(), content(block)));
    assert_eq!(read(&cache, 30).unwrap(), [7; BLOCK_SIZE]);
    cache.flush().unwrap();
    assert_eq!(disk.durable(30 * 4096, 4096), [7; BLOCK_SIZE]);
}

#[ktest]
fn a_read_only_disk_is_read() {
    let disk = TestDisk::read_only(64);
    let cache = Cache::new(disk.clone(), SMALL).unwrap();
    assert!(cache.read_only());
    assert_eq!(read(&cache, 1).unwrap(), content(1));
    assert_eq!(fill(&cache, 1, 7), Err(Error::ReadOnly));
    assert_eq!(cache.write(2, 0, &[1]), Err(Error::ReadOnly));
    assert_eq!(read(&cache, 1).unwrap(), content(1));
    cache.flush().unwrap();
    assert_eq!(disk.asked(), [reads(1, 1), FLUSH]);
}
