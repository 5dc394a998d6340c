//! Reads: of which blocks, when, and how often.

use ostd::prelude::ktest;

use super::*;

#[ktest]
fn a_block_is_read_from_the_disk_once() {
    let (disk, cache) = rig(16, SMALL);
    assert_eq!(read(&cache, 3).unwrap(), content(3));
    assert_eq!(disk.asked(), [reads(3, 1)]);
    assert_eq!(read(&cache, 3).unwrap(), content(3));
    let mut part = [0; 10];
    cache.read(3, 4090, &mut part[..6]).unwrap();
    assert_eq!((&part[..6], &part[6..]), (&content(3)[4090..], &[0; 4][..]));
    let mut seen = vec![];
    cache.view(3, &mut |block| seen.extend_from_slice(block)).unwrap();
    assert_eq!(seen, content(3));
    assert_eq!(disk.asked(), []);
    let count = cache.statistics();
    assert_eq!((count.hits, count.misses, count.blocks_read, count.cached), (3, 1, 1, 1));
}

#[ktest]
fn a_run_is_read_across_blocks_cached_or_not() {
    let (disk, cache) = rig(16, SMALL);
    let all: Vec<u8> = (0..16).flat_map(content).collect();
    for cached in [4, 5, 8] {
        read(&cache, cached).unwrap();
    }
    disk.asked();
    let mut data = vec![0; 6 * BLOCK_SIZE];
    cache.read_run(3, 100, &mut data).unwrap();
    assert!(data == all[3 * BLOCK_SIZE + 100..][..data.len()]);
    assert_eq!(disk.asked(), [reads(3, 1), reads(6, 1), reads(7, 1), reads(9, 1)]);
    let count = cache.statistics();
    assert_eq!((count.hits, count.misses), (3, 3 + 4));
    // All of them are free to go.
    for block in 0..16 {
        cache.forget(block);
    }
    assert_eq!(cache.statistics().cached, 0);
    cache.read_run(3, 0, &mut []).unwrap();
    assert_eq!(disk.asked(), []);
}

#[ktest]
fn a_run_ends_where_a_block_cannot_be_read() {
    let (disk, cache) = rig(16, SMALL);
    let end = Error::OutOfRange { sector: 128, sectors: 8, capacity: 128 };
    let mut data = vec![0; 3 * BLOCK_SIZE];
    assert_eq!(cache.read_run(14, 0, &mut data), Err(end));
    assert!(data[..BLOCK_SIZE] == content(14) && data[BLOCK_SIZE..2 * BLOCK_SIZE] == content(15));
    assert!(data[2 * BLOCK_SIZE..].iter().all(|byte| *byte == 0));
    for (first, offset) in [(16, 0), (u64::MAX, 0), (0, BLOCK_SIZE + 1), (0, usize::MAX)] {
        assert!(cache.read_run(first, offset, &mut data).is_err());
    }
    disk.break_sectors(Operation::Read, 8..9);
    assert_eq!(cache.read_run(0, 0, &mut data), Err(Error::Io));
    assert!(data[..BLOCK_SIZE] == content(0));
    disk.heal();
    cache.read_run(0, 0, &mut data).unwrap();
    assert!(data[BLOCK_SIZE..2 * BLOCK_SIZE] == content(1));
}

#[ktest]
fn what_is_beyond_the_end_is_refused() {
    let (disk, cache) = rig(16, SMALL);
    let beyond = |block| Error::OutOfRange { sector: block, sectors: 8, capacity: 128 };
    let mut seen = false;
    assert_eq!(read(&cache, 16), Err(beyond(128)));
    assert_eq!(cache.view(u64::MAX, &mut |_| seen = true), Err(beyond(u64::MAX)));
    assert_eq!(cache.write(16, 0, &[1]), Err(beyond(128)));
    for (offset, len) in [(4096, 1), (4095, 2), (usize::MAX, 2)] {
        assert_eq!(cache.read(0, offset, &mut vec![0; len]), Err(Error::BufferRange));
        assert_eq!(cache.write(0, offset, &vec![0; len]), Err(Error::BufferRange));
    }
    cache.prefetch(16, u64::MAX);
    cache.prefetch(u64::MAX, u64::MAX);
    cache.forget(u64::MAX);
    assert!(!seen && disk.asked().is_empty());
}

