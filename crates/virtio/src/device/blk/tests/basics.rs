//! The requests that a disk is sent by the calls that wait, and their effect on its sectors.

use super::*;

#[ktest]
fn blocks_are_written_and_read() {
    everywhere(|disk, driver| {
        let before = disk.sectors(4, 1);
        driver.write_block(3, &pattern(1, 1)).unwrap();
        assert_eq!(disk.sectors(3, 1), pattern(1, 1));
        assert_eq!(disk.sectors(4, 1), before);
        driver.write_block(10, &pattern(5, 2)).unwrap();
        let mut data = vec![0; 5 * SECTOR_SIZE];
        driver.read_block(10, &mut data).unwrap();
        assert_eq!(data, pattern(5, 2));
        driver.flush().unwrap();
        assert_eq!(disk.take_log(), [(1, 3), (1, 10), (0, 10), (4, 0)]);
    });
}

#[ktest]
fn what_cannot_be_is_refused_before_the_device_hears_of_it() {
    everywhere(|disk, driver| {
        let mut one = [0; SECTOR_SIZE];
        let past = |sector, sectors| Error::OutOfRange { sector, sectors, capacity: 64 };
        assert_eq!(driver.read_block(64, &mut one), Err(past(64, 1)));
        assert_eq!(driver.write_block(63, &[0; 1024]), Err(past(63, 2)));
        assert_eq!(driver.read_block(u64::MAX, &mut one), Err(past(u64::MAX, 1)));
        let misaligned = Err(Error::Misaligned { block_size: 512 });
        assert_eq!(driver.read_block(0, &mut one[..511]), misaligned);
        assert_eq!(driver.write_block(0, &[]), Err(Error::Empty));
        assert_eq!(driver.discard(0, 0), Err(Error::Empty));
        assert_eq!(driver.write_zeroes(60, 5), Err(past(60, 5)));
        assert_eq!(disk.take_log(), []);
        driver.read_block(63, &mut one).unwrap();
    });
}

#[ktest]
fn a_read_only_disk_is_not_written() {
    let disk = FakeDisk::new(Modern, all_disk_features() | BlkFeatures::BLK_RO.bits(), 64);
    let driver = disk.driver(&Options::default()).unwrap();
    disk.take_log();
    assert!(driver.info().geometry.read_only);
    assert_eq!(driver.write_block(0, &[0; 512]), Err(Error::ReadOnly));
    assert_eq!(driver.discard(0, 1), Err(Error::ReadOnly));
    assert_eq!(driver.write_zeroes(0, 1), Err(Error::ReadOnly));
    assert_eq!(disk.take_log(), []);
    driver.read_block(0, &mut [0; 512]).unwrap();
}

#[ktest]
fn larger_blocks_are_respected() {
    let disk = FakeDisk::new(Modern, all_disk_features(), 64);
    disk.transport.set_config(20, &2048u32.to_le_bytes());
    let driver = disk.driver(&Options::default()).unwrap();
    let misaligned = Err(Error::Misaligned { block_size: 2048 });
    assert_eq!(driver.read_block(0, &mut [0; 512]), misaligned);
    assert_eq!(driver.read_block(2, &mut [0; 2048]), misaligned);
    driver.read_block(4, &mut [0; 2048]).unwrap();
    // A buffer of half a block cannot be split off.
    let request =
        Request::new(Operation::Read, 0, vec![buffer(2, &[]), buffer(2, &[]), buffer(4, &[])]);
    let rejected = driver.submit(request, &CompletionQueue::new(1), IfFull::Fail).unwrap_err();
    assert_eq!(rejected.error, Error::Misaligned { block_size: 2048 });
    assert_eq!(rejected.request.buffers.len(), 3);
}

