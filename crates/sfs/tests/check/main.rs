//! Damage that no power cut leaves: what a check says of it, and what a repair mends, and leaves.

mod circles;
#[path = "../common/mod.rs"]
mod common;
mod damage;

use std::sync::atomic::Ordering::Relaxed;

use common::{Memory, assert_clean, check, content, mount, names};
use damage::*;
use sfs::{Fault, Kind};

#[test]
fn an_entry_with_two_faults_costs_no_other() {
    for zeros in [true, false] {
        let memory = with_files(&["a", "x", "b", "c"]);
        let at = entry(&memory, ROOT, "x");
        if zeros {
            memory.put(at, &[0; ENTRY as usize]);
        } else {
            // A block that is free, under a name that is there already.
            memory.put(at, &199_u32.to_le_bytes());
            memory.put(at + 4, b"a\0");
        }
        assert!(repair(&memory).is_broken());
        assert_eq!(names(&mount(&memory).root()), ["a", "b", "c"]);
        assert_files(&memory, &["a", "b", "c"]);
        assert!(!check(&memory).is_broken());
    }
}

#[test]
fn what_lies_below_a_damaged_inode_stays() {
    let paths = ["home/one", "home/below/two", "other"];
    for path in ["home", "home/below", "other"] {
        for (offset, wrong) in [(SIZE, [1, 32]), (BLOCKS, [77, 0]), (KIND, [0, 0]), (KIND, [99, 0])]
        {
            let memory = with_files(&paths);
            let inode = number_of(&memory, path);
            let (at, mut right) = (place(inode, offset), [0; 2]);
            memory.get(at, &mut right);
            memory.put(at, &wrong);
            for _ in 0..3 {
                repair(&memory);
                let report = check(&memory);
                let damaged = |fault: &Fault| matches!(fault, Fault::Damaged { inode: it, .. } if *it == inode);
                let told = report.problems.iter().any(|problem| damaged(&problem.fault));
                assert!(told, "{path}: {:#?}", report.problems);
            }
            memory.put(at, &right);
            assert_clean(&memory);
            assert_files(&memory, &paths);
        }
    }
}

#[test]
fn what_has_lost_its_name_to_damage_is_not_freed_at_once() {
    let memory = with_files(&["home/one", "other"]);
    let at = entry(&memory, ROOT, "home");
    let mut right = [0; 4];
    memory.get(at, &mut right);
    memory.put(at, &199_u32.to_le_bytes());
    repair(&memory);
    assert_files(&memory, &["other"]);
    // The entry is gone, and what it named is still there.
    let report = check(&memory);
    assert!(!report.is_broken() && !report.is_clean(), "{:#?}", report.problems);
    let leaked = |fault: &Fault| matches!(fault, Fault::Leaked { .. });
    assert!(report.problems.iter().any(|problem| leaked(&problem.fault)));
    repair(&memory);
    assert_clean(&memory);
}

#[test]
fn a_wrong_name_is_replaced() {
    let paths = ["a", "b", "c", "d", "e", "f", "g", "folder/below"];
    let memory = with_files(&paths);
    let wrong: [(&str, &[u8]); 6] = [
        ("a", b""),
        ("b", b"a/b"),
        ("c", b"\xff"),
        ("d", &[b'n'; 256]),
        ("f", b"e"),
        ("folder", b".."),
    ];
    let mut expected = vec!["e".to_string(), "g".to_string()];
    for (name, _) in wrong {
        expected.push(format!("lost-{}", number_of(&memory, name)));
    }
    // One of the new names is taken.
    let taken = format!("lost-{}", number_of(&memory, "b"));
    for (name, bytes) in wrong {
        set_name(&memory, ROOT, name, bytes);
    }
    set_name(&memory, ROOT, "g", taken.as_bytes());
    expected.retain(|name| name != "g");
    expected.push(format!("{taken}-1"));
    expected.sort();

    let report = repair(&memory);
    let wrong_name = |fault: &Fault| matches!(fault, Fault::Name { .. });
    assert_eq!(report.problems.iter().filter(|problem| wrong_name(&problem.fault)).count(), 6);
    assert_clean(&memory);
    let system = mount(&memory);
    assert_eq!(names(&system.root()), expected);
    let mut contents = Vec::new();
    for name in expected {
        let node = system.root().lookup(&name).unwrap();
        contents.push(match node.kind() {
            Kind::Directory => content(&node.lookup("below").unwrap()),
            _ => content(&node),
        });
    }
    contents.sort();
    let mut paths = paths.map(|path| path.as_bytes().to_vec());
    paths.sort();
    assert_eq!(contents, paths);
}