#[ktest]
fn the_least_recently_used_block_gives_way() {
    let (disk, cache) = rig(16, CacheOptions { blocks: 4, ..SMALL });
    for block in [0, 1, 2, 3, 0, 4] {
        assert_eq!(read(&cache, block).unwrap(), content(block));
    }
    disk.asked();
    for block in [0, 2, 3, 4] {
        assert_eq!(read(&cache, block).unwrap(), content(block));
    }
    assert_eq!(disk.asked(), []);
    assert_eq!(read(&cache, 1).unwrap(), content(1));
    assert_eq!((disk.asked(), cache.statistics().evictions), (vec![reads(1, 1)], 2));
    assert_eq!(cache.statistics().cached, 4);
}

#[ktest]
fn of_two_who_want_a_block_one_reads_it() {
    let (disk, cache) = rig(16, SMALL);
    disk.hold();
    let jobs = [0; 3].map(|_| {
        let cache = cache.clone();
        start(move || read(&cache, 5).unwrap())
    });
    jobs.iter().for_each(Job::must_wait);
    assert_eq!((disk.asked(), disk.waiting_requests()), (vec![reads(5, 1)], 1));
    disk.release();
    for job in jobs {
        assert_eq!(job.end(), content(5));
    }
    assert_eq!(disk.asked(), []);
}

#[ktest]
fn who_waits_for_the_disk_is_in_nobodys_way() {
    let (disk, cache) = rig(16, SMALL);
    read(&cache, 1).unwrap();
    disk.hold();
    let other = cache.clone();
    let waits = start(move || read(&other, 2).unwrap());
    waits.must_wait();
    assert_eq!(read(&cache, 1).unwrap(), content(1));
    fill(&cache, 1, 7).unwrap();
    fill(&cache, 3, 7).unwrap();
    cache.forget(3);
    assert!(!waits.has_ended());
    disk.release();
    assert_eq!(waits.end(), content(2));
}

#[ktest]
fn prefetch_has_long_requests_in_flight_at_once_and_waits_for_none() {
    let (disk, cache) = rig(128, CacheOptions { blocks: 512, ..SMALL });
    read(&cache, 10).unwrap();
    disk.asked();
    disk.hold();
    cache.prefetch(2, 70);
    assert_eq!(disk.asked(), [reads(2, 8), reads(11, 32), reads(43, 29)]);
    assert_eq!(disk.waiting_requests(), 3);
    // Nothing is asked for twice.
    cache.prefetch(0, 72);
    assert_eq!(disk.asked(), [reads(0, 2)]);
    let other = cache.clone();
    let waits = start(move || read(&other, 43).unwrap());
    waits.must_wait();
    assert!(disk.release_one(2));
    assert_eq!(waits.end(), content(43));
    disk.release();
    for block in 0..72 {
        assert_eq!(read(&cache, block).unwrap(), content(block));
    }
    assert_eq!((disk.asked(), cache.statistics().read_ahead), (vec![], 71));
}

#[ktest]
fn reading_ahead_ends_where_the_disk_does() {
    // The last one of 16 blocks is a short one.
    let disk = TestDisk::new(15 * 8 + 4, 512);
    let cache = Cache::new(disk.clone(), SMALL).unwrap();
    cache.prefetch(14, u64::MAX);
    cache.prefetch(16, 4);
    assert_eq!(disk.asked(), [(Operation::Read, 14 * 8, 12)]);
    // No slot is taken for what is not there.
    let count = cache.statistics();
    assert_eq!((count.read_ahead, count.cached), (2, 2));
}

#[ktest]
fn a_file_that_is_read_ahead_once_drives_out_nothing_that_is_used_often() {
    let (disk, cache) = rig(500, SMALL);
    for _ in 0..2 {
        (0..20).for_each(|block| assert_eq!(read(&cache, block).unwrap(), content(block)));
    }
    for first in (100..400).step_by(10) {
        cache.prefetch(first, 10);
        (first..first + 10)
            .for_each(|block| assert_eq!(read(&cache, block).unwrap(), content(block)));
    }
    disk.asked();
    (0..20).for_each(|block| assert_eq!(read(&cache, block).unwrap(), content(block)));
    assert_eq!(disk.asked(), []);
}

#[ktest]
fn a_run_is_read_in_few_pieces() {
    let (disk, cache) = rig(200, CacheOptions { blocks: 128, ..SMALL });
    read(&cache, 199).unwrap();
    disk.asked();
    // The second time, the blocks take the places of others.
    for first in [0, 96] {
        cache.prefetch(first, 96);
        let longest = *disk.pieces().iter().max().unwrap();
        assert_eq!((disk.pieces().len(), longest), (3, 2), "{:?}", disk.pieces());
        for block in first..first + 96 {
            assert_eq!(read(&cache, block).unwrap(), content(block));
        }
        disk.asked();
    }
}

