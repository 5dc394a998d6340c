//! Writes: of which blocks, when, and in which order.

use ostd::prelude::ktest;

use super::*;

#[ktest]
fn writes_stay_in_memory_until_a_flush_and_neighbours_go_together() {
    let (disk, cache) = rig(200, CacheOptions { blocks: 200, dirty_blocks: 100 });
    for block in [12, 30, 10, 11, 199, 0] {
        fill(&cache, block, block as u8).unwrap();
    }
    (100..140).for_each(|block| fill(&cache, block, 1).unwrap());
    assert_eq!((disk.asked(), cache.statistics().dirty), (vec![], 46));
    assert_eq!(read(&cache, 30).unwrap(), [30; BLOCK_SIZE]);
    cache.flush().unwrap();
    let expected = [
        writes(0, 1),
        writes(10, 3),
        writes(30, 1),
        writes(100, 32),
        writes(132, 8),
        writes(199, 1),
    ];
    assert_eq!(disk.asked(), [&expected[..], &[FLUSH]].concat());
    assert_eq!(disk.durable(11 * 4096, 4096), [11; BLOCK_SIZE]);
    assert_eq!(disk.durable(139 * 4096, 4096), [1; BLOCK_SIZE]);
    let count = cache.statistics();
    assert_eq!(
        (count.dirty, count.write_requests, count.blocks_written, count.flushes),
        (0, 6, 46, 1)
    );
    // Nothing is dirty: the flush goes down all the same.
    cache.flush().unwrap();
    assert_eq!(disk.asked(), [FLUSH]);
}

#[ktest]
fn a_part_of_a_block_is_written_into_what_the_disk_has() {
    let (disk, cache) = rig(16, SMALL);
    cache.write(3, 1000, &[9; 24]).unwrap();
    cache.write(3, 1020, &[8; 8]).unwrap();
    let mut expected = content(3);
    expected[1000..1020].fill(9);
    expected[1020..1028].fill(8);
    assert_eq!(read(&cache, 3).unwrap(), expected);
    cache.flush().unwrap();
    assert_eq!(disk.asked(), [reads(3, 1), writes(3, 1), FLUSH]);
    assert_eq!(disk.durable(3 * 4096, 4096), expected);
}

#[ktest]
fn dirty_blocks_survive_the_want_of_room() {
    let (disk, cache) = rig(200, CacheOptions { blocks: 8, dirty_blocks: 4 });
    (0..50).for_each(|block| fill(&cache, block, block as u8 + 1).unwrap());
    for block in 0..200 {
        let expected = if block < 50 { vec![block as u8 + 1; BLOCK_SIZE] } else { content(block) };
        assert_eq!(read(&cache, block).unwrap(), expected, "block {block}");
    }
    cache.flush().unwrap();
    (0..50).for_each(|block| assert_eq!(disk.durable(block * 4096, 1), [block as u8 + 1]));
    assert!(cache.statistics().cached <= 8);
}

#[ktest]
fn no_more_blocks_than_allowed_are_dirty() {
    let (disk, cache) = rig(64, CacheOptions { blocks: 32, dirty_blocks: 8 });
    disk.hold();
    let other = cache.clone();
    let writer = start(move || (0..30).for_each(|block| fill(&other, block, 7).unwrap()));
    writer.must_wait();
    let written = |disk: &TestDisk| disk.asked().iter().map(|asked| asked.2 / 8).sum::<u64>();
    // Half of them are on their way, and the writer waits.
    let in_the_air = written(&disk);
    assert!((4..=8).contains(&in_the_air) && cache.statistics().dirty == 8);
    while !writer.has_ended() {
        disk.release_one(0);
        let_others_run();
        assert!(cache.statistics().dirty <= 8);
    }
    assert!(in_the_air + written(&disk) >= 22);
    disk.release();
    writer.end();
    cache.flush().unwrap();
    (0..30).for_each(|block| assert_eq!(disk.durable(block * 4096, 1), [7]));
}

#[ktest]
fn a_flush_follows_the_answers_to_all_writes_before() {
    let (disk, cache) = rig(64, SMALL);
    // Some are on their way already, for want of room.
    disk.hold();
    for block in [1, 3, 5, 7, 9, 11, 13, 15] {
        fill(&cache, block, 7).unwrap();
    }
    assert_eq!(disk.asked(), [writes(1, 1)]);
    let other = cache.clone();
    let flush = start(move || other.flush());
    flush.must_wait();
    assert_eq!(disk.waiting_requests(), 8);
    assert!(!disk.asked().contains(&FLUSH));
    // In any order; the one that was under way before is the last.
    for left in (1..8).rev() {
        assert!(disk.release_one(left));
        flush.must_wait();
        assert!(!disk.asked().contains(&FLUSH), "{left} writes are not done");
    }
    assert!(disk.release_one(0));
    flush.must_wait();
    assert_eq!((disk.asked(), disk.durable(4096, 1)), (vec![FLUSH], vec![content(1)[0]]));
    disk.release();
    flush.end().unwrap();
    assert_eq!((disk.durable(4096, 1), disk.durable(15 * 4096, 1)), (vec![7], vec![7]));
}

