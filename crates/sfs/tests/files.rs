//! The content of files.

mod common;

use std::sync::atomic::Ordering::Relaxed;

use common::{Memory, assert_clean, content, mount, pattern};
use embedded_io::{Read, Seek, SeekFrom, Write};
use sfs::{Error, FILE_MAX, File, Kind};

#[test]
fn what_is_written_is_read() {
    let memory = Memory::formatted(4096);
    let system = mount(&memory);
    let file = system.root().create("file").unwrap();
    let mut expected = Vec::new();
    let mut random = fastrand::Rng::with_seed(1);
    for number in 0..300 {
        match random.u32(..8) {
            0 => {
                let size = random.usize(..200_000);
                file.truncate(size as u64).unwrap();
                expected.resize(size, 0);
            }
            1 => system.sync().unwrap(),
            _ => {
                let data = pattern(number, random.usize(1..20_000));
                let at = random.usize(..200_000);
                assert_eq!(file.write_at(at as u64, &data).unwrap(), data.len());
                expected.resize(expected.len().max(at + data.len()), 0);
                expected[at..][..data.len()].copy_from_slice(&data);
            }
        }
        assert!(content(&file) == expected, "after step {number}");
    }
    system.sync().unwrap();
    assert_clean(&memory);
    assert!(content(&mount(&memory).root().lookup("file").unwrap()) == expected);
}

/// The capacity is the device's word.
#[test]
fn a_disk_of_any_size_is_read() {
    let bytes = {
        let memory = Memory::formatted(64);
        let system = mount(&memory);
        system.root().create("file").unwrap().write_at(0, &pattern(1, 9000)).unwrap();
        system.sync().unwrap();
        let mut bytes = vec![0; 64 * 4096];
        memory.get(0, &mut bytes);
        bytes
    };
    for capacity in [u64::MAX, u64::MAX - 511, u64::MAX - 4095] {
        let memory = Memory::of_bytes(&bytes, capacity);
        let file = mount(&memory).root().lookup("file").unwrap();
        assert!(content(&file) == pattern(1, 9000), "{capacity}");
    }
}

#[test]
fn reads_end_where_the_file_does() {
    let memory = Memory::formatted(64);
    let system = mount(&memory);
    let file = system.root().create("file").unwrap();
    file.write_at(0, &[1; 5000]).unwrap();
    let mut data = [0; 100];
    assert_eq!(file.read_at(4990, &mut data).unwrap(), 10);
    assert_eq!(file.read_at(5000, &mut data).unwrap(), 0);
    assert_eq!(file.read_at(u64::MAX, &mut data).unwrap(), 0);
    assert_eq!(file.read_at(0, &mut []).unwrap(), 0);
    // Nothing is written anywhere, and the file becomes no longer.
    assert_eq!(file.write_at(u64::MAX, &[]), Ok(0));
    assert_eq!(file.write_at(6000, &[]), Ok(0));
    assert_eq!(file.stat().size, 5000);
}

/// A file has its indirect block from 12 blocks on, the double indirect one and the first table from 1036 on, as the
/// reference implementation expects.
#[test]
fn pointer_blocks_come_when_the_reference_expects_them() {
    let memory = Memory::formatted(8192);
    let system = mount(&memory);
    let file = system.root().create("file").unwrap();
    let free = system.statfs().unused;
    let used = |blocks: u32| match blocks {
        0..12 => blocks,
        12..1036 => blocks + 1,
        _ => blocks + 2 + (blocks - 1036) / 1024 + 1,
    };
    let sizes = [0, 11, 12, 13, 1035, 1036, 1037, 2059, 2060, 2061, 3084, 3085];
    for (number, blocks) in sizes.into_iter().chain(sizes.into_iter().rev()).enumerate() {
        file.truncate(u64::from(blocks) * 4096).unwrap();
        assert_eq!(file.stat().blocks, blocks);
        assert_eq!(free - system.statfs().unused, used(blocks), "{blocks} blocks");
        if number % 3 == 0 {
            system.sync().unwrap();
            assert_clean(&memory);
        }
    }
    // The same one by one.
    for blocks in 0..2100_u32 {
        assert_eq!(free - system.statfs().unused, used(blocks), "{blocks} blocks");
        let at = u64::from(blocks) * 4096;
        file.write_at(at, &pattern(blocks.into(), 4096)).unwrap();
        if blocks % 100 == 35 {
            file.fsync().unwrap();
        }
    }
    system.sync().unwrap();
    assert_clean(&memory);
    let system = mount(&memory);
    let file = system.root().lookup("file").unwrap();
    for blocks in 0..2100_u32 {
        let mut data = [0; 4096];
        file.read_at(u64::from(blocks) * 4096, &mut data).unwrap();
        assert!(data[..] == pattern(blocks.into(), 4096), "block {blocks}");
    }
}