#[ktest]
fn a_full_disk_ends_reading_ahead_and_makes_others_wait() {
    let (disk, cache) = rig(64, CacheOptions { blocks: 512, ..SMALL });
    disk.hold();
    disk.limit_room(1);
    cache.prefetch(0, 64);
    assert_eq!((disk.asked(), cache.statistics().cached), (vec![reads(0, 32)], 32));
    let jobs = [40, 41].map(|block| {
        let cache = cache.clone();
        start(move || assert_eq!(read(&cache, block).unwrap(), content(block)))
    });
    jobs.iter().for_each(Job::must_wait);
    while !jobs.iter().all(Job::has_ended) {
        disk.release_one(0);
        Task::yield_now();
    }
    for job in jobs {
        job.end();
    }
    assert_eq!(disk.asked().len(), 2);
}

#[ktest]
fn what_was_read_ahead_for_nobody_does_not_block_the_cache() {
    let (disk, cache) = rig(4000, SMALL);
    disk.hold();
    // Half of the slots are left to others.
    cache.prefetch(0, 4000);
    assert_eq!(disk.asked(), [reads(0, 16), reads(16, 16)]);
    let other = cache.clone();
    let waits = start(move || read(&other, 3999).unwrap());
    waits.must_wait();
    disk.release();
    assert_eq!(waits.end(), content(3999));
    for first in (0..4000).step_by(50) {
        cache.prefetch(first, 16);
    }
    assert_eq!(read(&cache, 1).unwrap(), content(1));
}

#[ktest]
fn the_last_block_may_be_short() {
    // One block and a half, of disks whose blocks are 512 and 2048 bytes.
    for block_size in [512, 2048] {
        let disk = TestDisk::new(12, block_size);
        let cache = Cache::new(disk.clone(), SMALL).unwrap();
        assert_eq!(cache.capacity(), 6144);
        // The slot has been used before, so that it would show what is left in it.
        fill(&cache, 1, 0).unwrap();
        cache.forget(1);
        let mut expected = content(1);
        expected[2048..].fill(0);
        assert_eq!(read(&cache, 1).unwrap(), expected);
        assert_eq!(disk.asked(), [(Operation::Read, 8, 4)]);
        let beyond = Error::OutOfRange { sector: 8, sectors: 8, capacity: 12 };
        assert_eq!(cache.write(1, 2047, &[1, 1]), Err(beyond));
        assert_eq!(read(&cache, 1).unwrap(), expected);
        cache.write(1, 2046, &[1, 2, 0, 0]).unwrap();
        expected[2046..2048].copy_from_slice(&[1, 2]);
        assert_eq!(read(&cache, 1).unwrap(), expected);
        fill(&cache, 0, 9).unwrap();
        cache.flush().unwrap();
        assert_eq!(disk.asked(), [(Operation::Write, 0, 12), FLUSH]);
        assert_eq!(disk.durable(4096, 2048), expected[..2048]);
        let mut last = [0; BLOCK_SIZE];
        last[..2048].fill(5);
        cache.write(1, 0, &last).unwrap();
        cache.flush().unwrap();
        assert_eq!(disk.durable(4096, 2048), [5; 2048]);
    }
}

#[ktest]
fn disks_with_large_blocks_are_used_by_whole_blocks() {
    // The last sectors of such a disk are no block of it.
    let disk = TestDisk::new(85, 4096);
    let cache = Cache::new(disk.clone(), SMALL).unwrap();
    assert_eq!(cache.capacity(), 80 * 512);
    assert_eq!(read(&cache, 9).unwrap(), content(9));
    assert!(read(&cache, 10).is_err());
    cache.write(9, 100, &[7; 3]).unwrap();
    cache.flush().unwrap();
    assert_eq!(disk.asked(), [reads(9, 1), writes(9, 1), FLUSH]);
    assert_eq!(disk.durable(9 * 4096 + 99, 5), [content(9)[99], 7, 7, 7, content(9)[103]]);
    let disk = TestDisk::new(85, 8192);
    let refused = Cache::new(disk, SMALL).err();
    assert_eq!(refused, Some(Error::Misaligned { block_size: 8192 }));
    let empty = Cache::new(TestDisk::new(0, 512), SMALL).unwrap();
    assert!(read(&empty, 0).is_err());
}