#[ktest]
fn discard_and_write_zeroes_are_split_at_the_limit() {
    everywhere(|disk, driver| {
        driver.write_zeroes(2, 20).unwrap();
        assert!(disk.sectors(2, 20).iter().all(|byte| *byte == 0));
        assert!(disk.sectors(1, 1).iter().any(|byte| *byte != 0));
        assert!(disk.sectors(22, 1).iter().any(|byte| *byte != 0));
        driver.discard(40, 9).unwrap();
        let types: Vec<_> = disk.take_log().into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(types, [13, 13, 13, 11, 11]);
    });
    // Each kind has a limit of its own.
    let disk = FakeDisk::new(Modern, all_disk_features(), 64);
    disk.transport.set_config(48, &5u32.to_le_bytes());
    let driver = disk.driver(&Options::default()).unwrap();
    disk.take_log();
    driver.discard(0, 16).unwrap();
    driver.write_zeroes(0, 16).unwrap();
    assert_eq!(disk.take_log(), [(11, 0), (11, 0), (13, 0), (13, 0), (13, 0), (13, 0)]);
    // A limit that is not in whole blocks is rounded down.
    let disk = FakeDisk::new(Modern, all_disk_features(), 64);
    disk.transport.set_config(20, &2048u32.to_le_bytes());
    disk.transport.set_config(36, &11u32.to_le_bytes());
    let driver = disk.driver(&Options::default()).unwrap();
    disk.take_log();
    driver.discard(0, 24).unwrap();
    assert_eq!(disk.take_log(), [(11, 0); 3]);
    let plain = FakeDisk::new(Modern, 0, 64).driver(&Options::default()).unwrap();
    assert_eq!(plain.discard(0, 1), Err(Error::Unsupported));
    assert_eq!(plain.write_zeroes(0, 1), Err(Error::Unsupported));
}

#[ktest]
fn without_flush_there_is_nothing_to_flush() {
    let disk = FakeDisk::new(Modern, 0, 64);
    let driver = disk.driver(&Options::default()).unwrap();
    disk.take_log();
    assert!(!driver.info().writeback);
    driver.flush().unwrap();
    let done = CompletionQueue::new(1);
    driver.submit(Request::new(Operation::Flush, 0, vec![]), &done, IfFull::Fail).unwrap();
    assert_eq!(done.try_next().unwrap().result, Ok(()));
    assert_eq!(disk.take_log(), []);
    // They count nevertheless.
    let done = CompletionQueue::new(3);
    let flush = || Request::new(Operation::Flush, 0, vec![]);
    let mut batch = VecDeque::from([flush(), flush(), read_request(0)]);
    assert_eq!(driver.submit_batch(&mut batch, &done).unwrap(), 3);
    assert_eq!(disk.take_log(), [(0, 0)]);
}

#[ktest]
fn requests_are_split_where_the_device_demands_it() {
    // (seg_max, size_max, data buffers of each request to the device)
    let cases: [(u32, u32, &[usize]); 4] = [
        (126, 65_536, &[4]),
        (1, 65_536, &[1, 1, 1, 1]),
        (2, 1024, &[2, 2, 2, 1]),
        (3, 700, &[3, 3, 3, 3, 1]),
    ];
    for (seg_max, size_max, expected) in cases {
        let features = all_disk_features() | BlkFeatures::BLK_SIZE_MAX.bits();
        let disk = FakeDisk::new(Modern, features, 64);
        disk.transport.set_config(8, &size_max.to_le_bytes());
        disk.transport.set_config(12, &seg_max.to_le_bytes());
        let driver = disk.driver(&Options::default()).unwrap();
        disk.connect(&driver);
        disk.take_segments();
        let data = pattern(13, 9);
        let mut buffers = Vec::new();
        for (start, sectors) in [(0, 1), (1, 3), (4, 2), (6, 7)] {
            let bytes = &data[start * SECTOR_SIZE..(start + sectors) * SECTOR_SIZE];
            buffers.push(buffer(sectors, bytes));
        }
        let done = CompletionQueue::new(1);
        driver.submit(Request::new(Operation::Write, 5, buffers), &done, IfFull::Wait).unwrap();
        let written = next(&done, &driver);
        assert_eq!(written.result, Ok(()));
        assert_eq!(disk.sectors(5, 13), data);
        if seg_max != 2 && seg_max != 3 {
            assert_eq!(disk.take_segments(), expected);
        } else {
            // With size_max the buffers are cut as well: count the sectors' pieces.
            let total: usize = disk.take_segments().iter().sum();
            let pieces =
                [1, 3, 2, 7usize].map(|n| n.div_ceil(size_max as usize / 512)).iter().sum();
            assert_eq!(total, pieces);
        }
        for parts in [vec![6, 7], vec![13]] {
            let buffers: Vec<_> = parts.iter().map(|sectors| buffer(*sectors, &[])).collect();
            disk.take_segments();
            driver.submit(Request::new(Operation::Read, 5, buffers), &done, IfFull::Wait).unwrap();
            let read = next(&done, &driver);
            assert_eq!(read.result, Ok(()));
            assert_eq!(contents(&read.request.unwrap().buffers), data);
            let longest = size_max as usize / SECTOR_SIZE;
            let pieces = parts.iter().map(|sectors: &usize| sectors.div_ceil(longest)).sum();
            assert_eq!(disk.take_segments().iter().sum::<usize>(), pieces);
        }
        assert_idle(&disk, &driver);
    }
}

