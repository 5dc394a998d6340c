//! A disk that is full, or fails under a write.

mod common;

use common::{Memory, assert_clean, check, mount};
use sfs::Error;

/// A block as the storage has it.
fn stored(memory: &Memory, block: u64) -> [u8; 4096] {
    let mut bytes = [0; 4096];
    memory.get(block * 4096, &mut bytes);
    bytes
}

#[test]
fn a_full_disk_is_an_error() {
    let memory = Memory::formatted(100);
    let system = mount(&memory);
    for name in ["one", "two"] {
        system.root().create(name).unwrap();
    }
    system.sync().unwrap();
    let file = system.root().create("file").unwrap();
    let mut size = 0;
    let error = loop {
        match file.write_at(size, &[5; 10_000]) {
            Ok(written) => size += written as u64,
            Err(error) => break error,
        }
    };
    assert_eq!(error, Error::NoSpace);
    assert_eq!(system.statfs().available, 0);
    assert_eq!(u64::from(file.stat().size), size);
    assert_eq!(file.truncate(1 << 20), Err(Error::NoSpace));
    assert_eq!(u64::from(file.stat().size), size);
    assert_eq!(system.root().create("other").map(drop), Err(Error::NoSpace));
    assert_eq!(system.root().mkdir("other").map(drop), Err(Error::NoSpace));
    system.sync().unwrap();
    assert_clean(&memory);
    // Things can be removed all the same, also if their directory must be copied for that.
    system.root().unlink("one").unwrap();
    // Space that is on its way comes back when it is needed, without a word.
    system.root().unlink("file").unwrap();
    drop(file);
    let other = system.root().create("other").unwrap();
    assert_eq!(other.write_at(0, &[6; 300_000]), Ok(300_000));
    system.sync().unwrap();
    assert_clean(&memory);
}

/// However small a disk is, enough is kept to remove any name first.
#[test]
fn a_full_small_disk_is_emptied() {
    for blocks in [16, 20, 31, 32, 48, 63, 100] {
        for backwards in [false, true] {
            let memory = Memory::formatted(blocks);
            let system = mount(&memory);
            let root = system.root();
            let mut names = vec!["file".to_owned()];
            let file = root.create("file").unwrap();
            // Names of one file, so that entries straddle two blocks.
            while names.len() < 40 {
                let name = format!("name {}", names.len());
                match root.link(&name, &file) {
                    Ok(()) => names.push(name),
                    Err(error) => {
                        assert_eq!(error, Error::NoSpace);
                        break;
                    }
                }
            }
            let mut size = 0;
            while let Ok(written) = file.write_at(size, &[5; 4096]) {
                size += written as u64;
            }
            drop(file);
            system.sync().unwrap();
            drop(root);
            // With nothing pending.
            let system = mount(&memory);
            assert_eq!(system.statfs().available, 0);
            if backwards {
                names.reverse();
            }
            for name in names {
                let removed = system.root().unlink(&name);
                assert_eq!(removed, Ok(()), "{name} of {blocks} blocks");
            }
            system.sync().unwrap();
            assert_clean(&memory);
        }
    }
}

/// A call that fails leaves the file as long as it was, whatever cannot be read any more.
#[test]
fn a_write_that_fails_makes_no_file_longer() {
    let base = Memory::formatted(3000);
    for blocks in [13, 1040] {
        let system = mount(&base);
        let file = system.root().create(&format!("{blocks}")).unwrap();
        file.truncate(blocks * 4096 - 100).unwrap();
        system.sync().unwrap();
    }
    for (blocks, truncates) in [(13, false), (13, true), (1040, false), (1040, true)] {
        let grow = |file: &common::Node<'_>| match truncates {
            true => file.truncate((blocks + 4) * 4096),
            false => file.write_at((blocks + 4) * 4096, b"x").map(drop),
        };
        for accesses in 0.. {
            let memory = base.copy();
            let system = mount(&memory);
            let file = system.root().lookup(&format!("{blocks}")).unwrap();
            memory.fail_after(accesses);
            let result = grow(&file);
            memory.fail_after(usize::MAX);
            if result.is_ok() {
                assert!(accesses > 5);
                break;
            }
            let size = u64::from(file.stat().size);
            assert_eq!(size, blocks * 4096 - 100, "{accesses} accesses");
            if system.sync().is_ok() {
                assert!(!check(&memory).is_broken());
            }
        }
    }
}

/// A file that is cut and cannot be made larger then keeps the bytes that a longer size on the disk still covers.
#[test]
fn a_full_disk_costs_no_byte_of_a_size_that_is_durable() {
    let memory = Memory::formatted(16);
    let system = mount(&memory);
    let file = system.root().create("file").unwrap();
    file.write_at(0, &[7; 300]).unwrap();
    system.sync().unwrap();
    let block = (0..16).find(|block| stored(&memory, *block)[..300] == [7; 300]).unwrap();
    file.truncate(10).unwrap();
    assert_eq!(file.truncate(1 << 20), Err(Error::NoSpace));
    assert_eq!(stored(&memory, block)[..300], [7; 300]);
    // Where there is room, what lies behind the end is 0.
    file.truncate(6000).unwrap();
    let mut bytes = [1; 6000];
    assert_eq!(file.read_at(0, &mut bytes), Ok(6000));
    assert_eq!((&bytes[..10], &bytes[10..]), (&[7; 10][..], &[0; 5990][..]));
}

/// After a write that failed in the middle of a change, nothing is told from names that are neither old nor new.
#[test]
fn after_a_failed_write_every_change_is_refused() {
    let mut refused = 0;
    for accesses in 0.. {
        let memory = Memory::formatted(100);
        let system = mount(&memory);
        let root = system.root();
        let b = root.mkdir("b").unwrap();
        b.mkdir("c").unwrap();
        root.mkdir("a").unwrap();
        system.sync().unwrap();
        memory.fail_after(accesses);
        let moved = root.rename("b", &root, "a");
        memory.fail_after(usize::MAX);
        if moved.is_ok() {
            break;
        }
        // Either nothing was changed, or nothing can be.
        match b.rename("c", &root, "a") {
            Ok(()) => {}
            Err(error) => {
                assert_eq!(error, Error::Failed, "after {accesses} accesses");
                refused += 1;
            }
        }
    }
    assert!(refused > 0);
}