#[ktest]
fn a_block_can_be_used_while_it_is_written() {
    let (disk, cache) = rig(64, SMALL);
    fill(&cache, 5, 1).unwrap();
    disk.hold();
    let other = cache.clone();
    let first = start(move || other.flush());
    first.must_wait();
    assert_eq!(disk.asked(), [writes(5, 1)]);
    assert_eq!(read(&cache, 5).unwrap(), [1; BLOCK_SIZE]);
    fill(&cache, 5, 2).unwrap();
    let other = cache.clone();
    let second = start(move || other.flush());
    second.must_wait();
    // Two writes of one block could overtake each other.
    assert_eq!(disk.asked(), []);
    disk.release_one(0);
    first.must_wait();
    assert_eq!((disk.asked(), disk.on_disk(5 * 4096, 1)), (vec![FLUSH], vec![1]));
    disk.release();
    assert_eq!((first.end(), second.end()), (Ok(()), Ok(())));
    assert_eq!(disk.asked(), [writes(5, 1), FLUSH]);
    assert_eq!(disk.durable(5 * 4096, 1), [2]);
}

#[ktest]
fn the_early_write_back_of_a_changing_block_waits_for_the_one_before() {
    let (disk, cache) = rig(64, CacheOptions { blocks: 8, dirty_blocks: 2 });
    disk.hold();
    for byte in 1..20 {
        fill(&cache, 5, byte).unwrap();
        assert_eq!(disk.waiting_requests(), 1);
    }
    disk.release();
    cache.flush().unwrap();
    assert_eq!(disk.durable(5 * 4096, 1), [19]);
}

#[ktest]
fn a_flush_ends_although_others_go_on_writing() {
    let (_, cache) = rig(64, SMALL);
    let stop = Arc::new(AtomicBool::new(false));
    let (other, stopped) = (cache.clone(), stop.clone());
    let writer = start(move || {
        let mut block = 0;
        while !stopped.load(Ordering::Relaxed) {
            block = (block + 1) % 64;
            fill(&other, block, 3).unwrap();
            Task::yield_now();
        }
    });
    for _ in 0..50 {
        cache.flush().unwrap();
        Task::yield_now();
    }
    stop.store(true, Ordering::Relaxed);
    writer.end();
}

#[ktest]
fn a_forgotten_block_is_neither_kept_nor_written() {
    let (disk, cache) = rig(64, SMALL);
    read(&cache, 4).unwrap();
    fill(&cache, 5, 1).unwrap();
    (4..7).for_each(|block| cache.forget(block));
    assert_eq!((cache.statistics().cached, cache.statistics().dirty), (0, 0));
    disk.asked();
    cache.flush().unwrap();
    assert_eq!(disk.asked(), [FLUSH]);
    assert_eq!(read(&cache, 5).unwrap(), content(5));
    // One that is on its way stays.
    fill(&cache, 5, 2).unwrap();
    disk.hold();
    let other = cache.clone();
    let flush = start(move || other.flush());
    flush.must_wait();
    cache.forget(5);
    disk.release();
    flush.end().unwrap();
    assert_eq!(read(&cache, 5).unwrap(), [2; BLOCK_SIZE]);
}

#[ktest]
fn limits_that_do_not_go_together_are_corrected() {
    let (disk, cache) = rig(64, CacheOptions { blocks: 0, dirty_blocks: 1000 });
    (0..20).for_each(|block| fill(&cache, block, 1).unwrap());
    for block in 0..40 {
        let expected = if block < 20 { vec![1; BLOCK_SIZE] } else { content(block) };
        assert_eq!(read(&cache, block).unwrap(), expected);
    }
    assert!(cache.statistics().cached <= 4 && cache.statistics().dirty <= 2);
    drop(disk);
    let (disk, cache) = rig(64, CacheOptions { blocks: 16, dirty_blocks: 0 });
    (0..20).for_each(|block| fill(&cache, block, 1).unwrap());
    cache.flush().unwrap();
    assert_eq!(disk.durable(19 * 4096, 1), [1]);
}