#[ktest]
fn buffers_of_a_row_are_one_piece_unless_the_device_forbids_it() {
    for (size_max, expected) in [(65_536u32, [1, 4]), (8192, [4, 4])] {
        let features = all_disk_features() | BlkFeatures::BLK_SIZE_MAX.bits();
        let disk = FakeDisk::new(Modern, features, 64);
        disk.transport.set_config(8, &size_max.to_le_bytes());
        let driver = disk.driver(&Options::default()).unwrap();
        disk.connect(&driver);
        let done = CompletionQueue::new(1);
        let mut row = Buffer::alloc_row(4, 1).unwrap();
        for pieces in expected {
            disk.take_segments();
            for operation in [Operation::Read, Operation::Write] {
                driver.submit(Request::new(operation, 7, row), &done, IfFull::Wait).unwrap();
                let answer = next(&done, &driver);
                assert_eq!(answer.result, Ok(()));
                row = answer.request.unwrap().buffers;
                assert_eq!(contents(&row), disk.sectors(7, 32));
            }
            assert_eq!(disk.take_segments(), [pieces; 2]);
            // In another order they are four pieces.
            row.swap(1, 2);
        }
        assert_idle(&disk, &driver);
    }
}

#[ktest]
fn a_request_longer_than_the_queue_is_split() {
    for ring in [Features::empty(), Features::RING_INDIRECT_DESC] {
        let disk = FakeDisk::new(Modern, all_disk_features() | ring.bits(), 64);
        let driver = disk.driver(&Options { queue_size: 4, ..Options::default() }).unwrap();
        disk.take_segments();
        let done = CompletionQueue::new(1);
        let buffers = (0..5).map(|_| buffer(1, &[])).collect();
        driver.submit(Request::new(Operation::Read, 7, buffers), &done, IfFull::Fail).unwrap();
        let read = next(&done, &driver);
        assert_eq!(read.result, Ok(()));
        assert_eq!(contents(&read.request.unwrap().buffers), disk.sectors(7, 5));
        assert_eq!(disk.take_segments(), [2, 2, 1]);
        assert_idle(&disk, &driver);
    }
}

#[ktest]
fn a_split_request_stops_at_the_first_error() {
    let disk = FakeDisk::new(Modern, all_disk_features(), 64);
    disk.transport.set_config(12, &1u32.to_le_bytes());
    let driver = disk.driver(&Options::default()).unwrap();
    disk.take_log();
    disk.plan_faults([None, Some(Fault::Status(1))]);
    let done = CompletionQueue::new(1);
    let buffers = (0..4).map(|_| buffer(1, &[])).collect();
    driver.submit(Request::new(Operation::Read, 0, buffers), &done, IfFull::Wait).unwrap();
    let completion = next(&done, &driver);
    assert_eq!(completion.result, Err(Error::Io));
    assert_eq!(completion.request.unwrap().buffers.len(), 4);
    assert_eq!(disk.take_log().len(), 2);
}

#[ktest]
fn statistics_count_what_the_device_sees() {
    let disk = FakeDisk::new(Modern, all_disk_features(), 64);
    let driver = disk.driver(&Options::default()).unwrap();
    disk.connect(&driver);
    let done = CompletionQueue::new(1);
    disk.plan_faults([Some(Fault::Lose)]);
    driver.submit(read_request(0), &done, IfFull::Fail).unwrap();
    disk.find_lost();
    let found = driver.statistics();
    assert_eq!(found.notifications, disk.transport.notification_count() as u64);
    assert_eq!(found.interrupts, 1);
}