#[test]
fn the_largest_file() {
    let memory = Memory::formatted(1_060_000);
    let system = mount(&memory);
    let file = system.root().create("file").unwrap();
    assert_eq!(file.write_at(u64::from(FILE_MAX), b"x"), Err(Error::TooLarge));
    assert_eq!(file.truncate(u64::from(FILE_MAX) + 1), Err(Error::TooLarge));
    assert_eq!(file.write_at(u64::from(FILE_MAX) - 3, b"end"), Ok(3));
    assert_eq!(file.stat().size, FILE_MAX);
    assert_eq!(file.stat().blocks, 1 << 20);
    let mut end = [0; 8];
    assert_eq!(file.read_at(u64::from(FILE_MAX) - 4, &mut end), Ok(4));
    assert_eq!(&end[..4], b"\0end");
    system.sync().unwrap();
    assert_clean(&memory);
    system.root().unlink("file").unwrap();
    drop(file);
    system.sync().unwrap();
    assert_clean(&memory);
}

#[test]
fn a_file_without_a_name_lives_until_it_is_closed() {
    let memory = Memory::formatted(100);
    let system = mount(&memory);
    let file = system.root().create("file").unwrap();
    file.write_at(0, &[5; 100_000]).unwrap();
    system.sync().unwrap();
    let unused = system.statfs().unused;
    system.root().unlink("file").unwrap();
    system.sync().unwrap();
    assert_eq!(content(&file), [5; 100_000]);
    file.write_at(100_000, &[6; 20_000]).unwrap();
    system.sync().unwrap();
    assert_eq!(content(&file)[100_000..], [6; 20_000]);
    assert_eq!(system.root().open_entry(2, "file", file.number()).map(drop), Err(Error::NotFound));
    assert_eq!(system.root().link("file", &file), Err(Error::Removed));
    drop(file);
    system.sync().unwrap();
    assert_eq!(system.statfs().unused, unused + 27);
    assert_clean(&memory);
}

#[test]
fn two_flushes_make_a_file_durable() {
    let memory = Memory::formatted(1000);
    let system = mount(&memory);
    let directory = system.root().mkdir("directory").unwrap();
    system.sync().unwrap();
    let flushes = |work: &dyn Fn()| {
        let before = memory.flushes.load(Relaxed);
        work();
        memory.flushes.load(Relaxed) - before
    };
    for number in 0..40 {
        let create = || {
            let file = directory.create(&format!("file{number}")).unwrap();
            file.write_at(0, &[1; 4096]).unwrap();
            file.fsync().unwrap();
        };
        assert_eq!(flushes(&create), 2);
        // The superblock's count is right at once.
        assert_clean(&memory);
    }
    let file = directory.lookup("file7").unwrap();
    let overwrite = || {
        file.write_at(100, &[2; 100]).unwrap();
        file.fsync().unwrap();
    };
    assert_eq!(flushes(&overwrite), 1);
    let remove = || {
        directory.unlink("file3").unwrap();
        directory.fsync().unwrap();
    };
    assert_eq!(flushes(&remove), 2);
    let rename = || {
        directory.rename("file4", &directory, "file5").unwrap();
        directory.fsync().unwrap();
    };
    assert_eq!(flushes(&rename), 2);
    assert_eq!(flushes(&|| directory.fsync().unwrap()), 1);
    system.sync().unwrap();
    assert_clean(&memory);
}

#[test]
fn a_cursor_reads_writes_and_seeks() {
    let memory = Memory::formatted(100);
    let system = mount(&memory);
    let mut file = File::new(system.root().create("file").unwrap());
    let two = "two";
    write!(file, "one and {two}").unwrap();
    file.seek(SeekFrom::Start(4)).unwrap();
    let mut word = [0; 3];
    file.read_exact(&mut word).unwrap();
    assert_eq!(&word, b"and");
    assert_eq!(file.seek(SeekFrom::End(-3)), Ok(8));
    assert_eq!(file.seek(SeekFrom::Current(1)), Ok(9));
    assert!(file.seek(SeekFrom::Current(-10)).is_err());
    assert_eq!(file.read(&mut word), Ok(2));
    assert_eq!(file.read(&mut word), Ok(0));
    assert_eq!(file.inode().kind(), Kind::File);
}

/// A table of pointers is not looked up for each block, and a sequential reader's blocks are announced.
#[test]
fn a_long_read_looks_few_pointers_up() {
    let memory = Memory::formatted(8192);
    let system = mount(&memory);
    let file = system.root().create("file").unwrap();
    file.write_at(0, &vec![3; 3000 * 4096]).unwrap();
    system.sync().unwrap();
    let before = memory.reads.load(Relaxed);
    let mut data = vec![0; 3000 * 4096];
    file.read_at(0, &mut data).unwrap();
    let reads = memory.reads.load(Relaxed) - before;
    assert!(reads < 3000 + 40, "{reads} reads");
    assert!(!memory.announced().is_empty());

    let before = memory.announced().len();
    let mut piece = [0; 16384];
    for at in (0..3000 * 4096).step_by(16384) {
        file.read_at(at, &mut piece).unwrap();
        let (first, count) = *memory.announced().last().unwrap();
        // The file's blocks lie behind those of the system, with tables between.
        let end = (first + count) as u64;
        let expected = if at == 0 { 4 } else { (at / 4096 + 100).min(3000) };
        assert!(end >= expected, "announced up to {end} at {at}");
    }
    let hints = memory.announced().len() - before;
    assert!((10..100).contains(&hints), "{hints} hints");
}