#[test]
fn a_wrong_name_goes_if_there_is_another_in_the_directory() {
    let memory = with_files(&["a", "b"]);
    let system = mount(&memory);
    let file = system.root().lookup("a").unwrap();
    for name in ["second", "third", "fourth"] {
        system.root().link(name, &file).unwrap();
    }
    system.sync().unwrap();
    drop((file, system));
    // As a removal leaves it that was torn: the last entry is also where another one was.
    set_name(&memory, ROOT, "third", b"second");
    set_name(&memory, ROOT, "fourth", b"");
    repair(&memory);
    assert_clean(&memory);
    assert_eq!(names(&mount(&memory).root()), ["a", "b", "second"]);

    // Of several wrong names one is replaced.
    let number = number_of(&memory, "a");
    set_name(&memory, ROOT, "a", b"");
    set_name(&memory, ROOT, "second", b"x/y");
    repair(&memory);
    assert_clean(&memory);
    assert_eq!(names(&mount(&memory).root()), ["b".to_string(), format!("lost-{number}")]);
    assert_files(&memory, &["b"]);
}

#[test]
fn damage_in_one_directory_keeps_no_other_from_being_mended() {
    let memory = Memory::formatted(400);
    let system = mount(&memory);
    for directory in ["a", "m", "z"] {
        for number in 0..20 {
            make(&system, &format!("{directory}/{number}"));
        }
    }
    system.sync().unwrap();
    drop(system);
    let inode = ["a", "m", "z"].map(|path| number_of(&memory, path));
    for inode in inode {
        memory.put(entry(&memory, inode, "3"), &0_u32.to_le_bytes());
    }
    set_number(&memory, inode[1], DIRECT + 4, u32::MAX);
    repair(&memory);
    let report = check(&memory);
    assert!(report.is_broken());
    let at = |fault: &Fault| matches!(fault, Fault::Dangling { .. });
    let left: Vec<_> = report.problems.iter().filter(|problem| at(&problem.fault)).collect();
    assert!(left.is_empty(), "{left:#?}");
    let system = mount(&memory);
    for path in ["a", "z"] {
        let directory = system.root().lookup(path).unwrap();
        assert_eq!(names(&directory).len(), 19);
        assert_eq!(content(&directory.lookup("19").unwrap()), format!("{path}/19").as_bytes());
    }
}

#[test]
fn directories_that_share_their_blocks_are_not_looked_into() {
    let memory = Memory::formatted(1200);
    let system = mount(&memory);
    make(&system, "file");
    let shared = system.root().create("shared").unwrap();
    shared.write_at(0, &[0; 2 * BLOCK as usize]).unwrap();
    let shared = shared.number();
    let directories: Vec<u32> =
        (0..30).map(|number| system.root().mkdir(&format!("{number}")).unwrap().number()).collect();
    system.sync().unwrap();
    drop(system);
    // A block of entries for one file, and a table that names this block only.
    let [entries, table] = [0, 4].map(|pointer| number(&memory, shared, DIRECT + pointer));
    for slot in 0..FIRST_ENTRIES {
        set_number(&memory, entries, slot * ENTRY, number_of(&memory, "file"));
    }
    (0..1024).for_each(|slot| set_number(&memory, table, 4 * slot, entries));
    for inode in directories {
        set_number(&memory, inode, SIZE, 16_000 * ENTRY as u32);
        set_number(&memory, inode, BLOCKS, (16_000 * ENTRY).div_ceil(BLOCK) as u32);
        (0..12).for_each(|slot| set_number(&memory, inode, DIRECT + 4 * slot, entries));
        set_number(&memory, inode, INDIRECT, table);
    }
    memory.reads.store(0, Relaxed);
    let report = check(&memory);
    let reads = memory.reads.load(Relaxed);
    assert!(report.is_broken() && report.problems.len() < 1000, "{}", report.problems.len());
    assert!(reads < 1000, "{reads} reads");
    repair(&memory);
}

#[test]
fn so_many_problems_are_counted_and_not_kept() {
    let entries = 5000_u32;
    let memory = Memory::formatted(1200);
    let system = mount(&memory);
    let folder = system.root().create("folder").unwrap();
    let mut data = vec![0; entries as usize * ENTRY as usize];
    data[..4].copy_from_slice(&folder.number().to_le_bytes());
    data[4] = b'.';
    data[260..264].copy_from_slice(&ROOT.to_le_bytes());
    data[264..266].copy_from_slice(b"..");
    folder.write_at(0, &data).unwrap();
    let inode = folder.number();
    system.sync().unwrap();
    drop((folder, system));
    memory.put(place(inode, KIND), &2_u16.to_le_bytes());

    let report = check(&memory);
    assert!(report.is_broken() && report.problems.len() <= 4096, "{}", report.problems.len());
    // Each entry names nothing and has no name.
    assert!(report.unlisted > 5000);
    for _ in 0..4 {
        repair(&memory);
    }
    assert_clean(&memory);
    assert_eq!(names(&mount(&memory).root().lookup("folder").unwrap()), [""; 0]);
}
